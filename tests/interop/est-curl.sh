#!/bin/bash
# EST with curl and openssl: every route, body form and refusal (RFC 7030, 8951).
. "$(dirname "$0")/lib.sh"
need curl openssl jq base64

install_brevet '
profile "approved" {
    approval = "true"
}
profile "bound" {
    channel-binding = "require"
}
label "slow" {
    profile = "approved"
}
label "tight" {
    profile = "bound"
}'
start_daemon

# --- cacerts ---
get "$est/cacerts"
equal "cacerts answers 200 without credentials" 200 "$status"
equal "cacerts has the bare media type" application/pkcs7-mime "$(header Content-Type)"
check "cacerts is certs-only CMS with a Content-Length" test -n "$(header Content-Length)"
answer_certs "$work/cacerts.pem"
equal "cacerts holds the issuing CA and the root" 2 "$(grep -c BEGIN "$work/cacerts.pem")"
check "the root is among them" grep -qF "$(sed -n 2p "$root")" "$work/cacerts.pem"
etag=$(header ETag)
get "$est/cacerts" -H "If-None-Match: $etag"
equal "cacerts answers 304 to its own ETag" 304 "$status"
get "$est/slow/cacerts"
equal "cacerts under a label" 200 "$status"
get "$est/nobody/cacerts"
equal "an unknown label is 404" 404 "$status"
get "$est/cacerts/more"
equal "a longer path is 404" 404 "$status"
get "$est/pal"
equal "an operation of RFC 8295 is 404" 404 "$status"
get "$est/simpleenroll"
equal "GET simpleenroll is 405" 405 "$status"
check "405 names what is allowed" grep -qi '^Allow:.*POST' "$work/head"
curl -sI --cacert "$root" "$est/cacerts" >"$work/head"
check "HEAD cacerts is answered" grep -q '^HTTP/1.1 200' "$work/head"

# --- csrattrs ---
get "$est/csrattrs"
equal "csrattrs answers 200" 200 "$status"
equal "csrattrs has its media type" application/csrattrs "$(header Content-Type)"
base64 -d <"$work/answer" | openssl asn1parse -inform DER >"$work/attrs" 2>&1
check "csrattrs asks for a P-256 key" grep -q prime256v1 "$work/attrs"
check "csrattrs names the signature" grep -q ecdsa-with-SHA256 "$work/attrs"
refuse "csrattrs does not ask for channel binding" grep -q challengePassword "$work/attrs"
get "$est/tight/csrattrs"
base64 -d <"$work/answer" | openssl asn1parse -inform DER >"$work/attrs" 2>&1
check "csrattrs asks for channel binding where it is required" grep -q challengePassword "$work/attrs"

# --- simpleenroll ---
new_csr d1
code=$(token --device d1)
post simpleenroll "$work/d1.b64" --user "d1:$code"
equal "enrol with a claim code" 200 "$status"
equal "the answer's media type is exact" "application/pkcs7-mime; smime-type=certs-only" "$(header Content-Type)"
equal "the answer is one line" 1 "$(wc -l <"$work/answer")"
answer_certs "$work/d1.crt"
equal "the answer holds the issued certificate alone" 1 "$(grep -c BEGIN "$work/d1.crt")"
check "it chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/d1.crt"
check "it is for the key of the CSR" cmp <(openssl x509 -in "$work/d1.crt" -noout -pubkey) \
    <(openssl pkey -in "$work/d1.key" -pubout)
check "it names the device" grep -qE 'CN ?= ?d1$' <(openssl x509 -in "$work/d1.crt" -noout -subject)
post simpleenroll "$work/d1.b64" --user "d1:$code"
answer_certs "$work/again.crt"
check "the same CSR again gets the same certificate" cmp "$work/d1.crt" "$work/again.crt"

