#!/bin/bash
# The agent against the daemon, both as users run them: enrolment by every
# credential, keys, names, renewal, approval, refusal, restarts.
. "$(dirname "$0")/lib.sh"
need openssl jq curl
bin_agent=$build/prog/brevet-agent/brevet-agent

agents=() # process ids
# shellcheck disable=SC2317
stop_agents() {
    local hook
    [ ${#agents[@]} -eq 0 ] || kill -9 "${agents[@]}" 2>/dev/null
    # what an agent that was killed can end no more
    for hook in $(cat "$work/hooks" 2>/dev/null); do kill -9 -- "-$hook" 2>/dev/null; done
}
at_exit+=(stop_agents)

# Two CAs of a manufacturer nobody else knows, and an IDevID below it.
make_maker() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/O=Maker/CN=Maker CA" \
        -keyout "$work/maker.key" -out "$work/maker.pem" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=Maker/serialNumber=sn-77" \
        -keyout "$work/idevid.key" -out "$work/idevid.csr" 2>/dev/null
    openssl x509 -req -in "$work/idevid.csr" -CA "$work/maker.pem" -CAkey "$work/maker.key" -days 30 \
        -out "$work/idevid.pem" -extfile <(printf '%s\n' 'keyUsage=critical,digitalSignature' \
        'basicConstraints=critical,CA:false' 'authorityKeyIdentifier=keyid' 'subjectKeyIdentifier=hash') 2>/dev/null
}
make_maker
mkdir -p "$ca" && rmdir "$ca"
install_brevet "
profile \"device\" {
    lifetime = \"120s\"
    backdate = \"5s\"
}
profile \"brief\" {
    lifetime = \"20s\"
    backdate = \"1s\"
}
profile \"approved\" {
    approval = \"true\"
}
profile \"bound\" {
    channel-binding = \"require\"
}
profile \"named\" {
    keys = {\"p256\", \"p384\", \"ed25519\", \"rsa\"}
    san = {\"dns\", \"ip\", \"uri\"}
    san-patterns = {\"*.example\", \"ip:10.*\", \"uri:urn:x:*\"}
}
label \"brief\" {
    profile = \"brief\"
}
label \"slow\" {
    profile = \"approved\"
}
label \"tight\" {
    profile = \"bound\"
}
label \"named\" {
    profile = \"named\"
}
manufacturer \"maker\" {
    certificates = \"$work/maker.pem\"
}"
start_daemon
pin=$(openssl x509 -in "$root" -noout -fingerprint -sha256 | cut -d= -f2)

agent() { "$bin_agent" "$@"; }
code_for() { (umask 077 && token "${@:2}" --device "$1" >"$work/$1.code"); }
# enroll_agent NAME [options]: exit status of the agent; LABEL chooses the path
enroll_agent() {
    local name=$1
    shift
    agent enroll --url "$https${LABEL:+/.well-known/est/$LABEL}" --id "$name" --dir "$work/$name" \
        --ca-fingerprint "$pin" "$@" >"$work/out" 2>&1
}
with_code() { # NAME [options]
    local name=$1
    shift
    code_for "$name" && enroll_agent "$name" --claim-code-file "$work/$name.code" "$@"
}
run_agent() { # NAME [options]: the service of one identity
    local name=$1
    shift
    "$bin_agent" run --dir "$work/$name" "$@" >>"$work/$name.log" 2>&1 &
    agents+=($!)
    last_agent=$!
}
status_of() { agent status --json --dir "$work/$1" 2>/dev/null | jq -r ".[0].$2"; }
serial() { openssl x509 -in "$work/$1/cert.pem" -noout -serial; }
spki() { openssl x509 -in "$work/$1/cert.pem" -noout -pubkey; }
names() { openssl x509 -in "$work/$1/cert.pem" -noout -ext subjectAltName | tail -n 1 | tr -d ' '; }
fits() { # key and certificate, read through one look at "current", belong together and chain to the root
    local set
    set=$work/$1/$(readlink "$work/$1/current") &&
        [ "$(openssl pkey -in "$set/key.pem" -pubout)" = "$(openssl x509 -in "$set/cert.pem" -noout -pubkey)" ] &&
        openssl verify -CAfile "$root" -untrusted "$set/cert.pem" "$set/cert.pem"
}
said() { grep -qF "$1" "$work/out"; }
changed() { [ "$(serial "$1")" != "$2" ]; }

