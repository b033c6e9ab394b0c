# SPDX-License-Identifier: GPL-2.0-only
#
# Who else has a base or layer, or may have it; sourced by run.
#
# The matrix: in each state of the other clone (users_*) each command that could destroy
# it, or that it could get in the way of.

tests+=(
	users_grown "a base that was enlarged between two clones is still the base of both"
	users_copied "a copy of a delta is another delta"
	users_partition "a clone of a partition and one of its disk have one base"
	users_volume "a delta on a volume that is not active is seen"
	users_striped "a delta on a striped volume that is not active is seen, what is on a thin one is doubted"
	users_left_out "a delta on a physical volume that LVM leaves out is not taken for none"
	users_suspended "a delta on a suspended device is not taken for none"
	users_failing "a delta on a device that cannot be read is not taken for none"
	users_twin "of two bases with one content an active clone has the one in its table"
	users_confirm "a merge into a base is confirmed, and says what cannot be known"
	users_grown_active "a base that was enlarged below an active clone is no dead end"
	users_grown_dirty "what was added to a base is not let into the clone unless it is zero"
	users_bases "a delta, a layer and what is half merged are no bases"
	users_revert "a delta that was reverted from is not opened again"
	users_layer_moved "the layer that an active clone has counts, not its copy"
	users_again "a merge that others have ended is told of, and no delta is wiped that no note names"
	users_recycled "a volume with an old delta on it is made a new one"
	users_guests "what a guest writes is not looked at"
	users_hang "nothing hangs on what is suspended below other devices"
	users_slow "a device that is slow is waited for"
	users_others "what changes a clone only is not kept from it, and overwrites nothing of another"
	users_inside "what a pool or an array is made of is not looked at, but what these show"
	users_node "a device that has no node, or another's, is not taken for none"
	users_shrunk "a delta whose device was shrunk is seen"
	users_begun "a merge goes on by itself only in the base that it was begun in"
	users_target "a copy overwrites no base, nor what has its sectors"
	users_zeros "a base that begins with zeros is not taken for blank, and what is blank for no base"
	users_unread "a base that cannot be read where a delta's superblocks are is not formatted"
	users_half "what is, or may be, half merged is no base, and its delta is not lost"
	users_half_grown "a base that is enlarged while it is half merged is no dead end"
	users_asked "nobody is kept from a base while the user is asked"
)

# clone NAME BASE DELTA CHUNKS: a clone with something of its own, closed again
clone()
{
	ok lclone create "$1" "$2" "$3"
	dd if=/dev/urandom of="/dev/mapper/$1" bs=64k count="$4" seek="$4" oflag=direct status=none ||
		fail "write"
	cp "/dev/mapper/$1" "$dir/$1"
	ok lclone close "$1"
}

# is_whole NAME BASE DELTA: it is what it was
is_whole()
{
	ok lclone open "$1" "$2" "$3"
	same "$dir/$1" "/dev/mapper/$1"
	ok lclone close "$1"
}

grow()
{
	truncate -s "$2M" "$dir/$1"
	losetup -c "$(losetup -nO NAME -j "$dir/$1")"
}

# on_layer TOP DELTA: t1 on the layer DELTA, with the delta TOP, closed
on_layer()
{
	ok lclone create t1 "$base" "$2"
	scribble
	ok lclone snapshot --to "$1" t1
	ok lclone close t1
}

users_grown()
{
	local d2 d3 top

	disk d2 d2 40
	disk d3 d3 40
	disk top top 24
	clone t1 "$base" "$delta" 3
	grow base 32
	ok lclone create t2 "$base" "$d2"
	dd if="$template" of=/dev/mapper/t2 bs=1M count=9 oflag=direct status=none
	unchanged "$base" refused 3 "lost: $delta" lclone merge --yes t2
	ok lclone close t2
	unchanged "$base" refused 3 "lost: $delta" lclone merge --yes --into-base "$base" "$d2"
	unchanged "$base" refused 3 "lost: " lclone format --force --size 8M - "$base"
	unchanged "$base" refused 3 "lost: " lclone create --force --size 8M t3 - "$base"
	ok lclone create t3 "$base" "$d3"
	same "$base" /dev/mapper/t3
	ok lclone close t3
	ok lclone tree
	[ "$(grep -c "^$base: base" "$dir/out")" = 1 ] || fail "$(cat "$dir/out")"
	cp --sparse=never "$dir/delta" "$dir/kept"
	ok lclone rebase --base "$base" "$delta"
	is_whole t1 "$base" "$delta"
	dd if="$dir/kept" of="$delta" bs=1M conv=fsync status=none
	is_whole t1 "$base" "$delta"
	ok lclone remove "$delta"
	ok lclone remove "$d3"
	ok lclone merge --yes --into-base "$base" "$d2"
	# a chain: its layers have nothing to do with the base's size
	ok lclone remove "$d2"
	on_layer "$top" "$delta"
	grow base 40
	ok lclone merge --into-parent "$top"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1 16777216
}

users_copied()
{
	local copy top

	disk copy copy 16
	disk top top 16
	clone t1 "$base" "$delta" 3
	dd if="$delta" of="$copy" bs=1M conv=fsync status=none
	ok lclone open t1 "$base" "$delta"
	refused 3 "lost: $copy" lclone merge --yes t1
	ok lclone close t1
	unchanged "$base" refused 3 "lost: $copy" lclone merge --yes --into-base "$base" "$delta"
	unchanged "$base" refused 3 "lost: " lclone format --force --size 8M - "$base"
	ok lclone create t3 "$base" "$top"
	ok lclone close t3
	ok lclone rebase --base "$base" "$delta"
	ok lclone remove "$copy"
	ok lclone remove "$top"
	is_whole t1 "$base" "$delta"
	ok lclone remove "$delta"
	# a copy of what is to be merged into the layer below, and of that
	on_layer "$top" "$delta"
	dd if="$top" of="$copy" bs=1M conv=fsync status=none
	unchanged "$delta" refused 5 "same identity" lclone merge --into-parent "$top"
	ok lclone remove "$copy"
	dd if="$delta" of="$copy" bs=1M conv=fsync status=none
	refused 3 "depend on: $top" lclone remove "$copy"
	refused 3 "depend on: $top" lclone remove "$delta"
	unchanged "$delta" refused 3 "depend on: $top" lclone format --force "$base" "$delta"
}

