#!/bin/bash
# SIGHUP: what changes, what stays, and what the log says must wait for a
# restart, setting by setting.
. "$(dirname "$0")/lib.sh"
need openssl curl jq

install_brevet 'doors = 1'
start_daemon
marks() { grep -c 'reloaded' "$work/brevetd.log"; }
reload() {
    local before
    before=$(marks)
    kill -HUP "$daemon"
    until_true 10 sh -c "[ \$(grep -c reloaded '$work/brevetd.log') -gt $before ]" || ok 1 "a reload within ten seconds"
}
waits() { grep -c 'needs a restart' "$work/brevetd.log"; }
named() { grep -q "needs a restart setting=$1 now=\"$2\" wanted=\"$3\"" "$work/brevetd.log"; }

reload
equal "nothing changed, nothing is said" 0 "$(waits)"
cp "$ca/brevet.conf" "$work/before.conf"
other=$(free_port)
sed -i "s/^doors = 1/doors = 2/; s/^https = .*/https = {\"127.0.0.1:$https_port\", \"127.0.0.1:$other\"}/" "$ca/brevet.conf"
sed -i 's/^http = .*/http = {}/' "$ca/brevet.conf"
was=$(sed -n 's/^user = "\(.*\)"/\1/p' "$ca/brevet.conf")
sed -i '/^user = /d' "$ca/brevet.conf"
cat >>"$ca/brevet.conf" <<'CONF'
control = "run/other.sock"
user = "nobody"
label "annex" {
    profile = "device"
}
limits {
    idle = "90s"
}
CONF
reload
equal "one line for each setting that waits" 6 "$(waits)"
check "doors, with both values" named doors 1 2
check "https" named https "127.0.0.1:$https_port" "127.0.0.1:$https_port 127.0.0.1:$other"
check "http" named http "127.0.0.1:$http_port" ""
check "control" named control run/control.sock run/other.sock
check "user" named user "$was" nobody
check "a limit" named limits.idle 60000 90000
reload
equal "the next reload says so again" 12 "$(waits)"
check "what a reload can do it did" curl -sf --cacert "$root" "$est/annex/cacerts" -o /dev/null
refuse "no new address is listened on" curl -s --max-time 2 "https://127.0.0.1:$other/"
check "the old ones serve" ready
check "the control socket is where it was" brevet status
cp "$work/before.conf" "$ca/brevet.conf"
before=$(waits)
reload
equal "taken back, nothing waits any more" "$before" "$(waits)"
# another CA's files under the name of the one there is: signed by that key, what
# core makes for the earlier one would be nobody's
"$bin_brevet" init --dir "$work/other" --name Other --host localhost --passphrase-file "$work/passphrase" "${one_user[@]}" >/dev/null
cp -a "$ca/ca" "$work/kept"
cp "$work/other/ca/"{root,issuing}.{crt,key} "$ca/ca/"
reload
check "a name with another key is not taken over" grep -q 'taken by one with another key' "$work/brevetd.log"
last() { grep 'reloaded' "$work/brevetd.log" | tail -n 1 | grep -q "$1"; }
check "and the log says so" last 'not reloaded, nothing was changed detail="core cannot work with it (BAD_CONFIG)'
new_csr swapped
swapped=$(token --device swapped)
post simpleenroll "$work/swapped.b64" --user "swapped:$swapped" --cacert "$work/kept/root.crt"
equal "signer and doors serve on with the keys there were" 200 "$status"
answer_certs "$work/swapped.crt"
check "as what they sign says" openssl verify -partial_chain -CAfile "$work/kept/issuing.crt" "$work/swapped.crt"
cp "$work/kept/"{root,issuing}.{crt,key} "$ca/ca/"
reload
check "put back, it signs" until_true 10 enroll after
check "with the key it says" openssl verify -partial_chain -CAfile "$issuing" "$work/after.crt"
# what only core can tell: the parent reads no list
printf 'nothing of the kind\n' >"$work/weak"
cp "$ca/brevet.conf" "$work/before.conf"
printf 'weak-keys = {"%s"}\nlabel "late" {\n    profile = "device"\n}\n' "$work/weak" >>"$ca/brevet.conf"
reload
check "a list that core cannot read is refused" last 'not reloaded, nothing was changed'
get "$est/late/cacerts"
equal "and the doors know no new label" 404 "$status"
echo 0123456789abcdef0123 >"$work/weak"
reload
refuse "put right, it is taken" last 'not reloaded'
get "$est/late/cacerts"
equal "and the doors do" 200 "$status"
cp "$work/before.conf" "$ca/brevet.conf"
echo 'nonsense = 1' >>"$ca/brevet.conf"
kill -HUP "$daemon"
check "what cannot be read changes nothing" until_true 10 grep -q 'not reloaded, nothing was changed' "$work/brevetd.log"
check "and it serves on" ready
finish
