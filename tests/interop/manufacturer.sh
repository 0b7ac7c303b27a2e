#!/bin/bash
# Devices born with a manufacturer's certificate, and that manufacturer's CRL,
# both made by OpenSSL: the listed one stays out; a list that cannot be used
# keeps all out; a reload takes a new list.
. "$(dirname "$0")/lib.sh"
need openssl curl jq

maker=$work/maker
mkdir -p "$maker/new"
cat >"$maker/openssl.cnf" <<CNF
[ca]
default_ca = maker
[maker]
dir = $maker
database = $maker/index
new_certs_dir = $maker/new
serial = $maker/serial
crlnumber = $maker/crlnumber
certificate = $maker/ca.crt
private_key = $maker/ca.key
default_md = sha256
default_days = 3650
default_crl_days = 30
policy = any
[any]
serialNumber = optional
commonName = optional
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[device]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
CNF
: >"$maker/index"
echo 1000 >"$maker/serial"
echo 01 >"$maker/crlnumber"
make_root() { # NAME SUBJECT
    openssl req -config "$maker/openssl.cnf" -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7300 \
        -extensions root -subj "$2" -keyout "$maker/$1.key" -out "$maker/$1.crt" 2>/dev/null
}
make_root ca "/CN=Maker CA" && make_root other "/CN=Maker CA" || bail "no manufacturer"
idevid() { # NAME
    openssl req -config "$maker/openssl.cnf" -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "/serialNumber=$1" -keyout "$work/$1-idevid.key" -out "$maker/$1.csr" 2>/dev/null &&
        openssl ca -config "$maker/openssl.cnf" -batch -notext -extensions device -in "$maker/$1.csr" \
            -out "$work/$1-idevid.crt" 2>/dev/null
}
new_crl() { openssl ca -config "$maker/openssl.cnf" -gencrl -out "$maker/maker.crl" "$@" 2>/dev/null; }
idevid m1 && idevid m2 && idevid m3 || bail "no device certificates"
openssl ca -config "$maker/openssl.cnf" -revoke "$work/m1-idevid.crt" 2>/dev/null && new_crl || bail "no CRL"

# a manufacturer with a CA below its root: what is configured is the root alone
make_root deep "/CN=Deep Maker" || bail "no second manufacturer"
key_and_csr() { # NAME SUBJECT
    openssl req -config "$maker/openssl.cnf" -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "$2" -keyout "$maker/$1.key" -out "$maker/$1.csr" 2>/dev/null
}
by() { # NAME EXTENSIONS CA
    openssl x509 -req -in "$maker/$1.csr" -CA "$maker/$3.crt" -CAkey "$maker/$3.key" -CAcreateserial -days 365 \
        -extfile "$maker/openssl.cnf" -extensions "$2" -out "$maker/$1.crt" 2>/dev/null
}
key_and_csr plant "/CN=Deep Plant" && by plant root deep && key_and_csr d1 "/serialNumber=d1" && by d1 device plant ||
    bail "no chain of a manufacturer"
cat "$maker/d1.crt" "$maker/plant.crt" >"$work/d1-idevid.crt" && cp "$maker/d1.key" "$work/d1-idevid.key"

install_brevet "manufacturer \"deep\" {
    certificates = \"$maker/deep.crt\"
    group = \"deep\"
}
manufacturer \"acme\" {
    certificates = \"$maker/ca.crt\"
    crl = \"$maker/maker.crl\"
    group = \"acme\"
}"
start_daemon

born() { # NAME: the status of an enrolment with its birth certificate
    new_csr "$1" -subj "/CN=$1" || return 1
    status=$(curl -s --cacert "$root" --cert "$work/$1-idevid.crt" --key "$work/$1-idevid.key" \
        -H 'Content-Type: application/pkcs10' --data-binary "@$work/$1.b64" -o "$work/answer" -w '%{http_code}' \
        "$est/simpleenroll")
}
becomes() { born "$1" && [ "$status" = "$2" ]; }
reload() { kill -HUP "$daemon"; }

born m2
equal "a device that is not listed enrols" 200 "$status"
born d1
equal "one below the manufacturer's root enrols with the chain it shows" 200 "$status"
cp "$maker/d1.crt" "$work/d1-idevid.crt"
born d1
equal "and not without" 000 "$status"
born m1
equal "a listed one does not" 403 "$status"
check "the log says why" grep -q 'revoked this certificate' "$work/brevetd.log"

openssl ca -config "$maker/openssl.cnf" -revoke "$work/m3-idevid.crt" 2>/dev/null && new_crl
openssl crl -in "$maker/maker.crl" -outform DER -out "$maker/der" && mv "$maker/der" "$maker/maker.crl"
reload
until_true 10 becomes m3 403
ok $? "a reload takes a new list, DER this time"
born m2
equal "and others still enrol" 200 "$status"

new_crl -crl_lastupdate 20240101000000Z -crl_nextupdate 20240201000000Z
reload
until_true 10 becomes m2 403
ok $? "an expired list keeps all out"
check "with the reason" grep -q "CRL has expired\|detail=\"it has expired\"" "$work/brevetd.log"

new_crl -keyfile "$maker/other.key" -cert "$maker/other.crt"
reload
said() { grep -q "$1" "$work/brevetd.log"; }
until_true 10 said 'CA certificates signed it'
ok $? "a list signed by another key is not taken"
born m2
equal "and keeps all out" 403 "$status"

rm "$maker/maker.crl"
reload
until_true 10 said 'there is no such file'
ok $? "a missing list is told"
born m2
equal "and keeps all out" 403 "$status"
new_crl
reload
until_true 10 becomes m2 200
ok $? "with a good list the same device enrols again"

# --- the lists of a CA and of the root above it ---
of_deep() { # COMMAND...: openssl ca for one of the CAs of the second manufacturer
    sed "s|maker/ca\.|maker/$1.|;s|maker/index|maker/$1.index|" "$maker/openssl.cnf" >"$maker/$1.cnf"
    touch "$maker/$1.index"
    openssl ca -config "$maker/$1.cnf" "${@:2}" 2>/dev/null
}
list_of() { of_deep "$1" -gencrl -out "$maker/$1.crl"; }
list_of deep && list_of plant || bail "no lists of the second manufacturer"
key_and_csr d2 "/serialNumber=d2" && by d2 device plant && cp "$maker/d2.key" "$work/d2-idevid.key"
cp "$maker/d2.crt" "$work/d2-idevid.crt"
cat "$maker/deep.crt" "$maker/plant.crt" >"$maker/both.crt"
sed -i "s|$maker/deep.crt\"|$maker/both.crt\"\n    crl = {\"$maker/deep.crl\", \"$maker/plant.crl\"}|" "$ca/brevet.conf"
check "two lists are fine" brevet check
reload
until_true 10 becomes d2 200
ok $? "a device below a CA with a list each enrols"
of_deep deep -revoke "$maker/plant.crt" && list_of deep
reload
until_true 10 becomes d2 403
ok $? "what the root revoked lets nobody in"
check "with the reason" said 'revoked the CA of this certificate'
finish
