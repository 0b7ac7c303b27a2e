#!/bin/bash
# The guides, typed in: docs/five-minutes.md and mosquitto.md with a real
# broker, device-library.md's example, backup.md's copy. est-guide.sh has EST.
. "$(dirname "$0")/lib.sh"
need openssl jq mosquitto mosquitto_pub
install_brevet ''
start_daemon
agent=$build/prog/brevet-agent/brevet-agent
pin=$(sed -n 's/^  \([0-9a-f]\{64\}\)$/\1/p' "$work/init.log")
equal "init prints the root's fingerprint" \
    "$(openssl x509 -in "$root" -outform DER | sha256sum | cut -d' ' -f1)" "$pin"

# --- five-minutes.md ---
cd "$work" || exit 1
enroll_agent() {
    token --device pump-17 | "$agent" enroll --url "$https" --id pump-17 --dir ./pump-17 \
        --ca-fingerprint "$pin" --claim-code-file -
}
check "brevet-agent enrolls with a typed code" enroll_agent
ln -s pump-17/ca.pem pump-17/cert.pem pump-17/key.pem .
check "the certificate chains to the root it got" \
    openssl verify -CAfile ca.pem -untrusted pump-17/chain.pem cert.pem
check "brevet-agent status is good" grep -q good <("$agent" status --dir ./pump-17)
new_csr localhost
openssl req -inform DER -in localhost.der -out broker.csr
check "brevet cert issue for the broker" brevet cert issue --profile server --csr broker.csr --out broker.crt
cat "$issuing" >>broker.crt
cat "$root" "$issuing" >fleet.pem
# the guide's timer, typed in with these addresses; it says so when there is something new
sed -n '/^    curl -sf --etag-compare/,/reload mosquitto$/p' "$OLDPWD/docs/mosquitto.md" |
    sed "s|http://ca.example.net:8080|$http|; s|systemctl reload mosquitto|echo reload|" >timer.sh
equal "mosquitto.md: the timer fetches the CRL" reload "$(sh timer.sh)"
none "and only when there is a new one" "$(sh timer.sh)"
broker_port=$(free_port)
cat >mosquitto.conf <<CONF
listener $broker_port 127.0.0.1
cafile $work/fleet.pem
certfile $work/broker.crt
keyfile $work/localhost.key
crlfile $work/issuing.crl
require_certificate true
use_identity_as_username true
acl_file $work/acl
user $(id -un)
CONF
echo 'pattern readwrite devices/%u/#' >acl
mosquitto -c mosquitto.conf >mosquitto.log 2>&1 &
broker=$!
publish() { mosquitto_pub -V 5 -q 1 -h localhost -p "$broker_port" --cafile ca.pem -m hi "$@"; }
with_cert() { publish --cert cert.pem --key key.pem "$@"; }
check "the broker takes a device" until_true 10 with_cert -t devices/pump-17/hello
refuse "the broker refuses a client without a certificate" publish -t devices/pump-17/hello
check "a device cannot publish under another's name" grep -q 'Not authorized' <(with_cert -t devices/other/hello 2>&1)
check "brevet-agent renews" "$agent" renew --force --dir ./pump-17
check "the broker takes the renewed certificate" with_cert -t devices/pump-17/hello
brevet device block pump-17 >/dev/null
brevet cert revoke --device pump-17 --reason keyCompromise >/dev/null
revoked() { openssl ocsp -issuer "$issuing" -cert cert.pem -CAfile "$root" -url "$http/ocsp" 2>&1 | grep -q 'cert.pem: revoked'; }
check "OCSP says revoked" revoked
listed() { [ "$(sh timer.sh)" = reload ] && openssl crl -in issuing.crl -noout -text | grep -qi "$(openssl x509 -in cert.pem -noout -serial | cut -d= -f2)"; }
check "the timer fetches the CRL that lists it" until_true 20 listed
kill -HUP "$broker"
refused() { ! with_cert -t devices/pump-17/hello; }
check "the broker refuses it then" until_true 10 refused
refuse "it cannot renew" "$agent" renew --force --dir ./pump-17
kill "$broker"

# --- device-library.md ---
if [ -x "$build/docs/example/example-identity" ]; then
    check "the example of the device library enrols" "$build/docs/example/example-identity" \
        localhost "$https_port" board-1 "$(token --device board-1)" "$pin" "$work/board-1"
    check "and is in the inventory" brevet device show board-1
fi

# --- backup.md ---
check "brevet backup --out" brevet backup --out "$PWD/backup.db"
check "the copy verifies" brevet audit verify --db "$PWD/backup.db"
brevet audit checkpoint >checkpoint.txt
check "the log holds the checkpoint kept" brevet audit verify --known checkpoint.txt
mkdir log
check "brevet audit export" brevet audit export log
reader=$OLDPWD/tests/interop/lib/audit_check.py
check "a reader written from internals/audit-log.md verifies it" python3 -B "$reader" log "$ca/ca/log.pub"
entries=$(find log/tile/entries -type f | head -n 1)
printf 'X' | dd of="$entries" bs=1 seek=100 conv=notrunc 2>/dev/null
refuse "and sees one octet changed" python3 -B "$reader" log "$ca/ca/log.pub"
cd - >/dev/null || exit 1
finish
