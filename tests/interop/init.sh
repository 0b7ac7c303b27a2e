#!/bin/bash
# brevet init: its options, the files it makes and their modes, what it refuses.
. "$(dirname "$0")/lib.sh"
need openssl jq

(umask 077 && echo "a passphrase for tests" >"$work/passphrase")
init() { # DIR [options...]: leaves $work/out
    local dir=$1
    shift
    "$bin_brevet" --dir "$work/$dir" init --passphrase-file "$work/passphrase" "${one_user[@]}" "$@" >"$work/out" 2>&1 </dev/null
}
fails() { # TEXT CODE WORDS [options...]: and leaves nothing behind
    local text=$1 want=$2 words=$3 got
    shift 3
    init none "$@"
    got=$?
    equal "$text: exit code" "$want" "$got"
    check "$text: says \"$words\"" grep -qi -- "$words" "$work/out"
    check "$text: leaves nothing" sh -c "! ls -d $work/none* 2>/dev/null"
}
mode() { stat -c %a "$work/$1"; }

init plain --name Acme --host ca.example.org --host 192.0.2.7 --https 127.0.0.1:9443 --http 127.0.0.1:9080
ok $? "an installation"
check "it says what to do next" grep -q 'token create --device' "$work/out"
for file in ca/root.key ca/issuing.key ca/log.key ca/ocsp-issuing.pem tls/server.pem db/brevet.db; do
    equal "$file is for its owner only" 600 "$(mode "plain/$file")"
done
for file in tls db; do equal "$file/ is for its owner only" 700 "$(mode "plain/$file")"; done
for file in ca/root.crt ca/issuing.crt brevet.conf; do equal "$file may be read by all" 644 "$(mode "plain/$file")"; done
check "CA keys are sealed" grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$work/plain/ca/issuing.key"
check "with the passphrase" openssl pkey -in "$work/plain/ca/issuing.key" -passin "file:$work/passphrase" -noout
refuse "and no other" openssl pkey -in "$work/plain/ca/issuing.key" -passin pass:wrong -noout
check "scrypt or a strong PBKDF2" sh -c "openssl asn1parse -in $work/plain/ca/issuing.key | grep -qE 'scrypt|PBKDF2'"
openssl x509 -in "$work/plain/tls/server.pem" -noout -text >"$work/text"
check "the server's certificate has all hosts" sh -c "grep -q 'DNS:ca.example.org, IP Address:192.0.2.7' $work/text"
check "it chains to the root" openssl verify -x509_strict -purpose sslserver -CAfile "$work/plain/ca/root.crt" \
    -untrusted "$work/plain/ca/issuing.crt" "$work/plain/tls/server.pem"
check "URLs point to the first host" grep -q 'URI:http://ca.example.org:9080/' "$work/text"
check "the daemon accepts what was made" "$bin_brevetd" --dir "$work/plain" --check
sum=$(find "$work/plain" -type f -exec sha256sum {} + | sort | sha256sum)
refuse "a long passphrase is taken without a word" grep -q warning "$work/out"
(umask 077 && echo abcd >"$work/short" && echo aaaaaaaaaaaaaaaaaaaaaaaaaaaa >"$work/dull")
for kind in short dull; do
    "$bin_brevet" --dir "$work/$kind-ca" init --name A --passphrase-file "$work/$kind" "${one_user[@]}" >"$work/said" 2>&1
    ok $? "a $kind passphrase is taken"
    check "with a warning that says how to make a good one" grep -q 'warning: .*passphrase\|openssl rand' "$work/said"
    "$bin_brevetd" --dir "$work/$kind-ca" --check >"$work/said" 2>&1
    check "brevet check warns of it too" grep -q 'passphrase is easily found' "$work/said"
