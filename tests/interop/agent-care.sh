#!/bin/bash
# What an operator gets wrong, and what a machine does to an agent: targets that
# cannot be written, settings that contradict each other, a state folder that
# was copied, a service that is stopped at the wrong moment.
. "$(dirname "$0")/lib.sh"
need openssl jq curl
bin_agent=$build/prog/brevet-agent/brevet-agent
agents=()
# shellcheck disable=SC2317
stop_agents() {
    local folder
    [ ${#agents[@]} -eq 0 ] || kill -9 "${agents[@]}" 2>/dev/null
    for folder in "$work"/disk*; do umount -l "$folder" 2>/dev/null; done
}
at_exit+=(stop_agents)
install_brevet "
profile \"device\" {
    lifetime = \"1h\"
}
profile \"brief\" {
    lifetime = \"120s\"
    backdate = \"1s\"
}
label \"brief\" {
    profile = \"brief\"
}"
start_daemon
pin=$(openssl x509 -in "$root" -noout -fingerprint -sha256 | cut -d= -f2)

agent() { timeout 30 "$bin_agent" "$@" >"$work/out" 2>&1 </dev/null; }
said() { grep -qF -- "$1" "$work/out"; }
# enrol NAME [options]: exit status of the agent
enrol_agent() {
    local name=$1
    shift
    (umask 077 && token --device "$name" >"$work/$name.code")
    agent enroll --url "$https" --id "$name" --dir "$work/$name" --ca-fingerprint "$pin" \
        --claim-code-file "$work/$name.code" "$@"
}
run_agent() { # LOG ARGUMENTS
    local log=$work/$1
    shift
    "$bin_agent" "$@" >>"$log" 2>&1 &
    agents+=($!)
    last_agent=$!
}
end_agent() { kill "$last_agent" && wait "$last_agent"; }
known() { brevet device show "$1"; }
same_key() { # KEY CERT
    [ "$(openssl pkey -in "$1" -pubout)" = "$(openssl x509 -in "$2" -noout -pubkey)" ]
}

# --- settings that cannot work are told before a claim code is spent ---
enrol_agent w1 --install-key "$work/w1.key" --install-owner nobody-here
equal "an owner who does not exist, yet: exit 6" 6 $?
enrol_agent w1 --install-key "$work/w1.key" --install-mode 0999
equal "a mode that is not octal: exit 1" 1 $?
enrol_agent w1 --install-key "$work/w1.pem" --install-chain "$work/./w1.pem"
equal "one path for key and chain: exit 1" 1 $?
enrol_agent w1 --install-key "$work/w1.pem" --install-ca "$work//w1.pem"
equal "one path for key and CA, written in two ways: exit 1" 1 $?
enrol_agent w1 --factory-cert "$root"
equal "a factory certificate without its key: exit 1" 1 $?
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/other.key" 2>/dev/null
enrol_agent w1 --factory-cert "$root" --factory-key "$work/other.key"
equal "a factory key that is another's: exit 1" 1 $?
check "and is told" said "belong together"
refuse "none of these reached the server" known w1
(umask 077; head -c 300 /dev/zero | tr '\0' a >"$work/w2.code")
agent enroll --url "$https" --id w2 --dir "$work/w2" --ca-fingerprint "$pin" --claim-code-file "$work/w2.code"
equal "a claim code that is too long is not cut off: exit 1" 1 $?
ln -s "$root" "$work/root.link"
agent enroll --url "$https" --id w3 --dir "$work/w3" --ca-file "$work/root.link" --claim-code-file <(token --device w3)
equal "ca-file may be a symbolic link" 0 $?
for _ in 1 2 3 4 5 6 7 8 9; do cat "$root"; done >"$work/nine.pem"
agent enroll --url "$https" --id w4 --dir "$work/w4" --ca-file "$work/nine.pem"
equal "more CA certificates than can be held: exit 1" 1 $?
agent enroll --url "$https" --id w5 --dir "$work/w5" --ca-file "$work/missing.pem"
equal "a ca-file that cannot be read: exit 6" 6 $?
agent enroll --url "$https" --id w5 --dir "$work/w5" --ca-file "$root" --factory-cert "$work/missing.pem" --factory-key "$work/other.key"
equal "a factory certificate that cannot be read: exit 6" 6 $?