# A disk with one partition, from 1 MiB on
disk_with_partition()
{
	truncate -s 20M "$dir/parted"
	printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\220\0\0' |
		dd of="$dir/parted" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$dir/parted" bs=1 seek=510 conv=notrunc status=none
	parted=$(losetup -P -f --show "$dir/parted")
	loops+=("$parted")
	part=${parted}p1
	for _ in {1..50}; do
		[ -b "$part" ] && break
		sleep 0.1
	done
	head -c 18M /dev/urandom >"$part"
	blockdev --flushbufs "$part"
	blockdev --flushbufs "$parted"
}

users_partition()
{
	local parted part d2 d3

	disk d2 d2 40
	disk d3 d3 40
	disk_with_partition
	clone t1 "$part" "$delta" 3
	ok lclone create t2 "$parted" "$d2"
	refused 3 "lost: $delta" lclone merge --yes t2
	ok lclone close t2
	unchanged "$parted" refused 3 "lost: $delta" lclone merge --yes --into-base "$parted" "$d2"
	unchanged "$parted" refused 3 "lost: " lclone format --force --size 8M - "$parted"
	unchanged "$parted" refused 3 "lost: " lclone format --force --size 8M - "$part"
	refused 3 "sectors in common" lclone create --force t3 "$parted" "$part"
	refused 5 "" lclone rebase --base "$part" "$d2"
	# nobody has made a device of the partition
	losetup -d "$parted"
	loops=("${loops[@]/$parted/}")
	parted=$(losetup -f --show "$dir/parted")
	loops+=("$parted")
	[ ! -b "${parted}p1" ] || fail "there are partitions"
	unchanged "$parted" refused 3 "lost: $delta" lclone merge --yes --into-base "$parted" "$d2"
	# by a linear table, and the other way round
	ok dmsetup create t3 --table "0 36864 linear $parted 2048"
	ok dmsetup mknodes t3
	unchanged "$parted" refused 3 "lost: $d2" \
		lclone merge --yes --into-base /dev/mapper/t3 "$delta"
	ok lclone remove "$d2"
	is_whole t1 /dev/mapper/t3 "$delta"
	ok lclone merge --yes --into-base /dev/mapper/t3 "$delta"
	same "$dir/t1" /dev/mapper/t3
	# layers are merged whatever is made of their base
	ok lclone remove "$delta"
	clone t2 "$parted" "$d2" 5
	clone t1 /dev/mapper/t3 "$delta" 3
	ok lclone open t1 /dev/mapper/t3 "$delta"
	ok lclone snapshot --to "$d3" t1
	ok lclone close t1
	ok lclone merge --into-parent "$d3"
	is_whole t1 /dev/mapper/t3 "$delta"
	is_whole t2 "$parted" "$d2"
	ok dmsetup remove t3
}

users_volume()
{
	local pv d2 top

	disk pv pv 128
	disk d2 d2 24
	disk top top 24
	make_vg "$pv"
	ok lclone create --vg ttvg --delta-size 16M t1 "$base"
	dd if="$template" of=/dev/mapper/t1 bs=64k count=9 seek=7 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/t1"
	ok lclone close t1
	ok lvchange -qq -an ttvg/t1-delta
	ok lclone create t2 "$base" "$d2"
	refused 3 "lost: ttvg/t1-delta" lclone merge --yes t2
	ok lclone close t2
	unchanged "$base" refused 3 "lost: ttvg/t1-delta" lclone merge --yes --into-base "$base" "$d2"
	unchanged "$base" refused 3 "lost: " lclone format --force --size 8M - "$base"
	ok lclone tree
	grep -q "ttvg/t1-delta: volume that is not active" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone create t3 "$base" "$top"
	ok lclone close t3
	ok lclone rebase --base "$base" "$top"
	ok lclone remove "$top"
	ok lclone remove "$d2"
	ok lvchange -qq -ay ttvg/t1-delta
	is_whole t1 "$base" /dev/ttvg/t1-delta
	# what lies on a layer is on such a volume, and then the layer
	ok lclone remove /dev/ttvg/t1-delta
	on_layer /dev/ttvg/t1-delta "$delta"
	ok lclone format --parent "$delta" "$base" "$d2"
	ok lvchange -qq -an ttvg/t1-delta
	refused 3 "depend on: " lclone remove "$delta"
	unchanged "$delta" refused 3 "depend on: ttvg/t1-delta" lclone merge --into-parent "$d2"
	ok lclone remove "$d2"
	refused 3 "depend on: ttvg/t1-delta" lclone remove "$delta"
	unchanged "$delta" refused 3 "depend on: ttvg/t1-delta" lclone format --force "$base" "$delta"
	ok lvchange -qq -ay ttvg/t1-delta
	ok lclone open t1 "$base" /dev/ttvg/t1-delta
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
}

