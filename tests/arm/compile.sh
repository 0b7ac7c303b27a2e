#!/bin/sh
# Compiles every freestanding file for Cortex-M without any C library: ISO C17,
# its freestanding headers, nothing else; then links the library into a firmware
# and holds it to the sizes that docs/device-library.md promises.
# Usage: compile.sh SOURCE-ROOT
set -eu
root=$1
cc=${ARM_CC:-arm-none-eabi-gcc}
size=${cc%gcc}size
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

fail() {
    echo "$*"
    failed=1
}

compile() { # CPU FILE OBJECT [options]
    cpu=$1 file=$2 object=$3
    shift 3
    "$cc" -std=c17 -pedantic -ffreestanding "-mcpu=$cpu" -mthumb -Os \
        -ffunction-sections -fdata-sections \
        -Wall -Wextra -Wno-unused-parameter -Werror "$@" -c "$file" -o "$object" ||
        fail "not freestanding: ${file#"$root"/} ($cpu)"
}

# the promises of docs/device-library.md, octets
flash=36864 ram=34816 stack=2560

for cpu in cortex-m0 cortex-m3 cortex-m4; do
    mkdir "$out/$cpu"
    for file in "$root"/src/base/err.c "$root"/src/base/span.c \
        "$root"/src/base/sink.c "$root"/src/base/time.c \
        "$root"/src/wire/*.c "$root"/device/*.c; do
        name=${file#"$root"/}
        compile "$cpu" "$file" "$out/$cpu/$(echo "${name%.c}" | tr / _).o" \
            -fcallgraph-info=su -I"$root/src" -I"$root/include" -I"$root"
    done
    compile "$cpu" "$root/docs/example/storage.c" "$out/storage.o" -I"$root/src" -I"$root/include"
    compile "$cpu" "$root/tests/arm/firmware.c" "$out/firmware.o" \
        -fno-tree-loop-distribute-patterns -I"$root/include"
    "$cc" "-mcpu=$cpu" -mthumb -nostdlib -Wl,--gc-sections \
        -Wl,--defsym,ports=0x100 -Wl,--defsym,looked=0x20000000 \
        "$out/firmware.o" "$out/$cpu"/*.o -lgcc -o "$out/firmware.elf" ||
        { fail "does not link ($cpu)"; continue; }
    used=$("$size" "$out/firmware.elf" | awk 'NR == 2 {print $1 + $2, $2 + $3}')
    deep=$(python3 "$root/tests/arm/stack.py" bv_device_step "$out/$cpu"/*.ci)
    echo "$cpu: flash and RAM $used, stack $deep"
    [ "${used% *}" -le $flash ] && [ "${used#* }" -le $ram ] && [ "${deep%% *}" -le $stack ] ||
        fail "larger than docs/device-library.md says ($cpu)"
done
exit $failed
