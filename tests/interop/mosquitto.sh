#!/bin/bash
# A Mosquitto broker that lets in who has a certificate of ours, until it is
# revoked and the broker has read the new CRL. Its own certificate is kept by
# brevet-agent, key and chain in one file, and reloaded by the agent's hook.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need mosquitto mosquitto_pub openssl curl jq

broker=
stop_broker() { [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null; }
at_exit+=(stop_broker)

install_brevet 'label "broker" {
    profile = "server"
}'
start_daemon
for name in m1 m2; do enroll "$name" || bail "no certificate for $name"; done
agent() {
    "$build/prog/brevet-agent/brevet-agent" "$@" --dir "$work/broker" --install-cert "$work/broker.pem" \
        --install-key "$work/broker.pem" --hook "kill -HUP \$(cat $work/broker.pid)"
}
token --device localhost --profile server >"$work/broker.code"
chmod 600 "$work/broker.code"
: >"$work/broker.pid" # none yet
agent enroll --url "$est/broker" --id localhost --claim-code-file "$work/broker.code" \
    --ca-fingerprint "$(openssl x509 -in "$root" -noout -fingerprint -sha256 | cut -d= -f2)" >"$work/check.log" 2>&1
ok $? "the broker's certificate, by brevet-agent" "$(tail -n 1 "$work/check.log")"
equal "one file has key, certificate and issuing CA" "PRIVATE KEY CERTIFICATE CERTIFICATE" \
    "$(sed -n 's/-----BEGIN \(.*\)-----/\1/p' "$work/broker.pem" | paste -sd ' ')"
equal "for its owner only" 600 "$(stat -c %a "$work/broker.pem")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=m1 \
    -keyout "$work/foreign.key" -out "$work/foreign.crt" 2>/dev/null

# OpenSSL, once told of a CRL, wants one of every CA in the chain
fetch_crls() {
    local ca
    for ca in issuing root; do
        curl -sf "$http/crl/$ca.crl" | openssl crl -inform DER || return 1
    done >"$work/crls.new" && mv "$work/crls.new" "$work/crls.pem"
}
check "the CRLs are there" until_true 10 fetch_crls

port=$(free_port)
chmod 755 "$work"
cat >"$work/mosquitto.conf" <<CONF
listener $port 127.0.0.1
cafile $work/trust.pem
certfile $work/broker.pem
keyfile $work/broker.pem
crlfile $work/crls.pem
require_certificate true
use_identity_as_username true
user root
CONF
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.out" 2>&1 &
broker=$!
echo "$broker" >"$work/broker.pid"
publish() { # CERT or nothing
    local key=${1:+--key $work/$1.key}
    # shellcheck disable=SC2086
    timeout 10 mosquitto_pub -h localhost -p "$port" --cafile "$root" ${1:+--cert "$work/$1.crt"} $key -q 1 -t t -m x
}
until_true 10 publish m1
ok $? "a device publishes"
check "another one, too" publish m2
refuse "one without a certificate does not" publish
refuse "one with a foreign certificate does not" publish foreign
check "revoke" brevet cert revoke --device m1 --reason keyCompromise
check "publish the CRL" brevet crl publish
serial=$(openssl x509 -in "$work/m1.crt" -noout -serial | cut -d= -f2)
listed() { fetch_crls && openssl crl -in "$work/crls.pem" -noout -text | grep -q "$serial"; }
until_true 10 listed
ok $? "it is in the CRL"
kill -HUP "$broker"
shut_out() { ! publish m1; }
until_true 10 shut_out
ok $? "the broker refuses the revoked device"
check "and still takes the other" publish m2

# --- the broker's certificate is renewed ---
shown() { # the serial the broker shows
    openssl s_client -connect "localhost:$port" -CAfile "$root" </dev/null 2>/dev/null | openssl x509 -noout -serial
}
before=$(shown)
check "brevet-agent renews the broker's certificate" agent renew --force
new=$(openssl x509 -in "$work/broker/cert.pem" -noout -serial)
refuse "with another serial" test "$new" = "$before"
reloaded() { [ "$(shown)" = "$new" ]; }
check "the hook makes the broker use it" until_true 10 reloaded
check "a device publishes on" publish m2

finish
