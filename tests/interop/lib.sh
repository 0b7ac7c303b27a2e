# What the interoperability tests share: an installation in a temporary folder
# on free ports, its daemon, and TAP lines. Sourced, not run.
#
#   BREVET_BUILD   the build folder (default: build)
#   BREVET_KEEP    set: leave the temporary folder behind
#
# Nothing sleeps to wait for something: until_true polls a condition up to a
# bound, and passing the bound is a failure of the test that waits.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

build=${BREVET_BUILD:-$PWD/build}
bin_brevet=$build/prog/brevet/brevet
bin_brevetd=$build/prog/brevetd/brevetd
# a sanitized build: its memory is not ours to judge
sanitized() { [ "$(nm -D "$bin_brevet" 2>/dev/null | grep -c __asan_init)" -gt 0 ]; }
failures=0
daemon=
daemon_status=
at_exit=() # functions of the script, which stop what it started
work=$(mktemp -d "${TMPDIR:-/tmp}/brevet-interop.XXXXXX")
ca=$work/ca

# A child that is ended before it has become another program, or has dropped
# the traps it was born with, comes here too: the folder is not its own.
cleanup() {
    local status=$? act # the script's; what is stopped here has no say in it
    [ "$BASHPID" = "$$" ] || exit "$status"
    trap - EXIT INT TERM
    for act in "${at_exit[@]}"; do "$act"; done
    stop_daemon
    if [ -n "${BREVET_KEEP:-}" ] || { [ "$failures" -gt 0 ] && [ -n "${BREVET_KEEP_FAILED:-}" ]; }; then
        echo "# kept: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ok STATUS TEXT [EVIDENCE]: one test
ok() {
    if [ "$1" -eq 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2${3:+ ($3)}"
        failures=$((failures + 1))
    fi
}

# vain COMMAND...: it compares with nothing, so its answer says nothing
vain() {
    local word
    [[ $1 =~ ^(grep|cmp|test)$ ]] || return 1
    for word in "$@"; do [ -n "$word" ] || return 0; done
    return 1
}

# check TEXT COMMAND...: a test that holds when the command succeeds
check() {
    local text=$1
    shift
    if vain "$@"; then
        ok 1 "$text" "an empty word: $*"
    elif "$@" >"$work/check.log" 2>&1; then
        ok 0 "$text"
    else
        ok 1 "$text" "$(tail -n 1 "$work/check.log" | cut -c1-160)"
    fi
}

# refuse TEXT COMMAND...: a test that holds when the command fails; what it said
# is in $work/refused.log. One that is not there, is cut off or dies refuses
# nothing, nor does a comparison that had nothing to look at.
refuse() {
    local text=$1 status
    shift
    "$@" >"$work/refused.log" 2>&1
    status=$?
    if vain "$@"; then
        ok 1 "$text" "an empty word: $*"
    elif [ "$status" -eq 0 ]; then
        ok 1 "$text" "it succeeded"
    elif [[ $status =~ ^12[4-9]$|^1[3-5][0-9]$ ]] || { [ "$status" -ne 1 ] && [[ $1 =~ ^(grep|cmp|test)$ ]]; }; then
        ok 1 "$text" "status $status: $(tail -n 1 "$work/refused.log" | cut -c1-160)"
    else
        ok 0 "$text"
    fi
}

# equal TEXT WANT GOT: WANT is something; see none
equal() {
    if [ -n "$2" ] && [ "$2" = "$3" ]; then
        ok 0 "$1"
    else
        ok 1 "$1" "wanted ${2:-something, and know not what}, got $3"
    fi
}

# none TEXT GOT: there is nothing
none() { ok $((${#2} > 0)) "$1" "$2"; }

# no_complaints: no log holds a sanitizer's report or the end of a role
no_complaints() {
    grep -hE 'AddressSanitizer|LeakSanitizer|runtime error:|role ended|Assertion' "$work"/*.log >"$work/complaints" 2>/dev/null
    ok $(($(wc -l <"$work/complaints") > 0)) "no role died, leaked or stepped outside its memory" \
        "$(head -n 1 "$work/complaints" | cut -c1-160)"
}

# finish: the daemon ends, its roles look for leaks if they were built to
finish() {
    if [ -n "$daemon" ]; then
        stop_daemon
        equal "the daemon ends well" 0 "$daemon_status"
        no_complaints
    fi
    exit $((failures > 0))
}

bail() {
    echo "not ok - $*"
    failures=$((failures + 1))
    [ -s "$work/brevetd.log" ] && tail -n 20 "$work/brevetd.log" | sed 's/^/# /'
    exit 1
}

need() { # programs this test cannot do without
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || bail "$program is not installed"
    done
}

until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# free_port: below the range clients take their own ports from, so that none of
# them sits on it when the daemon comes.
free_port() {
    python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(10000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
}

# --- another time (tests/fault/clockshift.c) ---

# make_clock FILE LIBRARY [AS]: a clock, and the library that goes by it; AS is
# what the file is called where it is read
make_clock() {
    set_clock "$1" 0 0 && chmod 644 "$1" &&
        cc -shared -fPIC -O1 -DSHIFT_FILE="\"${3:-$1}\"" -o "$2" tests/fault/clockshift.c
}
set_clock() { # FILE WALL [LIFE]: seconds
    python3 -c 'import os, struct, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o644)
os.pwrite(fd, struct.pack("=qq", int(sys.argv[2]), int(sys.argv[3])), 0)' "$1" "$2" "${3:-0}"
}

# own_clock SCRIPT: run the script again with an /etc of its own, where each
# process it starts goes by its clock; time_passes SECONDS then moves it. The
# roles of the daemon inherit no environment, so LD_PRELOAD does not reach them.
own_clock() {
    if [ "${BREVET_CLOCK:-}" != own ]; then
        rm -rf "$work"
        # in a user namespace no role can be given its user
        [ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP only root can give it an /etc of its own" && exit 0; }
        BREVET_CLOCK=own exec unshare --mount bash "$1"
    fi
    mkdir "$work/etc" && mount -t tmpfs -o mode=755 tmpfs "$work/etc" &&
        { cp -a /etc/. "$work/etc" 2>/dev/null || true; } &&
        make_clock "$work/etc/brevet-clock" "$work/etc/brevet-clock-libasan.so" /etc/brevet-clock &&
        echo /etc/brevet-clock-libasan.so >"$work/etc/ld.so.preload" && mount --bind "$work/etc" /etc ||
        bail "no clock of our own"
    passed_time=0
}
time_passes() {
    passed_time=$((passed_time + $1))
    set_clock /etc/brevet-clock "$passed_time" "$passed_time"
}

# --- the installation ---

brevet() { "$bin_brevet" --dir "$ca" "$@"; }

# Root needs to say so where the roles are not to have users of their own;
# tests/fault/users.py is about those.
one_user=()
[ "$(id -u)" -ne 0 ] || one_user=(--user root)

# install_brevet [CONFIGURATION [init options...]]: brevet init, and more text
# for brevet.conf
install_brevet() {
    local more=${1:-}
    [ $# -gt 0 ] && shift
    https_port=$(free_port)
    until http_port=$(free_port) && [ "$http_port" != "$https_port" ]; do :; done
    https=https://localhost:$https_port
    http=http://127.0.0.1:$http_port
    est=$https/.well-known/est
    (umask 077 && echo "a passphrase for tests" >"$work/passphrase")
    "$bin_brevet" init --dir "$ca" --name "Interop" --host localhost --host 127.0.0.1 \
        --https "127.0.0.1:$https_port" --http "127.0.0.1:$http_port" \
        --passphrase-file "$work/passphrase" "${one_user[@]}" "$@" >"$work/init.log" 2>&1 ||
        { sed 's/^/# /' "$work/init.log"; bail "brevet init failed"; }
    printf '%s\n' "$more" >>"$ca/brevet.conf"
    root=$ca/ca/root.crt
    issuing=$ca/ca/issuing.crt
    cat "$root" "$issuing" >"$work/trust.pem" 2>/dev/null # none yet below an external root
    return 0
}

ready() { curl -sf --cacert "$root" "$est/cacerts" -o /dev/null; }

start_daemon() {
    "$bin_brevetd" --dir "$ca" >>"$work/brevetd.log" 2>&1 &
    daemon=$!
    until_true 20 ready || bail "the daemon does not answer"
}

stop_daemon() {
    [ -n "$daemon" ] || return 0
    kill "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
    daemon_status=$?
    daemon=
}

# --- devices ---

# token ARGUMENTS: a claim code
token() { brevet token create "$@" --json | jq -r .secret; }

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key" 2>/dev/null; }

# new_csr NAME [openssl req arguments]: NAME.key if there is none, NAME.der, NAME.b64
new_csr() {
    local name=$1
    shift
    [ -f "$work/$name.key" ] || new_key "$name"
    openssl req -new -key "$work/$name.key" -subj "/CN=$name" -outform DER -out "$work/$name.der" "$@" &&
        base64 -w0 "$work/$name.der" >"$work/$name.b64"
}

# renew_csr NAME CERT: like new_csr, with the subject of a certificate, as
# RFC 7030 4.2.2 wants it
renew_csr() {
    new_csr "$1" -subj "$(openssl x509 -in "$2" -noout -subject -nameopt compat | sed 's/^subject=//')"
}

# post PATH BODYFILE [curl arguments]: sets status, leaves $work/answer and
# $work/head; media=TYPE before it is another Content-Type
post() {
    local path=$1 body=$2
    shift 2
    status=$(curl -s --cacert "$root" -o "$work/answer" -D "$work/head" -w '%{http_code}' \
        -H "Content-Type: ${media:-application/pkcs10}" --data-binary "@$body" "$@" "$est/$path")
}

get() { # URL [curl arguments]
    local url=$1
    shift
    status=$(curl -s --cacert "$root" -o "$work/answer" -D "$work/head" -w '%{http_code}' "$@" "$url")
}

header() { # NAME: its value in the last answer
    tr -d '\r' <"$work/head" | sed -n "s/^$1: //Ip" | head -n 1
}

# answer_certs OUT: the certificates of an EST answer, as PEM
answer_certs() {
    base64 -d <"$work/answer" | openssl pkcs7 -inform DER -print_certs 2>/dev/null |
        sed -n '/BEGIN/,/END/p' >"$1" && [ -s "$1" ]
}

# nss_database: $work/nss with our CAs; nss runs certutil on it
nss_database() {
    mkdir "$work/nss"
    nss -N --empty-password && nss -A -n root -t CT,C,C -i "$root" && nss -A -n issuing -t ,, -i "$issuing"
}
nss() { certutil "$@" -d "sql:$work/nss"; }

# enroll NAME [openssl req arguments]: NAME.key, NAME.crt with a fresh claim code
enroll() {
    local name=$1
    shift
    new_csr "$name" "$@" || return 1
    post simpleenroll "$work/$name.b64" --user "$name:$(token --device "$name")"
    [ "$status" = 200 ] && answer_certs "$work/$name.crt"
}
