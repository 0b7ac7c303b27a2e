#!/bin/bash
# docs/offline-root.md, typed in: the root's key leaves, comes back on another
# machine for one signature after the other, and everything it signed there is
# taken in and verified by openssl. Each act is in the audit log.
. "$(dirname "$0")/lib.sh"
need openssl curl jq

install_brevet
start_daemon
enroll d1 || bail "no certificate for d1"
vault=$work/vault # the machine without a network
mkdir "$vault"
(umask 077 && echo "the vault's passphrase" >"$vault/pass" && echo "another one" >"$vault/pass2")
cp "$root" "$vault/root.crt"
reload() {
    local before
    before=$(grep -c 'reloaded' "$work/brevetd.log")
    kill -HUP "$daemon"
    until_true 10 sh -c "[ \$(grep -c reloaded '$work/brevetd.log') -gt $before ]"
}
entries() { brevet audit list --last 40 --json | jq -r '.rows[].action' | grep -c "^$1\$"; }
serial_of() { openssl x509 -in "$1" -noout -serial | cut -d= -f2 | tr A-F a-f; }
said() { grep -qi -- "$1" "$work/refused.log"; }
ocsp_of() { openssl ocsp -issuer "$root" -cert "$1" -CAfile "$root" -url "$http/ocsp" 2>&1; }
# in the vault brevet knows no installation: an empty directory is its --dir
mkdir "$vault/nothing"
vault() { "$bin_brevet" --dir "$vault/nothing" "$@"; }
sign=(ca sign --root-cert "$vault/root.crt" --root-key "$vault/root.key" --passphrase-file "$vault/pass")

# --- it leaves ---
refuse "an exported file is not overwritten" brevet ca export-root --out "$vault/pass" --passphrase-file "$vault/pass"
check "the root's key leaves" brevet ca export-root --out "$vault/root.key" --passphrase-file "$vault/pass"
cp "$work/check.log" "$work/said.log"
check "it is said what removing a file does not do" grep -q 'does not erase its octets' "$work/said.log"
refuse "the key is not here any more" test -e "$ca/ca/root.key"
equal "it is in the log" 1 "$(entries ca.export)"
reload
ok $? "the server reloads"
equal "and knows" true "$(brevet ca show root --json | jq .offline)"
check "OCSP still speaks for the root: its responder's key stayed" grep -q ': good' <(ocsp_of "$issuing")
refuse "the server signs no CRL of the root" brevet crl publish root

# --- another passphrase for it ---
check "the exported key gets another passphrase" vault passphrase change --key "$vault/root.key" \
    --old-passphrase-file "$vault/pass" --new-passphrase-file "$vault/pass2"
check "it opens with the new one" openssl pkey -in "$vault/root.key" -passin "file:$vault/pass2" -noout
refuse "and not with the old one" openssl pkey -in "$vault/root.key" -passin "file:$vault/pass" -noout
equal "only its owner reads it" 600 "$(stat -c %a "$vault/root.key")"
check "and back" vault passphrase change --key "$vault/root.key" \
    --old-passphrase-file "$vault/pass2" --new-passphrase-file "$vault/pass"
refuse "not with a wrong one" vault passphrase change --key "$vault/root.key" \
    --old-passphrase-file "$vault/pass2" --new-passphrase-file "$vault/pass"

# --- a new certificate for the issuing CA, signed in the vault ---
brevet ca csr --out "$vault/issuing.csr" 2>"$work/csr.log"
ok $? "the issuing CA's request"
number=$(sed -n 's/.*--serial //p' "$work/csr.log")
check "with a serial number for it" test "${#number}" = 34
check "the vault signs it" vault "${sign[@]}" "$vault/issuing.csr" --serial "$number" --lifetime 9y \
    --crl-url "http://localhost:$http_port/crl/root.crl" --out "$vault/issuing.crt"
check "openssl takes it" openssl verify -x509_strict -CAfile "$root" "$vault/issuing.crt"
equal "it has that number" "$number" "$(serial_of "$vault/issuing.crt")"
check "it is installed" brevet ca install "$vault/issuing.crt"
equal "which is in the log" 1 "$(entries ca.install)"
reload
check "it is in the inventory" grep -q intermediate <(brevet cert show "$number")
check "OCSP says good" until_true 10 sh -c "openssl ocsp -issuer '$root' -cert '$vault/issuing.crt' -CAfile '$root' -url '$http/ocsp' 2>&1 | grep -q ': good'"
enroll d2
ok $? "the server issues below it"
check "openssl takes that chain" openssl verify -x509_strict -CAfile "$root" -untrusted "$issuing" "$work/d2.crt"
old=$(brevet cert list --json | jq -r '[.rows[] | select(.profile == "intermediate")][0].serial')
refuse "the earlier certificate is another one" test "$old" = "$number"

# --- the root's CRL ---
check "the earlier certificate of the issuing CA is revoked" brevet cert revoke "$old" --reason superseded
check "brevet status says that the CRL does not list it" sh -c \
    "'$bin_brevet' --dir '$ca' status --json | jq -e '.findings[] | select(test(\"does not list\"))'"