# --- a claim code, and what stays behind ---
with_code a1
equal "enrols with a claim code" 0 $?
check "cert.pem, key.pem and the root fit" fits a1
equal "cert.pem holds the way to the root" 2 "$(grep -c BEGIN "$work/a1/cert.pem")"
check "ca.pem is the root" diff <(sed -n 2p "$root") <(sed -n 2p "$work/a1/ca.pem")
none "every key is for its owner only" "$(find "$work/a1" -type f -name 'key*' ! -perm 600)"
equal "identity.conf is for its owner only" 600 "$(stat -c %a "$work/a1/identity.conf")"
refuse "and holds no secret" grep -qF "$(cat "$work/a1.code")" "$work/a1/identity.conf"
before=$(serial a1)
agent renew --dir "$work/a1" >"$work/out" 2>&1
equal "what is not due is not renewed" "$before" "$(serial a1)"
agent renew --force --dir "$work/a1" >"$work/out" 2>&1
equal "renew --force needs only the folder" 0 $?
check "another serial" changed a1 "$before"
check "and they fit" fits a1
equal "status tells the serial" "$(serial a1 | cut -d= -f2 | tr A-F a-f)" "$(status_of a1 serial)"
equal "status tells the trust" "$(tr -d : <<<"$pin" | tr A-F a-f)" "$(status_of a1 'trust[0]')"
enroll_agent a2 --claim-code-file "$work/a1.code"
equal "a used claim code is refused" 2 $?
check "with the server's own words" grep -q 'HTTP 40[13]), saying: [a-z]' "$work/out"
check "and advice" said "next: "
equal "status of one without an identity" 7 "$(agent status --dir "$work/a2" >/dev/null; echo $?)"
echo "nonsense-nonsense" >"$work/a3.code"
enroll_agent a3 --claim-code-file "$work/a3.code"
equal "a wrong claim code is refused" 2 $?
enroll_agent a4 --claim-code-file "$work/a3.code" --ca-fingerprint "$(printf %064d 1)"
equal "another fingerprint is not trusted" 5 $?

# --- keys and names ---
for type in p384 ed25519 rsa2048; do
    LABEL=named with_code "k-$type" --key-type "$type"
    equal "a key of type $type" 0 $?
    agent renew --force --dir "$work/k-$type" >"$work/out" 2>&1
    equal "and its renewal" 0 $?
    check "they fit" fits "k-$type"
done
LABEL=named with_code n1 --san dns:n1.example --san ip:10.9.8.7 --san uri:urn:x:n1
equal "DNS, IP and URI names the profile allows" 0 $?
wanted=$(names n1)
equal "are in the certificate" "DNS:n1.example,IPAddress:10.9.8.7,URI:urn:x:n1" "$wanted"
agent renew --force --dir "$work/n1" >"$work/out" 2>&1
equal "and stay when it is renewed" "$wanted" "$(names n1)"
with_code n2 --san dns:other.example
equal "a name the profile does not allow is refused" 2 $?
with_code r1 --reuse-key
key=$(spki r1) before=$(serial r1)
agent renew --force --dir "$work/r1" >"$work/out" 2>&1
check "--reuse-key: renewed" changed r1 "$before"
equal "with the same key" "$key" "$(spki r1)"
agent renew --force --dir "$work/a1" >"$work/out" 2>&1
refuse "without it the key is new" test "$(spki a1)" = "$key"

