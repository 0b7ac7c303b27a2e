#!/bin/bash
# script/demo must not say that all is well when it is not: each run has one
# part replaced by one that only pretends, and the rows that are about it must
# say so, and the exit status. One run is left alone: there every row holds.
. "$(dirname "$0")/lib.sh"
if sanitized; then
    echo "1..0 # SKIP it is the script that is tried here, and the release build has done so"
    exit 0
fi
need openssl curl mosquitto_pub pgrep
PATH=$PATH:/usr/sbin
export BREVET_NO_BOOTSTRAP=1
reals=$PATH

# A build folder that is built, with a program replaced, and before PATH another
stage() { # NAME
    local at=$work/$1 program
    mkdir -p "$at/build/prog" "$at/bin"
    printf 'build all: phony\ndefault all\n' >"$at/build/build.ninja"
    for program in brevet brevetd brevet-agent; do
        mkdir "$at/build/prog/$program"
        ln -s "$build/prog/$program/$program" "$at/build/prog/$program/$program"
    done
}
replace() { # NAME PROGRAM: its text comes from standard input; $real is what it replaces
    local at=$work/$1/bin/$2 real
    real=$(command -v "$2")
    [ -d "$work/$1/build/prog/$2" ] && at=$work/$1/build/prog/$2/$2 real=$build/prog/$2/$2
    rm -f "$at"
    { printf '#!/bin/bash\nreal=%q work=%q\n' "$real" "$work/$1" && cat; } >"$at"
    chmod 755 "$at"
}
runs=()
begin() { # NAME
    PATH=$work/$1/bin:$reals BREVET_BUILD=$work/$1/build \
        script/demo --tap --life 20 --keep "$work/$1/demo" 2 >"$work/$1/table" 2>"$work/$1/errors" &
    runs+=("$1 $!")
}
stop_runs() {
    local run
    for run in "${runs[@]}"; do kill "${run#* }" 2>/dev/null; done
    wait
}
at_exit+=(stop_runs)
row() { grep -q "^$2 - $3" "$work/$1/table"; }
says_bad() { # NAME TEXT…: these rows do not hold
    local name=$1 text
    shift
    for text in "$@"; do
        check "$name: \"$text\" does not hold" row "$name" "not ok" "$text"
    done
}

stage alone

# messages that go nowhere
stage silent
replace silent mosquitto_pub <<'SH'
case "$*" in *" probe"*) exec "$real" "$@" ;; esac
SH

# a broker that dies as soon as the revocation begins
stage broker
replace broker mosquitto <<'SH'
"$real" "$@" & trap "kill $!" EXIT TERM; echo $! >"$work/broker.pid"; wait
SH
replace broker brevet <<'SH'
case "$*" in *"cert revoke"*) kill -9 "$(cat "$work/broker.pid")" ;; esac
exec "$real" "$@"
SH

# a revocation that is only said to have been made
stage pretended
replace pretended brevet <<'SH'
case "$*" in *"cert revoke"*) echo '{"changed": 1}'; exit 0 ;; esac
exec "$real" "$@"
SH

# a revocation the broker hears nothing of, and a renewal that fails by itself
stage untold
replace untold mosquitto <<'SH'
trap '' HUP; "$real" "$@" & trap "kill $!" EXIT TERM; echo "Reloading config" >>"$work/demo/mosquitto.log"; wait
SH
replace untold brevet-agent <<'SH'
case "$1" in renew) echo "no answer" >&2; exit 4 ;; esac
exec "$real" "$@"
SH

# one that is stopped in the middle
stage stopped
mkdir "$work/stopped/tmp"
TMPDIR=$work/stopped/tmp BREVET_BUILD=$work/stopped/build script/demo --tap 5 >"$work/stopped/table" 2>"$work/stopped/errors" &
runs+=("stopped $!")
check "stopped: it came as far as the fleet" until_true 60 row stopped ok "every device enrolled"
kill "${runs[0]#* }"
wait "${runs[0]#* }"
equal "stopped: exit status" 130 $?
none "stopped: its folder is gone" "$(ls "$work/stopped/tmp")"
refuse "stopped: nothing runs on" pgrep -f "$work/stopped"
check "stopped: it says so" grep -q 'nothing is left running' "$work/stopped/errors"
runs=()

for name in silent alone broker pretended untold; do begin "$name"; done
for run in "${runs[@]}"; do
    name=${run% *}
    wait "${run#* }"
    status=$?
    if [ "$name" = alone ]; then
        equal "left alone: exit status" 0 "$status"
        refuse "left alone: no row that does not hold" grep "^not ok" "$work/alone/table"
        equal "left alone: all rows" 21 "$(grep -c '^ok' "$work/alone/table")"
    else
        equal "$name: exit status" 1 "$status"
    fi
done
runs=()
says_bad silent "every device renewed" "no message was refused" "each message arrived" "what device-001 said" \
    "after: the broker refuses" "the audit log verifies"
says_bad broker "after: the broker refuses" "the others are not disturbed" "a foreign certificate named" "a client without"
says_bad untold "after: the broker refuses" "after: EST refuses"
check "untold: though OCSP says revoked" row untold ok "OCSP answers revoked"
check "untold: and the CRL" row untold ok "the CRL over HTTP"
says_bad pretended "OCSP answers revoked" "the CRL over HTTP" "after: the broker refuses" "after: EST refuses"
finish
