#!/bin/bash
# OCSP with GnuTLS, another reader of the same answers.
. "$(dirname "$0")/lib.sh"
need ocsptool openssl curl jq

install_brevet
start_daemon
enroll g1 || bail "no certificate for g1"

ask() { # arguments; leaves $work/ocsp
    ocsptool --ask="$http/ocsp" --load-issuer "$issuing" --load-cert "$work/g1.crt" --load-trust "$work/trust.pem" \
        "$@" >"$work/ocsp" 2>&1
}
says() { grep -q "$1" "$work/ocsp"; }
good() { ask --no-nonce && says 'Certificate Status: good'; }

until_true 10 good
ok $? "good"
ask --nonce
check "with a nonce" says 'Certificate Status: good'
check "GnuTLS trusts the responder" says 'Verifying OCSP Response: Success'
check "and finds the nonce" says 'Nonce: '
brevet cert revoke --device g1 --reason cessationOfOperation >/dev/null
ask --no-nonce
check "revoked" says 'Certificate Status: revoked'

finish
