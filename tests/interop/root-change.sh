#!/bin/bash
# docs/offline-root.md, "Changing the root", typed in: a fleet below one root
# follows to the next. One device hears of it in time, one slept through it, one
# comes new with either root's fingerprint.
. "$(dirname "$0")/lib.sh"
need openssl curl jq
bin_agent=$build/prog/brevet-agent/brevet-agent

install_brevet
start_daemon
vault=$work/vault # the machine without a network
mkdir "$vault" "$vault/nothing"
(umask 077 && echo "the vault's passphrase" >"$vault/pass")
cp "$root" "$vault/root.crt"
check "the old root's key is in the vault" brevet ca export-root --out "$vault/root.key" --passphrase-file "$vault/pass"
reload() {
    local before
    before=$(grep -c 'reloaded' "$work/brevetd.log")
    kill -HUP "$daemon"
    until_true 10 sh -c "[ \$(grep -c reloaded '$work/brevetd.log') -gt $before ]"
}
vault() { "$bin_brevet" --dir "$vault/nothing" "$@"; }
sign() { # ROOT FILE OUT [options]: in the vault
    local with=$vault/$1 file=$vault/$2 out=$vault/$3
    shift 3
    vault ca sign --root-cert "$with.crt" --root-key "$with.key" --passphrase-file "$vault/pass" "$file" "$@" --out "$out"
}
print_of() { openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d= -f2; }
agent() { # VERB NAME [options]
    local verb=$1 name=$2
    shift 2
    "$bin_agent" "$verb" --dir "$work/$name" "$@" >"$work/out" 2>&1
}
enrolled() { # NAME ROOT: by that root's fingerprint
    (umask 077 && token --device "$1" >"$work/$1.code")
    agent enroll "$1" --url "$https" --id "$1" --claim-code-file "$work/$1.code" --ca-fingerprint "$(print_of "$2")"
}
num_roots() { grep -c BEGIN "$work/$1/ca.pem"; }
served_below() { # ROOT: without anything that a client may have kept
    openssl s_client -connect "localhost:$https_port" -verify_return_error -no-CApath -no-CAstore -CAfile "$1" </dev/null
}
in_force() { # ISSUER: of the issuing CA's certificate that cacerts tell
    curl -sf --cacert "$work/both.pem" "$est/cacerts" | base64 -d | openssl pkcs7 -inform DER -print_certs -noout |
        tr -d ' ' | grep -A1 "subject=O=Interop,CN=InteropIssuing" | grep -q "$1"
}

for name in early late lost; do enrolled "$name" "$root" || bail "no certificate for $name: $(cat "$work/out")"; done
equal "a device knows one root" 1 "$(num_roots early)"

# --- a new root, and the two roots sign each other ---
(umask 077 && "$bin_brevet" init --dir "$vault/next" --name "Interop G2" --host localhost \
    --passphrase-file "$vault/pass" "${one_user[@]}" >"$vault/init.log" 2>&1) || bail "no new root"
cp "$vault/next/ca/root.crt" "$vault/root2.crt" && cp "$vault/next/ca/root.key" "$vault/root2.key"
cat "$root" "$vault/root2.crt" >"$work/both.pem"
check "the old root signs the new one" sign root root2.crt root2-by-root.crt
check "the new root signs the old one" sign root2 root.crt root-by-root2.crt
cp "$vault/root2.crt" "$vault/root2-by-root.crt" "$vault/root-by-root2.crt" "$ca/ca/"

# --- it is told ---
conf=$ca/brevet.conf
sed -i 's|chain = {"ca/root.crt"}|&\n    cross = {"ca/root2.crt", "ca/root2-by-root.crt"}|' "$conf"
refuse "a root that has no section is not told" brevet check
check "and why" grep -q 'cross of ca "issuing", certificate 1 has the name or key of no CA here' "$work/refused.log"
kill -HUP "$daemon"
check "nor by the server that runs" until_true 10 grep -q 'a certificate of cross has the name or key of no CA here' "$work/brevetd.log"
printf 'ca "root2" {\n    key = "none"\n    certificate = "ca/root2.crt"\n}\n' >>"$conf"
check "brevet check" brevet check
reload
ok $? "the server reloads"
check "the new root's CRL" brevet ca crl --ca root2 --root-key "$vault/root2.key" --passphrase-file "$vault/pass"
agent renew early --force
equal "a device that renews" 0 $?
equal "follows to the new root" 2 "$(num_roots early)"
check "which is that one" grep -q "$(print_of "$vault/root2.crt" | tr -d : | tr A-F a-f)" <("$bin_agent" status --dir "$work/early")

# --- the issuing CA goes below it ---
brevet ca csr --out "$vault/issuing.csr" 2>"$work/csr.log"
number=$(sed -n 's/.*--serial //p' "$work/csr.log")
check "the new root signs the issuing CA" sign root2 issuing.csr issuing.crt --serial "$number" --lifetime 8y \
    --crl-url "http://localhost:$http_port/crl/root2.crl"
sed -i -e 's|chain = {"ca/root.crt"}|chain = {"ca/root2.crt"}|' -e '/cross = /d' "$conf"
check "it is installed" brevet ca install "$vault/issuing.crt" --chain "$vault/root2.crt"
reload
check "and in force" until_true 10 in_force "InteropG2"
agent renew early --force
equal "a device that followed renews below the new root" 0 $?
check "and needs no other" openssl verify -x509_strict -CAfile "$vault/root2.crt" -untrusted "$work/early/chain.pem" "$work/early/cert.pem"
check "brevet check" brevet check
refuse "nobody who knows only the old root trusts the server" served_below "$root"
agent renew lost --force
check "nor does a device that slept" test $? -ne 0
equal "which stays as it is" 1 "$(num_roots lost)"

# --- with what leads from the old root to the new one ---
sed -i 's|chain = {"ca/root2.crt"}|&\n    cross = {"ca/root2-by-root.crt", "ca/root-by-root2.crt", "ca/root.crt"}|' "$conf"
reload
check "who knows only the old root trusts the server" until_true 10 served_below "$root"
check "as does who knows only the new one" served_below "$vault/root2.crt"
agent renew late --force
equal "a device that slept renews" 0 $?
equal "and follows" 2 "$(num_roots late)"
check "below the new root" openssl verify -x509_strict -CAfile "$vault/root2.crt" -untrusted "$work/late/chain.pem" "$work/late/cert.pem"
enrolled old "$root"
equal "a new device with the old root's fingerprint" 0 $?
equal "knows both" 2 "$(num_roots old)"
enrolled new "$vault/root2.crt"
equal "a new device with the new root's fingerprint" 0 $?

finish