check "what is to be signed is written" brevet ca crl --request "$vault/root.crl-request"
check "the vault signs it" vault "${sign[@]}" "$vault/root.crl-request" --out "$vault/root.crl"
cp "$work/check.log" "$work/said.log"
check "and shows what" grep -q '1 revoked' "$work/said.log"
refuse "nobody else's key does" vault ca sign "$vault/root.crl-request" --root-cert "$issuing" \
    --root-key "$vault/root.key" --passphrase-file "$vault/pass" --out "$vault/x.crl"
check "it is published, without a restart" brevet crl install "$vault/root.crl"
served() { curl -sf "$http/crl/root.crl" | openssl crl -inform DER -CAfile "$root" -noout -text 2>&1; }
until_true 10 sh -c "curl -sf '$http/crl/root.crl' | openssl crl -inform DER -noout -text | grep -qi '$old'"
ok $? "it is served at once and lists the certificate"
check "openssl verifies its signature" grep -q 'verify OK' <(served)
equal "it is in the log" 1 "$(brevet audit list --last 10 --json | jq '[.rows[] | select(.action == "crl.publish" and .actor == "operator")] | length')"
crls() { for n in root issuing; do curl -sf "$http/crl/$n.crl" | openssl crl -inform DER; done >"$work/crls.pem"; }
crls
check "openssl verify -crl_check_all" openssl verify -x509_strict -crl_check_all -CAfile "$root" -CRLfile "$work/crls.pem" \
    -untrusted "$issuing" "$work/d2.crt"
refuse "the same CRL again" brevet crl install "$vault/root.crl"
check "and why" said 'published already'
refuse "a CRL of the issuing CA, whose key is here" brevet crl install "$ca/crl/issuing.crl"
check "and why" said 'crl publish'
openssl crl -inform DER -in "$ca/crl/root.crl" | sed 's/^MII/MIJ/' >"$work/broken.crl"
refuse "a broken one" brevet crl install "$work/broken.crl"
check "in one step, with the key at hand" brevet ca crl --root-key "$vault/root.key" --passphrase-file "$vault/pass"
equal "the number rises" 3 "$(brevet ca show root --json | jq .crl_number)"

# --- the root's responder ---
before=$(sed -n '/BEGIN CERT/,/END CERT/p' "$ca/ca/ocsp-root.pem" | openssl x509 -noout -serial)
check "a new responder certificate" brevet ca ocsp --root-key "$vault/root.key" --passphrase-file "$vault/pass"
refuse "it is another one" test "$before" = "$(sed -n '/BEGIN CERT/,/END CERT/p' "$ca/ca/ocsp-root.pem" | openssl x509 -noout -serial)"
reload
now=$(sed -n '/BEGIN CERT/,/END CERT/p' "$ca/ca/ocsp-root.pem" | openssl x509 -noout -serial | cut -d= -f2 | tr A-F a-f)
in_use() { openssl ocsp -issuer "$root" -cert "$issuing" -CAfile "$root" -url "$http/ocsp" -resp_text 2>&1 | tr -d ':' | grep -qi "$now"; }
until_true 10 in_use
ok $? "it is in use after a reload"

# --- a cross-certificate ---
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3000 -subj "/CN=Other root" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$work/other.key" -out "$work/other.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$work/leaf.key" -out "$work/leaf.csr" 2>/dev/null
openssl x509 -req -in "$work/leaf.csr" -CA "$work/other.crt" -CAkey "$work/other.key" -set_serial 7 -days 100 \
    -extfile <(printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nbasicConstraints=CA:FALSE\n') -out "$work/leaf.crt" 2>/dev/null
check "the root signs another root" vault "${sign[@]}" "$work/other.crt" --out "$work/cross.crt"
check "who trusts ours now trusts what is below that one" \
    openssl verify -x509_strict -CAfile "$root" -untrusted "$work/cross.crt" "$work/leaf.crt"
refuse "a CA that is no root is not crossed" vault "${sign[@]}" "$issuing" --out "$work/x.crt"
check "and why" said 'bring a request'

# --- without a server ---
stop_daemon
check "ca crl without a server" brevet ca crl --root-key "$vault/root.key" --passphrase-file "$vault/pass"
check "ca renew without a server" brevet ca renew --root-key "$vault/root.key" --passphrase-file "$vault/pass"
check "the log verifies after both" brevet audit verify
start_daemon
equal "both are in it" "1 4" "$(entries ca.renew) $(brevet ca show root --json | jq .crl_number)"
check "what was renewed has a status" until_true 10 sh -c "openssl ocsp -issuer '$root' -cert '$issuing' -CAfile '$root' -url '$http/ocsp' 2>&1 | grep -q ': good'"
stop_daemon

# --- a log that does not verify ---
sum=$(find "$ca/ca" "$ca/crl" -type f -exec sha256sum {} + | sort | sha256sum)
python3 - "$ca/db/brevet.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
entry = bytearray(db.execute("SELECT entry FROM audit WHERE idx = 3").fetchone()[0])
entry[-1] ^= 1
db.execute("UPDATE audit SET entry = ? WHERE idx = 3", (bytes(entry),))
db.commit()
PY
refuse "nothing is done when the log does not verify" brevet ca renew --root-key "$vault/root.key" --passphrase-file "$vault/pass"
check "and it is said" said 'does not verify'
refuse "nor a CRL" brevet ca crl --root-key "$vault/root.key" --passphrase-file "$vault/pass"
equal "no file changed" "$sum" "$(find "$ca/ca" "$ca/crl" -type f -exec sha256sum {} + | sort | sha256sum)"
finish