users_striped()
{
	local pv pv2 d2 size

	disk pv pv 64
	disk pv2 pv2 64
	disk d2 d2 24
	make_vg "$pv"
	ok vgextend -qq ttvg "$pv2"
	ok lclone format "$base" "$d2"
	# both superblocks in one chunk, in two, and each in parts
	for size in 128K 64K 4K; do
		ok lvcreate -qq -y --stripes 2 --stripesize $size --size 16M --name striped ttvg
		ok lclone format --force "$base" /dev/ttvg/striped
		ok lvchange -qq -an ttvg/striped
		unchanged "$base" refused 3 "lost: ttvg/striped" \
			lclone merge --yes --into-base "$base" "$d2"
		ok lvchange -qq -ay ttvg/striped
		ok lclone remove /dev/ttvg/striped
		ok lvchange -qq -an ttvg/striped
		ok lclone merge --yes --into-base "$base" "$d2"
		ok lvremove -qq -y ttvg/striped
	done
	# what is neither linear nor striped cannot be looked at
	ok lvcreate -qq -y --type thin-pool --size 8M --name pool ttvg
	ok lvcreate -qq -y --virtualsize 16M --thinpool pool --name thin ttvg
	ok lvchange -qq -an ttvg/thin
	unchanged "$base" refused 3 "ttvg/thin is not active (lvchange -ay)" \
		lclone merge --yes --into-base "$base" "$d2"
	ok lvchange -qq -ay --ignoreactivationskip ttvg/thin
	ok lclone merge --yes --into-base "$base" "$d2"
	ok lvchange -qq -an ttvg/thin
	ok lclone merge --yes --assume-no-other-clones --into-base "$base" "$d2"
}

# without DEVICE[|DEVICE] COMMAND...: with an LVM that leaves it out, as it does what its devices
# file lacks
without()
{
	mkdir -p "$dir/lvm"
	cp /etc/lvm/lvm.conf "$dir/lvm"
	echo "devices { global_filter = [ \"r#^($1)\$#\" ] }" >>"$dir/lvm/lvm.conf"
	LVM_SYSTEM_DIR=$dir/lvm "${@:2}"
}

users_left_out()
{
	local pv inner d2 top

	disk pv pv 64
	disk d2 d2 24
	disk top top 24
	make_vg "$pv"
	ok lclone create --vg ttvg --delta-size 16M t1 "$base"
	ok lclone close t1
	ok lvchange -qq -an ttvg/t1-delta
	ok lclone format "$base" "$d2"
	unchanged "$base" without "$pv" refused 3 "$pv is a physical volume that LVM does not know" \
		lclone merge --yes --into-base "$base" "$d2"
	without "$pv" lclone tree >/dev/null 2>"$dir/err" || fail "tree"
	grep -q "not looked at: $pv is .*(lvmdevices --adddev)" "$dir/err" || fail "$(cat "$dir/err")"
	without "$pv" ok lclone format "$base" "$top"
	without "$pv" ok lclone remove "$top"
	# a guest has made a physical volume of its disk, which the template was, too
	ok lvremove -qq -y ttvg/t1-delta
	ok lclone remove "$d2"
	ok lvcreate -qq -y --size 16M --name guest ttvg
	ok blkdiscard --force --zeroout /dev/ttvg/guest
	ok pvcreate -qq -y --config devices/scan_lvs=1 /dev/ttvg/guest
	dd if=/dev/ttvg/guest of="$base" bs=1M count=1 conv=notrunc,fsync status=none
	ok lclone format "$base" "$d2"
	without "$base" ok lclone merge --yes --into-base "$base" "$d2"
	# another that it does not know
	dd if=/dev/ttvg/guest of="$top" bs=1M count=1 conv=notrunc,fsync status=none
	without "$base|$top" refused 3 "$top is a physical volume" \
		lclone merge --yes --into-base "$base" "$d2"
	without "$base|$top" ok lclone merge --yes --assume-no-other-clones --into-base "$base" "$d2"
	# overwritten it would be lost
	unchanged "$top" without "$top" refused 3 "$top is a physical volume" \
		lclone format --force "$base" "$top"
	unchanged "$top" without "$top" refused 3 "$top is a physical volume" \
		lclone merge --force --to "$top" "$base" "$d2"
	# a disk that was one, and has partitions now
	dd if="$pv" of="$top" bs=4k count=1 conv=notrunc,fsync status=none
	without "$top" refused 3 "$top is a physical volume" lclone merge --yes --into-base "$base" "$d2"
	printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\020\0\0%048d\125\252' 0 | tr 0 '\0' |
		dd of="$top" bs=1 seek=446 conv=notrunc,fsync status=none
	grep -q LABELONE "$top" || fail "the label is gone"
	without "$top" ok lclone merge --yes --into-base "$base" "$d2"
	# what LVM knows by another device, which does not say what it lies on
	dd if="$pv" of="$top" bs=4k count=1 conv=notrunc,fsync status=none
	without "$top" refused 3 "$top is a physical volume" lclone merge --yes --into-base "$base" "$d2"
	ok dmsetup create t3 --table "0 8 linear $top 4096"
	without "$top" ok lclone merge --yes --into-base "$base" "$d2"
	ok dmsetup remove t3
	ok wipefs -qaf "$base" "$top"
}

# away HOW: what is on t3 cannot be seen; back: it can again
away()
{
	if [ "$1" = suspended ]; then
		ok dmsetup suspend t3
	else
		ok dmsetup load t3 --table "0 32768 error"
		ok dmsetup suspend t3
		ok dmsetup resume t3
	fi
}

back()
{
	if [ "$1" != suspended ]; then
		ok dmsetup load t3 --table "0 32768 linear $under 2048"
		ok dmsetup suspend t3
	fi
	ok dmsetup resume t3
}

users_unseen()
{
	local how=$1 name="/dev/mapper/t3 $2" under d2 d3

	disk under under 40
	disk d2 d2 24
	disk d3 d3 24
	ok dmsetup create t3 --table "0 32768 linear $under 2048"
	ok dmsetup mknodes t3
	clone t1 "$base" /dev/mapper/t3 3
	away "$how"
	ok lclone create t2 "$base" "$d2"
	refused 3 "$name" lclone merge --yes t2
	ok lclone close t2
	unchanged "$base" refused 3 "$name" lclone merge --yes --into-base "$base" "$d2"
	ok lclone rebase --base "$base" "$d2"
	ok lclone remove "$d2"
	unchanged "$base" refused 3 "$name" lclone format --force --size 8M - "$base"
	lclone tree >/dev/null 2>"$dir/err" || fail "tree"
	grep -q "not looked at: $name" "$dir/err" || fail "$(cat "$dir/err")"
	back "$how"
	is_whole t1 "$base" /dev/mapper/t3
	ok lclone remove /dev/mapper/t3
	# it lies on a layer
	on_layer /dev/mapper/t3 "$delta"
	ok lclone format --parent "$delta" "$base" "$d3"
	away "$how"
	unchanged "$delta" refused 3 "$name" lclone merge --into-parent "$d3"
	ok lclone remove "$d3"
	unchanged "$delta" refused 3 "$name" lclone remove "$delta"
	unchanged "$delta" refused 3 "$name" lclone format --force "$base" "$delta"
	unchanged "$delta" refused 3 "$name" lclone create --force t2 "$base" "$delta"
	back "$how"
	ok lclone open t1 "$base" /dev/mapper/t3
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	away "$how"
	ok lclone remove --assume-no-other-clones "$delta"
	back "$how"
	ok dmsetup remove t3
}

