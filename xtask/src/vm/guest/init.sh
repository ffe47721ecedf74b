#!/bin/busybox sh
# The first process of the machine: makes it habitable, runs the job, and switches it off.
#   ttyS0  what the job prints     ttyS1  the kernel's console     ttyS2  the job's report, ended by a line "finished"
/bin/busybox mkdir -p /dev/shm
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TMPDIR=/tmp

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
mkdir -p /dev/pts
mount -t tmpfs run /run
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs trace /sys/kernel/tracing
# shellcheck disable=SC2086  # Each word is an option.
while read -r module options; do insmod "/modules/$module.ko" $options || echo "no module $module"; done </modules/order
ip link set lo up

echo "Linux $(uname -r), $(nproc) processors, up for $(cut -d' ' -f1 /proc/uptime) s"
sh /job && echo finished >/dev/ttyS2
sync
poweroff -f
