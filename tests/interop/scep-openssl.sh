#!/bin/bash
# SCEP with messages made by hand (client/scep_msg.c, on OpenSSL alone): what
# clients do that strongSwan does not, and what none should.
. "$(dirname "$0")/lib.sh"
need openssl jq curl xxd
scep_msg=$build/tests/interop/scep-msg

install_brevet '
scep {
    enabled = true
}
profile "museum" {
    scep-legacy = true
}
profile "asked" {
    approval = true
}
label museum {
    profile = museum
}
label asked {
    profile = asked
}'
start_daemon
scep=$http/scep
until_true 20 curl -sf -o /dev/null "$scep?operation=GetCACert" || bail "there is no RA certificate"
check "a start warns of the profile that takes SHA-1" grep -q "warn SCEP takes SHA-1 and 3DES profile=museum" "$work/brevetd.log"
check "and so does brevet check" sh -c "'$bin_brevet' --dir '$ca' check 2>&1 | grep -q 'profile \"museum\": scep-legacy'"

# --- what is told without a message ---
get "$scep?operation=GetCACaps"
equal "GetCACaps" "200 text/plain" "$status $(header Content-Type)"
none "has no empty line" "$(grep -n '^$' "$work/answer")"
refuse "and no SHA-1" grep -qx SHA-1 "$work/answer"
get "$scep/museum?operation=GetCACaps"
check "but where it is taken" grep -qx SHA-1 "$work/answer"
get "$scep/pkiclient.exe?operation=GetCACert&message=any"
equal "GetCACert" "200 application/x-x509-ca-ra-cert" "$status $(header Content-Type)"
openssl pkcs7 -inform DER -in "$work/answer" -print_certs | sed -n '/BEGIN/,/END/p' >"$work/all.pem"
csplit -sz -f "$work/part" "$work/all.pem" '/BEGIN/' '{*}'
equal "brings three certificates" 3 "$(grep -c BEGIN "$work/all.pem")"
for part in "$work"/part*; do
    openssl x509 -in "$part" -noout -ext keyUsage 2>/dev/null | grep -q 'Key Encipherment' && cp "$part" "$work/ra.crt"
done
check "of which one can be encrypted to" test -s "$work/ra.crt"
get "$http/cgi-bin/pkiclient.exe?operation=GetCACaps"
equal "the path that Cisco demands" 200 "$status"
get "$scep/nobody?operation=GetCACaps"
equal "a label that is none" 404 "$status"
get "$scep?operation=GetNextCACert"
equal "there is no next CA" 404 "$status"
check "HTTP/1.0 without Host" sh -c "curl -s -0 -H 'Host:' -D '$work/head' -o '$work/answer' '$scep?operation=GetCACaps' && grep -q 'HTTP/1.[01] 200' '$work/head' && grep -qi '^content-length: ' '$work/head'"
get "$scep" -X PUT --data x
equal "PUT" 405 "$status"
get "${https}/scep?operation=GetCACaps"
equal "with TLS as well" 200 "$status"