users_suspended() { users_unseen suspended "is suspended"; }
users_failing() { users_unseen failing "cannot be read: Input/output error"; }

users_twin()
{
	local twin d2 d3

	disk twin twin 16
	disk d2 d2 24
	disk d3 d3 24
	dd if="$dir/template" of="$twin" bs=1M conv=fsync status=none
	ok lclone create t1 "$base" "$delta"
	clone t2 "$twin" "$d2" 5
	ok lclone open t2 "$twin" "$d2"
	ok lclone tree
	tr -d '\n' <"$dir/out" | grep -q "$base: base.*$delta.*$twin: base.*$d2" ||
		tr -d '\n' <"$dir/out" | grep -q "$twin: base.*$d2.*$base: base.*$delta" ||
		fail "$(cat "$dir/out")"
	ok lclone close t2
	# it may be of either
	refused 3 "lost: $d2" lclone merge --yes t1
	unchanged "$twin" refused 3 "lost: $d2" lclone format --force --size 8M - "$twin"
	ok lclone create t3 "$twin" "$d3"
	ok lclone close t3
	ok lclone rebase --base "$twin" "$d3"
	ok lclone remove "$d3"
	ok lclone close t1
	unchanged "$base" refused 3 "lost: $d2" lclone merge --yes --into-base "$base" "$delta"
	ok lclone open t2 "$twin" "$d2"
	ok lclone open t1 "$base" "$delta"
	ok lclone merge --yes t1
	ok dmsetup remove t1
	same "$dir/t2" /dev/mapper/t2
	ok lclone close t2
	is_whole t2 "$twin" "$d2"
	# layers are merged whatever their base is like
	dd if="$dir/template" of="$base" bs=1M conv=fsync status=none
	on_layer "$d3" "$delta"
	ok lclone merge --into-parent "$d3"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	is_whole t2 "$twin" "$d2"
}

users_confirm()
{
	make_clone
	unchanged "$base" unchanged "$delta" rejected lclone merge --into-base "$base" "$delta"
	ok lclone open t1 "$base" "$delta"
	rejected lclone merge t1
	dmsetup table t1 | grep -q merge && fail "$(dmsetup table t1)"
	if command -v script >/dev/null; then
		echo n | script -qec "lclone merge t1" /dev/null >"$dir/out" && fail "no is no"
		echo y | script -qec "lclone merge t1" /dev/null >"$dir/out" || fail "$(cat "$dir/out")"
	else
		ok lclone merge --yes t1
	fi
	ok dmsetup remove t1
	same "$dir/model" "$base"
}

# rejected COMMAND...: without --yes
rejected()
{
	local rc=0

	"$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	[ $rc = 2 ] && grep -q "confirm with --yes" "$dir/err" &&
		grep -q "on other hosts" "$dir/err" || fail "$rc: $(cat "$dir/err")"
}

users_grown_active()
{
	local d2

	disk d2 d2 40
	ok lclone create t1 "$base" "$delta"
	scribble
	grow delta 48
	ok lclone resize --size 24M t1
	refused 5 "less than the clone" lclone merge --yes t1
	grow base 24
	ok lclone snapshot --to "$d2" t1
	ok lclone resize --size 28M t1
	grow base 28
	# a chain is not rebased while it is used
	refused 3 "close t1" lclone resize --size 32M t1
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = $((28 << 20)) ] || fail "size"
	ok lclone close t1
	ok lclone open t1 "$base" "$d2"
	same "$dir/model" /dev/mapper/t1 16777216
	ok lclone close t1
	ok lclone merge --into-parent "$d2"
	ok lclone open t1 "$base" "$delta"
	dmsetup table t1 >"$dir/table"
	ok dmsetup load t1 --table "$(cat "$dir/table")"
	ok dmsetup clear t1
	grow base 32
	ok lclone merge --yes t1
	ok dmsetup remove t1
	same "$dir/model" "$base" 16777216
}

users_grown_dirty()
{
	clone t1 "$base" "$delta" 3
	ok lclone resize --size 20M "$delta"
	truncate -s 20M "$dir/t1"
	grow base 24
	printf garbage | dd of="$base" bs=1M seek=17 conv=notrunc,fsync status=none
	refused 5 "has data beyond the end" lclone open t1 "$base" "$delta"
	refused 5 "has data beyond the end" lclone rebase --base "$base" "$delta"
	unchanged "$base" refused 5 "has data beyond the end" \
		lclone merge --yes --into-base "$base" "$delta"
	ok blkdiscard --force --zeroout --offset $((16 << 20)) "$base"
	is_whole t1 "$base" "$delta"
	ok lclone merge --yes --into-base "$base" "$delta"
	same "$dir/t1" "$base" $((20 << 20))
}

