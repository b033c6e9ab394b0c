# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by who wants a base that comes over the network, behind lib.sh: NVMe over TCP, iSCSI and
# NBD, through the loopback, so that it is another host's as far as this one can tell.

NQN=nqn.2026-01.org.example:$P
TARGET=/sys/kernel/config/nvmet
PORT=4421

need_configfs() {
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config ||
		skip "no configfs"
}

need_nvme() {
	modprobe -q -a nvmet nvmet-tcp nvme-tcp 2>/dev/null || true
	need_configfs
	[ -d $TARGET ] && [ -e /dev/nvme-fabrics ] || skip "no NVMe over TCP in this kernel"
	ip link set lo up
}

# export_nvme DEV: it can be reached from now on
export_nvme() {
	local subsystem=$TARGET/subsystems/$NQN port=$TARGET/ports/$PORT

	mkdir "$subsystem"
	on_exit "rmdir $subsystem"
	echo 1 >"$subsystem/attr_allow_any_host"
	mkdir "$subsystem/namespaces/1"
	on_exit "rmdir $subsystem/namespaces/1"
	echo "$1" >"$subsystem/namespaces/1/device_path"
	uuid=$(</proc/sys/kernel/random/uuid)
	echo "$uuid" >"$subsystem/namespaces/1/device_uuid"
	echo 1 >"$subsystem/namespaces/1/enable"
	mkdir "$port"
	on_exit "rmdir $port"
	echo tcp >"$port/addr_trtype"
	echo ipv4 >"$port/addr_adrfam"
	echo 127.0.0.1 >"$port/addr_traddr"
	echo $PORT >"$port/addr_trsvcid"
	on_exit "rm -f $port/subsystems/$NQN"
	nvme_is_there
}

# The network is there, and is not
nvme_is_there() { ln -s "$TARGET/subsystems/$NQN" "$TARGET/ports/$PORT/subsystems/$NQN"; }
nvme_is_lost() { rm "$TARGET/ports/$PORT/subsystems/$NQN"; }

# import_nvme [OPTION=VALUE...]: $base, and $controller
import_nvme() {
	local option answer

	option=transport=tcp,traddr=127.0.0.1,trsvcid=$PORT,nqn=$NQN,reconnect_delay=1
	option+=$(printf ',%s' "$@")
	exec 8<>/dev/nvme-fabrics
	echo "${option%,}" >&8
	read -r answer <&8
	exec 8>&-
	[[ $answer =~ instance=([0-9]+) ]] || fail "not connected: $answer"
	controller=/sys/class/nvme/nvme${BASH_REMATCH[1]}
	on_exit "[ ! -e $controller ] || echo 1 >$controller/delete_controller"
	within 10 nvme_appears
}

