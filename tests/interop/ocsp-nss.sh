#!/bin/bash
# Chains with a revocation check as NSS does it: vfychain asks the responder
# and fetches the CRL the certificate itself points to.
. "$(dirname "$0")/lib.sh"
need certutil vfychain openssl curl jq

install_brevet
start_daemon
enroll n1 || bail "no certificate for n1"
nss_database || bail "no NSS database"

chain() { # METHOD: ocsp or crl
    vfychain -d "sql:$work/nss" -pp -u 0 -g leaf -m "$1" -s failIfNoInfo -a "$work/n1.crt"
}
until_true 10 chain ocsp
ok $? "NSS accepts the chain and the OCSP answer"
until_true 10 chain crl
ok $? "NSS accepts the chain and the CRL"
brevet cert revoke --device n1 --reason keyCompromise >/dev/null && brevet crl publish >/dev/null
ok $? "revoke and publish"
refuse "NSS refuses the revoked certificate by OCSP" chain ocsp
check "because it is revoked" grep -qi revoked "$work/refused.log"

finish