users_bases()
{
	local d2 d3

	disk d2 d2 24
	disk d3 d3 24
	make_clone
	refused 4 "it can be no base" lclone create t2 "$delta" "$d2"
	refused 4 "it can be no base" lclone format "$delta" "$d2"
	ok lclone open t1 "$base" "$delta"
	ok lclone snapshot --to "$d3" t1
	ok lclone close t1
	refused 4 "it can be no base" lclone create t2 "$delta" "$d2"
	ok lclone merge --into-parent "$d3"
	ok lclone open t1 "$base" "$delta"
	ok lclone merge --yes --rate 1000 --detach t1
	refused 3 "being merged into $base" lclone create t2 "$base" "$d2"
	ok dmsetup remove t1
	refused 3 "may be half merged with $delta" lclone create t2 "$base" "$d2"
	refused 3 "may be half merged with $delta" lclone format "$base" "$d2"
	ok lclone merge --yes --into-base "$base" "$delta"
	ok lclone create t2 "$base" "$d2"
}

users_revert()
{
	local d2 d3

	disk d2 d2 24
	disk d3 d3 24
	ok lclone create t1 "$base" "$delta"
	scribble
	ok lclone snapshot --to "$d2" t1
	dd if="$template" of=/dev/mapper/t1 bs=1M count=3 oflag=direct status=none
	ok lclone revert --yes --to "$d3" t1
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	refused 3 "sealed" lclone open t1 "$base" "$d2"
	ok lclone remove "$d2"
	ok lclone open t1 "$base" "$d3"
	same "$dir/model" /dev/mapper/t1
}

users_layer_moved()
{
	local d2 copy

	disk d2 d2 24
	disk copy copy 24
	on_layer "$d2" "$delta"
	dd if="$delta" of="$copy" bs=1M conv=notrunc,fsync status=none
	ok lclone open --parent "$copy" t1 "$base" "$d2"
	ok lclone tree
	grep -A1 "$copy: sealed layer" "$dir/out" | grep -q "$d2: active as t1" ||
		fail "$(cat "$dir/out")"
	refused 3 "" lclone remove "$copy"
	ok lclone remove "$delta"
	ok lclone close t1
	ok lclone open t1 "$base" "$d2"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	dd if="$copy" of="$delta" bs=1M count=16 conv=notrunc,fsync status=none
	ok lclone open --parent "$copy" t1 "$base" "$d2"
	ok lclone remove "$delta"
	ok lclone close t1
	ok lclone merge --into-parent "$d2"
}

users_again()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	merged_by_the_kernel
	ok dmsetup load t1 --table "0 $(blockdev --getsz "$base") linear $base 0"
	ok dmsetup suspend t1
	ok dmsetup resume t1
	ok lclone merge t1
	grep -q "is merged.*$delta, which may have been its delta, was not wiped" "$dir/out" ||
		fail "$(cat "$dir/out")"
	ok lclone merge --json t1
	grep -q '"state": *"switched"' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone dump "$delta"
	ok lclone merge t1
	same "$dir/model" /dev/mapper/t1
	ok dmsetup remove t1
}

users_recycled()
{
	local pv

	disk pv pv 64
	make_vg "$pv"
	for _ in 1 2; do
		ok lclone create --vg ttvg --delta-size 16M t1 "$base"
		same "$base" /dev/mapper/t1
		dd if="$template" of=/dev/mapper/t1 bs=1M count=3 oflag=direct status=none
		ok lclone close t1
		ok lvremove -qq -y ttvg/t1-delta
	done
}

users_guests()
{
	local d2 inner

	disk d2 d2 24
	disk inner inner 16
	ok lclone create t1 "$base" "$delta"
	ok lclone create t2 "$base" "$d2"
	ok lclone close t2
	# a guest of t1 has a delta of the same base on its disk
	dd if="$d2" of=/dev/mapper/t1 bs=1M count=8 oflag=direct status=none
	ok lclone remove "$d2"
	ok lclone tree
	! grep -q "mapper/t1:" "$dir/out" || fail "$(cat "$dir/out")"
	ok dmsetup create t3 --table "0 32768 linear /dev/mapper/t1 0"
	ok dmsetup mknodes t3
	ok lclone tree
	! grep -q "mapper/t[13]:" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone merge --yes --detach --rate 1000 t1
	ok lclone merge --stop t1
	ok dmsetup remove t3
}

users_hang()
{
	local low d2 command i

	disk low low 8
	disk d2 d2 24
	ok lclone create t1 "$base" "$delta"
	ok dmsetup create t2 --table "0 16384 linear $low 0"
	ok dmsetup mknodes t2
	ok dmsetup create t3 --table "0 16384 linear /dev/mapper/t2 0"
	ok dmsetup mknodes t3
	ok dmsetup suspend t2
	ok timeout 20 lclone tree
	ok timeout 20 lclone list
	ok timeout 20 lclone status
	refused 3 "/dev/mapper/t3 lies on /dev/mapper/t2, which is suspended" \
		timeout 20 lclone merge --yes t1
	refused 3 "which is suspended" timeout 20 lclone create x1 "$base" /dev/mapper/t3
	refused 3 "which is suspended" timeout 20 lclone create x1 /dev/mapper/t3 "$d2"
	refused 3 "is suspended" timeout 20 lclone open x1 "$base" /dev/mapper/t2
	refused 3 "is suspended" timeout 20 lclone remove /dev/mapper/t3
	refused 3 "is suspended" timeout 20 lclone rebase --base "$base" /dev/mapper/t3
	ok dmsetup resume t2
	# below an active clone
	ok lclone create x1 "$base" /dev/mapper/t3
	ok dmsetup suspend t2
	for command in check diff measure; do
		[ $command != measure ] || command="measure $base"
		refused 3 "is suspended" timeout 20 lclone $command /dev/mapper/t3
	done
	ok dmsetup resume t2
	ok lclone close x1
	ok lclone remove /dev/mapper/t3
	# not suspended, but without an answer
	ok dmsetup load t2 --table "0 16384 delay $low 0 60000"
	ok dmsetup suspend t2
	ok dmsetup resume t2
	refused 3 "/dev/mapper/t3 did not answer within 3 seconds" timeout 30 lclone merge --yes t1
	# nor many: they are not waited for one after the other
	for i in {1..20}; do
		ok dmsetup create "h$i" --table "0 800 linear /dev/mapper/t2 $((i * 800 - 800))"
		ok dmsetup mknodes "h$i"
	done
	timeout 40 lclone tree >/dev/null 2>"$dir/err" || fail "tree: $(cat "$dir/err")"
	[ "$(grep -c "/dev/mapper/h[0-9]* did not answer" "$dir/err")" = 20 ] || fail "$(cat "$dir/err")"
	ok dmsetup load t2 --table "0 16384 linear $low 0"
	ok dmsetup suspend --noflush t2
	ok dmsetup resume t2
	for i in {1..20}; do
		ok dmsetup remove --retry "h$i"
	done
	ok dmsetup remove --retry t3
	ok dmsetup remove --retry t2
}

