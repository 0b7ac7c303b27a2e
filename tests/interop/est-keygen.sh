#!/bin/bash
# Keys made by the server (RFC 7030 4.4) with curl, openssl cms and pkey.
. "$(dirname "$0")/lib.sh"
need curl openssl jq python3 base64
est_csr=$build/tests/interop/est-csr
[ -x "$est_csr" ] || bail "$est_csr is not built"

install_brevet '
profile "clear" {
    server-keygen = "true"
    server-keygen-plain = "true"
}
profile "wrapped" {
    server-keygen = "true"
    keys = { p256, p384 }
    key-usage = { digitalSignature, keyAgreement }
    subject-key-id = "true"
}
profile "ed" {
    server-keygen = true
    keys = { ed25519 }
}
profile "rsa" {
    server-keygen = "true"
    keys = { rsa }
    key-usage = { digitalSignature, keyEncipherment }
    subject-key-id = "true"
}
profile "signing" {
    server-keygen = "true"
    subject-key-id = "true"
}
profile "approved" {
    server-keygen = "true"
    server-keygen-plain = "true"
    approval = "true"
}
label "clear" { profile = clear }
label "approved" { profile = approved }
label "wrapped" { profile = wrapped }
label "ed" { profile = ed }
label "rsa" { profile = rsa }
label "signing" { profile = signing }'
start_daemon

ecdh_wrap=2.16.840.1.101.3.4.1.45,2.16.840.1.101.3.4.1.5 # AES-256 and AES-128 key wrap
aes256=2.16.840.1.101.3.4.1.42 aes128=2.16.840.1.101.3.4.1.2
gcm=2.16.840.1.101.3.4.1.46 oaep=1.2.840.113549.1.1.7 pkcs1=1.2.840.113549.1.1.1
des3=1.2.840.113549.3.7