# --- messages ---
# device NAME [bits]: a key and a certificate of its own making
device() {
    openssl req -x509 -newkey "rsa:${2:-2048}" -nodes -keyout "$work/$1.key" -out "$work/$1.self" -subj "/CN=$1" -days 2 2>/dev/null
}
# csr NAME [CODE [KEY]]: NAME.csr, DER, with a challengePassword
csr() {
    printf '[req]\nprompt=no\ndistinguished_name=dn\n%s[dn]\nCN=%s\n%s\n' "${2:+attributes=at
}" "$1" "${2:+[at]
challengePassword=$2}" >"$work/csr.cnf"
    openssl req -new -key "${3:-$work/$1.key}" -config "$work/csr.cnf" -outform DER -out "$work/$1.csr"
}
# make NAME [options]: NAME.msg, signed with NAME.self
make() {
    local name=$1
    shift
    "$scep_msg" make "$work/$name.key" "$work/${signer:-$name.self}" "$work/ra.crt" "id=$name" "$@" <"$work/$name.csr" >"$work/$name.msg" 2>"$work/make.log" ||
        bail "scep-msg: $(tail -n 1 "$work/make.log")"
}
# opened NAME: what the answer says, as lines; NAME.got is the certificates
opened() {
    said=$("$scep_msg" open "$work/$1.key" "$work/${signer:-$1.self}" "$work/ra.crt" "$work/$1.got" <"$work/answer" 2>"$work/open.log") || said="unreadable: $(tail -n 1 "$work/open.log")"
}
value() { sed -n "s/^$1=//p" <<<"$said"; }
send() { # NAME [curl arguments]: POST without a Content-Type, as sscep does
    local name=$1
    shift
    status=$(curl -s -o "$work/answer" -D "$work/head" -w '%{http_code}' -H 'Content-Type:' --data-binary "@$work/$name.msg" "$@" "${at:-$scep}?operation=PKIOperation")
    opened "$name"
}
issued() { # TEXT NAME
    equal "$1" "0 200 application/x-pki-message" "$(value status) $status $(header Content-Type)"
    check "$1: a certificate for its key" "$work/find" "$work/$2.got" "$work/$2.key"
}
# find CERTS KEY: the certificate of this key is among them
cat >"$work/find" <<'SH'
#!/bin/bash
want=$(openssl pkey -in "$2" -pubout) one=
while IFS= read -r line; do
    one+=$line$'\n'
    [[ $line == *END* ]] || continue
    [ "$(openssl x509 -noout -pubkey <<<"$one" 2>/dev/null)" = "$want" ] && exit 0
    one=
done <"$1"
exit 1
SH
chmod +x "$work/find"
failed() { equal "$1" "2 $2" "$(value status) $(value fail)"; }

device pump
code=$(token --device pump)
csr pump "$code"
make pump
send pump
issued "POST" pump
equal "it answers this transaction" "3 pump 000102030405060708090a0b0c0d0e0f" "$(value type) $(value id) $(value recipient)"
equal "in the client's algorithms" "sha256 rsaEncryption aes-128-cbc" "$(value md) $(value signature) $(value cipher)"
equal "with the issuing CA and no root" 2 "$(value certs)"
cp "$work/pump.got" "$work/pump.first"
make pump id=again
send pump
check "the same request again gets the same certificate" cmp "$work/pump.first" "$work/pump.got"
device thief
csr thief "$code"
make thief
send thief
failed "the code of another device" 2
check "failInfoText says why" test -n "$(value text)"
equal "and there is no content" 0 "$(value content)"
csr thief WRONG-CODE
make thief
send thief
failed "a code that is none" 2
equal "HTTP is fine with that" 200 "$status"
csr thief
make thief
send thief
failed "no code" 2