users_slow()
{
	local d2 d3

	disk d2 d2 24
	disk d3 d3 24
	clone t1 "$base" "$delta" 3
	ok lclone create t2 "$base" "$d2"
	# for the fingerprint of t1's base alone it is read 32 times
	ok dmsetup create t3 --table "0 49152 delay $d3 0 300 $d3 0 0"
	ok dmsetup mknodes t3
	ok lclone snapshot --to /dev/mapper/t3 t2
	ok lclone close t2
	ok lclone tree
	grep -q "/dev/mapper/t3" "$dir/out" || fail "$(cat "$dir/out")"
	ok dmsetup remove --retry t3
}

# goes_on BASE: a clone of it is snapshot, reverted, grown, flattened and repaired, whatever
# becomes of others
goes_on()
{
	local d

	for d in "$d2" "$d3" "$d4"; do
		dd if=/dev/zero of="$d" bs=64k count=1 conv=notrunc,fsync status=none
	done
	ok lclone create t2 "$1" "$d2"
	dd if="$template" of=/dev/mapper/t2 bs=64k count=9 seek=30 oflag=direct status=none
	cp /dev/mapper/t2 "$dir/t2"
	ok lclone snapshot --to "$d3" t2
	dd if="$template" of=/dev/mapper/t2 bs=64k count=9 seek=50 oflag=direct status=none
	ok lclone revert --yes --to "$d4" t2
	same "$dir/t2" /dev/mapper/t2
	ok lclone flatten --layer --rate max t2
	ok lclone resize --size +1M t2
	ok lclone flatten --rate max t2
	same "$dir/t2" /dev/mapper/t2 16777216
	ok lclone close t2
	ok lclone repair "$d4"
	ok lclone resize --size +1M "$d4"
	ok lclone check "$d4"
	for d in "$d4" "$d3" "$d2"; do
		ok lclone remove --assume-no-other-clones "$d"
	done
}

# spares STATUS TEXT DEVICE BASE: no clone of that base overwrites the device
spares()
{
	local how

	ok lclone create t2 "$4" "$d2"
	for how in "snapshot --force" "flatten --force"; do
		# shellcheck disable=SC2086 # two words
		refused "$1" "$2" lclone $how --to "$3" t2
	done
	ok lclone snapshot --to "$d3" t2
	refused "$1" "$2" lclone revert --yes --force --to "$3" t2
	ok lclone close t2
	refused "$1" "$2" lclone merge --force --to "$3" "$4" "$d3"
	ok lclone remove --assume-no-other-clones "$d3"
	ok lclone remove --assume-no-other-clones "$d2"
}

users_others()
{
	local parted part d2 d3 d4 copy twin small pv under how

	disk d2 d2 40
	disk d3 d3 40
	disk d4 d4 40
	disk copy copy 16
	disk under under 40
	clone t1 "$base" "$delta" 3
	# copied
	dd if="$delta" of="$copy" bs=1M conv=fsync status=none
	goes_on "$base"
	ok lclone remove "$copy"
	is_whole t1 "$base" "$delta"
	# a twin of the base, which may be t1's
	filled twin twin 16
	filled small small 8
	dd if="$template" of="$twin" bs=1M conv=fsync status=none
	goes_on "$twin"
	spares 3 "lost: " "$twin" "$base"
	is_whole t1 "$twin" "$delta"
	# enlarged
	grow base 20
	goes_on "$base"
	spares 3 "lost: $delta" "$base" "$twin"
	ok lclone remove "$delta"
	# on a partition
	disk_with_partition
	clone t1 "$part" "$delta" 3
	goes_on "$parted"
	spares 3 "lost: " "$parted" "$twin"
	spares 3 "lost: " "$part" "$twin"
	is_whole t1 "$part" "$delta"
	ok lclone remove "$delta"
	# not active, suspended, failing
	disk pv pv 64
	make_vg "$pv"
	ok lclone create --vg ttvg --delta-size 16M t1 "$twin"
	cp /dev/mapper/t1 "$dir/t1"
	ok lclone close t1
	ok lvchange -qq -an ttvg/t1-delta
	goes_on "$twin"
	spares 3 "lost: ttvg/t1-delta" "$twin" "$small"
	ok lvchange -qq -ay ttvg/t1-delta
	is_whole t1 "$twin" /dev/ttvg/t1-delta
	ok lclone remove /dev/ttvg/t1-delta
	ok dmsetup create t3 --table "0 32768 linear $under 2048"
	ok dmsetup mknodes t3
	clone t1 "$twin" /dev/mapper/t3 3
	for how in suspended failing; do
		away $how
		goes_on "$twin"
		spares 3 "/dev/mapper/t3 " "$twin" "$small"
		back $how
		is_whole t1 "$twin" /dev/mapper/t3
	done
	ok dmsetup remove t3
}

# array WORD VALUE: of the array of md that array_of has made
array() { echo "$2" >"/sys/block/md_tt/md/$1" || fail "md: $1 $2"; }

