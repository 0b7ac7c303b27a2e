#!/bin/sh
# brevet-agent against an EST server that is not ours: enrol, install, hook,
# renew, service, repair, and the exit status of each failure.
#   agent_test.sh AGENT SOURCE_DIR
set -eu
agent=$(realpath "$1") here=$2
work=$(mktemp -d)
server=
service=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || :
    [ -z "$service" ] || kill "$service" 2>/dev/null || :
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
fail() {
    echo "FAIL: $*" >&2
    exit 1
}
expect() { # expect STATUS COMMAND...
    want=$1 got=0
    shift
    "$@" >out.txt 2>&1 || got=$?
    [ "$got" = "$want" ] || { cat out.txt; fail "status $got, not $want: $*"; }
}
await() { # await COMMAND...: up to ten seconds
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 100 ] || fail "never: $*"
        sleep 0.1
    done
}

cat >ca.cnf <<'CNF'
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
[device]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
sign() { # sign NAME SUBJECT CA SECTION
    make_key "$1.key"
    openssl req -new -config ca.cnf -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -days 30 \
        -extfile ca.cnf -extensions "$4" -out "$1.crt" 2>/dev/null
}
for ca in root other; do
    make_key $ca.key
    openssl req -x509 -new -config ca.cnf -key $ca.key -subj "/CN=$ca" \
        -days 30 -extensions ca -out $ca.crt
done
sign issuing Issuing root ca
sign server localhost issuing server
cat server.crt issuing.crt >server.pem
cat root.crt issuing.crt >cas.pem
python3 "$here/est_server.py" 2>/dev/null &
server=$!
await test -s port
url=https://localhost:$(cat port)
pin=$(openssl x509 -in root.crt -outform DER | sha256sum | cut -d' ' -f1)
echo secret >claim
echo wrong >wrong
mkdir out
cat >agent.conf <<CONF
identity "dev1" {
  url = "$url"
  claim-code-file = "$work/claim"
  ca-fingerprint = "$pin"
  dir = "$work/state"
  san = {"dns:dev1.example", "ip:10.1.2.3"}
  install {
    cert = "$work/out/cert.pem"
    key = "$work/out/key.pem"
    ca = "$work/out/ca.pem"
  }
  hook = "echo \$BREVET_IDENTITY \$BREVET_REASON >>$work/hook.txt"
}
CONF
same_key() {
    [ "$(openssl pkey -in out/key.pem -pubout)" = \
        "$(openssl x509 -in out/cert.pem -noout -pubkey)" ] ||
        fail "installed key and certificate differ"
}

expect 7 "$agent" -c agent.conf renew
expect 0 "$agent" -c agent.conf enroll
openssl verify -CAfile out/ca.pem out/cert.pem >/dev/null
same_key
[ "$(stat -c %a out/key.pem)" = 600 ] || fail "mode of the key"
[ "$(cat hook.txt)" = "dev1 enrolled" ] || fail "hook"
openssl x509 -in out/cert.pem -noout -ext subjectAltName |
    grep -q 'DNS:dev1.example, IP Address:10.1.2.3' || fail "names"
expect 0 "$agent" -c agent.conf status --json
grep -q '"state": "good"' out.txt || fail "status"
expect 0 "$agent" -c agent.conf renew
rm claim # needed once only
cp out/cert.pem before.pem
expect 0 "$agent" -c agent.conf renew --force
cmp -s out/cert.pem before.pem && fail "not renewed"
same_key

"$agent" -c agent.conf run 2>run.txt &
service=$!
await grep -q started run.txt
expect 6 "$agent" -c agent.conf renew # the service holds the directory
expect 0 "$agent" -c agent.conf status
cp out/cert.pem good.pem
echo damaged >out/cert.pem
kill -HUP $service
await cmp out/cert.pem good.pem
grep -q 'dev1 repaired' hook.txt || await grep -q 'dev1 repaired' hook.txt
kill -TERM $service
wait $service || fail "status of the service"
service=

echo secret >claim
one() { "$agent" enroll --url "$url" --id dev1 --dir "$work/s" "$@"; }
expect 2 one --ca-file root.crt --claim-code-file wrong
expect 5 one --ca-file other.crt --claim-code-file claim
expect 5 one --ca-fingerprint "$(printf %064d 0)" --claim-code-file claim
expect 4 "$agent" enroll --url https://127.0.0.1:1 --id dev1 --dir "$work/n" \
    --ca-file root.crt