done
typed() { python3 -B "$(dirname "$0")/lib/type.py" "$@"; }
typed "Passphrase for" abcd "same again" abcd -- "$bin_brevet" --dir "$work/typed" init --name A "${one_user[@]}" >"$work/said" 2>&1
ok $? "a passphrase is typed, twice"
check "a short one: with a warning" grep -q 'warning: this passphrase' "$work/said"
refuse "a key is not exported under a passphrase mistyped once" typed "CA keys" abcd "exported key" "a horse and a cart" \
    "same again" "a hearse and a cart" -- "$bin_brevet" --dir "$work/typed" ca export-root --out "$work/typed-root.key"
typed "CA keys" abcd "exported key" "a horse and a cart" "same again" "a hearse and a cart" -- \
    "$bin_brevet" --dir "$work/typed" ca export-root --out "$work/typed-root.key" >"$work/said" 2>&1
check "which is said" grep -q 'the two are not the same' "$work/said"
check "and stays" test -e "$work/typed/ca/root.key" -a ! -e "$work/typed-root.key"
init plain --name Other
equal "an existing installation is refused" 1 $?
check "and says so" grep -q 'nothing was changed' "$work/out"
equal "nothing was changed" "$sum" "$(find "$work/plain" -type f -exec sha256sum {} + | sort | sha256sum)"

for alg in p256 p384 p521 rsa2048 rsa3072 rsa4096 ed25519; do
    init "alg-$alg" --name Acme --root-alg "$alg" --ca-alg p256 --root-lifetime 10y --ca-lifetime 400d
    ok $? "root of $alg"
    check "root of $alg: the chain verifies" openssl verify -x509_strict -CAfile "$work/alg-$alg/ca/root.crt" "$work/alg-$alg/ca/issuing.crt"
done
check "the lifetime is as asked" openssl x509 -in "$work/alg-p256/ca/issuing.crt" -noout -checkend $((399 * 86400))
refuse "and not longer" openssl x509 -in "$work/alg-p256/ca/issuing.crt" -noout -checkend $((401 * 86400))

init country --name Acme --country DE
ok $? "with a country"
for ca in root issuing; do
    check "which is in the name of the $ca CA" grep -q 'C *= *DE' <(openssl x509 -in "$work/country/ca/$ca.crt" -noout -subject)
done
init country-csr --name Acme --country DE --external-root
check "and in that of a request" grep -q 'C *= *DE' <(openssl req -in "$work/country-csr/ca/issuing.csr" -noout -subject)
fails "a country that is none" 2 "cannot be used" --name A --country Germany
fails "nor in small letters" 2 "cannot be used" --name A --country de

"$bin_brevet" --dir "$work/made" init --name Acme "${one_user[@]}" >"$work/out" 2>&1 </dev/null
ok $? "without a passphrase one is made"
equal "for its owner only" 600 "$(mode made/passphrase)"
check "it opens the keys" openssl pkey -in "$work/made/ca/root.key" -passin "file:$work/made/passphrase" -noout

fails "no name" 2 "--name"
fails "an unknown algorithm" 2 "dsa" --name A --ca-alg dsa
fails "a lifetime that is none" 2 "soon" --name A --root-lifetime soon
fails "a CA that outlives its root" 2 "longer than the root" --name A --root-lifetime 1y --ca-lifetime 2y
fails "an unknown option" 2 "unrecognized" --name A --colour red
fails "an argument" 2 "no such argument" --name A surplus
fails "an address that is none" 1 "none\|address\|https" --name A --https nonsense
chmod 644 "$work/passphrase"
fails "a passphrase all can read" 2 "chmod 600" --name A
chmod 600 "$work/passphrase"

if [ "$(id -u)" -eq 0 ]; then
    fails "a user that is none" 1 "no user \"nobody-here\"" --name A --user nobody-here
    chmod 700 "$work"
    fails "a folder its user cannot get into" 1 "closed to it" --name A --user nobody
fi

init external --name Acme --external-root
ok $? "a request for an external root"
check "it is signed by its key" openssl req -in "$work/external/ca/issuing.csr" -verify -noout
check "there is no root" test ! -e "$work/external/ca/root.key"

finish
