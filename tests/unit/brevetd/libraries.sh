#!/bin/bash
# Each of brevetd's programs is linked with what its role needs, nothing else:
# libraries.sh DIRECTORY
set -u
failed=0

# lacks PROGRAM LIBRARY...: none of these is loaded with it
lacks() {
    local program=$1 needed library
    shift
    needed=$(readelf -d "$dir/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    grep -q '^libc\.' <<<"$needed" || { echo "not ok - $program cannot be read"; failed=1; return; }
    for library; do
        if grep -q "^$library\." <<<"$needed"; then
            echo "not ok - $program loads $library"
            failed=1
        else
            echo "ok - $program does without $library"
        fi
    done
}

dir=$1
lacks brevetd libcrypto libssl libsqlite3 libuv libjansson
lacks brevetd-signer libssl libsqlite3 libuv libjansson
lacks brevetd-door libsqlite3 libjansson
lacks brevetd-core libssl libuv
exit $failed