expect 1 one --ca-file root.crt --key-type dsa
expect 1 "$agent" enroll --url "$url" --id dev1 --dir "$work/unpinned"

# enroll remembers what it was told; the folder is enough afterwards
[ "$(stat -c %a s/identity.conf)" = 600 ] || fail "mode of identity.conf"
expect 0 one --ca-file root.crt --claim-code-file claim
(cd out && expect 0 "$agent" renew --force --dir "$work/s")
expect 0 "$agent" status --dir "$work/s"
# killed while it wrote the next set
next=s/pem-$(($(readlink s/current | tr -dc 0-9) + 1))
mkdir "$next"
echo half >"$next/.key.pem.new"
expect 0 "$agent" renew --force --dir "$work/s"
[ "s/$(readlink s/current)" = "$next" ] || fail "an interrupted write stands in the way"
[ ! -e "$next/.key.pem.new" ] || fail "an interrupted write stays"
openssl verify -CAfile s/ca.pem -untrusted s/chain.pem s/cert.pem >/dev/null
[ "$(grep -c BEGIN s/cert.pem)" = 2 ] || fail "cert.pem lacks the intermediate"
[ "$(stat -Lc %a s/key.pem)" = 600 ] || fail "mode of key.pem"
[ "$(openssl pkey -in s/key.pem -pubout)" = \
    "$(openssl x509 -in s/cert.pem -noout -pubkey)" ] || fail "key.pem"
chmod 666 agent.conf
expect 1 "$agent" -c agent.conf status
grep -q 'nobody else may write it' out.txt || fail "writable agent.conf"
chmod 600 agent.conf
expect 0 "$agent" enroll --url "$url" --id dev1 --dir "$work/nopem" \
    --ca-file root.crt --claim-code-file claim --no-pem
[ ! -e nopem/cert.pem ] || fail "--no-pem"
# more CA certificates than a device can hold: what is needed is held
mv cas.pem few.pem
{
    cat ca.cnf
    printf '[large]\nbasicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign\n'
    printf 'subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\nnsComment = %01000d\n' 0
} >large.cnf
mv large.cnf ca.cnf
for n in 1 2 3 4 5 6; do sign "large$n" "Large $n" root large; done
cat few.pem large?.crt >cas.pem
expect 0 "$agent" enroll --url "$url" --id dev1 --dir "$work/large" --ca-fingerprint "$pin" --claim-code-file claim
expect 0 "$agent" renew --force --dir "$work/large"
mv few.pem cas.pem

# answers to a renewal that an honest server does not give, each with its exit
# status; none of them takes the identity away
kept=$(openssl x509 -in s/cert.pem -noout -serial)
moods() {
    cat <<'MOODS'
2 400 Bad Request
2 403 Forbidden
2 401 Unauthorized
3 202 Accepted|Retry-After: 0
3 202 Accepted|Retry-After: 99999999999999999999
3 202 Accepted|Retry-After: -1
3 202 Accepted|Retry-After: Fri, 31 Dec 9999 23:59:59 GMT
3 202 Accepted
4 503 Busy|Retry-After: 99999999999999999999
4 503 Busy
4 429 Slow down|Retry-After: 1
4 drop
5 200 OK|Content-Type: text/html
5 302 Found|Location: https://localhost:1/
5 huge
5 endless
5 long head
5 not http
5 noise
5 wrong key
5 wrong name
5 wrong chain
5 expired
MOODS
}
moods >moods.txt
while read -r want mood; do
    echo "$mood" >mood
    expect "$want" timeout 60 "$agent" renew --force --dir "$work/s"
    [ "$(openssl x509 -in s/cert.pem -noout -serial)" = "$kept" ] || fail "$mood took the certificate away"
    expect 0 "$agent" status --dir "$work/s"
done <moods.txt
rm mood
expect 0 "$agent" renew --force --dir "$work/s"
[ "$(openssl x509 -in s/cert.pem -noout -serial)" != "$kept" ] || fail "not renewed after all that"
for type in p384 ed25519 rsa2048; do
    expect 0 "$agent" enroll --url "$url" --id dev1 --dir "$work/$type" \
        --ca-file root.crt --claim-code-file claim --key-type $type
done
echo "agent: all as expected"
