#!/bin/bash
# OCSP with openssl and curl (RFC 6960, 9919, 9654).
. "$(dirname "$0")/lib.sh"
need openssl curl jq

install_brevet
start_daemon
enroll o1 || bail "no certificate for o1"
enroll o2 || bail "no certificate for o2"
url=$http/ocsp

ask() { # arguments of openssl ocsp; leaves $work/ocsp
    openssl ocsp -issuer "$issuing" -CAfile "$work/trust.pem" -url "$url" "$@" >"$work/ocsp" 2>&1
}
says() { grep -q "$1" "$work/ocsp"; }

# the responder's certificate is made just after the start
until_true 10 sh -c "openssl ocsp -issuer $issuing -CAfile $work/trust.pem -url $url -cert $work/o1.crt 2>&1 | grep -q ': good'"
ok $? "a certificate in force is good"
ask -cert "$work/o1.crt"
check "the answer verifies" says 'Response verify OK'
check "it has a nextUpdate" says 'Next Update'
ask -cert "$work/o1.crt" -no_nonce
check "without a nonce" says ': good'
ask -cert "$work/o1.crt" -no_nonce
check "and again from the cache" says ': good'
ask -sha256 -cert "$work/o1.crt"
check "CertID by SHA-256" says ': good'
ask -sha384 -cert "$work/o1.crt"
check "CertID by SHA-384" says ': good'
ask -cert "$work/o1.crt" -cert "$work/o2.crt"
equal "two certificates in one request" 2 "$(grep -c ': good' "$work/ocsp")"
refuse "no warning about the nonce" says 'WARNING: no nonce'
ask -serial 0x4200112233445566778899aabbccddeeff
check "a serial that was never issued is unknown" says ': unknown'
ask -cert "$work/o1.crt" -resp_text
check "the responder is named by its key" says 'Responder Id: [0-9A-F]\{40\}'
check "its certificate may only sign OCSP answers" says 'OCSP Signing'
check "and is itself not to be checked" says 'OCSP No Check'
openssl ocsp -issuer "$work/o1.crt" -cert "$work/o2.crt" -CAfile "$work/trust.pem" -url "$url" >"$work/other" 2>&1
check "about another issuer it says it is not the one to ask" grep -qi unauthorized "$work/other"
refuse "and never good" grep -q ': good' "$work/other"

brevet cert revoke --device o1 --reason keyCompromise >/dev/null
ok $? "brevet cert revoke"
ask -cert "$work/o1.crt" -no_nonce
check "revoked is told at once" says ': revoked'
check "with the reason" says 'Reason: keyCompromise'
check "and the time" says 'Revocation Time'
ask -cert "$work/o2.crt" -no_nonce
check "the other one is still good" says ': good'
brevet cert revoke --device o2 --reason certificateHold >/dev/null
ask -cert "$work/o2.crt" -no_nonce
check "hold is revoked with its reason" says 'Reason: certificateHold'
brevet cert release --device o2 >/dev/null
ask -cert "$work/o2.crt" -no_nonce
check "released it is good again" says ': good'

# --- HTTP ---
openssl ocsp -issuer "$issuing" -cert "$work/o2.crt" -no_nonce -reqout "$work/req" >/dev/null 2>&1
base64 -w0 "$work/req" | sed 's/+/%2B/g; s/=/%3D/g; s#/#%2F#g' >"$work/req.url"
get "$url/$(cat "$work/req.url")"
equal "GET with everything escaped" 200 "$status"
equal "its media type" application/ocsp-response "$(header Content-Type)"
openssl ocsp -respin "$work/answer" -issuer "$issuing" -cert "$work/o2.crt" -CAfile "$work/trust.pem" >"$work/ocsp" 2>&1
check "the answer verifies" says ': good'
etag=$(header ETag)
check "GET may be kept: max-age, ETag, Expires, Last-Modified" sh -c \
    "grep -qi '^cache-control: max-age=[1-9]' $work/head && grep -qi '^etag: \"' $work/head && grep -qi ^expires: $work/head && grep -qi ^last-modified: $work/head"
# RFC 9919 6: thisUpdate is when it was modified, nextUpdate when it ends; max-age lies between
times() { sed -n "s/^[[:space:]]*$1 Update: //p" "$work/ocsp" | head -n 1; }
seconds() { date -d "$1" +%s; }
equal "Last-Modified is thisUpdate" "$(seconds "$(times This)")" "$(seconds "$(header Last-Modified)")"
equal "Expires is nextUpdate" "$(seconds "$(times Next)")" "$(seconds "$(header Expires)")"
age=$(header Cache-Control | sed 's/.*max-age=\([0-9]*\).*/\1/') date=$(seconds "$(header Date)")
check "max-age ends before nextUpdate" test $((date + age)) -lt "$(seconds "$(times Next)")"
check "and is for every cache" grep -q public <(header Cache-Control)
get "$url/$(cat "$work/req.url")" -H "If-Modified-Since: $(header Last-Modified)"
equal "GET with its date is 304" 304 "$status"
equal "HEAD" 200 "$(curl -sI "$url/$(cat "$work/req.url")" -o "$work/head" -w '%{http_code}')"
equal "HEAD: the same ETag" "$etag" "$(header ETag)"
openssl ocsp -issuer "$issuing" -cert "$work/o2.crt" -reqout "$work/req.nonce" >/dev/null 2>&1
get "$url/$(base64 -w0 "$work/req.nonce" | sed 's/+/%2B/g; s/=/%3D/g; s#/#%2F#g')"
equal "an answer with a nonce is nobody else's" "max-age=0, private" "$(header Cache-Control)"
get "$url/$(base64 -w0 "$work/req")"
equal "GET with nothing escaped" 200 "$status"
get "$url/$(cat "$work/req.url")" -H "If-None-Match: $etag"
equal "GET with the ETag is 304" 304 "$status"
get "$url/not%20base64!"
equal "GET of something else is 400" 400 "$status"
printf 'garbage' >"$work/garbage"
ocsp_post() {
    status=$(curl -s -o "$work/answer" -D "$work/head" -w '%{http_code}' -H 'Content-Type: application/ocsp-request' \
        --data-binary "@$1" "$url")
}
ocsp_post "$work/garbage"
equal "a malformed POST is answered with 200" 200 "$status"
equal "and malformedRequest" 30030a0101 "$(od -An -tx1 <"$work/answer" | tr -d ' \n')"
head -c 9000 /dev/zero >"$work/garbage"
ocsp_post "$work/garbage"
equal "9,000 octets are 413" 413 "$status"
status=$(curl -s -o /dev/null -w '%{http_code}' -X PUT --data x "$url")
equal "PUT is 405" 405 "$status"

# --- the answer the daemon staples to its own certificate (RFC 6066 8) ---
staple() { curl -s --cacert "$root" --cert-status "$@" "$est/cacerts" -o /dev/null; }
until_true 10 staple
ok $? "curl --cert-status accepts what is stapled"
check "over TLS 1.2 as well" staple --tls-max 1.2
openssl s_client -connect "localhost:$https_port" -CAfile "$root" -status </dev/null >"$work/status" 2>&1
check "openssl s_client sees it" grep -q 'OCSP Response Status: successful' "$work/status"
check "it says good" grep -q 'Cert Status: good' "$work/status"

finish
