# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of chains, for run, which has the tools that they are written with.

tests+=(
	snapshot "a snapshot keeps what was, the clone goes on, and both are there after an activation"
	snapshot_busy "snapshots of a clone under load lose no write"
	snapshot_refused "a snapshot that cannot be taken changes nothing, and the clone goes on"
	snapshot_damaged "a clone that cannot be sealed is not suspended for it"
	snapshot_interrupted "what an interrupted snapshot has left is used by the next"
	revert "a reverted clone has what it had at the snapshot"
	clone_of_clone "a clone of a clone has its content, and writes beside it"
	parents_found "layers are found by what they hold; two that are the same must be named"
	parents_broken "a chain that is not whole is refused, and check says why"
	layers_are_kept "a layer that others depend on is not written, wiped or formatted over"
	chain_merge "a merge of a chain to a device equals the clone; one into the base is refused"
	tree "tree shows who lies on whom, what is active, and what is missing"
	diff "what diff says, put over the older content, makes the newer"
	merging "a clone that the kernel merges is shown as such by status and list"
	measure "measure tells what a copy then copies, and whether there is room"
	rebase "a base on another device is accepted if the clone reads the same from it"
)

# put DEVICE START COUNT SKIP: some of the template, in units of 4 KiB, on the device and the model
put()
{
	dd if="$dir/template" skip="$4" of="$dir/model" seek="$2" bs=4k count="$3" conv=notrunc \
		status=none
	dd if="$dir/template" skip="$4" of="$1" seek="$2" bs=4k count="$3" conv=fsync,notrunc \
		status=none || fail "write"
}

# A clone t1 with content, whose delta is a layer now; $new is its delta
make_chain()
{
	disk new new 16
	ok lclone create t1 "$base" "$delta"
	scribble
	ok lclone snapshot t1 --to "$new"
	cp "$dir/model" "$dir/then"
}

snapshot()
{
	make_chain
	grep -q "^t1: $delta is a sealed layer now, $new takes what is written" "$dir/out" ||
		fail "$(cat "$dir/out")"
	same "$dir/model" /dev/mapper/t1
	unchanged "$delta" put /dev/mapper/t1 500 40 0
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone check --base "$base" "$new"
	ok lclone open t1 "$base" "$new"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone open --read-only t2 "$base" "$delta"
	same "$dir/then" /dev/mapper/t2
	ok lclone close t2
	refused 3 "$delta is a layer that others depend on: $new" lclone open t2 "$base" "$delta"
}

snapshot_busy()
{
	local i d old pid

	ok lclone create t1 "$base" "$delta"
	cp "$dir/template" "$dir/model"
	# what is overwritten comes from another place each time, so that a lost write shows
	for ((i = 0; i < 200; i++)); do
		echo "$((i * 37 % 100 * 40)) $(((i * 53 + 7) % 4000))"
	done >"$dir/plan"
	while read -r at from; do
		put /dev/mapper/t1 "$at" 3 "$from"
	done <"$dir/plan" &
	pid=$!
	old=$delta
	for i in 1 2 3 4; do
		disk d "d$i" 16
		ok lclone snapshot --to "$d" t1
		unchanged "$old" sleep 0.3
		old=$d
	done
	wait $pid
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone open t1 "$base" "$d"
	same "$dir/model" /dev/mapper/t1
}

snapshot_refused()
{
	local third small

	disk third third 16
	disk small small 1
	make_chain
	ok mkfs.ext4 -q "$third"
	unchanged "$third" refused 4 ext4 lclone snapshot t1 --to "$third"
	refused 3 "in use" lclone snapshot t1 --to "$new" --force
	refused 3 "in use" lclone snapshot t1 --to "$base"
	refused 5 "$small is too small" lclone snapshot t1 --to "$small"
	refused 2 "is no logical volume: say which device" lclone snapshot t1
	refused 1 "t3" lclone snapshot t3 --to "$third"
	put /dev/mapper/t1 100 5 3
	same "$dir/model" /dev/mapper/t1
	ok dmsetup suspend t1
	refused 3 "is suspended" lclone snapshot t1 --to "$third" --force
	ok dmsetup resume t1
	ok lclone snapshot t1 --to "$third" --force
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone open --read-only t1 "$base" "$third"
	refused 1 "read-only" lclone snapshot t1 --to "$small"
}