# --- credentials ---
new_csr d2
post simpleenroll "$work/d2.b64"
equal "no credential is 401" 401 "$status"
check "401 offers Basic with a realm" grep -qi '^WWW-Authenticate: Basic realm="' "$work/head"
post simpleenroll "$work/d2.b64" --user "d2:wrong-code"
equal "a wrong claim code is 401" 401 "$status"
post simpleenroll "$work/d2.b64" -H 'Authorization: Basic !!!'
equal "a credential that is not base64 is 401" 401 "$status"
post simpleenroll "$work/d2.b64" --user "d2:$code"
check "another device's claim code is refused ($status)" test "$status" = 401 -o "$status" = 403
post simpleenroll "$work/d2.b64" --user ":$(token --device d2)"
equal "the user name may be empty" 200 "$status"

# --- forms of the body ---
form() { # TEXT NAME FILTER...: a device whose base64 went through a filter
    local text=$1 name=$2
    shift 2
    new_csr "$name"
    "$@" <"$work/$name.b64" >"$work/form"
    post simpleenroll "$work/form" --user "$name:$(token --device "$name")"
    equal "$text" 200 "$status"
}
form "a body in lines of 64" f1 fold -w 64
form "a body in lines of 76 ended by CRLF" f2 sed -E 's/.{76}/&\r\n/g'
form "a body with tabs and blanks" f3 sed -E 's/.{10}/&\t /g'
form "a body with empty lines around" f4 sh -c 'echo; cat; printf "\r\n\r\n"'
new_csr f5
post simpleenroll "$work/f5.b64" --user "f5:$(token --device f5)" -H 'Content-Transfer-Encoding: binary'
equal "a wrong Content-Transfer-Encoding is ignored" 200 "$status"
new_csr f6
post simpleenroll "$work/f6.b64" --user "f6:$(token --device f6)" -H 'Transfer-Encoding: chunked'
equal "a chunked body" 200 "$status"
new_csr f7
media='Application/PKCS10; charset=x' post simpleenroll "$work/f7.b64" --user "f7:$(token --device f7)"
equal "the media type in other letters and with parameters" 200 "$status"
new_csr f8
media=text/plain post simpleenroll "$work/f8.b64" --user "f8:$(token --device f8)"
equal "a wrong media type is 415" 415 "$status"
post simpleenroll "$work/f8.der" --user "f8:$(token --device f8)"
equal "raw DER is refused" 400 "$status"
openssl req -inform DER -in "$work/f8.der" -out "$work/f8.pem"
post simpleenroll "$work/f8.pem" --user "f8:$(token --device f8)"
equal "PEM is refused" 400 "$status"
head -c 70000 /dev/zero | tr '\0' A >"$work/large"
post simpleenroll "$work/large" --user "f8:$(token --device f8)"
equal "a body over 64 KiB is 413" 413 "$status"

# --- proof of possession ---
flip() { # FILE OFFSET-FROM-END: one bit of an octet turned
    python3 - "$1" "$2" <<'PY'
import base64, sys
der = bytearray(open(sys.argv[1], "rb").read())
der[-int(sys.argv[2])] ^= 1
sys.stdout.write(base64.b64encode(der).decode())
PY
}
flip "$work/f8.der" 3 >"$work/tampered"
post simpleenroll "$work/tampered" --user "f8:$(token --device f8)"
equal "a CSR whose signature does not verify is 400" 400 "$status"
check "the reason is one line of text/plain" test "$(wc -l <"$work/answer")" -le 1 -a \
    "$(header Content-Type | cut -d';' -f1)" = text/plain
{ cat "$work/f8.der"; printf 'x'; } | base64 -w0 >"$work/trailing"
post simpleenroll "$work/trailing" --user "f8:$(token --device f8)"
equal "a CSR with an octet after its end is 400" 400 "$status"
openssl req -new -newkey rsa:1024 -nodes -keyout "$work/weak.key" -subj /CN=weak -outform DER 2>/dev/null |
    base64 -w0 >"$work/weak.b64"
post simpleenroll "$work/weak.b64" --user "weak:$(token --device weak)"
check "an RSA key of 1024 bits is refused ($status)" test "$status" = 400 -o "$status" = 403

