#!/bin/busybox sh
# The initramfs of tools/systemd-vm: the disk's modules, the disk, what is to
# be installed beside it, then systemd.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "/modules/$module.ko" || echo "# $module cannot be loaded"
done </modules/order
mount -t ext4 /dev/vda /sysroot || { echo "not ok - the guest's disk"; poweroff -f; }
mkdir -p /sysroot/vm
cp -a /vm/. /sysroot/vm/
cat >/sysroot/etc/systemd/system/vm.service <<END
[Unit]
Description=tests/vm/systemd.sh
[Service]
Type=exec
ExecStart=/bin/bash /vm/systemd.sh
ExecStopPost=/bin/systemctl poweroff --force --force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
END
mkdir -p /sysroot/etc/systemd/system/multi-user.target.wants
ln -s ../vm.service /sysroot/etc/systemd/system/multi-user.target.wants/
ln -sf /lib/systemd/system/multi-user.target /sysroot/etc/systemd/system/default.target
# no network to wait for, nobody to log in
for unit in systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service getty.target; do
    ln -sf /dev/null "/sysroot/etc/systemd/system/$unit"
done
: >/sysroot/etc/fstab
echo vm >/sysroot/etc/hostname
echo '127.0.0.1 localhost vm' >/sysroot/etc/hosts
umount /proc /sys
exec switch_root /sysroot /sbin/init