# --- targets ---
enrol_agent t1 --install-cert "$work/nowhere/cert.pem" --hook "touch $work/t1.hook"
equal "enrolled, but a target cannot be written: exit 6" 6 $?
check "with its path" said "$work/nowhere/cert.pem"
mkdir "$work/nowhere"
agent enroll --dir "$work/t1"
equal "enroll again writes it" 0 $?
check "the file is there" test -s "$work/nowhere/cert.pem"
check "and the hook was run" test -e "$work/t1.hook"

echo old >"$work/elsewhere.pem"
ln -s elsewhere.pem "$work/t2.pem"
enrol_agent t2 --install-cert "$work/t2.pem" --install-key "$work/t2.pem"
equal "a target that is a symbolic link is replaced" 0 $?
equal "what it pointed to is left alone" old "$(cat "$work/elsewhere.pem")"
check "key and certificate in one file fit" same_key "$work/t2.pem" "$work/t2.pem"
equal "the file is for its owner only" 600 "$(stat -c %a "$work/t2.pem")"

# renew, from cron, mends as the service does
enrol_agent t6 --install-key "$work/t6.folder/key.pem" --hook "echo \$BREVET_REASON >>$work/t6.hook"
equal "enrolled, but not installed: exit 6" 6 $?
agent renew --dir "$work/t6"
equal "renew, not due, tries again: exit 6" 6 $?
check "and says what to do" said "enroll or renew again"
mkdir "$work/t6.folder"
agent renew --dir "$work/t6"
equal "renew installs what was lacking" 0 $?
check "the key is there" same_key "$work/t6.folder/key.pem" "$work/t6/cert.pem"
equal "and runs the hook that is due" repaired "$(cat "$work/t6.hook")"
agent renew --dir "$work/t6"
equal "renew, not due, with all in place" 0 $?
equal "runs no hook" 1 "$(wc -l <"$work/t6.hook")"

# one that cannot be written holds back the key, too
enrol_agent t5 --install-key "$work/t5.key" --install-cert "$work/t5.folder/cert.pem"
equal "the folder of the certificate is missing: exit 6" 6 $?
check "no key is there without its certificate" test ! -e "$work/t5.key" -a ! -e "$work/.t5.key.new"
mkdir "$work/t5.folder"
agent enroll --dir "$work/t5"
equal "with it, both come" 0 $?
mv "$work/t5.folder" "$work/t5.away"
agent renew --force --dir "$work/t5"
equal "renewed, but the certificate's folder is gone: exit 6" 6 $?
check "the old key stays beside the old certificate" same_key "$work/t5.key" "$work/t5.away/cert.pem"
mv "$work/t5.away" "$work/t5.folder"
mv "$work/t5.folder/cert.pem" "$work/t5.cert" && mkdir "$work/t5.folder/cert.pem"
agent enroll --dir "$work/t5"
equal "a folder in the place of the certificate: exit 6" 6 $?
check "still the old key" same_key "$work/t5.key" "$work/t5.cert"
none "nothing prepared is left" "$(find "$work" -maxdepth 2 -name '.*.new' -path '*t5*')"
rmdir "$work/t5.folder/cert.pem"
agent enroll --dir "$work/t5"
equal "mended, the new ones come" 0 $?
check "and fit" same_key "$work/t5.key" "$work/t5.folder/cert.pem"
refuse "the key is another" same_key "$work/t5.key" "$work/t5.cert"

enrol_agent t3 --hook "echo \$BREVET_CERT >$work/t3.hook"
equal "BREVET_CERT without an install section" "$work/t3/cert.pem" "$(cat "$work/t3.hook")"
mkdir "$work/t4.pem"
enrol_agent t4 --install-dir "$work/t4.pem" --hook "echo \$BREVET_CERT >$work/t4.hook"
equal "with a folder" "$work/t4.pem/cert.pem" "$(cat "$work/t4.hook")"

