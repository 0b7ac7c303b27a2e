#!/bin/bash
# SCEP with strongSwan's pki: CA certificates, enrolment by claim code, renewal
# with the certificate, over plain HTTP. Debian 12's reads our capabilities by
# their place in a list, and one name of the signature algorithm only.
. "$(dirname "$0")/lib.sh"
pki=$(command -v pki || echo /usr/bin/pki)
need openssl jq "$pki"

install_brevet '
scep {
    enabled = true
}'
start_daemon
scep=$http/scep
until_true 20 curl -sf -o /dev/null "$scep?operation=GetCACert" || bail "there is no RA certificate"

new_rsa() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/$1.key" 2>/dev/null; }

# --- who is there ---
(cd "$work" && "$pki" --scepca --url "$scep" --caout swan-ca --raout swan-ra --outform pem --force) >"$work/scepca.log" 2>&1
ok $? "pki --scepca" "$(tail -n 1 "$work/scepca.log" | cut -c1-100)"
check "it found the root" sh -c "cat $work/swan-ca* | grep -qF '$(sed -n 2p "$root")'"
check "and the issuing CA" sh -c "cat $work/swan-ca* | grep -qF '$(sed -n 2p "$issuing")'"
ra=$(find "$work" -name 'swan-ra*' | head -n 1)
check "and an RA of the issuing CA" openssl verify -CAfile "$root" -untrusted "$issuing" "${ra:-none}"

swan() { # OUT arguments...: one request
    local out=$1
    shift
    timeout 60 "$pki" --scep --url "$scep" --cacert "$issuing" --cacert "$root" --cacert-enc "$ra" --cacert-sig "$ra" \
        --outform pem "$@" >"$out" 2>"$work/scep.log"
}
said() { tail -n 1 "$work/scep.log" | cut -c1-120; }

# --- a first certificate ---
new_rsa swan1
code=$(token --device swan1)
swan "$work/swan1.crt" --in "$work/swan1.key" --dn "CN=swan1" --password "$code"
ok $? "pki --scep with a claim code" "$(said)"
check "the certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/swan1.crt"
check "it is for swan1's key" sh -c "[ \"\$(openssl x509 -in '$work/swan1.crt' -noout -pubkey)\" = \"\$(openssl pkey -in '$work/swan1.key' -pubout)\" ]"
check "and for swan1" sh -c "openssl x509 -in '$work/swan1.crt' -noout -subject | grep -q 'CN = swan1'"
new_rsa swan2
refuse "pki --scep with a wrong claim code" swan "$work/no.crt" --in "$work/swan2.key" --dn "CN=swan2" --password wrong
refuse "and with one that is used up" swan "$work/no.crt" --in "$work/swan2.key" --dn "CN=swan2" --password "$code"
refuse "and with none" swan "$work/no.crt" --in "$work/swan2.key" --dn "CN=swan2"
none "no claim code is in the log" "$(grep -F "$code" "$work/brevetd.log")"
check "the log says whose request it was" grep -q 'path=/scep .*device="swan1".*PKCSReq issued transaction=' "$work/brevetd.log"

# --- renewal ---
new_rsa swan1b
swan "$work/swan1b.crt" --in "$work/swan1b.key" --dn "CN=swan1" --cert "$work/swan1.crt" --key "$work/swan1.key"
ok $? "pki --scep renews with the certificate" "$(said)"
check "the new certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/swan1b.crt"
check "it is for the new key" sh -c "[ \"\$(openssl x509 -in '$work/swan1b.crt' -noout -pubkey)\" = \"\$(openssl pkey -in '$work/swan1b.key' -pubout)\" ]"
serial=$(openssl x509 -in "$work/swan1b.crt" -noout -serial | cut -d= -f2)
brevet cert revoke "$serial" --reason superseded >/dev/null
new_rsa swan1c
refuse "revoked it renews nothing" swan "$work/no.crt" --in "$work/swan1c.key" --dn "CN=swan1" --cert "$work/swan1b.crt" --key "$work/swan1b.key"

finish
