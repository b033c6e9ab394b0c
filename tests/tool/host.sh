# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what a clone is to its host, with a real udevd and LVM, for run, which has the
# tools that they are written with.

tests+=(
	host_links "links by uuid stay with the template, and a delta has one of its own"
	host_groups "a volume group inside a clone is the guest's: it is not activated"
	host_copies "two copies of a delta are not active at once; what a clone was can be"
	templates "an image becomes a template that nobody writes, and a failed one leaves nothing"
	template_files "an image that names other files of the host is refused, and what is no image"
	template_stopped "a template that is interrupted while it is made leaves nothing"
	deploy "clones of a template are made by their names, all of them or none"
	deploy_going "with --keep-going those are made that can be, and it is said of the others"
	deploy_taken_over "what a run that was killed has made is not removed when somebody has written to it"
	host_protects "LVM keeps from templates, deltas and clones that are in use what the guide says"
	by_name "a clone is found by its name in lclonetab, tags and labels, and removed by it"
	which_base "which of several devices is the base of a clone is not guessed, but said"
	by_label "a clone that no note tells of is found by the name that it was made with"
	snapshots "snapshots have names, a clone goes back to any of them, and volumes come and go"
	snapshots_fail "a snapshot or revert that fails leaves nothing behind"
	snapshot_clones "clones of a snapshot are what that was, and what they need stays for them"
	snapshot_removed "a snapshot is removed from the middle, and the clone has what it had"
	asks_lvm "no command asks LVM twice for what it knows"
	flattened "volumes of layers and deltas that a flatten leaves are removed, and a target is made"
	merged "the volume of a delta that was merged is removed, one that was given stays"
	abandoned "a delta that a revert has left is opened in no way"
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
# All but what comes and goes with a template, its verity tree
volumes() { lvs --noheadings -o lv_name --sort lv_name -S 'lv_name!~-verity$' ttvg | xargs; }

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
	[ "$(awk '{ sub(",", ""); print $1, $4, $5 }' "$dir/out" | xargs)" = "NAME VOLUME raw 0 ttvg/raw zeros 0 ttvg/zeros" ] ||
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

# not_read TEXT IMAGE [OPTION]: refused, and nothing is made
not_read()
{
	refused 4 "$1" lclone template add new "$2" --vg ttvg
	[ -z "$(volumes)" ] || fail "$(volumes)"
}

template_files()
{
	local pv f

	disk pv pv 64
	make_vg "$pv"
	cd "$dir" || return
	head -c 1M /dev/urandom >secret
	for f in "-f qcow2 -b secret -F raw backed.qcow2" "-f vmdk parent.vmdk 1M" \
		"-f vmdk -b parent.vmdk -F vmdk child.vmdk" \
		"-f vmdk -o subformat=monolithicFlat text.vmdk 1M" \
		"-f qcow2 -o data_file=data,data_file_raw=on apart.qcow2 1M" \
		"-f vdi box.vdi 1M" "-f qed old.qed 1M"; do
		# shellcheck disable=SC2086 # words
		ok qemu-img create -q $f
	done
	not_read "backed.qcow2 names another file as its backing file" backed.qcow2
	not_read "apart.qcow2 names another file as its data file" apart.qcow2
	not_read "text.vmdk names another file as its content" text.vmdk
	not_read "child.vmdk names another file as its parent" child.vmdk
	not_read "box.vdi is an image of VirtualBox" box.vdi
	not_read "old.qed is a QED image" old.qed
	gzip <secret >secret.gz
	not_read "compressed by gzip" secret.gz
	cp secret broken.qcow2
	not_read "has the content of a raw image, and is called .qcow2" broken.qcow2
	ok qemu-img convert -f raw -O qcow2 secret whole.raw
	not_read "has the content of a qcow2 image, and is called .raw" whole.raw
	# what qemu-img reads with zeros at the end
	head -c 900K whole.raw >half.qcow2
	refused 6 "half.qcow2 is damaged, or not whole" lclone template add new half.qcow2 --vg ttvg
	[ -z "$(volumes)" ] || fail "$(volumes)"

	ok lclone template add --other-files backed backed.qcow2 --vg ttvg
	same secret /dev/ttvg/backed 1048576
	ok lclone template add --other-files text text.vmdk --vg ttvg
	ok lclone template add parent parent.vmdk --vg ttvg
	refused 2 "needs add" lclone template remove --other-files --yes text
	cd /
}

# Held up in the middle of the copy, by a pipe as its image; or of what qemu-img does
template_stopped()
{
	local pv signal

	disk pv pv 160
	make_vg "$pv"
	mkdir "$dir/bin"
	printf '#!/bin/sh\n[ "$1" != convert ] || { : >%s; sleep 60; exit 1; }\nexec %s "$@"\n' \
		"$dir/here" "$(command -v qemu-img)" >"$dir/bin/qemu-img"
	chmod +x "$dir/bin/qemu-img"
	ok qemu-img convert -f raw -O qcow2 "$dir/template" "$dir/image.qcow2"
	for signal in TERM INT HUP; do
		rm -f "$dir/here"
		PATH=$dir/bin:$PATH setsid env --default-signal \
			lclone template add new "$dir/image.qcow2" --vg ttvg >"$dir/out" 2>"$dir/err" &
		stopped_by $signal "$dir/here"
		STOP_AT=pwrite:3 STOP_FILE=$dir/held LD_PRELOAD=$stop_library setsid env --default-signal \
			lclone template add new "$dir/template" --vg ttvg >"$dir/out" 2>"$dir/err" &
		stopped_by $signal "$dir/held.here"
	done
	ok lclone template add new "$dir/template" --vg ttvg
	same "$dir/template" /dev/ttvg/new 16777216
}

# stopped_by SIGNAL FILE: the template that is being made in the background, when FILE is there
stopped_by()
{
	local rc=0 _

	for _ in {1..200}; do
		[ ! -e "$2" ] || break
		sleep 0.1
	done
	[ -e "$2" ] || fail "it does not copy: $(cat "$dir/err")"
	# as a terminal does, to all
	kill -s "$1" -- -$!
	touch "$dir/held.go"
	wait $! || rc=$?
	rm -f "$2" "$dir/held.go"
	[ $rc = 1 ] || fail "$1: $rc: $(cat "$dir/err")"
	grep -q "interrupted: no template was made" "$dir/err" || fail "$1: $(cat "$dir/err")"
	[ -z "$(volumes)" ] || fail "$1: $(volumes)"
	! pgrep -x qemu-img >/dev/null || fail "qemu-img goes on"
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
	grep -q '^deb .* 13  ttvg/deb,' "$dir/out" || fail "$(cat "$dir/out")"
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
	makes_none 5 "new[12]: /dev/ttvg/new[12]-delta is too small.*: nothing was made" new1 new2 \
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

deploy_taken_over()
{
	local words

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	make_template 200
	words=(create --from deb --delta-size 8M web1 web2)
	# killed before the lines are there; the first is used since
	{ STOP_AT=replace:1 LD_PRELOAD=$stop_library lclone "${words[@]}" >"$dir/out" 2>"$dir/err"; } \
		2>/dev/null
	[ $? = 137 ] || fail "not killed: $(cat "$dir/err")"
	tags_of ttvg/web1-delta | grep -q lclone.new || fail "$(tags_of ttvg/web1-delta)"
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web2
	# another one cannot be made: what there is stays
	ok lvcreate -qq -y --size 4M --name web3-delta ttvg
	makes_none 1 "lvcreate failed for web3: nothing was made but what there was by an earlier run, as web1" \
		web1 web2 web3 --delta-size 8M
	same "$dir/model" /dev/mapper/web1
	ok lclone "${words[@]}"
	same "$dir/model" /dev/mapper/web1
	same "$dir/template" /dev/mapper/web2 16777216
	[ "$(wc -l <"$LCLONE_TAB")" = 2 ] || fail "$(cat "$LCLONE_TAB")"
	refused 3 "web1 already" lclone "${words[@]}"
	close_all
	# somebody else's, as it has other data, or was opened again
	ok lvchange -qq --addtag lclone.new ttvg/web1-delta ttvg/web2-delta
	rm "$LCLONE_TAB"
	ok lclone remove /dev/ttvg/web2-delta
	ok mkfs.ext4 -q /dev/ttvg/web2-delta
	refused 3 "ttvg/web2-delta, which was made for web2 by an lclone that was killed, has other data" \
		lclone create --from deb web2 --delta-size 8M
	ok lclone open web1 /dev/ttvg/deb /dev/ttvg/web1-delta
	ok lclone close web1
	refused 3 "was opened since" lclone create --from deb web1 --delta-size 8M
	ok lvchange -qq --deltag lclone.new ttvg/web2-delta
	wipefs -qa /dev/ttvg/web2-delta
	refused 3 "web2 is a clone already" lclone create --from deb web2 --delta-size 8M
	[ "$(volumes)" = "deb web1-delta web2-delta web3-delta" ] || fail "$(volumes)"
	ok lclone create --from deb db --delta-size 8M
	# of another snapshot it would have other content
	ok lclone snapshot db one
	printf other | dd of=/dev/mapper/db bs=512 seek=7 conv=notrunc,fsync status=none
	ok lclone snapshot db two
	{ STOP_AT=replace:1 LD_PRELOAD=$stop_library lclone create --from db@one web4 web5 \
		--delta-size 8M >"$dir/out" 2>"$dir/err"; } 2>/dev/null
	[ $? = 137 ] || fail "not killed: $(cat "$dir/err")"
	refused 3 "web4 already" lclone create --from db@two web4 web5 --delta-size 8M
	ok lclone create --from db@one web4 web5 --delta-size 8M
	same "$dir/template" /dev/mapper/web4 16777216
	close_all
}

# fails COMMAND...
fails()
{
	! "$@" >"$dir/out" 2>"$dir/err" || fail "it has worked: $*"
}

host_protects()
{
	local d=/dev/ttvg/web1-delta t=/dev/ttvg/deb pvcreate=(pvcreate -qq -y --config devices/scan_lvs=1) dev

	make_template 100
	ok lclone create web1 --from deb --delta-size 12M
	for dev in $t $d; do
		fails lvremove -qq -y $dev
		fails mkfs.ext4 -q -F $dev
		fails "${pvcreate[@]}" $dev
	done
	fails dd if="$dir/template" of=$t bs=4k count=1 conv=notrunc,fsync
	same "$dir/template" /dev/mapper/web1 16777216
	ok lclone close web1
	fails mkfs.ext4 -q -F $t
	fails "${pvcreate[@]}" $t
	fails dd if="$dir/template" of=$t bs=4k count=1 conv=notrunc,fsync
	fails pvcreate -qq -y $d		# LVM looks into no volumes
	ok lvchange -qq -an ttvg/web1-delta
	fails mkfs.ext4 -q -F $d
	ok lclone open web1
	same "$dir/template" /dev/mapper/web1 16777216
	ok lclone close web1
	# nothing keeps mkfs from a closed delta; but then it is none any more
	ok mkfs.ext4 -q -F $d
	fails lclone open web1
}

by_name()
{
	local other name

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
	table_of web1 | grep -q ' commit_interval 700$' || fail "$(dmsetup table web1)"
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
	# one that has no base, or has one that is no template, is known by its tags alone
	ok lclone create --vg ttvg --delta-size 24M --size 32M web2 -
	dd if=/dev/urandom of="$base" bs=1M count=1 conv=notrunc,fsync status=none	# it is no template
	ok lclone create --vg ttvg --delta-size 24M web3 "$base"
	for name in web2 web3; do
		printf hello | dd of=/dev/mapper/$name bs=512 seek=7 conv=notrunc,fsync status=none
		cp /dev/mapper/$name "$dir/model"
		ok lclone close $name
		ok lvchange -qq -an ttvg/$name-delta
		ok lclone open $name
		same "$dir/model" /dev/mapper/$name
		ok lclone remove --yes $name
	done
}

# What looks like its base may have been changed where no fingerprint looks.
which_base()
{
	local pv copy list

	disk pv pv 64
	disk copy copy 16
	make_vg "$pv"
	ok lclone create --vg ttvg --delta-size 24M web1 "$base"
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone close web1
	cp "$base" "$copy"
	refused 5 "which its fingerprint does not tell apart: name it (lclone open web1 BASE /dev/ttvg/web1-delta)" \
		lclone open web1
	for list in "$base" "$copy"; do
		grep -qw "$list" "$dir/err" || fail "$list is not in: $(cat "$dir/err")"
	done
	refused 5 "which its fingerprint does not tell apart: name it, and" lclone measure web1
	# what needs no base is done
	ok lclone dump web1
	ok lclone check web1
	ok lclone open web1 "$base" /dev/ttvg/web1-delta
	same "$dir/model" /dev/mapper/web1
	ok lclone close web1
	# the copy is what LVM has, and not active; and then it is nothing any more
	dd if=/dev/urandom of="$copy" bs=1M count=16 conv=notrunc,fsync status=none
	ok lvcreate -qq -y -L 16M -n copy ttvg
	cp "$base" /dev/ttvg/copy
	ok lvchange -qq -an ttvg/copy
	refused 5 "ttvg/copy (not active)" lclone open web1
	ok lvremove -qq -y ttvg/copy
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone close web1
}

label_of() { lclone probe --export "$1" | sed -n 's/^ID_FS_LABEL=//p'; }

by_label()
{
	local pv name

	disk pv pv 64
	make_vg "$pv"
	make_clone
	ok lclone open t1
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	refused 1 "there is no clone t2" lclone open t2
	ok lclone create --vg ttvg --delta-size 16M t2 "$base"
	[ "$(label_of /dev/ttvg/t2-delta)" = t2 ] || fail "$(lclone probe --export /dev/ttvg/t2-delta)"
	ok lclone close t2
	# what cannot be a label, or is a snapshot's, is a name all the same
	name=$(printf '%064d' 0)
	for name in "$name" t1@one; do
		ok lclone remove "$delta"
		ok lclone create "$name" "$base" "$delta"
		[ -z "$(label_of "$delta")" ] || fail "$(lclone probe --export "$delta")"
		ok lclone close "$name"
	done
	ok lclone remove "$delta"
	ok lclone create --label mine t1 "$base" "$delta"
	[ "$(label_of "$delta")" = mine ] || fail "$(lclone probe --export "$delta")"
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
	ok lclone create db1 /dev/ttvg/deb /dev/ttvg/web1-delta
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
	ok lclone create --label "" db1 /dev/ttvg/deb /dev/ttvg/web1-delta
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

# puts BYTE...: to web1, at 4 KiB times the number of each
puts_at()
{
	local i

	for i in "$@"; do
		printf "write %s" "$i" | dd of=/dev/mapper/web1 bs=4k seek="$i" conv=notrunc,fsync status=none
	done
}

# has_snapshots NAME...: of all clones, the oldest first
has_snapshots()
{
	ok lclone list --snapshots --noheadings -o snapshot
	[ "$(xargs <"$dir/out")" = "$*" ] || fail "$(cat "$dir/out")"
}

snapshots()
{
	local began

	make_template 400
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	cp /dev/mapper/web1 "$dir/before"
	began=$(date "+%Y-%m-%d %H")
	ok lclone snapshot web1 before-upgrade
	grep -q "^web1@before-upgrade: .*ttvg/web1-delta2 takes what is written; the clone stood" "$dir/out" ||
		fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb web1-delta web1-delta2" ] || fail "$(volumes)"
	[ "$(tags_of ttvg/web1-delta)" = "lclone.delta,lclone.from=deb,lclone.layer=web1,lclone.snapshot=before-upgrade,lclone.uuid=$(lclone probe /dev/ttvg/web1-delta)" ] ||
		fail "$(tags_of ttvg/web1-delta)"
	[ "$(tags_of ttvg/web1-delta2)" = "lclone.delta,lclone.from=deb,lclone.name=web1,lclone.uuid=$(lclone probe /dev/ttvg/web1-delta2)" ] ||
		fail "$(tags_of ttvg/web1-delta2)"
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/web1-delta2 parent=/dev/ttvg/web1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	lclone probe --export /dev/ttvg/web1-delta2 | grep -qx ID_FS_LABEL=web1 || fail "label"
	puts_at 2 3
	cp /dev/mapper/web1 "$dir/second"
	# one that is not active is as good, and stays so
	ok lclone close web1
	ok lvchange -qq -an ttvg/web1-delta ttvg/web1-delta2 ttvg/deb
	ok lclone snapshot web1 second --delta-size 16M
	! dmsetup info web1 >/dev/null 2>&1 || fail "it is active"
	ok lclone open web1
	puts_at 4
	cp /dev/mapper/web1 "$dir/model"
	has_snapshots web1@before-upgrade web1@second
	ok lclone list --snapshots
	grep -q "^web1@before-upgrade $began" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone tree
	grep -q "\"web1@second\", of 2" "$dir/out" || fail "$(cat "$dir/out")"

	refused 3 "web1 has a snapshot second already" lclone snapshot web1 second
	refused 2 "cannot be the name of a snapshot" lclone snapshot web1 a@b
	refused 2 "cannot be the name of a snapshot" lclone snapshot web1 "a b"
	refused 2 "too long a name" lclone snapshot web1 "$(printf %062d 0)"
	refused 1 "there is no clone web7" lclone snapshot web7 one
	refused 1 "web1 has no snapshot other; it lies on web1@second, web1@before-upgrade" \
		lclone revert web1 other
	refused 2 "what was written since is lost, and so are the snapshots web1@second: confirm with --yes" \
		lclone revert web1 before-upgrade
	ok lclone revert --dry-run web1 before-upgrade
	exec 9</dev/mapper/web1
	refused 3 "in use" lclone revert --yes web1 before-upgrade
	exec 9<&-
	same "$dir/model" /dev/mapper/web1
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta3" ] || fail "$(volumes)"

	ok lclone revert --yes web1
	same "$dir/second" /dev/mapper/web1
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta4" ] || fail "$(volumes)"
	ok lclone revert --keep --yes web1
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta3 web1-delta4" ] || fail "$(volumes)"
	refused 3 "sealed layer" lclone open web2 /dev/ttvg/deb /dev/ttvg/web1-delta4
	ok lclone remove /dev/ttvg/web1-delta4
	ok lvremove -qq -y ttvg/web1-delta4
	ok lclone close web1
	ok lclone revert --yes web1 before-upgrade
	grep -q "ttvg-web1--delta2: removed" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone open web1
	same "$dir/before" /dev/mapper/web1
	has_snapshots web1@before-upgrade
	[ "$(volumes)" = "deb web1-delta web1-delta4" ] || fail "$(volumes)"
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/web1-delta4 parent=/dev/ttvg/web1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	close_all
}

snapshots_fail()
{
	local other third large

	make_template 100
	disk other other 40
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1
	cp /dev/mapper/web1 "$dir/model"
	cp "$LCLONE_TAB" "$dir/tab"
	tags_of ttvg/web1-delta >"$dir/tags"
	! lclone snapshot web1 one --delta-size 1G >"$dir/out" 2>"$dir/err" || fail "no room"
	! lclone snapshot web1 one --vg nogroup >"$dir/out" 2>"$dir/err" || fail "no group"
	# the volume is made, and cannot be the delta
	truncate -s 40M "$dir/4k"
	large=$(losetup -b 4096 -f --show "$dir/4k")
	loops+=("$large")
	ok vgcreate -qq tt4k "$large"
	refused 5 "logical block" lclone snapshot web1 one --vg tt4k
	[ -z "$(lvs --noheadings tt4k)" ] || fail "$(lvs tt4k)"
	ok vgremove -qq tt4k
	refused 1 "has no layers" lclone revert --yes web1
	refused 2 "goes not with" lclone snapshot web1 --to "$other" --vg ttvg
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	tags_of ttvg/web1-delta | cmp - "$dir/tags" || fail "$(tags_of ttvg/web1-delta)"
	cmp "$LCLONE_TAB" "$dir/tab" || fail "$(cat "$LCLONE_TAB")"
	same "$dir/model" /dev/mapper/web1
	# what it was to be called is not what the next one is called
	ok lclone snapshot web1
	has_snapshots
	# a clone on plain devices says where, and has names all the same
	ok lclone create t1 "$base" "$delta"
	refused 2 "is no logical volume: say which device" lclone snapshot t1 one
	ok lclone snapshot t1 one --to "$other"
	has_snapshots t1@one
	ok lclone close t1
	# another delta on the same device, of one who was refused, is not wiped
	disk third third 16
	ok lclone create t2 "$base" "$third"
	ok lclone close t2
	ok lclone open t1 "$base" "$other"
	refused 4 "holds an lclone delta" lclone snapshot t1 two --to "$third"
	ok lclone check "$third"
	close_all
}

snapshot_clones()
{
	make_template 400
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	cp /dev/mapper/web1 "$dir/first"
	ok lclone snapshot web1 first
	puts_at 2 3
	cp /dev/mapper/web1 "$dir/second"
	ok lclone snapshot web1 second
	puts_at 3 4
	cp /dev/mapper/web1 "$dir/model"
	ok lclone create web2 web3 --from web1@first --delta-size 16M
	same "$dir/first" /dev/mapper/web2
	grep -q "^web2.*/dev/ttvg/deb.*/dev/ttvg/web2-delta.*parent=/dev/ttvg/web1-delta$" "$LCLONE_TAB" ||
		fail "$(cat "$LCLONE_TAB")"
	ok lclone template list
	grep -q '^deb .* 5  ttvg/deb,' "$dir/out" || fail "$(cat "$dir/out")"
	refused 1 "web1 has no snapshot third" lclone create web4 --from web1@third
	refused 1 "there is no clone web9" lclone create web4 --from web9@first
	# as after a reboot: what lies below comes with a clone
	ok lclone close web2
	ok lclone close web3
	ok lclone close web1
	ok lvchange -qq -an ttvg
	rm -rf /run/lclone
	ok lclone open web2
	same "$dir/first" /dev/mapper/web2
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1

	# what others need stays
	refused 3 "web2--delta" lclone remove --yes web1@first
	refused 3 "web2--delta" lclone remove --dry-run web1@first
	ok lclone revert --yes web1 first
	grep -q "web1--delta2: removed" "$dir/out" || fail "$(cat "$dir/out")"
	same "$dir/first" /dev/mapper/web1
	ok lclone remove --yes web1
	[ "$(volumes)" = "deb web1-delta web2-delta web3-delta" ] || fail "$(volumes)"
	same "$dir/first" /dev/mapper/web2
	ok lclone remove --yes web2
	[ "$(volumes)" = "deb web1-delta web3-delta" ] || fail "$(volumes)"
	ok lclone remove --yes web3
	[ "$(volumes)" = deb ] || fail "$(volumes)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
}

# web1 with snapshots a, b and c, 24 MiB each
three_snapshots()
{
	local s n=10

	ok lclone create web1 --from deb --delta-size 24M
	for s in a b c; do
		puts_at 1 $n $((n + 1))
		((n += 2))
		ok lclone snapshot web1 $s --delta-size 24M
		cp /dev/mapper/web1 "$dir/$s"
	done
	puts_at 1 40
	cp /dev/mapper/web1 "$dir/model"
}

snapshot_removed()
{
	local tags

	make_template 400
	three_snapshots
	refused 1 "web1 has no snapshot d; it lies on web1@c, web1@b, web1@a" \
		lclone remove --yes web1@d
	refused 2 "confirm with --yes" lclone remove web1@b
	ok lclone remove --dry-run web1@b
	has_snapshots web1@a web1@b web1@c
	# from the middle, in use: the one above it goes into its layer
	ok lclone remove --yes web1@b
	grep -qx "web1@b: removed" "$dir/out" || fail "$(cat "$dir/out")"
	same "$dir/model" /dev/mapper/web1
	has_snapshots web1@a web1@c
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta4" ] || fail "$(volumes)"
	tags="lclone.delta,lclone.from=deb,lclone.layer=web1,lclone.snapshot=c,lclone.uuid=$(lclone probe /dev/ttvg/web1-delta2)"
	[ "$(tags_of ttvg/web1-delta2)" = "$tags" ] || fail "$(tags_of ttvg/web1-delta2)"
	# right below the delta, and not active
	ok lclone close web1
	ok lclone remove --yes web1@c
	! dmsetup info web1 >/dev/null 2>&1 || fail "it is active"
	has_snapshots web1@a
	[ "$(volumes)" = "deb web1-delta web1-delta4" ] || fail "$(volumes)"
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/web1-delta4 parent=/dev/ttvg/web1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	ok lclone create web2 --from web1@a --delta-size 16M
	same "$dir/a" /dev/mapper/web2
	close_all
	# a layer that has no room for the next gets it
	ok lclone remove --yes web2
	ok lclone open web1
	dd if="$dir/template" of=/dev/mapper/web1 bs=1M count=12 seek=2 oflag=direct status=none
	ok lclone snapshot web1 d --delta-size 24M
	ok lclone snapshot web1 e --delta-size 24M
	dd if="$dir/template" of=/dev/mapper/web1 bs=1M count=12 oflag=direct status=none
	ok lclone snapshot web1 f --delta-size 24M
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	ok lclone remove --yes web1@a
	ok lclone remove --yes web1@e
	ok lclone remove --yes web1@d
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone check "/dev/mapper/$(lsblk -nlo NAME "/dev/ttvg/web1-delta" | head -n 1)"
	has_snapshots web1@f
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
}

# asks N COMMAND...: it runs programs of LVM so often
asks()
{
	local n

	: >"$dir/asked"
	PATH=$dir/bin:$PATH ok "${@:2}"
	n=$(wc -l <"$dir/asked")
	[ "$n" = "$1" ] || fail "$n, not $1: ${*:2}: $(cut -c 1-60 "$dir/asked")"
}

# Each takes longer than all else that a command does: what is known is not asked for again
asks_lvm()
{
	local program

	make_template 500
	mkdir "$dir/bin"
	for program in lvm lvs vgs lvcreate lvremove lvchange lvextend; do
		printf '#!/bin/bash\necho %s "$@" >>%s\nexec %s "$@"\n' $program "$dir/asked" \
			"$(type -P $program)" >"$dir/bin/$program"
		chmod +x "$dir/bin/$program"
	done
	# all at once, and looked at: template, names, who has it, its tree, volumes, that they are kept
	asks 8 lclone create ci-1 ci-2 ci-3 --from deb --delta-size 8M
	asks 0 lclone close ci-1
	asks 1 lclone open ci-1
	asks 0 lclone status ci-1
	asks 0 lclone list
	# volumes; made, looked at, by whom else it is needed, and the tags of two
	asks 6 lclone snapshot ci-1 one --delta-size 8M
	asks 0 lclone close ci-1
	asks 1 lclone open ci-1
	asks 9 lclone create web1 --from ci-1@one --delta-size 8M
	# as the snapshot, and its own is looked at, and removed
	asks 9 lclone revert --yes ci-1 one --delta-size 8M
	close_all
	asks 1 lclone open ci-1
	close_all
}

# What a clone does not need any more goes; commands take names of what is not active, too
flattened()
{
	make_template 500
	ok lclone create web1 --from deb --delta-size 40M
	puts_at 1 2
	ok lclone snapshot web1 one --delta-size 40M
	puts_at 2 3
	cp /dev/mapper/web1 "$dir/model"
	refused 2 "remove the snapshots web1@one, which web1 does not need any more: confirm with --yes" \
		lclone flatten --layer web1
	ok lclone flatten --layer --keep web1
	[ "$(volumes)" = "deb web1-delta web1-delta2" ] || fail "$(volumes)"
	same "$dir/model" /dev/mapper/web1
	ok lclone remove /dev/ttvg/web1-delta
	ok lvremove -qq -y ttvg/web1-delta
	ok lclone snapshot web1 two --delta-size 8M	# gets what it needs
	puts_at 4
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	for command in "measure web1" "table web1" "merge --to $dir/image web1"; do
		# shellcheck disable=SC2086 # words
		ok lclone $command
	done
	same "$dir/model" "$dir/image"
	refused 2 "--detach goes not" lclone flatten --yes --detach web1
	ok lclone flatten --yes --rate max web1
	grep -q "web1--delta2: removed" "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	[ "$(xargs <"$LCLONE_TAB")" = "web1 - /dev/ttvg/web1-delta" ] || fail "$(cat "$LCLONE_TAB")"
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone remove --yes web1

	# to a volume of its own; one that fails leaves none
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 5
	ok lclone snapshot web1 one
	cp /dev/mapper/web1 "$dir/model"
	ok lvcreate -qq -y --size 4M --name web1 ttvg
	refused 3 "there is a volume ttvg/web1 already" lclone flatten --yes --to-vg ttvg web1
	ok lvremove -qq -y ttvg/web1
	truncate -s 40M "$dir/4k"
	large=$(losetup -b 4096 -f --show "$dir/4k")
	loops+=("$large")
	ok vgcreate -qq tt4k "$large"
	refused 5 "logical block" lclone flatten --yes --to-vg tt4k web1
	[ -z "$(lvs --noheadings tt4k)" ] || fail "$(lvs tt4k)"
	ok vgremove -qq tt4k
	same "$dir/model" /dev/mapper/web1
	ok lclone flatten --yes --rate max --to-vg ttvg web1
	[ "$(volumes)" = "deb web1" ] || fail "$(volumes)"
	same "$dir/model" /dev/mapper/web1
	same "$dir/model" /dev/ttvg/web1
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
	ok lclone close web1
	ok lvremove -qq -y ttvg/web1
}

merged()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 6
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	refused 1 "is read-only" lclone merge --yes web1
	! dmsetup info web1 >/dev/null 2>&1 || fail "it is active"
	ok lvchange -qq --permission rw ttvg/deb
	ok lclone merge --yes --keep web1
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	[ -z "$(tags_of ttvg/web1-delta)" ] || fail "$(tags_of ttvg/web1-delta)"
	same "$dir/model" /dev/ttvg/deb
	refused 1 "there is no clone web1" lclone open web1
	ok lvremove -qq -y ttvg/web1-delta
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 7
	cp /dev/mapper/web1 "$dir/model"
	ok lclone merge --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
	same "$dir/model" /dev/mapper/web1
	ok lclone close web1
	# a volume that was given stays
	ok lclone create web1 --from deb --delta-size 24M
	ok lvcreate -qq -y --size 24M --name mine ttvg
	ok lclone snapshot web1 one --to /dev/ttvg/mine
	refused 3 "in use" lclone revert --yes --to /dev/ttvg/mine --force web1
	ok lclone snapshot web1 two
	ok lclone revert --yes web1 one
	grep -q "mine is free" "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb mine web1-delta web1-delta3" ] || fail "$(volumes)"
	close_all
}

# What a clone has gone on without is opened by nothing
abandoned()
{
	local old

	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	ok lclone snapshot web1 one
	puts_at 8
	ok lclone revert --yes --keep web1
	ok lclone close web1
	old=/dev/ttvg/web1-delta2
	refused 3 "is a sealed layer" lclone open web2 /dev/ttvg/deb "$old"
	refused 3 "is a sealed layer" lclone open --parent /dev/ttvg/web1-delta web2 /dev/ttvg/deb "$old"
	dmsetup create web2 2>/dev/null --table "$(lclone table --read-only /dev/ttvg/deb "$old" |
		without_owner | sed 's/ 3 parent \(.*\) read_only/ 2 parent \1/')" && fail "the kernel opens it"
	# a line of before
	cp "$LCLONE_TAB" "$dir/tab"
	sed -i 's/web1-delta3/web1-delta2/' "$LCLONE_TAB"
	refused 3 "is named as the delta of web1, is a sealed layer" lclone open web1
	lclone unit start web1 2>"$dir/err" && fail "started"
	grep -q "is a sealed layer" "$dir/err" || fail "$(cat "$dir/err")"
	# tags and label of before
	rm "$LCLONE_TAB"
	ok lclone open web1
	lclone table web1 | grep -q "$(stat -L -c '0x%t 0x%T' /dev/ttvg/web1-delta3 | xargs printf '%d:%d')" ||
		fail "$(lclone table web1)"
	ok lclone close web1
	ok lvchange -qq --deltag lclone.delta ttvg/web1-delta ttvg/web1-delta2 ttvg/web1-delta3
	ok lclone open web1
	lclone table web1 | grep -q "$(stat -L -c '0x%t 0x%T' /dev/ttvg/web1-delta3 | xargs printf '%d:%d')" ||
		fail "$(lclone table web1)"
	close_all
}