snapshot_damaged()
{
	disk new new 16
	make_clone
	spoil "$(field root_block)"
	ok lclone open t1 "$base" "$delta"
	dd if=/dev/mapper/t1 of=/dev/null bs=1M status=none 2>/dev/null && fail "read what is damaged"
	unchanged "$new" refused 1 "read-only" lclone snapshot t1 --to "$new"
	dmsetup info t1 | grep -q "State: *ACTIVE" || fail "$(dmsetup info t1)"
}

snapshot_interrupted()
{
	local line

	disk new new 16
	ok lclone create t1 "$base" "$delta"
	scribble
	line="$(table_of t1)"
	# the machine stops between the new delta's format and the seal
	ok dmsetup load t1 --table "${line/$(cat "/sys/block/${delta#/dev/}/dev")/$(
		cat "/sys/block/${new#/dev/}/dev")} 2 parent $delta"
	ok dmsetup clear t1
	put /dev/mapper/t1 100 5 3
	ok lclone snapshot t1 --to "$new"
	put /dev/mapper/t1 2000 5 3
	same "$dir/model" /dev/mapper/t1
}

revert()
{
	local third

	disk third third 16
	make_chain
	put /dev/mapper/t1 100 500 3
	refused 2 "confirm with --yes" lclone revert t1 --to "$third"
	exec 9</dev/mapper/t1
	refused 3 "in use" lclone revert t1 --to "$third" --yes
	exec 9<&-
	same "$dir/model" /dev/mapper/t1
	ok lclone revert t1 --to "$third" --yes
	grep -q "$new is free" "$dir/out" || fail "$(cat "$dir/out")"
	same "$dir/then" /dev/mapper/t1
	cp "$dir/then" "$dir/model"
	put /dev/mapper/t1 7 7 7
	same "$dir/model" /dev/mapper/t1
	ok lclone remove "$new"
	ok lclone close t1
	ok lclone open t1 "$base" "$third"
	same "$dir/model" /dev/mapper/t1
	ok lclone create t2 "$base" "$new" --parent "$delta"
	same "$dir/then" /dev/mapper/t2
	ok lclone close t1
	ok lclone create --force t1 "$base" "$third"
	refused 1 "no snapshot" lclone revert t1 --to "$new" --yes
}

clone_of_clone()
{
	local second third other

	disk second second 16
	disk third third 16
	disk other other 16
	make_chain
	put /dev/mapper/t1 100 50 3
	ok lclone create t2 "$base" "$second" --parent "$delta" --size 20M
	[ "$(blockdev --getsize64 /dev/mapper/t2)" = 20971520 ] || fail "size"
	same "$dir/then" /dev/mapper/t2 16777216
	ok dd if="$dir/template" of=/dev/mapper/t2 bs=1M count=8 conv=fsync,notrunc status=none
	same "$dir/model" /dev/mapper/t1
	refused 3 "/dev/mapper/t2" lclone create t3 "$base" "$third" --parent "$second"
	refused 5 "wrong base" lclone create t3 "$other" "$third" --parent "$delta"
	refused 2 "in the layer below" lclone create t3 "$base" "$third" --parent "$delta" --chunk-size 8K
	ok lclone close t1
	ok lclone close t2
	refused 5 "not sealed" lclone create t3 "$base" "$third" --parent "$second"
	refused 4 "not an lclone delta" lclone create t3 "$base" "$third" --parent "$base"
	# on two layers, the lower one by itself
	ok lclone open t2 "$base" "$second"
	ok lclone snapshot t2 --to "$other"
	ok lclone create t3 "$base" "$third" --parent "$second"
	cmp /dev/mapper/t2 /dev/mapper/t3 || fail "they differ"
	table_of t3 | grep -q ' 4 parent [0-9:]* parent [0-9:]*$' || fail "$(dmsetup table t3)"
}

