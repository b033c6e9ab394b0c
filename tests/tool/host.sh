# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what a clone is to its host, with a real udevd and LVM, for run, which has the
# tools that they are written with.

tests+=(
	host_links "links by uuid stay with the template, and a delta has one of its own"
	host_groups "a volume group inside a clone is the guest's: it is not activated"
	host_copies "two copies of a delta are not active at once; what a clone was can be"
	templates "an image becomes a template that nobody writes, and a failed one leaves nothing"
	deploy "clones of a template are made by their names, all of them or none"
	deploy_going "with --keep-going those are made that can be, and it is said of the others"
	by_name "a clone is found by its name in lclonetab, tags and labels, and removed by it"
	name_is_old "what has a clone's name no more is not removed by it"
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

# volumes: what there is in ttvg, in one line
volumes() { lvs --noheadings -o lv_name --sort lv_name ttvg | xargs; }

tags_of() { lvs --noheadings -o lv_tags "$1" | xargs; }

templates()
{
	local pv f

	disk pv pv 160
	make_vg "$pv"
	ok lclone template add raw "$dir/template" --vg ttvg
	same "$dir/template" /dev/ttvg/raw 16777216
	[ "$(blockdev --getro /dev/ttvg/raw)" = 1 ] || fail "it can be written"
	[ "$(tags_of ttvg/raw)" = lclone.base,lclone.name=raw ] || fail "$(tags_of ttvg/raw)"
	# what was on the volume before does not show through zeros
	truncate -s 16M "$dir/zeros"
	ok lclone template add device /dev/ttvg/raw --vg ttvg
	ok lclone template remove --yes device
	ok lclone template add zeros "$dir/zeros" --vg ttvg
	same "$dir/zeros" /dev/ttvg/zeros 16777216
	for f in qcow2 vmdk vpc vhdx; do
		ok qemu-img convert -f raw -O "$f" "$dir/template" "$dir/image.$f"
		ok lclone template add "of-$f" "$dir/image.$f" --vg ttvg
		same "$dir/template" "/dev/ttvg/of-$f" 16777216
		ok lclone template remove --yes "of-$f"
	done
	ok lclone template list
	[ "$(awk '{ print $1, $4, $5 }' "$dir/out" | xargs)" = "NAME VOLUME raw 0 ttvg/raw zeros 0 ttvg/zeros" ] ||
		fail "$(cat "$dir/out")"

	refused 3 "there is a template raw already, on ttvg/raw" \
		lclone template add raw "$dir/template" --vg ttvg
	refused 2 "cannot be the name of a template" lclone template add a@b "$dir/template" --vg ttvg
	refused 1 "No such file" lclone template add new "$dir/nothing" --vg ttvg
	refused 2 "needs add" lclone template add new "$dir/template"
	printf '%0100000d' 0 >"$dir/odd"
	refused 1 "not a multiple of 512" lclone template add new "$dir/odd" --vg ttvg
	{ printf 'conectix%052d\0\0\0\004%0448d' 0 0; head -c 1M /dev/zero; } >"$dir/avhd"
	head -c 512 "$dir/avhd" >>"$dir/avhd"
	refused 4 "is a differencing VHD" lclone template add new "$dir/avhd" --vg ttvg
	mkdir "$dir/bin"
	ln -sf /usr/bin/* /usr/sbin/* /lclone/tools/lclone "$dir/bin"
	rm "$dir/bin/qemu-img"
	PATH=$dir/bin refused 1 "(qemu-utils)" lclone template add new "$dir/image.qcow2" --vg ttvg
	# the group has no room, and the device cannot be read to its end
	truncate -s 1G "$dir/large"
	! lclone template add new "$dir/large" --vg ttvg >"$dir/out" 2>"$dir/err" || fail "no room"
	! lclone template add new "$dir/template" --vg nogroup >"$dir/out" 2>"$dir/err" || fail "no group"
	ok dmsetup create t3 <<-TABLE
		0 16384 linear $base 0
		16384 16384 error
	TABLE
	ok dmsetup mknodes t3
	refused 1 "no template was made" lclone template add new /dev/mapper/t3 --vg ttvg
	[ "$(volumes)" = "raw zeros" ] || fail "$(volumes)"

	ok lclone create --vg ttvg --delta-size 16M t1 /dev/ttvg/raw
	[ "$(tags_of ttvg/t1-delta)" = "lclone.delta,lclone.name=t1,lclone.uuid=$(lclone probe /dev/ttvg/t1-delta)" ] ||
		fail "$(tags_of ttvg/t1-delta)"
	refused 3 "in use" lclone template remove --yes raw
	ok lclone close t1
	refused 3 "is the base of deltas, which would be lost: /dev/mapper/ttvg-t1--delta" \
		lclone template remove --yes raw
	ok lclone template remove --dry-run zeros
	refused 2 "confirm with --yes" lclone template remove zeros
	[ "$(volumes)" = "raw t1-delta zeros" ] || fail "$(volumes)"
	ok lclone template remove --yes zeros
	ok lvremove -qq -y ttvg/t1-delta
	ok lclone template remove --yes raw
	refused 1 "there is no template raw" lclone template remove --yes raw
	[ -z "$(volumes)" ] || fail "$(volumes)"
}

# make_template MIB: ttvg on so much, with the template deb
make_template()
{
	local pv

	export LCLONE_TAB=$dir/lclonetab
	disk pv pv "$1"
	make_vg "$pv"
	ok lclone template add deb "$dir/template" --vg ttvg
}

close_all()
{
	local name

	for name in $(dmsetup ls --target lclone | awk '/\(/ { print $1 }'); do
		ok lclone close "$name"
	done
}

# makes_none STATUS TEXT NAME...: LVM, too, may say something of why
makes_none()
{
	local want=$1 text=$2 rc=0

	shift 2
	lclone create --from deb "$@" >"$dir/out" 2>"$dir/err" || rc=$?
	[ $rc = "$want" ] || fail "status $rc, not $want: $(cat "$dir/err")"
	tail -n 1 "$dir/err" | grep -q "$text" || fail "\"$text\" is not in: $(cat "$dir/err")"
}

deploy()
{
	make_template 300
	ok lclone create web1 --from deb --size 20M --host --commit-interval 500
	same "$dir/template" /dev/mapper/web1 16777216
	[ "$(blockdev --getsize64 /dev/mapper/web1)" = 20971520 ] || fail "size"
	ok lclone probe --export /dev/ttvg/web1-delta
	grep -qx ID_FS_LABEL=web1 "$dir/out" || fail "$(cat "$dir/out")"
	# the tag of a new one has gone
	[ "$(tags_of ttvg/web1-delta)" = "lclone.delta,lclone.from=deb,lclone.name=web1,lclone.uuid=$(lclone probe /dev/ttvg/web1-delta)" ] ||
		fail "$(tags_of ttvg/web1-delta)"
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/web1-delta commit-interval=500,host" ] ||
		fail "$(cat "$LCLONE_TAB")"
	ok lclone create ci-{01..12} --from deb --delta-size 8M
	[ "$(grep -c '^ci-' "$LCLONE_TAB")" = 12 ] || fail "$(cat "$LCLONE_TAB")"
	same "$dir/template" /dev/mapper/ci-12
	ok lclone template list
	grep -q '^deb .* 13  ttvg/deb$' "$dir/out" || fail "$(cat "$dir/out")"
	refused 3 "in use" lclone template remove --yes deb
	ok lclone close ci-07

	cp "$LCLONE_TAB" "$dir/tab"
	refused 2 "the name new is given twice" lclone create new other new --from deb
	refused 3 "ci-07 is a clone already: $LCLONE_TAB, line 8" lclone create new ci-07 --from deb
	refused 3 "there is a device-mapper device ci-01 already" lclone create ci-01 --from deb
	refused 2 "LVM takes letters" lclone create a@b --from deb
	refused 2 "at most 63" lclone create "$(printf %064d 0)" --from deb
	refused 1 "there is no template other" lclone create new --from other
	refused 2 "goes not with" lclone create new --from deb --force
	refused 2 "cannot be the name of a volume group" lclone create new --from deb --vg "a b"
	sed -i /ci-07/d "$LCLONE_TAB"
	refused 3 "ci-07 is a clone already: its delta is on ttvg/ci-07-delta" \
		lclone create new ci-07 --from deb
	cp "$dir/tab" "$LCLONE_TAB"
	# no room for all; a volume has the name; the file cannot be written; the delta is too small
	makes_none 1 "lvcreate failed for new-.*, new-.*: nothing was made" new-{01..40} --delta-size 12M
	ok lvcreate -qq -y --size 4M --name new3-delta ttvg
	makes_none 1 "lvcreate failed for new3: nothing was made" new{1..4} --delta-size 8M
	ok lvremove -qq -y ttvg/new3-delta
	LCLONE_TAB=$dir/nowhere/tab makes_none 1 "nowhere/tab.*: nothing was made" new1 new2 \
		--delta-size 8M
	makes_none 5 "new1: /dev/ttvg/new1-delta is too small.*: nothing was made" new1 new2 \
		--delta-size 4M --chunk-size 2M
	cmp "$dir/tab" "$LCLONE_TAB" || fail "$(cat "$LCLONE_TAB")"
	[ "$(volumes)" = "$(echo ci-{01..12}-delta deb web1-delta)" ] || fail "$(volumes)"
	[ "$(dmsetup ls --target lclone | wc -l)" = 12 ] || fail "$(dmsetup ls)"
	close_all
}

deploy_going()
{
	local made

	make_template 100
	ok lvcreate -qq -y --size 4M --name y2-delta ttvg
	lclone create --keep-going y{1..9} --from deb --delta-size 12M >"$dir/out" 2>"$dir/err"
	[ $? = 1 ] || fail "$(cat "$dir/err")"
	grep -qx "y2: its volume could not be made" "$dir/err" || fail "$(cat "$dir/err")"
	grep -qx "y9: its volume could not be made" "$dir/err" || fail "$(cat "$dir/err")"
	made=$(wc -l <"$dir/out")
	tail -n 1 "$dir/err" | grep -q ": $((9 - made)) of 9 clones could not be made" ||
		fail "$(cat "$dir/err")"
	[ "$made" -gt 2 ] || fail "$(cat "$dir/out")"
	[ "$(wc -l <"$LCLONE_TAB")" = "$made" ] || fail "$(cat "$LCLONE_TAB")"
	[ "$(dmsetup ls --target lclone | wc -l)" = "$made" ] || fail "$(dmsetup ls)"
	same "$dir/template" /dev/mapper/y3
	close_all
}

by_name()
{
	local other

	make_template 200
	disk other other 16
	ok lclone create web1 --from deb --delta-size 32M
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	ok lvchange -qq -an ttvg/web1-delta ttvg/deb
	sed -i 's/$/ commit-interval=700/' "$LCLONE_TAB"
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	dmsetup table web1 | grep -q ' commit_interval 700$' || fail "$(dmsetup table web1)"
	refused 3 "is active already" lclone open web1
	ok lclone close web1
	mv "$LCLONE_TAB" "$dir/tab"
	ok lvchange -qq -an ttvg/web1-delta ttvg/deb
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone close web1
	ok lclone check web1
	ok lclone dump web1
	ok lclone diff web1
	ok lclone resize --size 20M web1
	ok lvchange -qq --deltag lclone.delta ttvg/web1-delta
	ok lclone open --read-only web1
	same "$dir/model" /dev/mapper/web1 16777216
	ok lclone close web1
	refused 1 "web1 has no volume that was made for it" lclone remove --yes web1
	ok lvchange -qq --addtag lclone.delta ttvg/web1-delta
	refused 1 "there is no clone web2" lclone open web2
	refused 1 "there is no clone web2" lclone remove --yes web2
	# a clone of this name that has another delta does not take that one's volume with it
	ok lclone create web1 "$base" "$other"
	refused 3 "close it first" lclone remove --yes web1
	ok lclone close web1
	ok lclone remove "$other"
	mv "$dir/tab" "$LCLONE_TAB"
	ok lclone open web1
	refused 2 "confirm with --yes" lclone remove web1
	ok lclone remove --dry-run web1
	exec 9</dev/mapper/web1
	refused 3 "in use" lclone remove --yes web1
	exec 9<&-
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
	! dmsetup info web1 >/dev/null 2>&1 || fail "it is active"
}

# The volume has got another use; its tags and the line in lclonetab are as they were
name_is_old()
{
	local other

	make_template 200
	disk other other 16
	ok lclone create web1 --from deb --delta-size 32M
	ok lclone close web1
	ok lclone remove /dev/ttvg/web1-delta
	ok lclone create --label db1 db1 /dev/ttvg/deb /dev/ttvg/web1-delta
	printf hello | dd of=/dev/mapper/db1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/db1 "$dir/model"
	refused 5 "has another clone's delta now, with the label db1" lclone remove --yes web1
	ok lclone close db1
	refused 5 "has another clone's delta now, with the label db1" lclone remove --yes web1
	ok lclone open db1 /dev/ttvg/deb /dev/ttvg/web1-delta
	same "$dir/model" /dev/mapper/db1
	ok lclone close db1
	# without a label it is told by its uuid
	ok lclone remove /dev/ttvg/web1-delta
	ok lclone create db1 /dev/ttvg/deb /dev/ttvg/web1-delta
	ok lclone close db1
	refused 5 "has another clone's delta now, with the uuid" lclone remove --yes web1
	# something else altogether
	ok lclone remove /dev/ttvg/web1-delta
	ok mkfs.ext4 -q /dev/ttvg/web1-delta
	lclone remove --yes web1 >"$dir/out" 2>"$dir/err" && fail "removed"
	ok blkid -p /dev/ttvg/web1-delta
	# active, with a delta by hand
	ok lclone create web1 /dev/ttvg/deb "$other"
	refused 5 "and lclonetab has /dev/ttvg/web1-delta" lclone remove --yes web1
	ok lclone close web1
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	# it ends what a run began that was killed behind the wipe
	ok wipefs -qa /dev/ttvg/web1-delta
	dd if=/dev/zero of=/dev/ttvg/web1-delta bs=1M count=1 conv=notrunc,fsync status=none
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
}
