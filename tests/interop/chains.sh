#!/bin/bash
# Chains of every built-in profile under every algorithm a CA may have, judged
# by OpenSSL, GnuTLS and NSS.
. "$(dirname "$0")/lib.sh"
need openssl certtool certutil jq

openssl_purpose() { case $1 in device | client) echo sslclient ;; server) echo sslserver ;; *) echo any ;; esac; }
# NSS: C client, V server, L CA; a gateway is both ends. For code (J) it wants the
# purpose in every CA above, which RFC 5280 does not ask for.
nss_usages() { case $1 in device | client) echo C ;; server) echo V ;; gateway) echo C V ;; intermediate) echo L ;; esac; }

judge() { # PROFILE TEXT
    local cert=$work/$1.crt usage text=$2
    check "$text: openssl verify -x509_strict" openssl verify -x509_strict -purpose "$(openssl_purpose "$1")" \
        -CAfile "$root" -untrusted "$issuing" "$cert"
    cat "$cert" "$issuing" >"$work/chain"
    check "$text: certtool --verify" certtool --verify --load-ca-certificate "$root" --infile "$work/chain"
    [ "$nss" = yes ] || return 0
    nss -A -n "$1" -t ,, -i "$cert"
    for usage in $(nss_usages "$1"); do
        check "$text: certutil -V -u $usage" nss -V -e -n "$1" -u "$usage"
    done
}

for alg in p256 p384 rsa2048 rsa3072 ed25519; do
    install_brevet "" --root-alg "$alg" --ca-alg "$alg"
    start_daemon
    nss=yes
    # NSS 3.87 has no Ed25519 in certificates
    [ "$alg" = ed25519 ] && nss=no
    [ "$nss" = no ] || nss_database || bail "no NSS database"
    for profile in device client server gateway intermediate codesigning; do
        name=$profile-$alg.example.org
        [ "$profile" = intermediate ] && name="Sub CA $alg"
        san=()
        case $profile in server | gateway) san=(-addext "subjectAltName=DNS:$name") ;; esac
        new_csr "$profile" -subj "/CN=$name" "${san[@]}"
        openssl req -inform DER -in "$work/$profile.der" -out "$work/$profile.csr"
        if brevet cert issue --profile "$profile" --csr "$work/$profile.csr" --out "$work/$profile.crt" >"$work/check.log" 2>&1; then
            judge "$profile" "$alg $profile"
        else
            ok 1 "$alg $profile is issued" "$(tail -n 1 "$work/check.log")"
        fi
    done
    stop_daemon
    equal "$alg: the daemon ends well" 0 "$daemon_status"
    mv "$ca" "$work/ca-$alg" && rm -rf "$work/nss" "$work"/*.key "$work"/*.crt
done
no_complaints
finish
