#!/bin/bash
# Every command of brevet(1) against a live daemon: its JSON, its table, its
# exit codes (0 done, 1 failed, 2 wrong use, 3 not found or refused).
. "$(dirname "$0")/lib.sh"
need openssl curl jq sqlite3

install_brevet '
profile "approved" {
    approval = "true"
}
label "slow" {
    profile = "approved"
}'

code() { # TEXT CODE WORDS ARGUMENTS...: exit code, and what stderr must say
    local text=$1 want=$2 words=$3 got
    shift 3
    brevet "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    equal "$text: exit code" "$want" "$got"
    [ -z "$words" ] || check "$text: says \"$words\"" grep -qi -- "$words" "$work/err"
}
# json TEXT FILTER ARGUMENTS...: succeeds, and jq's filter holds for the answer
json() {
    local text=$1 filter=$2
    shift 2
    brevet --json "$@" >"$work/out" 2>"$work/err"
    equal "$text: exit code" 0 $?
    check "$text: $filter" jq -e "$filter" "$work/out"
}
table() { # TEXT WORD ARGUMENTS...
    local text=$1 word=$2
    shift 2
    brevet "$@" >"$work/out" 2>"$work/err"
    check "$text: shows $word" grep -q -- "$word" "$work/out"
}

# --- without a daemon ---
code "no daemon" 1 "no server listens" status
code "no command" 2 "usage"
code "an unknown command" 2 "certificate" certificate list
code "an unknown action" 2 "frobnicate" cert frobnicate
code "an unknown option" 2 "unrecognized" cert list --nonsense
code "an option without its value" 2 "requires" cert list --device
code "a number that is none" 2 "is no value" cert list --limit many
code "a duration that is none" 2 "is no value" token create --device a --expires soon
code "an argument missing" 2 "help" cert show
code "an argument too many" 2 "help" ca show issuing root
code "a file missing" 2 "FILE is missing" restore
code "no profile" 2 "--profile is missing" cert issue --csr "$0"
code "no request" 2 "--csr is missing" cert issue --profile server
code "approve what" 2 "DEVICE or --id is missing" device approve
code "export where to" 2 "--out is missing" ca export-root
brevet --help >/dev/full 2>"$work/err"
equal "what could not be written is a failure" 1 $?
check "and is said" grep -q "No space left" "$work/err"
code "where help is" 2 "see brevet cert list --help" cert list --nonsense
code "a file that is not there" 3 "No such file" cert issue --profile server --csr /nonexistent
code "a checkpoint that is not there" 3 "No such file" audit verify --known /nonexistent
code "a database that is not there" 3 "No such file" audit verify --db /nonexistent
code "a certificate that is not there" 3 "No such file" ca install /nonexistent
code "a passphrase that is not there" 3 "No such file" init --name A --passphrase-file /nonexistent
check "brevet serve --help is of brevet serve" sh -c "$bin_brevet serve --help | grep -q '^usage: brevet serve'"
check "brevet check --help is of brevet check" sh -c "$bin_brevet check --help | grep -q '^usage: brevet check'"
check "help" sh -c "$bin_brevet --help | grep -q usage"
check "version" sh -c "$bin_brevet --version | grep -qE '^brevet [0-9]'"
"$bin_brevet" --help | sed -n 's/^  \([a-z]* [a-z]*\) .*/\1/p' | sed 's/ *$//' >"$work/commands"
check "help lists the commands" test "$(wc -l <"$work/commands")" -gt 25
while read -r command; do
    # shellcheck disable=SC2086
    brevet $command --help >"$work/out" 2>&1
    check "$command --help explains itself" grep -q usage "$work/out"
done <"$work/commands"

# --- with one ---
start_daemon
json status '.' status
json "ca list" '.rows | length == 2' ca list
table "ca list" issuing ca list
code "a status that is none" 3 "any, good or revoked" cert list --status bad
code "revoke what" 2 "SERIAL, --device or --key is missing" cert revoke
code "a name no certificate can have" 3 "printable ASCII" token create --device pumpe-ä
code "a reason that is none" 3 "keyCompromise" cert revoke 12 --reason stolen
code "revoke whom" 3 "no such device" cert revoke --device nobody
code "a code for whom" 2 "--device or --group is missing" token create
json "ca show" '.pem | startswith("-----BEGIN")' ca show issuing
code "ca show of none" 3 "" ca show nobody
json "profile list" '.rows | map(.name) | index("device") != null and index("ocsp") != null' profile list
json "profile show" '.name == "gateway"' profile show gateway
code "profile show of none" 3 "" profile show nobody

json "token create" '.secret | length >= 16' token create --device t1 --expires 1h
json "token create for a group" '.secret | length >= 16' token create --group pumps --uses 3
id=$(brevet --json token list | jq '.rows[0].id')
json "token list" '.rows | length == 2 and all(has("secret") | not)' token list
table "token list" pumps token list
json "token revoke" '.' token revoke "$id"
code "token revoke of none" 3 "" token revoke 999999
code "a token for nobody" 2 "" token create
code "a token of an unknown profile" 3 "" token create --device x --profile nobody