# ask NAME KEY LABEL [est-csr options --] [curl arguments]
ask() {
    local name=$1 key=$2 label=$3 options=()
    shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1") && shift; done
    [ $# -gt 0 ] && shift
    "$est_csr" "$name" "$work/$key.key" "${options[@]}" | base64 -w0 >"$work/ask.b64"
    post "$label/serverkeygen" "$work/ask.b64" "$@"
}
take() { # the two parts, as key.der and given.crt; their types in $work/types
    rm -rf "$work/parts" && mkdir "$work/parts"
    python3 tests/interop/lib/keygen.py "$(header Content-Type)" "$work/answer" "$work/parts" >"$work/types" &&
        openssl pkcs7 -inform DER -in "$work/parts/cert.p7" -print_certs 2>/dev/null |
        sed -n '/BEGIN/,/END/p' >"$work/given.crt" && [ -s "$work/given.crt" ]
}
opens() { # KEY-OPTIONS…: the key part decrypts to SignedData by the new key, and in it is that key
    openssl cms -decrypt -binary -inform DER -in "$work/parts/key.der" -out "$work/parts/signed" "$@" &&
        python3 tests/interop/lib/keygen.py inside "$work/parts/signed" "$work/parts/signed.der" &&
        openssl cms -verify -binary -noverify -inform DER -in "$work/parts/signed.der" -signer "$work/parts/signer.crt" \
            -out "$work/parts/package" &&
        python3 tests/interop/lib/keygen.py first "$work/parts/package" "$work/parts/new.der" &&
        openssl pkey -inform DER -in "$work/parts/new.der" -out "$work/parts/new.key"
}
matches() { # FILE: is this private key the certificate's?
    [ "$(openssl x509 -in "$work/given.crt" -noout -pubkey)" = "$(openssl pkey "$@" -pubout)" ]
}
printed() { openssl cms -cmsout -print -noout -inform DER -in "$work/parts/key.der" | grep -qi "$1"; }
ski() { openssl x509 -in "$1" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' :'; }
reason() { head -n 1 "$work/answer"; }
new_key some # whose public key nobody looks at

# --- in clear ---
ask c1 some clear -- --user "c1:$(token --device c1)"
equal "in clear where the profile allows it" 200 "$status"
check "it is multipart/mixed" grep -q '^multipart/mixed; *boundary=' <(header Content-Type)
check "it is not to be stored" grep -q no-store <(header Cache-Control)
check "two parts, ended by CRLF" take
equal "the key first, then the certificate" "application/pkcs8 | application/pkcs7-mime; smime-type=certs-only" \
    "$(cat "$work/types")"
check "the key is the certificate's" matches -inform DER -in "$work/parts/key.der"
refuse "and not the CSR's" test "$(openssl pkey -in "$work/some.key" -pubout)" = "$(openssl x509 -in "$work/given.crt" -noout -pubkey)"
check "the certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/given.crt"
printf '%s' "$(base64 -d "$work/ask.b64" | python3 -c '
import base64, sys
der = bytearray(sys.stdin.buffer.read()); der[-3] ^= 1
sys.stdout.write(base64.b64encode(der).decode())')" >"$work/unsigned"
post clear/serverkeygen "$work/unsigned" --user "c2:$(token --device c1)"
check "another user name than the credential's is refused ($status)" test "$status" = 403
post clear/serverkeygen "$work/unsigned" --user "c1:$(token --device c1)"
equal "the CSR's signature does not matter (RFC 7030 4.4.1)" 200 "$status"
post clear/serverkeygen "$work/ask.b64"
equal "without a credential: 401" 401 "$status"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$work/strong.key" 2>/dev/null
strong_code=$(token --device c3)
ask c3 strong clear -- --user "c3:$strong_code" --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256
equal "a P-384 key by AES-128: 403 (RFC 7030 4.4)" 403 "$status"
check "the reason says suite" grep -q suite <(reason)
ask c3 strong clear -- --user "c3:$strong_code" --tls-max 1.2 --ciphers ECDHE-ECDSA-AES256-GCM-SHA384
equal "and by AES-256" 200 "$status"
ask w0 some wrapped -- --user "w0:$(token --device w0)"
equal "in clear where the profile does not allow it: 403" 403 "$status"
check "the reason says encrypted" grep -q encrypted <(reason)

# --- an operator decides ---
wait_code=$(token --device p1)
ask p1 some approved -- --user "p1:$wait_code"
equal "202 while it waits" 202 "$status"
check "when to come back" grep -qi '^Retry-After: [0-9]' "$work/head"
refuse "no key yet" grep -q pkcs8 "$work/answer"
check "an operator approves" brevet device approve p1
ask p1 some approved -- --user "p1:$wait_code"
equal "then key and certificate" 200 "$status"
check "two parts" take
check "the key is the certificate's" matches -inform DER -in "$work/parts/key.der"
ask p1 some approved -- --user "p1:$wait_code"
check "once: a key is not handed out again ($status)" test "$status" = 401

# --- wrapped for an elliptic curve key ---
new_csr w1
post wrapped/simpleenroll "$work/w1.b64" --user "w1:$(token --device w1)"
check "a device with a certificate for key agreement" answer_certs "$work/w1.crt"
id=$(ski "$work/w1.crt")
own=(--cert "$work/w1.crt" --key "$work/w1.key")
with=(-recip "$work/w1.crt" -inkey "$work/w1.key")
ask w1 some wrapped asymm="$id" caps=$aes256,$aes128,$ecdh_wrap -- "${own[@]}"
equal "wrapped for the certificate of this connection" 200 "$status"
check "two parts" take
equal "the key part is EnvelopedData" \
    "application/pkcs7-mime; smime-type=server-generated-key | application/pkcs7-mime; smime-type=certs-only" "$(cat "$work/types")"
check "openssl opens it" opens "${with[@]}"
check "the key is the certificate's" matches -in "$work/parts/new.key"
check "the new certificate's key signed it" cmp "$work/parts/signer.crt" "$work/given.crt"
check "AES-256 as announced" printed aes-256-cbc
check "for the key that was named" grep -q "DUMP\]:$id" <(openssl asn1parse -inform DER -in "$work/parts/key.der")
new_key thief
refuse "nobody else opens it" openssl cms -decrypt -binary -inform DER -in "$work/parts/key.der" -inkey "$work/thief.key" \
    -out "$work/parts/stolen"
ask w1 some wrapped asymm="$id" caps=$aes128 -- "${own[@]}"
equal "AES-128 alone" 200 "$status"
check "two parts" take
check "openssl opens it" opens "${with[@]}"
check "AES-128 for the content" printed aes-128-cbc
check "and for the key wrap" printed aes128-wrap
ask w1 some wrapped asymm="$id" -- "${own[@]}"
equal "without SMIMECapabilities" 200 "$status"
ask w1 some wrapped asymm="$id" -- --user "w1:$(token --device w1)"
equal "for another certificate of the device, by a claim code" 200 "$status"
check "two parts" take
check "which opens it" opens "${with[@]}"
ask w1 some wrapped asymm="$id" caps=$gcm,$des3 -- "${own[@]}"
equal "nothing in common: 400" 400 "$status"
check "the reason says so" grep -q SMIMECapabilities <(reason)
openssl genpkey -algorithm ED25519 -out "$work/ed.key"
ask w1 ed ed asymm="$id" -- --user "w1:$(token --device w1)"
equal "an Ed25519 key cannot be wrapped: 400" 400 "$status"
check "the reason says so" grep -q Ed25519 <(reason)
refuse "and it is not to be tried again" grep -qi "^Retry-After" "$work/head"
ask w1 some wrapped asymm=00112233 -- "${own[@]}"
equal "a key nobody knows: 400" 400 "$status"
ask w2 some wrapped asymm="$id" -- --user "w2:$(token --device w2)"
equal "another device's key: 400" 400 "$status"
ask w1 some wrapped symm=00112233 -- "${own[@]}"
equal "a symmetric key: 400, as none is shared" 400 "$status"
check "the reason says so" grep -q symmetric <(reason)
ask w1 some clear symm=00112233 -- --user "w1:$(token --device w1)"
equal "never in clear instead, even where that is allowed: 400" 400 "$status"
brevet cert revoke --device w1 --reason superseded >/dev/null
ask w1 some wrapped asymm="$id" -- --user "w1:$(token --device w1)"
equal "for a certificate that was revoked: 400" 400 "$status"

# --- a certificate that is not for encryption ---
new_csr s1
post signing/simpleenroll "$work/s1.b64" --user "s1:$(token --device s1)"
answer_certs "$work/s1.crt"
ask s1 some signing asymm="$(ski "$work/s1.crt")" -- --cert "$work/s1.crt" --key "$work/s1.key"
equal "a certificate for signatures only: 400" 400 "$status"
check "the reason names keyAgreement" grep -q keyAgreement <(reason)

# --- RSA ---
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/r1.key" 2>/dev/null
new_csr r1
post rsa/simpleenroll "$work/r1.b64" --user "r1:$(token --device r1)"
check "a device with an RSA certificate" answer_certs "$work/r1.crt"
id=$(ski "$work/r1.crt")
own=(--cert "$work/r1.crt" --key "$work/r1.key")
ask r1 r1 rsa asymm="$id" caps=$aes256,$oaep -- "${own[@]}"
equal "wrapped for an RSA key" 200 "$status"
check "two parts" take
check "openssl opens it" opens -recip "$work/r1.crt" -inkey "$work/r1.key"
check "the key is the certificate's" matches -in "$work/parts/new.key"
check "by OAEP" printed rsaesOaep
ask r1 r1 rsa asymm="$id" caps=$aes256,$pkcs1 -- "${own[@]}"
equal "PKCS #1 v1.5 alone: 400" 400 "$status"

finish