# --- simplereenroll ---
renew_csr d1 "$work/d1.crt"
post simplereenroll "$work/d1.b64"
equal "re-enrol without a certificate is 403: no code would help" 403 "$status"
refuse "and asks for none" grep -qi '^WWW-Authenticate' "$work/head"
post simplereenroll "$work/d1.b64" --cert "$work/d1.crt" --key "$work/d1.key"
equal "renew with the same key" 200 "$status"
answer_certs "$work/d1b.crt"
refuse "it is a new certificate" cmp -s "$work/d1.crt" "$work/d1b.crt"
mv "$work/d1.key" "$work/d1.old"
renew_csr d1 "$work/d1.crt"
post simplereenroll "$work/d1.b64" --cert "$work/d1b.crt" --key "$work/d1.old"
equal "rekey" 200 "$status"
new_csr d9
post simplereenroll "$work/d9.b64" --cert "$work/d1b.crt" --key "$work/d1.old"
equal "re-enrol under another's name is 403" 403 "$status"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=d1 \
    -keyout "$work/foreign.key" -out "$work/foreign.crt" 2>/dev/null
refuse "a certificate of a foreign CA does not get through TLS" \
    curl -sf --cacert "$root" --cert "$work/foreign.crt" --key "$work/foreign.key" "$est/cacerts"
brevet cert revoke --device d1 --reason keyCompromise >/dev/null
post simplereenroll "$work/d1.b64" --cert "$work/d1b.crt" --key "$work/d1.old"
check "a revoked certificate cannot renew ($status)" test "$status" = 403 -o "$status" = 401 -o "$status" = 000

# --- approval ---
new_csr p1
code=$(token --device p1)
post slow/simpleenroll "$work/p1.b64" --user "p1:$code"
equal "a profile with approval answers 202" 202 "$status"
check "202 has Retry-After in seconds" grep -qxE '[0-9]+' <(header Retry-After)
post slow/simpleenroll "$work/p1.b64" --user "p1:$code"
equal "and again while nobody decided" 202 "$status"
brevet device approve p1 >/dev/null
post slow/simpleenroll "$work/p1.b64" --user "p1:$code"
equal "after the approval 200" 200 "$status"
check "with a certificate" answer_certs "$work/p1.crt"

# --- binding to the channel (RFC 7030 3.5) ---
new_csr b1
code=$(token --device b1)
post tight/simpleenroll "$work/b1.b64" --user "b1:$code"
check "a CSR that is not bound is refused where it must be ($status)" test "$status" = 400 -o "$status" = 403
bound() { # TLS-VERSION NAME CODE REPLAYED: prints the status
    python3 tests/interop/lib/bound.py "$https_port" "$root" "$work" "$@"
}
equal "a CSR bound by tls-unique (TLS 1.2)" 200 "$(bound 1.2 b1 "$code" no)"
code=$(token --device b2)
new_key b2
equal "a CSR bound to another connection is 400" 400 "$(bound 1.2 b2 "$code" yes)"

# --- what is not there ---
printf 'MAA=' >"$work/cmc"
status=$(curl -s --cacert "$root" -o /dev/null -w '%{http_code}' -H 'Content-Type: application/pkcs7-mime' \
    --data-binary "@$work/cmc" "$est/fullcmc")
equal "fullcmc is not implemented (RFC 7030 4.3.2)" 501 "$status"
status=$(curl -s --cacert "$root" -o /dev/null -w '%{http_code}' -H 'Content-Type: application/pkcs10' \
    --data-binary "@$work/cmc" "$est/fullcmc")
equal "nor with another media type: 415" 415 "$status"
get "$est/fullcmc"
equal "nor by GET: 405" 405 "$status"
post nobody/fullcmc "$work/cmc"
check "nor under an unknown label ($status)" test "$status" = 404 -o "$status" = 415
new_csr k1
post serverkeygen "$work/k1.b64" --user "k1:$(token --device k1)"
equal "serverkeygen is off by default" 403 "$status"

finish
