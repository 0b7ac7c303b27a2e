#!/bin/bash
# CA keys and certificates between Brevet and OpenSSL: an external root made by
# OpenSSL signs ours, everything that does not fit is refused with a sentence;
# the root's key leaves the machine and comes back for a signature.
. "$(dirname "$0")/lib.sh"
need openssl curl jq

ext=$work/ext
mkdir -p "$ext"
cat >"$ext/openssl.cnf" <<'CNF'
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[nothing_below]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
make_root() { # NAME EXTENSIONS
    openssl req -config "$ext/openssl.cnf" -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7300 \
        -extensions "$2" -subj "/CN=External $1" -keyout "$ext/$1.key" -out "$ext/$1.crt" 2>/dev/null
}
sign() { # CSR ROOT EXTENSIONS OUT [openssl x509 arguments]
    local csr=$1 with=$2 extensions=$3 out=$4
    shift 4
    openssl x509 -req -in "$csr" -CA "$ext/$with.crt" -CAkey "$ext/$with.key" -set_serial 0x4711 -days 3650 \
        -extfile "$ext/openssl.cnf" -extensions "$extensions" -out "$ext/$out.crt" "$@" 2>/dev/null
}
said() { grep -qi "$1" "$work/refused.log"; }

# --- an external root ---
make_root root root && make_root other root && make_root narrow nothing_below || bail "no external root"
install_brevet "" --external-root
csr=$ca/ca/issuing.csr
check "init leaves a request" openssl req -in "$csr" -noout -verify
brevet ca csr --out "$ext/again.csr"
equal "ca csr makes the same request again" "$(openssl req -in "$csr" -noout -subject -pubkey)" \
    "$(openssl req -in "$ext/again.csr" -noout -subject -pubkey)"

sign "$csr" root ca good
sign "$csr" root leaf leaf
sign "$csr" narrow ca narrowed
sign "$csr" other ca foreign
openssl req -config "$ext/openssl.cnf" -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x \
    -keyout "$ext/x.key" -out "$ext/x.csr" 2>/dev/null
sign "$ext/x.csr" root ca another
install() { brevet ca install "$ext/$1.crt" --chain "$ext/$2.crt"; }
refuse "a certificate for another key" install another root
check "and why" said 'another key'
refuse "one that is not a CA's" install leaf root
check "and why" said "not a CA's"
refuse "a chain that did not sign it" install foreign root
check "and why" said 'issuer\|signature'
refuse "below a CA that permits none" install narrowed narrow
check "and why" said pathLen
refuse "no chain at all" brevet ca install "$ext/good.crt"
check "it is said how to give one" grep -q -- "--chain FILE" "$work/refused.log"
make_clock "$work/clock" "$work/clock-libasan.so" || bail "no clock"
install_at() { # SECONDS from now
    set_clock "$work/clock" "$1"
    LD_PRELOAD=$work/clock-libasan.so install good root
}
refuse "one that has expired" install_at $((20 * 366 * 86400))
check "and why" said expired
refuse "one that is not valid yet" install_at -86400
check "and why" said 'not yet valid'
refuse "what is no certificate" brevet ca install "$csr" --chain "$ext/root.crt"
refuse "no such file" brevet ca install "$ext/none.crt"
cat "$ext/good.crt" "$ext/root.crt" "$ext/other.crt" >"$ext/long.crt"
refuse "a chain with one too many" brevet ca install "$ext/long.crt"
refuse "nothing was written meanwhile" test -e "$ca/ca/issuing.crt"
check "the one that fits is installed" install good root
start_daemon
enroll d1 || bail "no certificate for d1"
check "a device's certificate chains to the external root" \
    openssl verify -x509_strict -CAfile "$ext/root.crt" -untrusted "$ca/ca/issuing.crt" "$work/d1.crt"
stop_daemon

# --- a client's certificate by the root itself ---
# TLS takes it, for the root is ours; core knows only what is in the inventory.
stop_daemon
ca=$work/direct
install_brevet
start_daemon
openssl pkey -in "$ca/ca/root.key" -passin "file:$work/passphrase" -out "$work/direct.key"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=intruder -keyout "$work/intruder.key" \
    -out "$work/intruder.csr" 2>/dev/null
openssl x509 -req -in "$work/intruder.csr" -CA "$root" -CAkey "$work/direct.key" -set_serial 0x42112233445566778899aabbccddeeff00 \
    -days 30 -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n') \
    -out "$work/intruder.crt" 2>/dev/null
new_csr intruder
direct() { post "$1" "$work/intruder.b64" --cert "$work/intruder.crt" --key "$work/intruder.key"; }
direct simpleenroll
equal "a certificate the root signed past the inventory enrols nothing" 401 "$status"
direct simplereenroll
refuse "and renews nothing" test "$status" = 200
check "the log says that it was not issued here" grep -q 'not issued here' "$work/brevetd.log"
stop_daemon

# --- an own root that leaves and comes back ---
ca=$work/own
install_brevet
(umask 077 && echo "another passphrase" >"$work/other-passphrase")
export_root() { brevet ca export-root --out "$1" --passphrase-file "$work/other-passphrase"; }
check "the root's key is exported" export_root "$work/root.key"
refuse "and is not here any more" test -e "$ca/ca/root.key"
check "it is sealed under the new passphrase" \
    openssl pkey -in "$work/root.key" -passin "file:$work/other-passphrase" -noout
