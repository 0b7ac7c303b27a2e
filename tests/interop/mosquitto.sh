#!/bin/bash
# A Mosquitto broker that lets in who has a certificate of ours, until it is
# revoked and the broker has read the new CRL.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need mosquitto mosquitto_pub openssl curl jq

broker=
stop_broker() { [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null; }
trap 'stop_broker; cleanup' EXIT

install_brevet
start_daemon
for name in m1 m2; do enroll "$name" || bail "no certificate for $name"; done
new_csr broker -subj /CN=localhost -addext subjectAltName=DNS:localhost
openssl req -inform DER -in "$work/broker.der" -out "$work/broker.csr"
check "the broker's certificate" brevet cert issue --profile server --csr "$work/broker.csr" --out "$work/broker.crt"
cat "$issuing" >>"$work/broker.crt"
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
certfile $work/broker.crt
keyfile $work/broker.key
crlfile $work/crls.pem
require_certificate true
use_identity_as_username true
user root
CONF
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.out" 2>&1 &
broker=$!
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

finish