# a full disk while the service runs
if mkdir "$work/disk" && mount -t tmpfs -o size=64k,mode=755 tmpfs "$work/disk" 2>/dev/null; then
    dd if=/dev/zero of="$work/disk/full" bs=1k count=64 2>/dev/null
    enrol_agent d1 --install-cert "$work/disk/cert.pem" --install-key "$work/disk/key.pem" --hook "touch $work/d1.hook"
    equal "a full disk: exit 6" 6 $?
    run_agent d1.log run --dir "$work/d1"
    check "the service says so" until_true 10 grep -q "install failed.*No space" "$work/d1.log"
    equal "status: not all is installed, exit 6" 6 "$("$bin_agent" status --dir "$work/d1" >/dev/null; echo $?)"
    check "nothing half is left" test ! -s "$work/disk/cert.pem" -a ! -s "$work/disk/key.pem"
    rm "$work/disk/full"
    check "once there is room it installs by itself" until_true 30 test -s "$work/disk/cert.pem" -a -s "$work/disk/key.pem"
    check "key and certificate fit" same_key "$work/disk/key.pem" "$work/disk/cert.pem"
    check "and the hook is run" until_true 10 test -e "$work/d1.hook"
    end_agent
    equal "the service ends well" 0 $?
    rm "$work/disk"/*
    enrol_agent d2 --dir "$work/disk/d2"
    equal "a state folder on a disk of its own" 0 $?
    mount -o remount,ro "$work/disk"
    agent run --dir "$work/disk/d2"
    equal "which is read-only: exit 6, and the unit starts it again" 6 $?
    umount "$work/disk"
fi

# --- a hook that fails is run again by itself ---
touch "$work/k1.fails"
(umask 077 && token --device k1 >"$work/k1.code")
run_agent k1.log run --url "$https" --id k1 --dir "$work/k1" --ca-fingerprint "$pin" --claim-code-file "$work/k1.code" \
    --hook "test ! -e $work/k1.fails && echo done >>$work/k1.hook"
check "a hook fails" until_true 10 grep -q "hook failed" "$work/k1.log"
rm "$work/k1.fails"
check "it is run again without being asked" until_true 30 test -s "$work/k1.hook"
end_agent
equal "once" 1 "$(wc -l <"$work/k1.hook")"
# a hook that leaves a child behind does not hold the agent
enrol_agent k2 --hook "sleep 30 & echo \$! >$work/k2.child"
equal "a child left behind by the hook holds nobody up" 0 $?
kill "$(cat "$work/k2.child")"

# --- stopped in the middle of a renewal ---
python3 -c 'import signal, socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    c = s.accept()[0]
    print("asked", flush=True)
    signal.pause()' >"$work/silent" &
agents+=($!)
until_true 10 test -s "$work/silent"
enrol_agent st1 --url "$est/brief"
before=$(openssl x509 -in "$work/st1/cert.pem" -noout -serial)
run_agent stop.log run --dir "$work/st1" --url "https://localhost:$(head -n 1 "$work/silent")" --renew-at 1
check "a renewal is under way" until_true 30 grep -q asked "$work/silent"
end_agent
equal "SIGTERM ends it well" 0 $?
equal "the certificate stays" "$before" "$(openssl x509 -in "$work/st1/cert.pem" -noout -serial)"
agent renew --force --dir "$work/st1" --url "$est/brief"
equal "and is renewed later" 0 $?

# --- the clock is set while the service waits ---
enrol_agent cl1
make_clock "$work/clock" "$work/shift-libasan.so"
cc -shared -fPIC -O1 -DSHIFT_FILE="\"$work/clock\"" -D_GNU_SOURCE -o "$work/set-libasan.so" tests/fault/clockset.c
LD_PRELOAD="$work/shift-libasan.so $work/set-libasan.so" run_agent clock.log run --dir "$work/cl1"
check "a service begins" until_true 10 grep -q "started identities" "$work/clock.log"
refuse "and has nothing to renew" grep -q "renewed identity=cl1" "$work/clock.log"
set_clock "$work/clock" 3000 # of an hour: past its 66 %
check "the clock is set, and it hears of it" until_true 10 grep -q "the wall clock was set" "$work/clock.log"
check "it renews what is due by the new time, not by the wait planned before" \
    until_true 10 grep -q "renewed identity=cl1" "$work/clock.log"
end_agent
equal "and ends well" 0 $?

# --- the folder ---
cp -rL "$work/t1" "$work/moved" # as scp -r does it
agent renew --force --dir "$work/moved"
equal "a folder copied without its links is taken up" 0 $?
check "and its links are links again" test -L "$work/moved/current" -a -L "$work/moved/cert.pem"
check "key and certificate fit" same_key "$work/moved/key.pem" "$work/moved/cert.pem"
agent renew --force --dir "$work/t1"
equal "the original can renew too, as long as it is not revoked" 0 $?
run_agent two.log run --dir "$work/t1"
check "a service holds its folder" until_true 10 grep -q "started identities" "$work/two.log"
agent renew --force --dir "$work/t1"
equal "a second agent on one folder: exit 6" 6 $?
agent run --dir "$work/t1"
equal "a second service too" 6 $?
end_agent
agent enroll --url "$https" --id deep --dir "$work/not/there" --ca-fingerprint "$pin"
check "a folder whose parent is missing is named" said "$work/not/there"
for url in 'https://[::1' 'https://[::1/x' 'https://::1]:8443' 'https://[]' 'https://h:' 'https://h:0x50' 'http://h'; do
    agent enroll --url "$url" --id deep --dir "$work/urls" --ca-fingerprint "$pin"
    check "the url $url is none" said "url must be https://HOST"
done

# --- several identities in one file ---
section() { # NAME [lines]
    printf 'identity "%s" {\n url = "%s"\n ca-fingerprint = "%s"\n claim-code-file = "%s"\n %s\n}\n' \
        "$1" "$https" "$pin" "$work/$1.code" "$2"
}
for name in f1 f2; do (umask 077 && token --device $name >"$work/$name.code"); done
conf() { umask 077 && cat >"$work/agent.conf"; }
(section f1 "dir = \"$work/f1\""; section f2 "dir = \"$work/f1\"") | conf
agent -c "$work/agent.conf" run
equal "two identities in one folder: exit 1" 1 $?
check "both are named" grep -q 'f1.*f2' "$work/out"
(section f1 "dir = \"$work/f1\" install { key = \"$work/f.key\" }"
    section f2 "dir = \"$work/f2\" install { key = \"$work/f.key\" }") | conf
agent -c "$work/agent.conf" run
equal "two identities with one target: exit 1" 1 $?
(section f1 "dir = \"$work/f1\""; section f2 "dir = \"$work/f2\"") | conf
agent -c "$work/agent.conf" enroll f1
equal "one of two is enrolled" 0 $?
"$bin_agent" -c "$work/agent.conf" status --json >"$work/status" 2>"$work/out"
equal "status of both: exit 7" 7 $?
equal "tells of the one that never was" "good not enrolled" "$(jq -r 'map(.state) | join(" ")' "$work/status")"
equal "and makes no folder" 1 "$(test -e "$work/f2"; echo $?)"
agent -c "$work/agent.conf" renew f1 f3
equal "a name that is not in the file: exit 1" 1 $?
check "is told" said f3
agent -c "$work/agent.conf" renew --reuse-key f1
equal "an option beside a file: exit 1" 1 $?
agent renew --reuse-key --dir "$work/f1" --url "$https" --ca-fingerprint "$pin" --id f1
equal "an option without a file" 0 $?

# those that cannot be opened hold no other up, and are tried again
for name in g1 g2 g3; do (umask 077 && token --device $name >"$work/$name.code"); done
(section g1 "dir = \"$work/g1\" ca-file = \"$work/g1.pem\""
    section g2 "dir = \"$work/g2\" key-type = \"dsa\""
    section g3 "dir = \"$work/g3\"") | conf
agent -c "$work/agent.conf" run g1 g2
equal "a service of which no identity can be opened, one may be: exit 6" 6 $?
agent -c "$work/agent.conf" run g2
equal "and of which none ever can: exit 1" 1 $?
agent -c "$work/agent.conf" enroll
equal "enroll of all three tells of one that cannot be opened: exit 1" 1 $?
check "and enrols the one that can" test -s "$work/g3/cert.pem"
run_agent three.log -c "$work/agent.conf" run
check "the service runs with the one that is well" until_true 10 grep -q "identity=g1 retry_in=5s" "$work/three.log"
check "and tells of the others" grep -q "identity=g2 retry_in=5s" "$work/three.log"
echo damaged >"$work/g3/cert.pem.new" && mv "$work/g3/cert.pem.new" "$work/g3/cert.pem"
kill -HUP "$last_agent"
check "it looks after it" until_true 10 test -L "$work/g3/cert.pem"
cp "$root" "$work/g1.pem"
check "what was missing comes back: it enrols by itself" until_true 30 test -s "$work/g1/cert.pem"
end_agent
equal "the service ends well" 0 $?

section f1 "dir = \"$work/f1\" claim-code-file = \"-\"" | sed '/f1.code/d' | conf
timeout 10 "$bin_agent" -c "$work/agent.conf" status < <(sleep 20) >"$work/out" 2>&1
equal "status asks for no claim code" 0 $?
printf 'identity "K\xfcche" {\n url = "%s"\n id = "kitchen"\n dir = "%s"\n ca-fingerprint = "%s"\n}\n' "$https" "$work/f1" "$pin" | conf
"$bin_agent" -c "$work/agent.conf" status --json >"$work/status" 2>"$work/out"
equal "a name that is not UTF-8 is in the JSON too" 1 "$(jq length "$work/status" 2>/dev/null)"

finish
