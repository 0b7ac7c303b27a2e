#!/bin/bash
# CRLs, fetched over HTTP and used by OpenSSL, GnuTLS and NSS.
. "$(dirname "$0")/lib.sh"
need openssl certtool certutil crlutil curl jq

install_brevet
start_daemon
enroll c1 || bail "no certificate for c1"
enroll c2 || bail "no certificate for c2"
url=$http/crl/issuing.crl

fetch() {
    get "$url" && [ "$status" = 200 ] && openssl crl -inform DER -in "$work/answer" -out "$work/issuing.pem" &&
        cp "$work/answer" "$work/issuing.der"
}
until_true 10 fetch
ok $? "a CRL is published before anything is revoked"
equal "its media type" application/pkix-crl "$(header Content-Type)"
check "it is complete" test "$(header Content-Length)" = "$(stat -c %s "$work/issuing.der")"
openssl crl -in "$work/issuing.pem" -noout -text >"$work/text"
check "without entries it has no list of them" grep -q 'No Revoked Certificates' "$work/text"
check "version 2, with number and key identifier" sh -c \
    "grep -q 'Version 2' $work/text && grep -q 'CRL Number' $work/text && grep -q 'Authority Key Identifier' $work/text"
check "its signature verifies" openssl crl -in "$work/issuing.pem" -noout -verify -CAfile "$work/trust.pem"
number() { openssl crl -in "$work/issuing.pem" -noout -crlnumber | cut -d= -f2; }
first=$(number)
etag=$(header ETag) modified=$(header Last-Modified)
get "$url" -H "If-None-Match: $etag"
equal "304 to its ETag" 304 "$status"
get "$url" -H "If-Modified-Since: $modified"
equal "304 to its date" 304 "$status"
get "$url" -H "If-None-Match: \"x\", W/$etag"
equal "304 when its ETag is one of several, or weak" 304 "$status"
get "$url" -H 'If-None-Match: *'
equal "304 to any" 304 "$status"
get "$url" -H "If-None-Match: \"x\"" -H "If-Modified-Since: $modified"
equal "the ETag counts more than the date" 200 "$status"
get "$url" -H "If-Modified-Since: $(date -uRd "$modified - 1 second" | sed 's/+0000/GMT/')"
equal "a date before it: the CRL" 200 "$status"
get "$url" -H "If-Modified-Since: yesterday"
equal "no date at all: the CRL" 200 "$status"
rm "$work/answer"
get "$url" -H "If-None-Match: $etag"
equal "a 304 carries ETag and date" "$etag $modified" "$(header ETag) $(header Last-Modified)"
check "and how long to keep it" grep -qi '^cache-control: max-age=[1-9]' "$work/head"
refuse "and no body" test -s "$work/answer"
equal "Last-Modified is thisUpdate" \
    "$(date -d "$(openssl crl -in "$work/issuing.pem" -noout -lastupdate | cut -d= -f2)" +%s)" "$(date -d "$modified" +%s)"
head_status() { curl -sI "$url" "$@" -o "$work/head" -w '%{http_code}'; }
equal "HEAD" 200 "$(head_status)"
check "HEAD tells its length" grep -qi "^content-length: $(stat -c %s "$work/issuing.der")" <(tr -d '\r' <"$work/head")
equal "and ETag and date" "$etag $modified" "$(header ETag) $(header Last-Modified)"
equal "HEAD with the ETag" 304 "$(head_status -H "If-None-Match: $etag")"
equal "HEAD with the date" 304 "$(head_status -H "If-Modified-Since: $modified")"
# curl's own memory: the ETag, as a date knows only seconds
mirror() {
    curl -sf "$url" -o "$work/mirror.crl" -w '%{http_code}' --etag-compare "$work/etag" --etag-save "$work/etag"
}
by_date() { curl -sf "$url" -z "$work/mirror.crl" -o "$work/mirror.new" -w '%{http_code}'; }
equal "curl mirrors it" 200 "$(mirror)"
equal "curl by the ETag: 304" 304 "$(mirror)"
equal "curl by the file's date: 304" 304 "$(by_date)"
get "$http/crl/nobody.crl"
equal "an unknown CRL is 404" 404 "$status"

brevet cert revoke --device c1 --reason keyCompromise >/dev/null && brevet crl publish >/dev/null
ok $? "revoke and publish"
serial=$(openssl x509 -in "$work/c1.crt" -noout -serial | cut -d= -f2)
listed() { fetch && openssl crl -in "$work/issuing.pem" -noout -text | grep -q "$serial"; }
check "what is served at once lists the serial" listed
openssl crl -in "$work/issuing.pem" -noout -text >"$work/text"
check "with its reason" grep -q 'Key Compromise' "$work/text"
check "its number is greater" test $((16#$(number | sed 's/^0x//I'))) -gt $((16#$(echo "$first" | sed 's/^0x//I')))
get "$url" -H "If-None-Match: $etag"
equal "the old ETag is not current" 200 "$status"
equal "curl mirrors the new one" 200 "$(mirror)"
check "which is what is served" cmp "$work/mirror.crl" "$work/issuing.der"
equal "and no more" 304 "$(mirror)"

# --- OpenSSL ---
openssl_check() { # NAME
    openssl verify -crl_check -CAfile "$root" -untrusted "$issuing" -CRLfile "$work/issuing.pem" "$work/$1.crt"
}
check "openssl verify -crl_check accepts the good one" openssl_check c2
refuse "and refuses the revoked one" openssl_check c1
check "because it is revoked" grep -q 'certificate revoked' "$work/refused.log"

# --- GnuTLS ---
certtool --crl-info --infile "$work/issuing.pem" >"$work/text" 2>&1
check "certtool reads it" grep -qi "serial number (hex): $serial" "$work/text"
check "certtool verifies it" sh -c \
    "certtool --verify-crl --infile $work/issuing.pem --load-ca-certificate $issuing | tee $work/check.log | grep -q 'Verified'"
cat "$work/c2.crt" "$issuing" >"$work/c2.chain"
check "certtool verifies the chain" certtool --verify --load-ca-certificate "$root" --infile "$work/c2.chain"

# --- NSS ---
nss_database || bail "no NSS database"
nss -A -n c1 -t ,, -i "$work/c1.crt" && nss -A -n c2 -t ,, -i "$work/c2.crt"
check "certutil -V accepts the certificate of a client" nss -V -n c2 -u C
check "crlutil takes the CRL" crlutil -I -i "$work/issuing.der" -d "sql:$work/nss"
check "crlutil shows it" sh -c "crlutil -L -d sql:$work/nss | grep -q issuing"
refuse "certutil -V refuses the revoked one" nss -V -n c1 -u C

# --- the CA's own certificate, as its certificates point to it ---
get "$http/ca/issuing.cer"
equal "the issuer's certificate is served" 200 "$status"
equal "its media type" application/pkix-cert "$(header Content-Type)"
check "it is the issuing CA" cmp "$work/answer" <(openssl x509 -in "$issuing" -outform DER)
text=$(openssl x509 -in "$work/c2.crt" -noout -text)
check "certificates point to this CRL, responder and issuer" test \
    "$(grep -cE "URI:http://[^ ]*/(crl/issuing.crl|ocsp|ca/issuing.cer)$" <<<"$text")" = 3
get "$http/health"
equal "health is 200" 200 "$status"

finish