# --- channel binding, factory identity, approval ---
LABEL=tight with_code b1 --binding ask
equal "binding asked for by csrattrs" 0 $?
LABEL=tight with_code b2 --binding never
equal "and refused without" 2 $?
enroll_agent sn-77 --factory-cert "$work/idevid.pem" --factory-key "$work/idevid.key"
equal "enrols with the manufacturer's identity" 0 $?
agent renew --force --dir "$work/sn-77" >"$work/out" 2>&1
equal "and renews with its own" 0 $?
LABEL=slow with_code p1
equal "a profile with approval lets wait" 3 $?
check "and says what to do" said "brevet device approve"
equal "status says so" "waiting for approval" "$(status_of p1 state)"
key=$(cat "$work/p1/key-a.pem")
brevet device approve p1 >/dev/null
agent enroll --dir "$work/p1" >"$work/out" 2>&1
equal "after brevet device approve it enrols" 0 $?
equal "with the key that waited" "$key" "$(cat "$work/p1/key.pem")"

# one for later: it stays off until it is over
LABEL=brief with_code e1
equal "a certificate of 20 seconds" 0 $?

# --- the service: renewal by itself, restarts, revocation ---
for name in s1 s2 s3; do
    code_for "$name"
    mkdir "$work/$name"
    run_agent "$name" --url "$est/brief" --id "$name" --claim-code-file "$work/$name.code" --ca-fingerprint "$pin" \
        --hook "echo \$\$ >>$work/hooks; echo \$BREVET_REASON >>$work/$name.hook; sleep 30"
done
stubborn=$last_agent
for name in s1 s2 s3; do
    check "run enrols $name first" until_true 10 test -s "$work/$name/cert.pem"
done
before=$(serial s1)
kill -9 "${agents[0]}" "$daemon"
wait "$daemon" "${agents[0]}" 2>/dev/null
start_daemon
run_agent s1
check "killed with the daemon, it renews after the restart" until_true 20 changed s1 "$before"
check "before the old one expired" test "$(status_of s1 state)" = good
before=$(serial s3)
check "a hook that lasts stops nobody's renewal" until_true 20 changed s3 "$before"
check "the hook was called" grep -q enrolled "$work/s3.hook"
hook=$(pgrep -P "$stubborn")
check "a hook is running" test -n "$hook"
kill "$stubborn"
# shellcheck disable=SC2317
gone() { ! kill -0 "$1"; }
check "the service ends although a hook runs" until_true 10 gone "$stubborn"
none "and with it the hook and its children" \
    "$(ps -eo pgid=,stat=,args= | awk -v group="$hook" '$1 == group && $2 !~ /^Z/')"

brevet cert revoke --device s1 --reason keyCompromise >/dev/null
refused() { [ "$(grep -c 'reason=.*revoked' "$work/s1.log")" -ge "$1" ]; }
check "a revoked device is refused and says why" until_true 25 refused 2
waits=$(sed -n 's/.*reason=.*revoked.*retry_in=\([0-9]*\)s.*/\1/p' "$work/s1.log" | head -n 2 | tr '\n' ' ')
check "status keeps saying it" grep -q revoked <(agent status --dir "$work/s1")
check "with a pause between ($waits)" test -n "$waits"

# --- a device that was away too long ---
expired() { [ "$(status_of e1 state)" = expired ]; }
check "expires while the device is off" until_true 25 expired
equal "status: exit 7" 7 "$(agent status --dir "$work/e1" >/dev/null; echo $?)"
agent renew --dir "$work/e1" --claim-code-file /nonexistent >"$work/out" 2>&1
check "its renewal is refused" test $? -ne 0
check "and says what to do" said "fresh claim code"
code_for e1
agent enroll --dir "$work/e1" >"$work/out" 2>&1
equal "a fresh claim code brings it back" good "$(status_of e1 state)"
check "and they fit" fits e1

