#!/bin/sh
# Compiles every freestanding file for a Cortex-M3 without any C library: ISO
# C17, its freestanding headers, nothing else. Usage: compile.sh SOURCE-ROOT
set -eu
root=$1
cc=${ARM_CC:-arm-none-eabi-gcc}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
num=0
for file in "$root"/src/base/err.c "$root"/src/base/span.c \
    "$root"/src/base/sink.c "$root"/src/base/time.c \
    "$root"/src/wire/*.c "$root"/device/*.c "$root"/docs/example/storage.c; do
    [ -e "$file" ] || continue
    num=$((num + 1))
    if ! "$cc" -std=c17 -pedantic -ffreestanding -mcpu=cortex-m3 -mthumb -Os \
        -Wall -Wextra -Wno-unused-parameter -Werror \
        -I"$root/src" -I"$root/include" -I"$root" \
        -c "$file" -o "$out/$num.o"; then
        echo "not freestanding: ${file#"$root"/}"
        failed=1
    fi
done
echo "$num files compiled"
exit $failed