nvme_appears() {
	local f there

	for f in /sys/block/nvme*/uuid; do
		[ -e "$f" ] && [ "$(<"$f")" = "$uuid" ] || continue
		f=${f%/uuid}
		base=/dev/${f##*/}
	done
	[ -b "${base:-}" ]
}

need_nbd() {
	modprobe -q nbd 2>/dev/null || true
	[ -b /dev/nbd0 ] || skip "no nbd in this kernel"
	command -v nbd-client >/dev/null || skip "no nbd-client here"
	command -v qemu-nbd >/dev/null || skip "no qemu-nbd here"
	ip link set lo up
}

# export_nbd DEV
export_nbd() {
	exported=$1
	on_exit 'kill "$(cat "$T/server")" 2>/dev/null || true'
	nbd_is_there
}

nbd_is_there() {
	qemu-nbd --fork --persistent --read-only --format=raw --pid-file="$T/server" \
		--bind=127.0.0.1 "$exported"
}

nbd_is_lost() { kill -KILL "$(cat "$T/server")"; }

# import_nbd OPTION...: $base
import_nbd() {
	base=/dev/nbd0
	on_exit "nbd-client -d $base >/dev/null"
	nbd-client 127.0.0.1 $base "$@" >"$T/nbd" 2>&1 || fail "$(cat "$T/nbd")"
}

IQN=iqn.2026-01.org.example:$P
LIO=/sys/kernel/config/target

need_iscsi() {
	modprobe -q -a target_core_iblock iscsi_target_mod iscsi_tcp sd_mod 2>/dev/null || true
	need_configfs
	[ -d $LIO ] && [ -d /sys/class/iscsi_transport/tcp ] || skip "no iSCSI in this kernel"
	command -v iscsid >/dev/null || skip "no open-iscsi here"
	! grep -q ISCSIADM_ABSTRACT /proc/net/unix || skip "iscsid runs here already"
	[ ! -d $LIO/core/iblock_0 ] || skip "another has a target of LIO's here"
	ip link set lo up
}

# made DIRECTORY: in configfs, for the time of the test
made() {
	[ ! -d "$1" ] || return 0
	mkdir "$1"
	on_exit "rmdir $1"
}

# export_iscsi DEV
export_iscsi() {
	local disk=$LIO/core/iblock_0/$P

	group=$LIO/iscsi/$IQN/tpgt_1
	made ${disk%/*}
	made "$disk"
	echo "udev_path=$1,readonly=1" >"$disk/control"
	echo 1 >"$disk/enable"
	made $LIO/iscsi
	made "${group%/*}"
	made "$group"
	echo 0 >"$group/attrib/authentication"
	echo 1 >"$group/attrib/generate_node_acls"
	made "$group/lun/lun_0"
	ln -s "$disk" "$group/lun/lun_0/base"
	on_exit "rm $group/lun/lun_0/base"
	made "$group/np/127.0.0.1:3260"
	iscsi_is_there
	on_exit "echo 0 >$group/enable"
}

iscsi_is_there() { echo 1 >"$group/enable"; }
iscsi_is_lost() { echo 0 >"$group/enable"; }

# node OPTION...: of the daemon's record of the target
node() {
	iscsiadm -m node -T "$IQN" -p 127.0.0.1 "$@" >"$T/iscsi" 2>&1 || fail "$(cat "$T/iscsi")"
}

# import_iscsi TIMEOUT: $base; after so many seconds without a connection there are errors
import_iscsi() {
	mkdir -p /etc/iscsi /run/lock/iscsi
	echo "InitiatorName=$IQN-initiator" >"$T/name"
	: >"$T/iscsid.conf"
	iscsid -c "$T/iscsid.conf" -i "$T/name" -p "$T/iscsid.pid"
	on_exit 'kill "$(cat "$T/iscsid.pid")"; within 10 iscsid_has_ended'
	node -o new
	on_exit "iscsiadm -m node -T $IQN -o delete >/dev/null"
	node -o update -n node.session.timeo.replacement_timeout -v "$1"
	node -o update -n "node.conn[0].timeo.noop_out_interval" -v 1
	node -o update -n "node.conn[0].timeo.noop_out_timeout" -v 1
	node --login
	on_exit "iscsiadm -m node -T $IQN --logout >/dev/null"
	within 10 iscsi_appears
}

iscsid_has_ended() { ! grep -q ISCSIADM_ABSTRACT /proc/net/unix; }

iscsi_appears() {
	local session

	session=$(grep -lx "$IQN" /sys/class/iscsi_session/session*/targetname) || return
	base=$(echo "${session%/*}"/device/target*/*/block/sd*)
	base=/dev/${base##*/}
	[ -b "$base" ]
}

# What a clone has itself, and what it asks the base for

# A clone with 1 MiB of its own at 4 MiB, and half a subchunk at 6 MiB
setup() {
	delta=$(loop 16m)
	clone commit_interval 3600000
	blkio write "$vm" 4m 1m 2
	blkio write "$vm" 6m 2k 2
	blkio fsync "$vm"
}

# clone_on_nvme [OPTION=VALUE...], clone_on_nbd OPTION..., clone_on_iscsi TIMEOUT: with a base of
# 12 MiB that comes so
clone_on_nvme() {
	need_nvme
	export_nvme "$(template 12m)"
	import_nvme "$@"
	setup
}

clone_on_nbd() {
	need_nbd
	export_nbd "$(template 12m)"
	import_nbd "$@"
	setup
}

clone_on_iscsi() {
	need_iscsi
	export_iscsi "$(template 12m)"
	import_iscsi "$@"
	setup
}

# The base is asked for, and does not come; what needs none of it goes on
goes_on_without() {
	fails blkio check "$vm" 0 4k 1
	goes_on 8m
}

# fails COMMAND...: by an I/O error, in time
fails() {
	! timeout 20 "$@" 2>"$T/error" || fail "no error: $*"
	grep -q "Input/output error" "$T/error" || fail "$* said: $(cat "$T/error")"
}

# What it has itself is read, written and made durable, and so is a first write that needs nothing
goes_on() {
	quick 5000 blkio check "$vm" 4m 512k 2
	quick 5000 blkio write "$vm" 4608k 64k 3
	quick 5000 blkio write "$vm" "$1" 64k 3
	quick 5000 blkio discard "$vm" 11m 64k
	quick 5000 blkio fsync "$vm"
	quick 5000 blkio check "$vm" 4608k 64k 3
	is rw "$(status vm mode)" "mode"
	is - "$(status vm check)" "needs check"
}

# All of it: what it has itself, and all else from the base
all_there() {
	blkio check "$vm" 0 2m 1
	blkio check "$vm" 3m 1m 1
	blkio check "$vm" 4m 512k 2
	blkio check "$vm" 4608k 64k 3
	blkio check "$vm" 6m 2k 2
	blkio check "$vm" 6146k 2k 1
}
