#!/bin/bash
# What is said about the CAs' own certificates: in the inventory, by OCSP under
# their issuer's name and key, on their issuer's CRL.
. "$(dirname "$0")/lib.sh"
need openssl curl jq ocsptool

install_brevet
start_daemon
enroll d1 || bail "no certificate for d1"
url=$http/ocsp
serial_of() { openssl x509 -in "$1" -noout -serial | cut -d= -f2 | tr A-F a-f; }
row() { brevet cert list --json | jq -r ".rows[] | select(.serial == \"$1\") | .$2"; }
ask() { # ISSUER CERT [more]: leaves $work/ocsp
    local issuer=$1 cert=$2
    shift 2
    openssl ocsp -issuer "$issuer" -cert "$cert" -CAfile "$root" -url "$url" "$@" >"$work/ocsp" 2>&1
}
says() { grep -q "$1" "$work/ocsp"; }

# --- the inventory ---
equal "the root is listed" root "$(row "$(serial_of "$root")" profile)"
equal "the issuing CA is listed" intermediate "$(row "$(serial_of "$issuing")" profile)"
equal "as issued by the root" root "$(row "$(serial_of "$issuing")" ca)"
equal "the server's certificate is listed" server "$(row "$(serial_of "$ca/tls/server.pem")" profile)"
sed -n '/BEGIN CERT/,/END CERT/p' "$ca/ca/ocsp-issuing.pem" >"$work/ocsp-issuing.crt"
equal "the OCSP responder's is listed" ocsp "$(row "$(serial_of "$work/ocsp-issuing.crt")" profile)"
check "one is shown with its PEM" sh -c "'$bin_brevet' --dir '$ca' cert show $(serial_of "$issuing") --json | jq -r .pem | openssl x509 -noout"
listed=$(brevet cert list --json | jq '.rows | length')
stop_daemon
start_daemon
equal "nothing is listed twice after a restart" "$listed" "$(brevet cert list --json | jq '.rows | length')"
check "the log agrees with the rows" brevet audit verify

# --- OCSP: a responder speaks for the CA that delegated it (RFC 6960 4.2.2.2) ---
said_good() { ask "$@" && says ': good'; }
until_true 10 said_good "$root" "$issuing"
ok $? "the issuing CA is good, asked under the root"
check "the answer verifies" says 'Response verify OK'
ask "$root" "$issuing" -resp_text
check "signed by a responder that the root delegated" says 'Issuer: O *= *Interop, CN *= *Interop Root CA'
ask "$root" "$root" && says ': good'
ok $? "so is the root"
serial() { openssl ocsp -issuer "$1" -serial "0x$2" -CAfile "$work/trust.pem" -url "$url" >"$work/ocsp" 2>&1; }
serial "$issuing" "$(serial_of "$issuing")"
check "under the issuing CA the same serial is unknown" says ': unknown'
serial "$root" "$(serial_of "$work/d1.crt")"
check "and a device's is unknown under the root" says ': unknown'
ask "$root" "$work/d1.crt"
check "two issuers mixed in one CertID are nobody's" says 'unauthorized'
said_good "$issuing" "$ca/tls/server.pem"
ok $? "the server's certificate is good"
ocsptool --ask="$url" --load-issuer="$root" --load-cert="$issuing" --load-trust="$root" </dev/null >"$work/tool" 2>&1
check "GnuTLS says good too" grep -q 'Certificate Status: good' "$work/tool"
check "and that the answer verifies" grep -q 'Verifying OCSP Response: Success' "$work/tool"
equal "a certificate that the root signs points to its CRL" "URI:$(echo "$http" | sed s/127.0.0.1/localhost/)/crl/root.crl" \
    "$(openssl x509 -in "$issuing" -noout -ext crlDistributionPoints | grep -o 'URI:.*')"
openssl x509 -in "$issuing" -noout -text >"$work/issuing.text"
refuse "and to no OCSP responder" grep -q 'OCSP - URI' "$work/issuing.text"

# --- the chain with both CRLs ---
crls() { for name in root issuing; do curl -sf "$http/crl/$name.crl" | openssl crl -inform DER; done >"$work/crls.pem"; }
crls
check_all() { timeout 20 openssl verify -x509_strict -crl_check_all -CAfile "$root" -untrusted "$issuing" "$@" "$work/d1.crt"; }
check "openssl verify -crl_check_all" check_all -CRLfile "$work/crls.pem"
check "and fetching the CRLs itself" timeout 20 openssl verify -crl_check -crl_download -CAfile "$root" -untrusted "$issuing" "$work/d1.crt"
check "the root's, which names no CRL of its own, from a file" check_all -crl_download \
    -CRLfile <(openssl crl -inform DER -in "$ca/crl/root.crl")
refuse "not with the issuing CA's alone" check_all -CRLfile <(openssl crl -inform DER -in "$ca/crl/issuing.crl")

# --- revoking a CA ---
refuse "a root is not revoked" brevet cert revoke "$(serial_of "$root")"
check "it is said why" grep -q 'not revoked here' "$work/refused.log"
check "an issuing CA can be" brevet cert revoke "$(serial_of "$issuing")" --reason cACompromise
ask "$root" "$issuing" -no_nonce
check "OCSP says so at once" says ': revoked'
check "with the reason" says 'Reason: cACompromise'
listed() { crls && openssl crl -in "$work/crls.pem" -noout -text | grep -qi "$(serial_of "$issuing")"; }
until_true 20 listed
ok $? "the root's CRL lists it"
refuse "openssl verify -crl_check_all refuses the chain" check_all -CRLfile "$work/crls.pem"
new_csr d2
post simpleenroll "$work/d2.b64" --user "d2:$(token --device d2)"
equal "a revoked CA issues nothing more: 503" 503 "$status"
check "and the log says why" grep -q "status=503.*the certificate of CA issuing is revoked" "$work/brevetd.log"
check "brevet status says what is wrong" sh -c "'$bin_brevet' --dir '$ca' status --json | jq -e '.findings[] | select(test(\"revoked\"))'"
check "the log still agrees" brevet audit verify
finish