# --- how it is sent ---
enrol() { # NAME: key, claim code and CSR of a new device
    device "$1" && csr "$1" "$(token --device "$1")"
}
enrol ber
make ber ber
send ber
issued "BER: open lengths, strings in pieces" ber
enrol oaep
make oaep oaep cipher=aes-256-cbc md=sha512
send oaep
issued "OAEP, AES-256, SHA-512" oaep
equal "is answered in kind" "sha512 aes-256-cbc" "$(value md) $(value cipher)"
enrol long
openssl req -x509 -newkey rsa:4096 -nodes -keyout "$work/long.key" -out "$work/long.self" -subj /CN=long -days 2 2>/dev/null
csr long "$(token --device long)"
send_get() { # NAME MESSAGE
    status=$(curl -s -o "$work/answer" -D "$work/head" -w '%{http_code}' "$scep?operation=PKIOperation&message=$2")
    opened "$1"
}
make long
escaped=$(base64 -w4 "$work/long.msg" | sed 's/+/%2B/g; s|/|%2F|g; s/=/%3D/g' | awk '{printf "%s%%0A", $0}')
check "a GET of more than 8 KiB" test ${#escaped} -gt 8192
send_get long "$escaped"
issued "GET with %0A at each line's end" long
enrol apple
make apple
send_get apple "$(base64 -w0 "$work/apple.msg" | sed 's/=/%3D/g')"
issued "GET with bare plus" apple
enrol url
make url
send_get url "$(base64 -w0 "$work/url.msg" | tr '+/' '-_' | tr -d =)"
issued "GET with base64url and no padding" url
enrol space
make space
send_get space "$(base64 -w0 "$work/space.msg" | sed 's/+/%20/g; s/=/%3D/g')"
issued "GET with spaces for plus" space
send_get space "abc"
equal "a GET of nothing" 400 "$status"

# --- what is not taken ---
enrol old
make old md=sha1
send old
failed "SHA-1" 0
make old cipher=des-ede3-cbc
send old
failed "3DES" 0
make old md=md5
at=$scep/museum send old
failed "MD5, wherever" 0
make old md=sha1 cipher=des-ede3-cbc
at=$scep/museum send old
issued "SHA-1 and 3DES where the profile takes them" old
equal "is answered in kind" "sha1 des-ede3-cbc" "$(value md) $(value cipher)"
enrol who
cp "$work/thief.self" "$work/who.self"
cp "$work/who.key" "$work/who.csr-key"
cp "$work/thief.key" "$work/who.key"
make who
send who
failed "a signer with another key than the CSR's" 2
enrol type
make type type=3
send type
failed "a message type that is no request" 2
make type id=
send type
equal "no transaction id" 400 "$status"
make type nonce=
send type
equal "no nonce" 400 "$status"
enrol asked
make asked
at=$scep/asked send asked
failed "a profile that wants approval" 2
none "and nobody waits for it" "$(brevet device pending --json | grep -F '"asked"')"
head -c 65537 /dev/zero >"$work/big.msg"
status=$(curl -s -o /dev/null -w '%{http_code}' --data-binary "@$work/big.msg" "$scep")
equal "more than 64 KiB" 413 "$status"
# to another RA: a certificate of somebody else's
cp "$work/ra.crt" "$work/ra.keep"
cp "$work/thief.self" "$work/ra.crt"
enrol lost
make lost
cp "$work/ra.keep" "$work/ra.crt"
send lost
failed "encrypted to somebody else" 1

# --- renewal ---
awk -v n=0 '/BEGIN/{n++} {print > "'"$work"'/pump.c" n}' "$work/pump.first"
for c in "$work"/pump.c*; do
    "$work/find" "$c" "$work/pump.key" && cp "$c" "$work/pump.crt"
done
renew() { # TYPE: pump, signed with pump.crt, for a new EC key
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/fresh.key"
    csr pump "" "$work/fresh.key"
    signer=pump.crt make pump "type=$1"
    signer=pump.crt send pump
}
renew 17
equal "RenewalReq for an EC key" 0 "$(value status)"
check "its certificate is for that key" "$work/find" "$work/pump.got" "$work/fresh.key"
renew 19
equal "PKCSReq with the certificate renews too" 0 "$(value status)"
check "no code was wanted" "$work/find" "$work/pump.got" "$work/fresh.key"
brevet cert revoke "$(openssl x509 -in "$work/pump.crt" -noout -serial | cut -d= -f2)" --reason keyCompromise >/dev/null
renew 17
failed "revoked it renews nothing" 2
enrol fake
signer=fake.self make fake type=17
send fake
failed "nor does a certificate of one's own making" 2

# --- the RA's key lives on ---
none "no claim code is in the log" "$(grep -F "$code" "$work/brevetd.log")"
check "the RA's key is sealed" grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$ca/ca/scep-issuing.pem"
stop_daemon
start_daemon
enrol after
make after
again() { send after && [ "$(value status)" = 0 ]; }
ok "$(until_true 20 again; echo $?)" "after a restart it opens what is encrypted to the certificate of before"
get "$scep?operation=GetCACert"
openssl pkcs7 -inform DER -in "$work/answer" -print_certs >"$work/later.pem"
check "and shows no new one" grep -qF "$(sed -n 3p "$work/ra.crt")" "$work/later.pem"

finish