enroll c1 || bail "no certificate for c1"
enroll c2 || bail "no certificate for c2"
serial=$(openssl x509 -in "$work/c1.crt" -noout -serial | cut -d= -f2)
json "cert list" '[.rows[] | select(.device == "c1")] | length == 1' cert list
table "cert list" c1 cert list --device c1
json "cert list by status" '.rows | all(.status == "good")' cert list --status good
json "cert list expiring" '.rows | length >= 2' cert list --expiring 365d
json "cert list by pages" '.rows | length == 1' cert list --limit 1
json "cert show" '.pem | startswith("-----BEGIN CERT")' cert show "$serial"
json "cert show in small letters" '.device == "c1"' cert show "${serial,,}"
code "cert show of none" 3 "" cert show 42ff
code "cert show of nonsense" 3 "" cert show hello
json "cert hold" '.' cert hold --device c1
json "it is held" '.rows[0].status == "hold" and .rows[0].reason == "certificateHold"' cert list --device c1
json "cert release" '.' cert release "$serial"
json "it is good again" '.rows[0].status == "good"' cert list --device c1
json "release again" '.changed == 0' cert release "$serial"
code "an unknown reason" 3 "" cert revoke "$serial" --reason because
code "revoke nothing" 2 "" cert revoke
json "cert revoke" '.' cert revoke "$serial" --reason superseded
json "revoke again" '.' cert revoke "$serial" --reason superseded
code "hold of the revoked" 3 "" cert hold "$serial"
key=$(openssl x509 -in "$work/c2.crt" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
json "cert revoke by key" '.' cert revoke --key "$key" --reason keyCompromise
json "both are revoked" '[.rows[] | select(.device | startswith("c"))] | length == 2' cert list --status revoked

new_csr s1 -subj /CN=s1.example.org -addext subjectAltName=DNS:s1.example.org
openssl req -inform DER -in "$work/s1.der" -out "$work/s1.csr"
json "cert issue" '.pem | startswith("-----BEGIN CERT")' cert issue --profile server --csr "$work/s1.csr"
brevet cert issue --profile server --csr "$work/s1.csr" --out "$work/s1.crt"
check "cert issue --out" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/s1.crt"
code "cert issue of an unknown profile" 3 "" cert issue --profile nobody --csr "$work/s1.csr"
code "cert issue of nonsense" 3 "" cert issue --profile server --csr "$work/s1.crt"
code "cert issue where it cannot write" 1 "brevet cert show [0-9a-f]* prints it" cert issue --profile server --csr "$work/s1.csr" --out /nonexistent/x
json "crl publish" '.' crl publish
json "crl publish of one" '.' crl publish issuing
code "crl publish of none" 3 "" crl publish nobody

new_csr p1
secret=$(token --device p1)
post slow/simpleenroll "$work/p1.b64" --user "p1:$secret"
json "device pending" '.rows | length == 1 and .[0].device == "p1"' device pending
json "device approve" '.' device approve p1
code "approve what does not wait" 3 "" device approve p1
new_csr p2
post slow/simpleenroll "$work/p2.b64" --user "p2:$(token --device p2)"
id=$(brevet --json device pending | jq '[.rows[] | select(.device == "p2")][0].id')
json "device deny" '.' device deny --id "$id"
json "device list" '.rows | map(.name) | index("c2") != null' device list
table "device list" c2 device list
json "device show" '.name == "c2"' device show c2
code "device show of none" 3 "" device show nobody
json "device block" '.' device block c2
json "it is blocked" '.rows[] | select(.name == "c2") | .blocked' device list
json "device unblock" '.' device unblock c2
code "block of none" 3 "" device block nobody

json "audit list" '.rows | length == 5' audit list --last 5
table "audit list" issue audit list --last 100
json "audit show" '.index == 0' audit show 0
code "audit show of none" 3 "" audit show 999999
json "audit checkpoint" '.' audit checkpoint
proven() { brevet audit prove 0 >"$work/proof" 2>&1; }
until_true 20 proven
ok $? "audit prove"
code "audit prove of none" 3 "" audit prove 999999
json "audit verify beside the daemon" '.good and .signatures_checked' audit verify
mkdir "$work/log"
json "audit export" '.entries > 5' audit export "$work/log"
check "it holds tiles" test -n "$(find "$work/log" -type f -path '*tile*')"

json backup '.' backup "$work/copy.db"
check "the backup is a sound database" test "$(sqlite3 "$work/copy.db" 'pragma integrity_check')" = ok
check "its log verifies" brevet audit verify --db "$work/copy.db"
code "a backup over a file" 3 "" backup "$work/copy.db"
stop_daemon
check "audit verify without the daemon" brevet audit verify
no_complaints

finish