# array_of DEVICE DEVICE: /dev/md_tt, a mirror of them without superblocks
array_of()
{
	local dev slot=0

	modprobe raid1
	echo md_tt >/sys/module/md_mod/parameters/new_array || fail "md"
	array level raid1
	array raid_disks 2
	array component_size 16384
	for dev; do
		dev=$(stat -L -c %Hr:%Lr "$dev")
		array new_dev "$dev"
		dev=$(basename "$(readlink "/sys/dev/block/$dev")")
		array "dev-$dev/slot" $((slot++))
	done
	array array_state active
}

users_inside()
{
	local pv d2 m1 under

	disk pv pv 64
	disk d2 d2 24
	disk m1 m1 24
	disk under under 40
	make_vg "$pv"
	ok lvcreate -qq -y --type thin-pool --size 24M --chunksize 64k --name pool ttvg
	ok lvcreate -qq -y --virtualsize 16M --thinpool pool --name thin ttvg
	ok lclone format "$base" /dev/ttvg/thin
	ok lclone format "$base" "$delta"
	unchanged "$base" refused 3 "lost: /dev/mapper/ttvg-thin" \
		lclone merge --yes --into-base "$base" "$delta"
	# the pool's data still has it
	ok lvremove -qq -y ttvg/thin
	ok lclone tree
	! grep -q tdata "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone merge --yes --into-base "$base" "$delta"
	# one of two members of an array cannot be read
	ok dmsetup create t3 --table "0 32768 linear $under 2048"
	ok dmsetup mknodes t3
	array_of "$m1" /dev/mapper/t3
	away failing
	ok lclone merge --yes --into-base "$base" "$delta"
	back failing
	ok lclone format "$base" /dev/md_tt
	unchanged "$base" refused 3 "lost: /dev/md_tt" \
		lclone merge --yes --into-base "$base" "$delta"
	! grep -q "$m1" "$dir/err" || fail "$(cat "$dir/err")"
	array array_state inactive
	unchanged "$base" refused 3 "$m1 is of an array that does not run" \
		lclone merge --yes --into-base "$base" "$delta"
	array array_state clear
	ok dmsetup remove t3
}

users_node()
{
	local d2 other

	disk d2 d2 24
	disk other other 8
	ok lclone format "$base" "$delta"
	ok lclone format "$base" "$d2"
	mv "$d2" "$dir/node"
	unchanged "$base" refused 3 "$d2 has no device node" \
		lclone merge --yes --into-base "$base" "$delta"
	cp -a "$other" "$d2"
	unchanged "$base" refused 3 "$d2 has no device node, or another's" \
		lclone merge --yes --into-base "$base" "$delta"
	rm "$d2"
	mv "$dir/node" "$d2"
	unchanged "$base" refused 3 "lost: $d2" lclone merge --yes --into-base "$base" "$delta"
}

users_shrunk()
{
	local d2

	disk d2 d2 24
	clone t1 "$base" "$delta" 60
	truncate -s 4M "$dir/delta"
	losetup -c "$delta"
	ok lclone create t2 "$base" "$d2"
	refused 3 "lost: $delta" lclone merge --yes t2
}

# half_merge BASE DELTA: a merge that was killed as it began: the delta says so, and the copy, for
# which io_uring is set up then, has not begun
half_merge()
{
	killed_at uring:1 lclone merge --yes --into-base "$1" "$2"
}

# filled VARIABLE NAME MIB: a loop device with something of its own
filled()
{
	disk "$1" "$2" "$3" && dd if=/dev/urandom of="${!1}" bs=1M count="$3" conv=fsync status=none
}

users_begun()
{
	local wrong

	filled wrong wrong 24
	clone t1 "$base" "$delta" 3
	half_merge "$base" "$delta"
	unchanged "$wrong" unchanged "$delta" rejected lclone merge --into-base "$wrong" "$delta"
	grep -q "in which base is not recorded" "$dir/err" || fail "$(cat "$dir/err")"
	ok lclone merge --into-base "$base" "$delta"	# it was confirmed when it began
	same "$dir/t1" "$base"
}

users_target()
{
	local other again part d2

	filled other other 16
	disk d2 d2 24
	ok lclone format "$base" "$delta"
	ok lclone format "$other" "$d2"
	unchanged "$other" refused 3 "lost: $d2" lclone merge --to "$other" "$base" "$delta"
	unchanged "$other" refused 3 "lost: $d2" lclone merge --force --to "$other" "$base" "$delta"
	again=$(losetup -f --show "$dir/base") && loops+=("$again")
	part=$(losetup -f --show -o 4096 "$dir/base") && loops+=("$part")
	unchanged "$base" refused 3 "read by this very command" \
		lclone merge --force --to "$again" "$base" "$delta"
	unchanged "$base" refused 3 "sectors in common" \
		lclone merge --force --to "$part" "$base" "$delta"
	ok lclone remove "$d2"
	ok lclone merge --to "$other" "$base" "$delta"
	# it looks like the base of the clone now, which it is a copy of
	ok lclone merge --to "$other" "$base" "$delta"
	same "$base" "$other"
}

users_zeros()
{
	local other d2 d3 empty more

	filled other other 16
	disk d2 d2 24
	disk d3 d3 24
	disk empty empty 16
	disk more more 24
	dd if=/dev/zero of="$other" bs=4k count=1 conv=notrunc,fsync status=none
	ok lclone format "$other" "$d2"
	unchanged "$other" refused 3 "lost: $d2" lclone format --size 8M - "$other"
	unchanged "$other" refused 3 "lost: $d2" lclone format --force --size 8M - "$other"
	ok lclone format "$empty" "$d3"
	ok lclone format "$base" "$more"
}

users_unread()
{
	local other d2

	filled other other 16
	disk d2 d2 24
	ok dmsetup create t3 --table "0 32768 linear $other 0"
	ok dmsetup mknodes t3
	ok lclone format /dev/mapper/t3 "$d2"
	ok dmsetup load t3 --table "0 8 error
8 8 error
16 32752 linear $other 16"
	ok dmsetup suspend t3
	ok dmsetup resume t3
	lclone format --force --size 8M - /dev/mapper/t3 >"$dir/out" 2>"$dir/err" &&
		fail "formatted"
	ok dmsetup remove t3
	unchanged "$other" refused 3 "lost: $d2" lclone format --force --size 8M - "$other"
}

