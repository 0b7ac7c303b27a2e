#!/bin/busybox sh
# The first process of the virtual machine that tools/landlock-vm boots: an
# installation as root with its users, each live process made to open what only
# Landlock keeps from it, and everything else still working. TAP lines; the
# last line tells the outside that nothing was cut off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t securityfs sec /sys/kernel/security
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p /var/lib /root
ip link set lo up
dir=/var/lib/brevet

ok() { # STATUS TEXT [EVIDENCE]
    if [ "$1" -eq 0 ]; then echo "ok - $2${3:+ ($3)}"; else echo "not ok - $2${3:+ ($3)}"; fi
}
says() { # TEXT WANTED GOT
    [ "$2" = "$3" ]
    ok $? "$1" "$3"
}
until_true() { # SECONDS COMMAND...
    local end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}
role() { # its process
    local p
    for p in /proc/[0-9]*; do
        case "$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)" in
        *"--role $1/0 "*) echo "${p#/proc/}" ;;
        esac
    done
}
ready() { brevet --dir $dir status | grep -q 'signer *yes'; }
enrol() { # NAME
    brevet --dir $dir token create --device "$1" --json | sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p' |
        brevet-agent enroll --url https://localhost:8443 --id "$1" --dir "/root/$1" \
            --ca-fingerprint "$pin" --claim-code-file - >>/tmp/agent.log 2>&1
}

tests() {
    echo "# Linux $(uname -r), LSMs $(cat /sys/kernel/security/lsm)"
    grep -q landlock /sys/kernel/security/lsm
    ok $? "this kernel has Landlock"
    /bin/sandbox-test 2>&1 | grep -E '^\[ +(OK|FAILED) +\] [a-z_]+$' | sort -u | while read -r line; do
        case "$line" in
        *OK*) ok 0 "sandbox unit test: ${line##* }" ;;
        *) ok 1 "sandbox unit test: ${line##* }" ;;
        esac
    done

    brevet --dir $dir init --name VM --host localhost --https 127.0.0.1:8443 --http 127.0.0.1:8080 \
        </dev/null >/tmp/init.log 2>&1
    ok $? "init"
    pin=$(sed -n 's/^  \([0-9a-f]\{64\}\)$/\1/p' /tmp/init.log)
    brevetd --dir $dir >/tmp/brevetd.log 2>&1 &
    parent=$!
    until_true 60 ready
    ok $? "the daemon is ready"
    ! grep 'missing walls' /tmp/brevetd.log
    ok $? "it misses no wall"
    chmod 644 $dir/ca/issuing.crt
    for who in signer door core; do
        pid=$(role $who)
        for path in /etc/passwd $dir/brevet.conf $dir/ca/issuing.crt /proc/self/status; do
            says "$who cannot open $path, which all may read" EACCES "$(probe "$pid" $path r 2>&1)"
        done
        says "$who cannot make a file in /tmp, where all may" EACCES "$(probe "$pid" "/tmp/$who" w 2>&1)"
    done
    for who in signer door; do
        says "$who cannot open a CRL, which all may read" EACCES "$(probe "$(role $who)" $dir/crl/issuing.crl r 2>&1)"
    done
    core=$(role core)
    says "core opens its database" opened "$(probe "$core" $dir/db/brevet.db r 2>&1)"
    for folder in db crl tls; do
        says "core makes files in $folder" opened "$(probe "$core" $dir/$folder/made w 2>&1)"
        rm -f $dir/$folder/made
    done
    # what tells that the probe itself is not what is refused
    says "the parent, which has no such wall, opens /etc/passwd" opened "$(probe "$parent" /etc/passwd r 2>&1)"

    until_true 30 enrol pump-1
    ok $? "a device enrols" "$(tail -n 1 /tmp/agent.log)"
    brevet-agent renew --force --dir /root/pump-1 >>/tmp/agent.log 2>&1
    ok $? "and renews" "$(tail -n 1 /tmp/agent.log)"
    brevet --dir $dir cert revoke --device pump-1 --reason superseded >/dev/null
    ok $? "is revoked"
    before=$(stat -c %i $dir/crl/issuing.crl)
    brevet --dir $dir crl publish issuing >/dev/null
    changed() { [ "$(stat -c %i $dir/crl/issuing.crl)" != "$before" ]; }
    until_true 20 changed
    ok $? "a CRL is published"
    before_tls=$(stat -c %i $dir/tls/server.pem)
    brevet --dir $dir tls renew >/dev/null
    renewed() { [ "$(stat -c %i $dir/tls/server.pem)" != "$before_tls" ]; }
    until_true 20 renewed
    ok $? "the TLS certificate is renewed"
    brevet --dir $dir backup --out /root/backup >/tmp/backup.log 2>&1
    ok $? "a backup is made" "$(tail -n 1 /tmp/backup.log)"
    kill -HUP $parent
    until_true 20 grep -q 'parent info reloaded' /tmp/brevetd.log
    ok $? "it reloads"
    for who in core signer door; do
        old=$(role $who)
        kill -9 "$old"
        back() { new=$(role $who) && [ -n "$new" ] && [ "$new" != "$old" ] && ready; }
        until_true 30 back && until_true 30 enrol "after-$who"
        ok $? "$who killed: it is back"
        says "and behind its wall" EACCES "$(probe "$(role $who)" /etc/passwd r 2>&1)"
    done
    kill $parent
    wait $parent
    ok $? "it ends with status 0"
    brevet --dir $dir audit verify >/tmp/audit.log 2>&1
    ok $? "the audit log verifies" "$(head -n 1 /tmp/audit.log)"
}

tests | tee /tmp/lines
! grep -q '^not ok' /tmp/lines || sed "s/^/# /" /tmp/brevetd.log /tmp/agent.log
echo "# guest: the end"
sync
reboot -f