parents_found()
{
	local copy

	make_chain
	ok lclone close t1
	ok lclone table "$base" "$new"
	[ "$(without_owner "$dir/out")" = "0 32768 lclone $base $new 2 parent $delta" ] || fail "$(cat "$dir/out")"
	ok dmsetup create t1 --table "$(cat "$dir/out")"
	ok dmsetup mknodes t1
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	# a device that passes the layer on is not a second one
	ok dmsetup create t3 --table "0 $((16 << 11)) linear $delta 0"
	ok dmsetup mknodes t3
	ok lclone table "$base" "$new"
	without_owner "$dir/out" | grep -q " parent /dev/mapper/t3$" || fail "$(cat "$dir/out")"
	ok dmsetup remove t3
	disk copy copy 16
	cp --sparse=never "$dir/delta" "$dir/copy"
	refused 5 "are both its parent layer" lclone open t1 "$base" "$new"
	ok lclone open t1 "$base" "$new" --parent "$copy"
	table_of t1 | grep -q " parent $(cat "/sys/block/${copy#/dev/}/dev")$" ||
		fail "$(dmsetup table t1)"
	same "$dir/model" /dev/mapper/t1
}

# found TEXT COMMAND...: a check with a finding of the parent
found()
{
	"${@:2}" >"$dir/out" 2>"$dir/err"
	[ $? = 6 ] && grep "^parent: " "$dir/out" | grep -qF -- "$1" ||
		fail "$*: $(cat "$dir/out" "$dir/err")"
}

parents_broken()
{
	local other

	disk other other 16
	make_chain
	ok lclone close t1
	ok lclone check "$new"
	ok lclone format "$base" "$other"
	refused 5 "does not lie on $other" lclone open t1 "$base" "$new" --parent "$other"
	cp --sparse=never "$dir/delta" "$dir/good"
	ok dd if=/dev/zero of="$delta" bs=64k count=2 conv=notrunc,fsync status=none
	refused 5 "on no device" lclone open t1 "$base" "$new"
	refused 5 "on no device" lclone merge --to "$dir/merged" "$base" "$new"
	found "on no device" lclone check "$new"
	# a new delta with what was lost, but of another identity
	ok lclone format "$base" "$delta"
	found "on no device" lclone check "$new"
	dd if="$dir/good" of="$delta" bs=1M conv=notrunc,fsync status=none
	ok lclone check "$new"
	# a damaged layer
	printf x | dd of="$delta" bs=1 seek=300 conv=notrunc,fsync status=none
	printf x | dd of="$delta" bs=1 seek=65836 conv=notrunc,fsync status=none
	found "on no device" lclone check "$new"
}

layers_are_kept()
{
	local i third

	disk third third 16
	make_chain
	ok lclone create t2 "$base" "$third" --parent "$delta"
	for i in 1 2; do
		unchanged "$delta" refused 3 "" lclone remove "$delta"
		unchanged "$delta" refused 3 "" lclone format --force "$base" "$delta"
		unchanged "$delta" refused 3 "" lclone create --force t3 "$base" "$delta"
		unchanged "$delta" refused 3 "" lclone resize "$delta"
		unchanged "$delta" refused 3 "" lclone merge --yes --into-base "$base" "$delta"
		unchanged "$delta" refused 3 "" lclone snapshot t1 --force --to "$delta"
		[ $i = 1 ] && ok lclone close t2
	done
	ok lclone close t1
	refused 3 "$delta is a layer that others depend on: " lclone remove "$delta"
	grep -q "$new" "$dir/err" && grep -q "$third" "$dir/err" || fail "$(cat "$dir/err")"
	refused 3 "depend on" lclone format --force "$base" "$delta"
	refused 3 "depend on" lclone open t3 "$base" "$delta"
	refused 3 "depend on" lclone resize "$delta"
	refused 3 "depend on" lclone merge --yes --into-base "$base" "$delta"
	ok lclone remove "$third"
	ok lclone remove "$new"
	refused 3 "can only be read" lclone resize "$delta"
	ok lclone remove "$delta"
}

chain_merge()
{
	local target

	disk target target 16
	make_chain
	put /dev/mapper/t1 300 50 3
	unchanged "$delta" refused 3 "in use" lclone merge --to "$target" "$base" "$new"
	ok lclone close t1
	ok lclone merge --to "$target" "$base" "$new"
	same "$dir/model" "$target"
	ok lclone merge --to "$dir/merged" "$base" "$delta"
	same "$dir/then" "$dir/merged"
	refused 3 "part of the clone" lclone merge --to "$delta" "$base" "$new"
	unchanged "$base" unchanged "$new" refused 3 "lies on another layer" \
		lclone merge --yes --into-base "$base" "$new"
}

tree()
{
	local second third

	disk second second 16
	disk third third 16
	make_chain
	ok lclone create t2 "$base" "$second" --parent "$delta" --label "a label"
	ok lclone format --size 8M - "$third"
	ok lclone tree
	sed -E 's/[0-9.]+ MiB used/N/; s/of [0-9]{4}-[0-9-]+ [0-9:]+$/of TIME/' "$dir/out" >"$dir/tree"
	{
		echo "$base: base, 16 MiB"
		echo "  $delta: sealed layer, 16 MiB, N, \"t1\", of TIME"
		{
			echo "    $new: active as t1, 16 MiB, N, \"t1\""
			echo "    $second: active as t2, 16 MiB, N, \"a label\""
		} | sort
	} >"$dir/wanted"
	{
		echo "no base (-)"
		echo "  $third: not active, 8 MiB, N"
	} >"$dir/none"
	# whichever comes first
	cat "$dir/wanted" "$dir/none" | cmp -s - "$dir/tree" ||
		cat "$dir/none" "$dir/wanted" | cmp -s - "$dir/tree" || fail "$(cat "$dir/tree")"
	ok lclone close t1
	ok lclone close t2
	ok lclone tree
	grep -q "^$base: base" "$dir/out" || fail "the base was not found: $(cat "$dir/out")"
	grep -q "^    $new: not active" "$dir/out" || fail "$(cat "$dir/out")"
	ok dd if=/dev/zero of="$delta" bs=64k count=2 conv=notrunc,fsync status=none
	ok lclone tree --json
	tr -d ' \n' <"$dir/out" | grep -q '"broken":"itsparentlayer.*ismissing"' ||
		fail "$(cat "$dir/out")"
}

# apply FROM: the ranges in $dir/out, taken from that, go to $dir/backup
apply()
{
	local kind byte bytes

	while read -r kind byte bytes; do
		if [ "$kind" = zero ]; then
			fallocate --punch-hole -o "$byte" -l "$bytes" "$dir/backup"
		else
			dd if="$1" of="$dir/backup" bs=512 skip=$((byte / 512)) \
				seek=$((byte / 512)) count=$((bytes / 512)) conv=notrunc status=none
		fi
	done <"$dir/out"
}

diff()
{
	make_chain
	cp "$dir/template" "$dir/backup"
	ok lclone diff "$delta"		# while the clone runs
	grep -q ^zero "$dir/out" && grep -q ^data "$dir/out" || fail "$(cat "$dir/out")"
	apply "$dir/then"
	same "$dir/then" "$dir/backup"
	put /dev/mapper/t1 1234 7 3
	put /dev/mapper/t1 0 1 9
	ok fallocate --zero-range -o 1048576 -l 131072 /dev/mapper/t1
	dd if=/dev/zero of="$dir/model" bs=64k seek=16 count=2 conv=notrunc status=none
	ok lclone diff "$new" --against "$delta"
	cp "$dir/out" "$dir/now"
	ok lclone close t1
	ok lclone diff "$new" --against "$delta"
	same "$dir/now" "$dir/out"
	[ "$(sort "$dir/out")" = "data 0 4096
data 5054464 28672
zero 1048576 131072" ] || fail "$(cat "$dir/out")"
	apply "$dir/model"
	same "$dir/model" "$dir/backup"
	cp "$dir/template" "$dir/backup"
	ok lclone diff "$new"
	apply "$dir/model"
	same "$dir/model" "$dir/backup"
	ok lclone diff --json "$new" --against "$delta"
	tr -d ' \n' <"$dir/out" | grep -qF '[{"kind":"data","byte":0,"bytes":4096},{"kind":"zero",' ||
		fail "$(cat "$dir/out")"
	refused 5 "does not lie on" lclone diff "$delta" --against "$new"
}

merging()
{
	local i

	ok lclone create t1 "$base" "$delta" --commit-interval 500
	scribble
	ok dmsetup load t1 --table "$(table_of t1 | sed 's/ 2 commit_interval 500$/ 3 commit_interval 500 merge/')"
	ok dmsetup suspend t1
	ok dmsetup resume t1
	for i in {1..100}; do
		ok lclone status t1
		! grep -q '^t1: merged, ' "$dir/out" || break
		sleep 0.1
	done
	grep -q '^t1: merged, [1-9][0-9.]* MiB copied of ' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone status --json
	grep -q '"state":"merged"' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone list -o name,delta,state
	grep -q "^t1 *$delta .*merged" "$dir/out" || fail "$(cat "$dir/out")"
	same "$dir/model" /dev/mapper/t1
	same "$dir/model" "$base"
}

# number PLAN NAME: in the JSON of measure
number() { tr -d ' \n' <"$dir/out" | sed "s/.*\"$1\":{[^}]*\"$2\":\([0-9]*\).*/\1/"; }

measure()
{
	local small copied

	disk small small 6
	make_chain
	put /dev/mapper/t1 1600 16 3
	put /dev/mapper/t1 3001 1 3
	ok lclone close t1
	ok lclone measure --json "$base" "$new"
	[ "$(number merge-into-parent copied_bytes)" = $((17 * 4096)) ] || fail "$(cat "$dir/out")"
	# what was zeroed in the layer has no chunk there; another is for the new tree
	[ "$(number merge-into-parent needed_bytes)" = 131072 ] || fail "$(cat "$dir/out")"
	copied=$(number copy copied_bytes)
	ok lclone merge --json --to "$dir/merged" "$base" "$new"
	tail -n 1 "$dir/out" | grep -q "\"total_bytes\": $copied," || fail "$copied: $(cat "$dir/out")"
	ok lclone measure "$base" "$new"
	grep -q "^flatten: .*in the delta: .*TOO LITTLE" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone measure --json "$base" "$delta"
	[ "$(number merge-into-base needed_bytes)" = 16777216 ] || fail "$(cat "$dir/out")"
	[ "$(number merge-into-base zeroed_bytes)" = $((30 * 65536)) ] || fail "$(cat "$dir/out")"
	refused 5 "needs its base" lclone measure - "$new"
}

rebase()
{
	local larger wrong

	disk larger larger 24
	disk wrong wrong 24
	make_clone
	dd if="$dir/template" of="$larger" bs=1M conv=fsync status=none
	refused 5 "wrong base" lclone open t1 "$wrong" "$delta"
	unchanged "$delta" refused 5 "wrong base" lclone rebase "$delta" --base "$wrong"
	ok lclone rebase "$delta" --base "$base"
	grep -q already "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone rebase "$delta" --base "$larger"
	ok lclone check --base "$larger" "$delta"
	ok lclone open t1 "$larger" "$delta"
	same "$dir/model" /dev/mapper/t1
	refused 3 "/dev/mapper/t1" lclone rebase "$delta" --base "$base"
	ok lclone close t1
	refused 5 "has 16 MiB" lclone rebase "$delta" --base "$base"
	ok lclone rebase --force "$delta" --base "$base"
	# the clone sees beyond the old base's end
	ok lclone resize --size 20M "$delta"
	printf x | dd of="$larger" bs=1M seek=19 conv=notrunc,fsync status=none
	unchanged "$delta" refused 5 "has data beyond" lclone rebase "$delta" --base "$larger"
	printf '\0' | dd of="$larger" bs=1M seek=19 conv=notrunc,fsync status=none
	printf x | dd of="$larger" bs=1M seek=20 conv=notrunc,fsync status=none
	ok lclone rebase "$delta" --base "$larger"
	ok lclone open t1 "$larger" "$delta"
	truncate -s 20M "$dir/model"
	same "$dir/model" /dev/mapper/t1
	refused 2 "with a device" lclone rebase "$delta" --base -
}
