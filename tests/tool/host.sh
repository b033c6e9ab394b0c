# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what a clone is to its host, with a real udevd and LVM, for run, which has the
# tools that they are written with.

tests+=(
	host_links "links by uuid stay with the template, and a delta has one of its own"
	host_groups "a volume group inside a clone is the guest's: it is not activated"
	host_copies "two copies of a delta are not active at once; what a clone was can be"
)

udev_rules=$(cd "${BASH_SOURCE[0]%/*}/../../tools/udev" && pwd)

# udevd as on a host, with the rules of this repository; stop_udevd is called by cleanup
start_udevd()
{
	local f

	mkdir -p /run/udev/rules.d
	for f in "$udev_rules"/*.rules; do
		sed "s|/usr/sbin/lclone|$(command -v lclone)|" "$f" >"/run/udev/rules.d/${f##*/}"
	done
	mv /etc/lvm/lvm.conf "$dir/lvm.conf"
	echo "activation { monitoring = 0 }" >/etc/lvm/lvm.conf
	ok /usr/lib/systemd/systemd-udevd --daemon
	ok udevadm trigger --subsystem-match=block --action=add
	ok udevadm settle
}

stop_udevd()
{
	[ -e /run/udev/control ] || return 0
	udevadm settle
	udevadm control --exit
	rm -rf /run/udev /dev/disk
	mv "$dir/lvm.conf" /etc/lvm/lvm.conf
}

# leads LINK DEVICE: after all events
leads()
{
	ok udevadm settle
	[ "$(readlink -f "/dev/disk/$1")" = "$(readlink -f "$2")" ] ||
		fail "/dev/disk/$1 leads to $(readlink -f "/dev/disk/$1"), not $2"
}

dm_uuid() { dmsetup info -c --noheadings -o uuid "$1"; }

host_links()
{
	local uuid own

	start_udevd
	ok mkfs.ext4 -q -L guest "$base"
	uuid=$(blkid -p -o value -s UUID "$base")
	leads "by-uuid/$uuid" "$base"
	ok lclone create --label "web 1" t1 "$base" "$delta"
	own=$(lclone probe "$delta")
	[ "$(dm_uuid t1)" = "LCLONE-GUEST-$own" ] || fail "$(dm_uuid t1)"
	leads "by-uuid/$uuid" "$base"
	[ -b /dev/mapper/t1 ] || fail "no node"
	# a program that had it open for writing closes it
	printf x | dd of=/dev/mapper/t1 bs=512 seek=4 conv=notrunc,fsync status=none
	leads "by-uuid/$uuid" "$base"
	leads by-label/guest "$base"
	ok lclone close t1
	ok lclone open --host t1 "$base" "$delta"
	[ "$(dm_uuid t1)" = "LCLONE-$own" ] || fail "$(dm_uuid t1)"
	leads "by-uuid/$uuid" "$base"
	ok lclone close t1

	leads "by-uuid/$own" "$delta"
	[ "$(lsblk -ndo FSTYPE,UUID "$delta")" = "lclone_delta $own" ] ||
		fail "$(lsblk -ndo FSTYPE,UUID "$delta")"
	ok lclone probe --export "$delta"
	grep -qx "ID_FS_LABEL_ENC=web\\\\x201" "$dir/out" || fail "$(cat "$dir/out")"
	refused 4 "not an lclone delta" lclone probe "$base"
	ok lclone remove "$delta"
	ok udevadm settle
	[ ! -e "/dev/disk/by-uuid/$own" ] || fail "the link of a delta that is none any more"
}

host_groups()
{
	local pv d2 scan=(--config devices/scan_lvs=1)

	disk pv pv 64
	disk d2 d2 16
	start_udevd
	make_vg "$pv"
	ok lvcreate -qq -y --size 16M --name template ttvg
	ok vgcreate -qq "${scan[@]}" guest /dev/ttvg/template
	ok lvcreate -qq -y --zero n "${scan[@]}" --size 4M --name root guest
	ok vgchange -qq -an "${scan[@]}" guest
	ok lclone create t1 /dev/ttvg/template "$delta"
	ok lclone create t2 /dev/ttvg/template "$d2"
	ok udevadm settle
	! dmsetup info guest-root >/dev/null 2>&1 || fail "the guest's volume is active"
	ok vgs --config 'devices/global_filter=["r|^/dev/disk/by-id/dm-uuid-LCLONE-|"]'
	! grep guest "$dir/out" || fail "LVM looks into a clone in spite of its filter"
	ok lclone close t2
	ok lclone close t1
	# what the host itself uses is activated, as from any other disk
	ok lclone open --host t1 /dev/ttvg/template "$delta"
	ok udevadm settle
	ok dmsetup info guest-root
	refused 3 "guest-root" lclone close t1
	ok vgchange -qq -an guest
	ok lclone close t1
}

host_copies()
{
	local copy new

	disk copy copy 16
	disk new new 16
	make_clone
	dd if="$delta" of="$copy" bs=1M conv=fsync status=none
	ok lclone open t1 "$base" "$delta"
	refused 3 "$copy is a copy of $delta, with the same uuid, which is active as t1" \
		lclone open t2 "$base" "$copy"
	refused 3 "is a copy of" lclone open --host --read-only t2 "$base" "$copy"
	wipefs -qa "$copy"
	dd if=/dev/zero of="$copy" bs=1M count=1 conv=notrunc,fsync status=none
	# it goes on with another delta, and what it had can be looked at
	ok lclone snapshot t1 --to "$new"
	ok lclone close t1
	ok lclone open t1 "$base" "$new"
	ok lclone revert --yes t1 --to "$copy"
	ok lclone open --read-only t2 "$base" "$new"
	[ "$(dm_uuid t2)" = "$(dm_uuid t1)-2" ] || fail "$(dm_uuid t1) and $(dm_uuid t2)"
	same "$dir/model" /dev/mapper/t2
	ok lclone close t2
	ok lclone close t1
	ok lclone open t1 "$base" "$copy"
	[ "$(dm_uuid t1)" = "LCLONE-GUEST-$(lclone probe "$copy")" ] || fail "$(dm_uuid t1)"
}
