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
approval {
    retry = 1s
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

# --- states of the certificate ---
serial=$(openssl x509 -in "$work/swan1b.crt" -noout -serial | cut -d= -f2)
swan_renews() { est_swan "$work/swan1c.crt" --in "$work/swan1.der" --cert "$work/swan1b.crt" --key "$work/swan1.key"; }
brevet cert hold "$serial" >/dev/null
refuse "pki --est does not renew what is on hold" swan_renews
check "and learns that it is refused" grep -q 403 "$work/est.log"
brevet cert release "$serial" >/dev/null
check "released it does" swan_renews
brevet cert revoke "$serial" --reason superseded >/dev/null
refuse "revoked it does not" swan_renews

# --- an RSA key; waiting for an operator, where it knows no labels ---
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/swan2.key" 2>/dev/null
new_csr swan2
check "pki --est with an RSA key" est_swan "$work/swan2.crt" --in "$work/swan2.der" --userpass "swan2:$(token --device swan2)"
check "for that key" sh -c "[ \"\$(openssl x509 -in '$work/swan2.crt' -noout -pubkey)\" = \"\$(openssl pkey -in '$work/swan2.key' -pubout)\" ]"
sed -i '1i default-profile = "approved"' "$ca/brevet.conf"
kill -HUP "$daemon"
new_csr swan3
code=$(token --device swan3)
new_csr probe
probe_code=$(token --device probe)
reloaded() {
    post simpleenroll "$work/probe.b64" --user "probe:$probe_code"
    [ "$status" = 202 ]
}
ok "$(until_true 20 reloaded; echo $?)" "the default profile needs an operator now"
est_swan "$work/swan3.crt" --in "$work/swan3.der" --userpass "swan3:$code" --interval 1 --maxpolltime 30 &
client=$!
until_true 20 sh -c "'$bin_brevet' --dir '$ca' device pending --json | grep -q '\"swan3\"'"
ok $? "pki --est waits in the queue"
brevet device approve swan3 >/dev/null
wait "$client"
ok $? "and polls until it has the certificate" "$(tail -n 1 "$work/est.log" | cut -c1-100)"
check "which chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/swan3.crt"

finish
