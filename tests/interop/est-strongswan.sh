#!/bin/bash
# EST with strongSwan's pki: cacerts, enrolment by claim code, re-enrolment with
# the certificate. It reads an answer in two reads and cannot decode wrapped
# base64, so it notices what other clients forgive.
. "$(dirname "$0")/lib.sh"
pki=$(command -v pki || echo /usr/bin/pki)
need openssl jq "$pki"

install_brevet '
profile "approved" {
    approval = "true"
}
label "slow" {
    profile = "approved"
}'
start_daemon

(cd "$work" && "$pki" --estca --url "$https" --cacert "$root" --caout swan --outform pem) >"$work/estca.log" 2>&1
ok $? "pki --estca" "$(tail -n 1 "$work/estca.log" | cut -c1-100)"
check "it found the root" sh -c "cat $work/swan* | grep -qF '$(sed -n 2p "$root")'"
check "and the issuing CA" sh -c "cat $work/swan* | grep -qF '$(sed -n 2p "$issuing")'"

est_swan() { # OUT arguments...
    local out=$1
    shift
    timeout 60 "$pki" --est --url "$https" --cacert "$root" --outform pem "$@" >"$out" 2>"$work/est.log"
}

new_csr swan1
est_swan "$work/swan1.crt" --in "$work/swan1.der" --userpass "swan1:$(token --device swan1)"
ok $? "pki --est with a claim code" "$(tail -n 1 "$work/est.log" | cut -c1-100)"
check "the certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/swan1.crt"
refuse "pki --est with a wrong claim code" est_swan "$work/no.crt" --in "$work/swan1.der" --userpass swan1:wrong

renew_csr swan1 "$work/swan1.crt"
est_swan "$work/swan1b.crt" --in "$work/swan1.der" --cert "$work/swan1.crt" --key "$work/swan1.key"
ok $? "pki --est with the certificate renews" "$(tail -n 1 "$work/est.log" | cut -c1-100)"
check "the new certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/swan1b.crt"
refuse "it is not the old one" cmp -s "$work/swan1.crt" "$work/swan1b.crt"
check "pki itself verifies it" "$pki" --verify --in "$work/swan1b.crt" --cacert "$root" --cacert "$issuing"

finish
