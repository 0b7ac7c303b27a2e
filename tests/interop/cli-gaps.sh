#!/bin/bash
# What an operator runs into beside the main road: backups anywhere, a root
# whose key goes away and comes back, commands that do not exist.
. "$(dirname "$0")/lib.sh"
need openssl curl jq

said() { grep -q -- "$1" "$work/refused.log"; }

# --- commands that do not exist ---
brevet nonsense >"$work/out" 2>&1
equal "an unknown command is wrong use" 2 $?
check "it is said not to exist" grep -q 'there is no command "nonsense"' "$work/out"
brevet tokne create >"$work/out" 2>&1
equal "so is a mistyped one" 2 $?
check "the nearest is suggested" grep -q 'did you mean brevet token create' "$work/out"
brevet cert lst >"$work/out" 2>&1
check "also within a group" grep -q 'did you mean brevet cert list' "$work/out"

# --- brevet init: the root's CRL lasts while its key is away ---
install_brevet
end=$(date -d "$(openssl crl -inform DER -in "$ca/crl/root.crl" -noout -nextupdate | cut -d= -f2)" +%s)
check "the root's first CRL lasts a year" test "$end" -gt $(($(date +%s) + 364 * 86400))
check "init says when the root must be back" grep -q "$(date -u -d "@$end" +%F)" "$work/init.log"
start_daemon
enroll c1 || bail "no certificate for c1"

# --- backup ---
check "brevet backup --out, anywhere" brevet backup --out "$work/one.db"
equal "only its owner reads it" 600 "$(stat -c %a "$work/one.db")"
check "brevet backup FILE" brevet backup "$work/two.db"
mkdir "$work/there" && (cd "$work/there" && "$bin_brevet" --dir "$ca" backup --out three.db) >/dev/null
check "a relative name is the caller's" test -s "$work/there/three.db"
equal "as JSON" "$work/four.db" "$(brevet backup --out "$work/four.db" --json | jq -r .file)"
equal "nothing else is left beside it" "1" "$(find "$work" -maxdepth 1 -name 'one.db*' | wc -l)"
check "the copy verifies" brevet audit verify --db "$work/one.db"
none "nor beside the database" "$(find "$ca/db" -name '*backup*')"
refuse "an existing file is not replaced" brevet backup --out "$work/one.db"
check "and that is said" said "exists already"
refuse "a directory that is not there" brevet backup --out "$work/nowhere/one.db"
check "and what to do" said "make its directory first"
refuse "a missing name" brevet backup
mkdir "$ca/db/brevet.db.backup.new"
refuse "no room for the snapshot" brevet backup --out "$work/five.db"
check "it is said where to look" said "beside the database"
rmdir "$ca/db/brevet.db.backup.new"
none "a failed one leaves nothing" "$(find "$work" -maxdepth 1 -name 'five.db*')"
refuse "and undid nothing" grep -q 'a batch was undone' "$work/brevetd.log"
check "afterwards it works" brevet backup --out "$work/five.db"

# --- listings ---
equal "a device is shown with its certificates" good "$(brevet device show c1 --json | jq -r '.certificates[0].status')"
check "on paper too" sh -c "'$bin_brevet' --dir '$ca' device show c1 | grep -q '$(openssl x509 -in "$work/c1.crt" -noout -serial | cut -d= -f2 | tr A-F a-f)'"
check "lifetimes are in days" sh -c "'$bin_brevet' --dir '$ca' profile list | grep -Eq '^device +issuing +[0-9]+d '"
check "and in seconds as JSON" sh -c "'$bin_brevet' --dir '$ca' profile list --json | jq -e '.rows[0].lifetime % 86400 == 0'"

# --- the log names who asked, also where core was not ---
get "$est/cacerts" --cert "$work/c1.crt" --key "$work/c1.key"
check "a request with a certificate is logged with its CN" grep -q 'path=/.well-known/est/cacerts .*trust=own device="c1"' "$work/brevetd.log"

# --- where it is started from, and how wide the terminal is ---
beside() { (cd "$work" && "$bin_brevet" --dir "$(basename "$ca")" "$@"); }
check "a relative --dir is good for what works on files" beside ca csr --out beside.csr
check "and for a change of the passphrase, which asks for another thing first" \
    sh -c "cd '$work' && '$bin_brevet' --dir ./'$(basename "$ca")' passphrase change 2>&1 | grep -q 'the server runs'"
name=a-device-with-a-long-name
enroll "$name" || bail "no certificate for $name"
if command -v script >/dev/null; then
    script -qec "stty cols 50; '$bin_brevet' --dir '$ca' audit list --last 2" /dev/null </dev/null >"$work/narrow"
    check "a narrow terminal does not make another name of a device's" grep -q "$name" "$work/narrow"