users_half()
{
	local twin small again d2 d3

	disk twin twin 16
	disk d2 d2 24
	disk d3 d3 24
	filled small small 8
	dd if="$dir/template" of="$twin" bs=1M conv=fsync status=none
	ok lclone format "$small" "$d3"
	ok lclone format "$base" "$delta"
	half_merge "$base" "$delta"
	refused 3 "being merged into its base" lclone remove "$delta"
	refused 3 "being merged into its base" lclone format --force --size 8M - "$delta"
	# written to, as a merge does, and enlarged; the twin is what it was
	dd if=/dev/urandom of="$base" bs=4k count=1 conv=notrunc,fsync status=none
	refused 3 "may be half merged with $delta" lclone format "$base" "$d2"
	refused 3 "may be half merged with $delta" lclone format "$twin" "$d2"
	grow base 20
	refused 3 "may be half merged with $delta" lclone format "$base" "$d2"
	refused 3 "may be half merged with $delta" lclone rebase --base "$base" "$d3"
	! grep -q -- --assume "$dir/err" || fail "$(cat "$dir/err")"
	again=$(losetup -f --show --sizelimit 8M "$dir/base") && loops+=("$again")
	refused 3 "may be half merged with $delta" lclone format "$again" "$d2"
	# too small for it
	ok lclone format "$small" "$d2"
	ok lclone format --force --assume-no-other-clones "$twin" "$d2"
	truncate -s 4M "$dir/delta"
	losetup -c "$delta"
	unchanged "$delta" refused 3 "being merged into its base" lclone remove "$delta"
	unchanged "$delta" refused 3 "being merged into its base" \
		lclone format --force --size 1M - "$delta"
}

users_half_grown()
{
	local at other top d2

	clone t1 "$base" "$delta" 60
	filled other other 40
	# in the first writes to the base, and when all is written
	for at in pwrite:2 submit:2 fsync:1; do
		{ STOP_AT=$at LD_PRELOAD=$stop_library \
			lclone merge --yes --into-base "$base" "$delta" >/dev/null; } 2>/dev/null
		[ $? = 137 ] || fail "not killed at $at"
		unchanged "$delta" refused 5 "can't be told to be the base" \
			lclone open t1 "$other" "$delta"
		refused 5 "can't be told to be the base" \
			lclone merge --to "$dir/target.img" "$other" "$delta"
		grow base $(($(blockdev --getsize64 "$base") / 1048576 + 2))
		head -c 2M "$template" | dd of="$base" bs=1M conv=notrunc,fsync status=none \
			seek=$(($(blockdev --getsize64 "$base") / 1048576 - 2))
		ok lclone open t1 "$base" "$delta"
		same "$dir/t1" /dev/mapper/t1
		# what was added is not zero, and would be in it
		refused 3 "half merged" lclone resize --size +1M t1
		dmsetup message t1 0 resize 34816 2>/dev/null && fail "resized"
		ok lclone close t1
		refused 3 "half merged" lclone resize --size +1M "$delta"
		refused 3 "being merged" lclone rebase --base "$base" "$delta"
	done
	# another that is larger: what is merged already is not in it
	{ STOP_CLOCK=2 STOP_AT=pwrite:3 LD_PRELOAD=$stop_library \
		lclone merge --yes --into-base "$base" "$delta" >/dev/null; } 2>/dev/null
	[ $? = 137 ] || fail "not killed"
	for at in "" --read-only; do
		unchanged "$delta" refused 5 "not the base that the merge was begun in" \
			lclone open $at t1 "$other" "$delta"
	done
	ok lclone merge --yes --into-base "$base" "$delta"
	same "$dir/t1" "$base" 16777216
	is_whole t1 "$base" "$delta"
	# in use
	ok lclone open t1 "$base" "$delta"
	dd if="$template" of=/dev/mapper/t1 bs=1M count=9 seek=2 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/t1"
	ok lclone merge --yes --rate 1000 --detach t1
	grow base 24
	ok lclone merge --stop t1
	same "$dir/t1" /dev/mapper/t1
	# the layer that it becomes names the base as it is now
	disk top top 24
	disk d2 d2 24
	ok lclone snapshot --to "$top" t1
	ok lclone create --parent "$delta" t2 "$base" "$d2"
	same "$dir/t1" /dev/mapper/t2
	ok lclone close t2
	ok lclone check --base "$base" "$d2"
	ok lclone remove "$d2"
	dd if="$template" of=/dev/mapper/t1 bs=1M count=3 seek=1 oflag=direct status=none
	ok lclone revert --yes --to "$d2" t1
	same "$dir/t1" /dev/mapper/t1
	ok lclone flatten --layer t1
	same "$dir/t1" /dev/mapper/t1
	ok lclone remove "$top"
	ok lclone remove "$delta"
	delta=$d2
	ok lclone merge --yes --rate 1000 --detach t1
	ok dmsetup remove t1
	grow base 26
	ok lclone open t1 "$base" "$delta"
	ok lclone merge --yes t1
	same "$dir/t1" /dev/mapper/t1
	ok dmsetup remove t1
	same "$dir/t1" "$base" 16777216
}

users_asked()
{
	local d2 pid

	command -v script >/dev/null || return 0
	disk d2 d2 24
	ok lclone format "$base" "$delta"
	{ await "$dir/answer"; echo y; } |
		script -qec "lclone merge --into-base $base $delta" /dev/null >"$dir/asked" &
	pid=$!
	for _ in {1..100}; do
		grep -q "y/N" "$dir/asked" && break
		sleep 0.1
	done
	ok lclone format "$base" "$d2"
	touch "$dir/answer"
	wait $pid && fail "merged: $(cat "$dir/asked")"
	grep -q "lost: $d2" "$dir/asked" || fail "$(cat "$dir/asked")"
}