# --- a new root that the old one vouches for ---
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300 -subj "/O=Interop/CN=Root G2" \
    -keyout "$work/g2.key" -out "$ca/ca/g2.crt" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -new -key "$work/g2.key" -subj "/O=Interop/CN=Root G2" -out "$work/g2.csr"
openssl x509 -req -in "$work/g2.csr" -CA "$root" -CAkey "$ca/ca/root.key" -passin "file:$work/passphrase" \
    -days 200 -out "$ca/ca/link.crt" -extfile <(printf '%s\n' 'basicConstraints=critical,CA:true' \
    'keyUsage=critical,keyCertSign,cRLSign' 'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid') 2>/dev/null
sed -i 's|chain = {"ca/root.crt"}|&\n    cross = {"ca/link.crt", "ca/g2.crt"}|' "$ca/brevet.conf"
echo 'ca "g2" { key = "none" }' >>"$ca/brevet.conf"
stop_daemon
start_daemon
agent renew --force --dir "$work/n1" >"$work/out" 2>&1
equal "a new root the old one signed comes with a renewal" 2 "$(grep -c BEGIN "$work/n1/ca.pem")"
check "and is trusted" grep -q "$(openssl x509 -in "$ca/ca/g2.crt" -noout -fingerprint -sha256 | cut -d= -f2 |
    tr -d : | tr A-F a-f)" <(agent status --dir "$work/n1")

# --- several identities in one file ---
code_for m1
code_for m2
for name in m1 m2; do
    mkdir "$work/$name.pem"
    cat <<CONF
identity "$name" {
    url = "$est/brief"
    dir = "$work/$name"
    claim-code-file = "$work/$name.code"
    ca-fingerprint = "$pin"
    hook = "echo \$\$ >>$work/hooks; sleep 30"
    install { dir = "$work/$name.pem" }
}
CONF
done >"$work/agent.conf"
chmod 666 "$work/agent.conf"
agent -c "$work/agent.conf" status >"$work/out" 2>&1
equal "a file that others may write is refused" 1 $?
chmod 600 "$work/agent.conf"
"$bin_agent" -c "$work/agent.conf" run >"$work/many.log" 2>&1 &
agents+=($!)
check "two identities enrol beside each other's hooks" until_true 10 test -s "$work/m1.pem/cert.pem" -a -s "$work/m2.pem/cert.pem"
check "and stand in the folder that was asked for" fits m2.pem
# (of a sanitized one the shadow memory alone is more)
sanitized || check "a process of two stays below 16 MB" test "$(awk '/VmRSS/ {print $2}' "/proc/${agents[-1]}/status")" -lt 16384

# --- a hook that did not end well is repeated; rights are put right ---
code_for h1
touch "$work/h1.fails"
agent enroll --url "$est" --id h1 --dir "$work/h1" --claim-code-file "$work/h1.code" --ca-fingerprint "$pin" \
    --install-key "$work/h1.key" --hook "cat >/dev/null; [ ! -e $work/h1.fails ] && echo \$BREVET_REASON >>$work/h1.hook" >"$work/out" 2>&1
equal "enrolled although the hook failed" 0 $?
check "which is said" grep -q "hook failed" "$work/out"
rm "$work/h1.fails"
chmod 644 "$work/h1.key" "$work/h1/pem-1/key.pem"
run_agent h1
check "the service repeats the hook" until_true 10 grep -q repaired "$work/h1.hook"
equal "the installed key is private again" 600 "$(stat -c %a "$work/h1.key")"
equal "the one in its folder too" 600 "$(stat -Lc %a "$work/h1/key.pem")"
kill "$last_agent" && wait "$last_agent" 2>/dev/null
run_agent h1
check "it starts again" until_true 10 grep -q "started identities" "$work/h1.log"
kill "$last_agent" && wait "$last_agent" 2>/dev/null
equal "and does not repeat what went well" 1 "$(wc -l <"$work/h1.hook")"

finish