fi
touch "$work/no-folder"
refuse "init below what is no folder" "$bin_brevet" init --dir "$work/no-folder/ca" --name X --host localhost "${one_user[@]}"
check "it says so, and not that it is full" said "Not a directory"

# --- what others have chosen does not command the terminal ---
group=$(token --group escape --uses 3)
new_csr esc
post simpleenroll "$work/esc.b64" --user "$(printf 'x\033]0;gotcha\007\n\302\2331m'):$group"
equal "a name of control characters is refused" 403 "$status"
last=$(brevet audit list --last 1 --json | jq '.rows[0].index')
check "the log keeps it as it was" sh -c "'$bin_brevet' --dir '$ca' audit show '$last' --json | jq -e '.actor_id | contains(\"gotcha\")'"
brevet audit show "$last" >"$work/out"
check "it is shown" grep -q 'actor_id .*x\\x1b\]0;gotcha\\x07' "$work/out"
equal "without what a terminal obeys" 0 "$(LC_ALL=C grep -cP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$work/out")"
refuse "nor does an operator's own name" brevet token create --group "$(printf 'a\033b')"

# --- the verbs that had no command ---
key=$(openssl pkey -in "$work/c1.key" -pubout -outform DER | sha256sum | cut -d' ' -f1)
check "brevet key block" brevet key block "$key" --why "a test"
new_csr c1
post simpleenroll "$work/c1.b64" --user "c1:$(token --device c1)"
refuse "the key is refused from now on" test "$status" = 200
refuse "a key that is none" brevet key block 12
tls_serial() { openssl x509 -in "$ca/tls/server.pem" -noout -serial; }
before=$(tls_serial)
check "brevet tls renew" brevet tls renew
renewed() { [ "$(tls_serial)" != "$before" ]; }
until_true 10 renewed
ok $? "the server has another certificate"
check "brevet clock trust" brevet clock trust

# --- CRLs ---
number() { openssl crl -inform DER -in "$ca/crl/$1.crl" -noout -crlnumber | sed 's/.*=0x//'; }
before=$(number issuing)
brevet crl publish >/dev/null
newer() { [ $((16#$(number "$1"))) -gt $((16#$before)) ]; }
until_true 10 newer issuing
ok $? "a CRL is published again"
equal "everybody may read it" 644 "$(stat -c %a "$ca/crl/issuing.crl")"

# --- a server that dies under a question, or answers with nonsense ---
cat >"$work/broken.py" <<'PY'
import os, socket, sys
os.makedirs(sys.argv[1] + "/run")
with socket.socket(socket.AF_UNIX) as door:
    door.bind(sys.argv[1] + "/run/new")
    door.listen()
    os.rename(sys.argv[1] + "/run/new", sys.argv[1] + "/run/control.sock")
    for answer in (b"", b"nonsense, of no length and no kind"):
        link, _ = door.accept()
        link.recv(65536)
        link.sendall(answer)
        link.close()
PY
mkdir "$work/broken"
python3 "$work/broken.py" "$work/broken" &
broken=$!
until_true 10 test -S "$work/broken/run/control.sock"
"$bin_brevet" --dir "$work/broken" cert list >"$work/out" 2>&1
equal "a server that dies under a question: exit 1" 1 $?
check "it is said" grep -q "closed the connection" "$work/out"
"$bin_brevet" --dir "$work/broken" cert list >"$work/out" 2>&1
equal "one that answers with nonsense: exit 1" 1 $?
wait "$broken"

# --- the root's key goes away, and comes back without a restart ---
stop_daemon
cp "$ca/brevet.conf" "$work/with-root.conf"
sed -i 's/^ca "root" {/&\n    key = "none"/' "$ca/brevet.conf"
mv "$ca/ca/root.key" "$work/root.key"
start_daemon
new_key sub
openssl req -new -key "$work/sub.key" -subj "/CN=Another CA" -out "$work/sub.csr"
refuse "no CA certificate without the root" brevet cert issue --profile intermediate --csr "$work/sub.csr"
check "it is said that the key is not here" said "the key of CA root is not here"
before=$(number root)
mv "$work/root.key" "$ca/ca/root.key"
cp "$work/with-root.conf" "$ca/brevet.conf"
kill -HUP "$daemon"
back() { [ "$(brevet ca show root --json | jq .offline)" = false ]; }
until_true 10 back
ok $? "the root is back after SIGHUP"
published() { brevet crl publish root >/dev/null && newer root; }
until_true 10 published
ok $? "and signs its next CRL"
equal "everybody may read that one" 644 "$(stat -c %a "$ca/crl/root.crl")"
refuse "without a conflict" grep -q 'error=CONFLICT' "$work/brevetd.log"
equal "brevet status has nothing to complain of" 0 "$(brevet status --json | jq '.findings | length')"
finish