refuse "not under the old one" openssl pkey -in "$work/root.key" -passin "file:$work/passphrase" -noout
equal "only its owner reads it" 600 "$(stat -c %a "$work/root.key")"
refuse "there is nothing to export twice" export_root "$work/root2.key"
check "and why" said 'not on this machine'
# its certificate made anew elsewhere, with an identifier of another kind
ski_of() { openssl x509 -in "$1" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' '; }
ours=$(ski_of "$ca/ca/issuing.crt")
brevet ca csr --out "$ext/own.csr" 2>/dev/null
openssl x509 -req -in "$ext/own.csr" -CA "$root" -CAkey "$work/root.key" -passin "file:$work/other-passphrase" \
    -set_serial 0x4712 -days 2000 -extfile "$ext/openssl.cnf" -extensions ca -out "$ext/own.crt" 2>/dev/null
check "a certificate for the issuing CA that OpenSSL made is installed" brevet ca install "$ext/own.crt"
theirs=$(ski_of "$ca/ca/issuing.crt")
refuse "with its own key identifier" test "$ours" = "$theirs"
start_daemon
equal "the server knows that the root is offline" true "$(brevet ca show root --json | jq .offline)"
enroll d2
ok $? "it issues without the root"
refuse "a renewal needs the root's key" brevet ca renew
back=(--root-key "$work/root.key" --passphrase-file "$work/other-passphrase")
before=$(openssl x509 -in "$ca/ca/issuing.crt" -noout -pubkey)
serial=$(openssl x509 -in "$ca/ca/issuing.crt" -noout -serial)
refuse "not with a wrong passphrase" brevet ca renew --root-key "$work/root.key" --passphrase-file "$work/passphrase"
check "it comes back and renews the issuing CA" brevet ca renew --lifetime 9y "${back[@]}"
equal "with the same key" "$before" "$(openssl x509 -in "$ca/ca/issuing.crt" -noout -pubkey)"
equal "and the same key identifier" "$theirs" "$(ski_of "$ca/ca/issuing.crt")"
check "which is that in old device certificates" grep -qi "${theirs#*:}" <(openssl x509 -in "$work/d2.crt" -noout -ext authorityKeyIdentifier | tr -d ' ')
refuse "and a new certificate" test "$serial" = "$(openssl x509 -in "$ca/ca/issuing.crt" -noout -serial)"
check "which OpenSSL takes" openssl verify -x509_strict -CAfile "$root" "$ca/ca/issuing.crt"
check "and with which old device certificates chain" \
    openssl verify -CAfile "$root" -untrusted "$ca/ca/issuing.crt" "$work/d2.crt"
refuse "a root is not renewed" brevet ca renew --ca root "${back[@]}"
check "it signs another's request" brevet ca sign "$ext/x.csr" --out "$work/x.crt" "${back[@]}"
check "which OpenSSL takes too" openssl verify -x509_strict -CAfile "$root" "$work/x.crt"
# what the configuration says of CAs below
cat >>"$ca/brevet.conf" <<'CONF'
profile "intermediate" {
    keys = { p384 }
    permitted-dns = { "devices.example" }
    excluded-dns = { "lab.devices.example" }
    backdate = "0s"
}
CONF
openssl req -config "$ext/openssl.cnf" -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj /CN=scoped \
    -keyout "$ext/scoped.key" -out "$ext/scoped.csr" 2>/dev/null
refuse "a key that the profile intermediate does not allow is no CA's" brevet ca sign "$ext/x.csr" --out "$work/y.crt" "${back[@]}"
check "and why" said 'does not allow p256'
check "one that it allows is" brevet ca sign "$ext/scoped.csr" --out "$work/scoped.crt" "${back[@]}"
check "within the names it permits" grep -q DNS:devices.example <(openssl x509 -in "$work/scoped.crt" -noout -text)
check "without those it excludes" grep -A3 -i excluded <(openssl x509 -in "$work/scoped.crt" -noout -text | grep -B9 DNS:lab.devices.example)
check "which OpenSSL takes" openssl verify -x509_strict -CAfile "$root" "$work/scoped.crt"
check "the CA whose key is here is renewed whatever its kind" brevet ca renew --lifetime 9y "${back[@]}"
check "within those names, too" grep -q DNS:devices.example <(openssl x509 -in "$ca/ca/issuing.crt" -noout -text)
sed -i '/^profile "intermediate"/,$d' "$ca/brevet.conf"
check "and without them" brevet ca renew --lifetime 9y "${back[@]}"
weak=(-newkey rsa:2048 -pkeyopt rsa_keygen_pubexp:65539 -nodes -keyout "$ext/weak.key")
openssl req -config "$ext/openssl.cnf" -new "${weak[@]}" -subj /CN=weak -out "$ext/weak.csr" 2>/dev/null
openssl req -config "$ext/openssl.cnf" -x509 "${weak[@]}" -extensions root -subj /CN=weak -out "$ext/weak.crt" 2>/dev/null
for form in csr crt; do
    refuse "a weak key becomes no CA's ($form)" brevet ca sign "$ext/weak.$form" --out "$work/weak.crt" "${back[@]}"
    check "and why ($form)" said exponent
done
device_csr() { openssl req -new -key "$work/d2.key" -subj /CN=x -out "$ext/d2.csr"; }
check "a request with a device's key" device_csr
refuse "is not signed" brevet ca sign "$ext/d2.csr" --out "$work/weak.crt" "${back[@]}"
check "and why" said "a device's"
refuse "nothing was written" test -e "$work/weak.crt"
refuse "not one that was tampered with" brevet ca sign "$work/d2.der" --out "$work/y.crt" "${back[@]}"
kill -HUP "$daemon"
until_true 10 grep -q reloaded "$work/brevetd.log"
enroll d3
ok $? "after a reload it issues on"
finish
