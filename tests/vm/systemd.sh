#!/bin/bash
# A service of the virtual machine that tools/systemd-vm boots: installs what
# meson installed and tries the units under the systemd that runs here, as the
# guides say. TAP lines; the last line tells the outside that nothing was cut off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SYSTEMD_PAGER='' SYSTEMD_COLORS=0
dir=/var/lib/brevet
units=/usr/local/lib/systemd/system
log=/tmp/step.log

ok() { # STATUS TEXT [EVIDENCE]
    local not=""
    [ "$1" -eq 0 ] || not="not "
    echo "${not}ok - $2${3:+ ($(echo "$3" | tr '\n' ' ' | cut -c1-160))}"
    [ "$1" -eq 0 ] || failed=1
}
says() { # TEXT WANTED GOT
    [ "$2" = "$3" ]
    ok $? "$1" "${3:-nothing}"
}
until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5 # the processor is shared with who is waited for
    done
}
section() { echo "# $* [${SECONDS} s]"; }
prop() { systemctl show --value --property "$2" "$1"; } # UNIT PROPERTY
main_pid() { prop brevetd.service MainPID; }
ready() { brevet status | grep -q 'signer *yes'; }
journal() { # UNIT [OPTION...]
    journalctl --sync
    journalctl --quiet --output cat --unit "$@"
}
logged() { journal "$1" | grep -Eq "$2"; }             # UNIT PATTERN
logged_since() { since_mark "$1" | grep -Eq "$2"; }    # the mark
since_mark() { journal "$1" --after-cursor "$(cat /tmp/cursor)"; }
mark() { journalctl --quiet --lines 0 --show-cursor | sed -n 's/^-- cursor: //p' >/tmp/cursor; }
role() { # its process
    pgrep -f -- "--role $1/0( |$)"
}
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '; } # PID FIELD
ids_of() { status_of "$1" Uid | cut -d' ' -f1-4; }
inside() { # PID COMMAND...: in its mount name space
    local pid=$1
    shift
    nsenter --mount --target "$pid" -- "$@"
}
# What restarts a unit in these tests must not be counted against it.
forgive() { systemctl reset-failed "$@" 2>/dev/null; }
code_for() { brevet token create --device "$1" --json | sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p'; }
enrol() { # NAME
    code_for "$1" | brevet-agent enroll --url https://localhost:8443 --id "$1" --dir "/root/$1" \
        --ca-fingerprint "$pin" --claim-code-file - >$log 2>&1
}

# A client that keeps one TLS connection: lines for it in descriptor 7, what
# it was answered in /tmp/answers.
connect() {
    rm -f /tmp/client /tmp/answers
    mkfifo /tmp/client
    openssl s_client -connect localhost:8443 -quiet -CAfile $dir/ca/root.crt -verify_return_error \
        </tmp/client >/tmp/answers 2>/tmp/client.log &
    client=$!
    exec 7>/tmp/client
}
ask() { printf 'GET /ca/root.cer HTTP/1.1\r\nHost: localhost\r\n\r\n' >&7; }
answers() { [ "$(grep -ao 'HTTP/1.1 200' /tmp/answers | wc -l)" -ge "$1" ]; } # NUMBER
hang_up() {
    exec 7>&-
    kill "$client" 2>/dev/null
    wait "$client" 2>/dev/null
}

installing() {
    section "installing"
    cp -a /vm/installed/. /
    systemctl daemon-reload
    systemd-analyze verify --man=no $units/brevetd.service $units/brevetd.socket $units/brevetd-http.socket \
        $units/brevet-agent@.service >$log 2>&1 && [ ! -s $log ]
    ok $? "systemd-analyze has nothing to say" "$(cat $log)"
    ! brevet init --name VM --host localhost </dev/null >$log 2>&1 && grep -q 'brevet-core' $log
    ok $? "without the roles' users init is refused" "$(head -n 1 $log)"
    systemd-sysusers >$log 2>&1
    ok $? "systemd-sysusers"
    says "makes a user for each role" 3 "$(getent passwd brevet-core brevet-signer brevet-door | wc -l)"
    systemd-tmpfiles --create brevet.conf >$log 2>&1
    ok $? "systemd-tmpfiles"
    brevet init --name VM --host localhost </dev/null >$log 2>&1
    ok $? "brevet init as README says it" "$(tail -n 1 $log)"
    pin=$(sed -n 's/^  \([0-9a-f]\{64\}\)$/\1/p' $log)
}

starting() {
    section "a start"
    # a processor that is emulated, and shared
    echo 'limits { request = 120s handshake = 120s }' >>$dir/brevet.conf
    systemctl start brevetd >$log 2>&1
    ok $? "systemctl start, which waits for READY=1" "$(cat $log)"
    says "it is active" active "$(prop brevetd ActiveState)"
    until_true 10 logged brevetd ' ready version='
    ok $? "ready is logged"
    ready
    ok $? "and it is ready" "$(brevet status | tr '\n' ' ' | tr -s ' ')"
    ! journal brevetd | grep 'missing walls'
    ok $? "it misses no wall"
    says "lines carry their priority" 6 "$(journalctl -u brevetd -o json | sed -n 's/.*"PRIORITY":"\([0-7]\)".*/\1/p' | sort -u | tail -n 1)"
    says "nothing worse than a notice was logged" "" "$(journal brevetd -p warning)"
    enrol pump-1
    ok $? "a device enrols" "$(tail -n 1 $log)"
    brevet-agent renew --force --dir /root/pump-1 >$log 2>&1
    ok $? "and renews" "$(tail -n 1 $log)"
}

walls() {
    local who pid path
    section "walls"
    for who in core signer door; do
        pid=$(role "$who")
        says "$who: seccomp" 2 "$(status_of "$pid" Seccomp)"
        says "$who: no new privileges" 1 "$(status_of "$pid" NoNewPrivs)"
        says "$who: no capability" "0000000000000000 0000000000000000 0000000000000000" \
            "$(status_of "$pid" CapEff) $(status_of "$pid" CapPrm) $(status_of "$pid" CapAmb)"
        local uid
        uid=$(id -u "brevet-$who")
        says "$who: a user of its own" "$uid $uid $uid $uid" "$(ids_of "$pid")"
    done
    pid=$(main_pid)
    says "parent: the unit's filter" 2 "$(status_of "$pid" Seccomp)"
    says "parent: no new privileges" 1 "$(status_of "$pid" NoNewPrivs)"
    says "parent: six capabilities" 00000000000004e5 "$(status_of "$pid" CapBnd)"
    for path in /usr/x /etc/x /var/x /boot/x /vm/x; do
        ! inside "$pid" touch $path 2>$log && grep -q 'Read-only' $log
        ok $? "ProtectSystem: $path cannot be made"
    done
    inside "$pid" touch $dir/x && inside "$pid" rm $dir/x
    ok $? "but the installation is written"
    says "ProtectHome: /root is empty" "" "$(inside "$pid" ls -A /root 2>/dev/null)"
    touch /tmp/outside
    ! inside "$pid" ls /tmp/outside >/dev/null 2>&1
    ok $? "PrivateTmp: another /tmp"
    ! inside "$pid" ls /dev/vda >/dev/null 2>&1
    ok $? "PrivateDevices: no disk"
    inside "$pid" grep -q ' /proc proc .*hidepid=invisible.*subset=pid' /proc/self/mounts
    ok $? "ProtectProc, ProcSubset"
}

reloading() {
    local before
    section "reload"
    before=$(role door)
    connect
    ask
    until_true 20 answers 1
    ok $? "a connection is served"
    sed -i 's/^#* *log-level.*//' $dir/brevet.conf
    printf 'log-level = debug\nprofile "lamp" { lifetime = "3d" }\n' >>$dir/brevet.conf
    brevet profile show lamp >$log 2>&1 && ok 1 "the profile is new"
    mark
    systemctl reload brevetd >$log 2>&1
    ok $? "systemctl reload" "$(cat $log)"
    until_true 10 logged_since brevetd ' reloaded$'
    ok $? "is logged" "$(since_mark brevetd | grep -m 1 reloaded)"
    until_true 10 brevet profile show lamp
    ok $? "the change is in force"
    ask
    until_true 20 answers 2
    ok $? "the connection from before is served"
    hang_up
    says "by the same process" "$before" "$(role door)"
    cp $dir/brevet.conf /root/brevet.conf.good
    echo 'nonsense = 1' >>$dir/brevet.conf
    mark
    systemctl reload brevetd >$log 2>&1
    until_true 10 logged_since brevetd 'not reloaded.*nonsense'
    ok $? "a bad file is refused" "$(since_mark brevetd | grep 'not reloaded')"
    says "and it serves on" active "$(prop brevetd ActiveState)"
    cp /root/brevet.conf.good $dir/brevet.conf
    ready
    ok $? "as it was"
}

again() { # OLD-PID
    local pid
    pid=$(main_pid)
    [ "$pid" != 0 ] && [ "$pid" != "$1" ] && [ "$(prop brevetd ActiveState)" = active ] && ready
}

restarts() {
    local pid began
    section "restarts"
    for who in core signer door; do
        pid=$(role "$who")
        kill -9 "$pid"
        back() { new=$(role "$who") && [ -n "$new" ] && [ "$new" != "$pid" ] && ready; }
        until_true 30 back
        ok $? "$who killed: the parent starts it again"
        says "behind the same walls" "2 0000000000000000" "$(status_of "$(role "$who")" Seccomp) $(status_of "$(role "$who")" CapEff)"
    done
    says "systemd was not troubled" 0 "$(prop brevetd NRestarts)"
    pid=$(main_pid)
    kill -9 "$pid"
    until_true 60 again "$pid"
    ok $? "the parent killed: Restart=" "restarts $(prop brevetd NRestarts)"
    pid=$(main_pid)
    mark
    began=$SECONDS
    kill -STOP "$pid"
    until_true 120 again "$pid"
    ok $? "the parent stopped: the watchdog" "after $((SECONDS - began)) s, restarts $(prop brevetd NRestarts)"
    journalctl --quiet -o cat --after-cursor "$(cat /tmp/cursor)" UNIT=brevetd.service | grep -qi 'watchdog'
    ok $? "it was the watchdog" "$(journalctl -q -o cat --after-cursor "$(cat /tmp/cursor)" UNIT=brevetd.service | grep -i watchdog | head -n 1)"
    enrol after-watchdog
    ok $? "a device enrols" "$(tail -n 1 $log)"
}

# What the client sent has left it, and the kernel holds nothing for the door.
sent() { ss -Htni 'dport = :8443' | sed -n 's/.*bytes_sent:\([0-9]*\).*/\1/p'; }
door_has_read() {
    [ "$(sent)" -gt "$before" ] && ! ss -Htn 'sport = :8443' | awk '$2 > 0' | grep -q .
}

stopping() {
    local began before
    section "stop"
    connect
    ask
    until_true 20 answers 1
    before=$(sent)
    printf 'GET /ca/root.cer HTTP/1.1\r\nHost: ' >&7
    until_true 20 door_has_read
    mark
    systemctl stop --no-block brevetd
    until_true 20 logged_since brevetd ' stopping$'
    printf 'localhost\r\n\r\n' >&7
    until_true 20 answers 2
    ok $? "who has begun gets an answer" "$(grep -ao 'HTTP/1.1 ...' /tmp/answers | tr '\n' ' ')"
    hang_up
    ended() { [ "$(prop brevetd ActiveState)" = inactive ]; }
    began=$SECONDS
    until_true 40 ended
    ok $? "then it is inactive" "$(prop brevetd ActiveState) after $((SECONDS - began)) s"
    says "with success" "success 0" "$(prop brevetd Result) $(prop brevetd ExecMainStatus)"
    says "no process is left" "" "$(pgrep -l brevetd)"
    brevet audit verify >$log 2>&1
    ok $? "the audit log verifies" "$(head -n 1 $log)"
}
secure_health() {
    printf 'GET /health HTTP/1.0\r\n\r\n' |
        timeout 20 openssl s_client -connect localhost:8443 -quiet -CAfile $dir/ca/root.crt 2>/dev/null | head -n 1 | tr -d '\r'
}
plain_health() { # of the http address
    exec 8<>/dev/tcp/127.0.0.1/8080 || return 1
    printf 'GET /ca/root.cer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&8
    timeout 20 head -n 1 <&8 | tr -d '\r'
    exec 8>&-
}
inode_of() { ss -Hltne "sport = :$1" | sed -n 's/.* ino:\([0-9]*\).*/\1/p'; } # PORT
has_socket() { find "/proc/$1/fd" -lname "socket:\[$2\]" 2>/dev/null | grep -q .; } # PID INODE

activation() {
    local inode
    section "socket activation"
    forgive brevetd
    systemctl enable --now brevetd.socket >$log 2>&1
    ok $? "systemctl enable --now brevetd.socket" "$(tail -n 1 $log)"
    says "the service is not running" inactive "$(prop brevetd.service ActiveState)"
    inode=$(inode_of 8443)
    says "the first connection starts it, and is answered" "HTTP/1.1 200 OK" "$(secure_health)"
    until_true 60 ready
    says "the service is running" active "$(prop brevetd.service ActiveState)"
    has_socket "$(main_pid)" "$inode" && has_socket "$(role door)" "$inode"
    ok $? "parent and door have systemd's socket" "inode $inode"
    says "nobody else listens there" 1 "$(ss -Hltn 'sport = :8443' | wc -l)"
    says "the http address of brevet.conf is open nevertheless" "HTTP/1.1 200 OK" "$(plain_health)"
    enrol by-activation
    ok $? "a device enrols" "$(tail -n 1 $log)"

    systemctl stop brevetd.service 2>/dev/null
    systemctl enable --now brevetd-http.socket >$log 2>&1
    ok $? "brevetd-http.socket as well" "$(tail -n 1 $log)"
    inode=$(inode_of 8080)
    says "its first connection starts the service" "HTTP/1.1 200 OK" "$(plain_health)"
    until_true 60 ready
    has_socket "$(main_pid)" "$inode" && has_socket "$(role door)" "$inode" &&
        has_socket "$(role door)" "$(inode_of 8443)"
    ok $? "the service has both sockets"
    # connections that come while it is away wait in the socket
    (systemctl restart brevetd.service) &
    local good=0 asked=0
    while kill -0 $! 2>/dev/null; do
        asked=$((asked + 1))
        [ "$(plain_health)" != "HTTP/1.1 200 OK" ] || good=$((good + 1))
    done
    [ "$asked" -gt 0 ] && [ "$asked" -eq "$good" ]
    ok $? "a restart refuses nobody" "$good of $asked"
}

restoring() { # as docs/backup.md says it
    section "backup and restore"
    brevet backup --out /root/backup >$log 2>&1
    ok $? "a backup" "$(tail -n 1 $log)"
    systemctl stop 'brevetd*' >$log 2>&1
    says "one command stops service and sockets" "inactive inactive inactive" \
        "$(prop brevetd.service ActiveState) $(prop brevetd.socket ActiveState) $(prop brevetd-http.socket ActiveState)"
    brevet restore /root/backup --accept-loss >$log 2>&1
    ok $? "a restore" "$(tail -n 1 $log)"
    systemctl start brevetd.socket brevetd-http.socket brevetd
    until_true 30 ready
    ok $? "it serves again"
    enrol after-restore
    ok $? "a device enrols" "$(tail -n 1 $log)"
}

late_address() {
    section "an address that is not there yet"
    systemctl disable --now brevetd.socket brevetd-http.socket >/dev/null 2>&1
    systemctl stop brevetd
    cp $dir/brevet.conf /root/brevet.conf.good
    sed -i 's/^https = .*/https = { "192.0.2.7:8443", "127.0.0.1:8443" }/' $dir/brevet.conf
    ! systemctl start brevetd 2>/dev/null
    ok $? "the first start fails" "$(journal brevetd | grep -m 1 'cannot be listened on')"
    tried() { [ "$(prop brevetd NRestarts)" -gt 6 ]; }
    until_true 90 tried
    ok $? "systemd does not give up" "restarts $(prop brevetd NRestarts)"
    ip address add 192.0.2.7/32 dev lo
    until_true 60 ready
    ok $? "and when it is there the service is" "$(prop brevetd ActiveState)"
    systemctl stop brevetd
    cp /root/brevet.conf.good $dir/brevet.conf
}

passphrase_from() { # LINE-OF-THE-UNIT
    mkdir -p /etc/systemd/system/brevetd.service.d
    printf '[Service]\n%s\n' "$1" >/etc/systemd/system/brevetd.service.d/passphrase.conf
    systemctl daemon-reload
}

credentials() {
    local line
    section "the passphrase as a credential"
    cp $dir/passphrase /root/passphrase
    sed -i '/^passphrase/d' $dir/brevet.conf
    echo 'passphrase = "credential:brevet"' >>$dir/brevet.conf
    rm $dir/passphrase
    forgive brevetd
    ! systemctl start brevetd >/dev/null 2>&1
    ok $? "without the credential the start is refused"
    until_true 10 logged brevetd 'CREDENTIALS_DIRECTORY'
    ok $? "and the log says why" "$(journal brevetd | grep -m 1 'CREDENTIALS_DIRECTORY')"
    systemctl stop brevetd
    forgive brevetd

    install -m 600 /root/passphrase /etc/brevet/passphrase
    passphrase_from 'LoadCredential=brevet:/etc/brevet/passphrase'
    systemctl start brevetd
    until_true 30 ready
    ok $? "LoadCredential" "$(prop brevetd ActiveState)"
    rm /etc/brevet/passphrase

    # as the remark in the unit says it
    systemd-creds encrypt --name=brevet - /etc/brevet/passphrase.cred </root/passphrase >$log 2>&1
    ok $? "systemd-creds encrypt" "$(tail -n 1 $log)"
    line=$(sed -n 's/^#\(LoadCredentialEncrypted=.*\)/\1/p' $units/brevetd.service)
    passphrase_from "$line"
    systemctl restart brevetd
    until_true 30 ready
    ok $? "$line" "$(prop brevetd ActiveState)"
    enrol by-credential
    ok $? "a device enrols: the CA key is open" "$(tail -n 1 $log)"
    for who in core door; do
        says "$who does not see the credential" "" \
            "$(setpriv --reuid "brevet-$who" --regid "brevet-$who" --clear-groups cat /run/credentials/brevetd.service/brevet 2>/dev/null)"
    done
    mark
    systemctl reload brevetd
    until_true 10 logged_since brevetd ' reloaded$'
    ok $? "reload with a credential" "$(since_mark brevetd | grep -m 1 reloaded)"
    brevetd --dir $dir --check >$log 2>&1
    ok $? "brevetd --check outside of the service bears it" "$(tail -n 2 $log)"
    local pid
    pid=$(main_pid)
    kill -9 "$pid"
    until_true 60 again "$pid"
    ok $? "a restart after kill -9 has it, too"
}

agent_unit=brevet-agent@vm.service
agent_file() { # what the guides give, and a hook that shows what it may
    cat <<END
identity "meter-1" {
    url = "https://localhost:8443"
    claim-code-file = "/etc/brevet/claim"
    ca-fingerprint = "$pin"
    install {
        cert = "/etc/broker/meter.crt"
        key = "/etc/broker/meter.key"
        ca = "/etc/broker/fleet.pem"
        owner = "broker"
    }
    hook = "/vm/hook"
}
END
}

a_broker() { # a service for the hook to reload
    useradd --system broker
    mkdir -p /etc/broker
    cat >/etc/systemd/system/broker.service <<'END'
[Service]
Type=exec
User=broker
ExecStart=/bin/sleep infinity
ExecReload=/bin/cp /etc/broker/meter.key /run/broker/reloaded
RuntimeDirectory=broker
END
    cat >/vm/hook <<'END'
#!/bin/sh
# what a hook can and what it must not
{
    echo "reason $BREVET_REASON identity $BREVET_IDENTITY"
    touch /usr/from-hook && echo "wrote /usr"
    ls /root/pump-1 && echo "read /root"
    mknod /var/lib/brevet-agent/node b 254 0 && echo "made a device"
    unshare --mount true && echo "new name space"
    [ -z "$NOTIFY_SOCKET" ] || echo "has the notify socket"
    grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr '\t' ' '
} >/var/lib/brevet-agent/hook.log 2>/var/lib/brevet-agent/hook.err
systemctl reload broker
END
    chmod 755 /vm/hook
    systemctl daemon-reload
    systemctl start broker
}

agent() {
    local pid seen
    section "the agent"
    a_broker
    agent_file >/etc/brevet/agent-vm.conf
    (umask 077 && code_for meter-1 >/etc/brevet/claim)
    systemctl enable --now $agent_unit >$log 2>&1
    ok $? "systemctl enable --now brevet-agent@vm" "$(tail -n 1 $log)"
    says "it is active" active "$(prop $agent_unit ActiveState)"
    until_true 60 logged $agent_unit 'hook done.*cause=enrolled'
    ok $? "it enrols with the claim code, and the hook is done" "$(journal $agent_unit | tail -n 1)"
    openssl verify -CAfile $dir/ca/root.crt -untrusted $dir/ca/issuing.crt /etc/broker/meter.crt >$log 2>&1
    ok $? "the certificate is installed and good" "$(cat $log)"
    says "the key is the broker's" "broker 600" "$(stat -c '%U %a' /etc/broker/meter.key)"
    cmp -s /etc/broker/meter.key /run/broker/reloaded
    ok $? "the hook reloaded the broker with systemctl"
    says "StateDirectory" "root 700" "$(stat -c '%U %a' /var/lib/brevet-agent)"
    [ -s /var/lib/brevet-agent/meter-1/cert.pem ]
    ok $? "keys and state are below it"
    seen=$(cat /var/lib/brevet-agent/hook.log)
    says "the hook's reason and walls" "reason enrolled identity meter-1 CapEff: 000000000000000b NoNewPrivs: 1 Seccomp: 2" \
        "$(echo "$seen" | tr '\n' ' ' | sed 's/ $//')"
    pid=$(prop $agent_unit MainPID)
    says "the agent: filter, no new privileges, three capabilities" "2 1 000000000000000b" \
        "$(status_of "$pid" Seccomp) $(status_of "$pid" NoNewPrivs) $(status_of "$pid" CapEff)"
    rm /etc/broker/meter.crt
    systemctl reload $agent_unit
    ok $? "systemctl reload"
    until_true 30 test -s /etc/broker/meter.crt
    ok $? "repairs what is missing"
    kill -9 "$pid"
    other() { [ "$(prop $agent_unit MainPID)" != 0 ] && [ "$(prop $agent_unit MainPID)" != "$pid" ] && [ "$(prop $agent_unit ActiveState)" = active ]; }
    until_true 60 other
    ok $? "killed: Restart="
    systemctl stop $agent_unit
    says "systemctl stop" "inactive success" "$(prop $agent_unit ActiveState) $(prop $agent_unit Result)"
    echo 'identity "x" { nonsense = 1 }' >/etc/brevet/agent-bad.conf
    ! systemctl start brevet-agent@bad.service >$log 2>&1
    ok $? "a bad file: the start fails"
    says "and is not tried again" "failed 0" "$(prop brevet-agent@bad.service ActiveState) $(prop brevet-agent@bad.service NRestarts)"
    until_true 10 logged brevet-agent@bad.service nonsense
    ok $? "the log says why" "$(journal brevet-agent@bad.service | grep -m 1 nonsense)"
}

booted() { # what an administrator would look at
    local unit
    section "at last"
    systemctl stop brevetd
    says "stopped" "inactive success" "$(prop brevetd ActiveState) $(prop brevetd Result)"
    brevet audit verify >$log 2>&1
    ok $? "the audit log verifies" "$(head -n 1 $log)"
    says "nothing was refused that roles or parent wanted" "" \
        "$(journalctl -q -o cat | grep -E 'SIGSYS|outside of its list|type=1326' | head -n 3)"
    for unit in brevetd.service $agent_unit; do
        # what dist/README.md promises; the threshold is in tenths
        systemd-analyze security --no-pager --threshold=30 $unit >$log 2>/dev/null
        ok $? "$unit: an exposure of at most 3.0" "$(sed -n 's/^.*Overall exposure level for [^:]*: //p' $log)"
    done
}

echo "# $(systemctl --version | head -n 1), Linux $(uname -r)"
failed=0
installing
starting
walls
agent
reloading
restarts
stopping
activation
restoring
late_address
credentials
booted
[ "$failed" -eq 0 ] || {
    journalctl -q -o short-monotonic -u brevetd.service -u $agent_unit | tail -n 60 | sed 's/^/# /'
    tail -n 5 /var/lib/brevet-agent/hook.err 2>/dev/null | sed 's/^/# hook: /'
}
echo "# guest: the end"
