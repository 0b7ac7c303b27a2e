# shellcheck shell=bash
# What landlock-vm and systemd-vm share: Debian's kernel and qemu. Sourced.

vm_kernel_name() { # the package
    apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1
}

# vm_kernel DIR NAME [DEB [FILES...]]: DIR/vmlinuz, and files of the package
# beside it (patterns). The package is fetched unless DEB is one.
vm_kernel() {
    local dir=$1 name=$2 deb=${3:-} pattern more=()
    if [ -z "$deb" ]; then
        (cd "$dir" && apt-get download -qq "$name" >/dev/null 2>&1) || return 1
        deb=$(echo "$dir"/linux-image-*.deb)
    fi
    shift $(($# < 3 ? $# : 3))
    for pattern in "$@"; do more+=("$pattern"); done
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x -C "$dir" --wildcards './boot/vmlinuz-*' ${more[@]+"${more[@]}"} || return 1
    mv "$dir"/boot/vmlinuz-* "$dir/vmlinuz"
    rm -f "$dir"/linux-image-*.deb
}

# vm_boot SECONDS DIR ARGUMENT...: boots DIR/vmlinuz with DIR/initrd and more
# arguments for qemu; the console goes to DIR/console, its TAP lines to
# standard output. One processor, and the others go first.
vm_boot() {
    local seconds=$1 dir=$2
    shift 2
    nice -n 10 timeout "$seconds" qemu-system-x86_64 \
        -kernel "$dir/vmlinuz" -initrd "$dir/initrd" -smp 1 \
        -nic none -nodefaults -display none -serial stdio -no-reboot "$@" </dev/null 2>&1 |
        sed -u 's/\r//g' | tee "$dir/console" | grep -a --line-buffered -E '^(ok|not ok|#) '
}
