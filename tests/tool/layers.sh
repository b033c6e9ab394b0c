# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of merges into the layer below, for run, which has the tools that they are
# written with, as has chain.sh.

tests+=(
	into_parent "a delta that is merged into the layer below is that clone, and can be written"
	into_parent_middle "a layer that is merged into the one below is missed by nobody above"
	into_parent_online "layers are merged below clones in use, which lose no write"
	into_parent_busy "what is read and written while layers are merged is right"
	into_parent_refused "a merge that would harm another clone, or does not fit, changes nothing"
	into_parent_half "a merge that met an error hides what it has changed, and goes on"
	into_parent_killed "a killed merge of layers loses nothing, and ends when it is run again"
	layer_repaired "a layer that has lost data in a repair is refused until it is accepted"
	into_parent_left "what a crash has left over after the merge is known as such"
)

# A clone t1 on two layers: $delta at the bottom, $middle, and $top, which it writes
make_layers()
{
	disk middle middle 16
	disk top top 16
	ok lclone create t1 "$base" "$delta"
	scribble
	cp "$dir/model" "$dir/bottom"
	ok lclone snapshot t1 --to "$middle"
	put /dev/mapper/t1 100 70 3
	put /dev/mapper/t1 1500 300 9
	put /dev/mapper/t1 1650 40 2000
	ok fallocate --zero-range -o $((120 * 4096)) -l 131072 /dev/mapper/t1
	ok fallocate --zero-range -o $((9 << 20)) -l 262144 /dev/mapper/t1
	dd if=/dev/zero of="$dir/model" bs=4k seek=120 count=32 conv=notrunc status=none
	dd if=/dev/zero of="$dir/model" bs=64k seek=144 count=4 conv=notrunc status=none
	same "$dir/model" /dev/mapper/t1
	cp "$dir/model" "$dir/then"
	ok lclone snapshot t1 --to "$top"
	put /dev/mapper/t1 110 20 30
	put /dev/mapper/t1 3000 5 40
}

# is_free DEVICE: it holds no delta
is_free() { refused 4 "blank" lclone check "$1"; }

into_parent()
{
	make_chain
	put /dev/mapper/t1 100 50 3
	put /dev/mapper/t1 1638 2 3
	put /dev/mapper/t1 3999 90 3
	ok fallocate --zero-range -o 1048576 -l 131072 /dev/mapper/t1
	dd if=/dev/zero of="$dir/model" bs=64k seek=16 count=2 conv=notrunc status=none
	ok lclone close t1
	ok lclone measure --json "$base" "$new"
	[ "$(number merge-into-parent needed_bytes)" -gt 0 ] || fail "$(cat "$dir/out")"
	ok lclone merge --into-parent "$new"
	grep -q "^$delta: has all that $new had, and takes its place; $new is free" "$dir/out" ||
		fail "$(cat "$dir/out")"
	is_free "$new"
	ok lclone check --base "$base" "$delta"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 2000 300 5
	same "$dir/model" /dev/mapper/t1
	ok lclone snapshot t1 --to "$new"
	put /dev/mapper/t1 500 30 7
	ok lclone close t1
	ok lclone merge --json --into-parent "$new" --parent "$delta"
	tail -n 1 "$dir/out" | grep -q "\"state\": \"merged\", \"layer\": \"$delta\", \"free\": \"$new\"" ||
		fail "$(cat "$dir/out")"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	refused 3 "in use" lclone merge --into-parent "$delta"
	ok lclone close t1
	refused 1 "lies on no other layer" lclone merge --into-parent "$delta"
}

into_parent_middle()
{
	make_layers
	ok lclone close t1
	ok lclone merge --into-parent "$middle"
	is_free "$middle"
	ok lclone tree
	! grep -q "BROKEN\|LEFT\|begun" "$dir/out" || fail "$(cat "$dir/out")"
	grep -q "^    $top: not active" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone check "$top"
	ok lclone check "$delta"
	ok lclone open t1 "$base" "$top"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 3100 50 4
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone open --read-only t2 "$base" "$delta"
	same "$dir/then" /dev/mapper/t2
	ok lclone close t2
	ok lclone merge --into-parent "$top"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
}

into_parent_online()
{
	local i d second pid

	make_layers
	disk second second 16
	ok lclone create t2 "$base" "$second" --parent "$middle"
	cp "$dir/then" "$dir/model2"
	for ((i = 0; i < 400; i++)); do
		echo "$((i * 37 % 100 * 40)) $(((i * 53 + 7) % 4000))"
	done >"$dir/plan"
	while read -r at from; do
		put /dev/mapper/t1 "$at" 3 "$from"
		[ ! -e "$dir/enough" ] || break
	done <"$dir/plan" &
	pid=$!
	ok lclone merge --into-parent "$middle"
	[ "$(grep -c "goes on without $middle; it stood still for" "$dir/out")" = 2 ] ||
		fail "$(cat "$dir/out")"
	is_free "$middle"
	for i in t1 t2; do
		table_of $i | grep -q " 2 parent $(cat "/sys/block/${delta#/dev/}/dev")$" ||
			fail "$(dmsetup table $i)"
	done
	same "$dir/then" /dev/mapper/t2
	# a new layer, and another merge below the same load
	ok lclone snapshot t1 --to "$middle"
	sleep 0.5
	refused 3 "t2 has $delta without $top above it" lclone merge --into-parent "$top"
	ok lclone close t2
	ok lclone remove "$second"
	ok lclone merge --into-parent "$top"
	is_free "$top"
	touch "$dir/enough"
	wait $pid
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone check "$middle"
	ok lclone check "$delta"
	ok lclone open t1 "$base" "$middle"
	same "$dir/model" /dev/mapper/t1
}

# With the load of online.sh
into_parent_busy()
{
	local i

	disk middle middle 56
	disk top top 56
	busy_clone
	ok lclone snapshot t1 --to "$middle"
	for i in 1 2; do
		sleep 1
		ok lclone snapshot t1 --to "$top"
		ok lclone merge --into-parent "$middle"
		is_free "$middle"
		sleep 1
		ok lclone snapshot t1 --to "$middle"
		ok lclone merge --into-parent "$top"
		is_free "$top"
	done
	ok lclone check "$delta"
	calm
	ok lclone close t1
	ok lclone open t1 "$base" "$middle"
	oracle verify /dev/mapper/t1 -m "$dir/state"
}

into_parent_refused()
{
	local second

	make_layers
	disk second second 16
	refused 3 "in use" lclone merge --into-parent "$top"
	unchanged "$delta" refused 1 "lies on no other layer" lclone merge --into-parent "$delta"
	ok dmsetup suspend t1
	unchanged "$middle" refused 3 "t1 is suspended" lclone merge --into-parent "$middle"
	ok dmsetup resume t1
	# another clone of the layer below would lose it: active, and not
	ok lclone create t2 "$base" "$second" --parent "$delta"
	unchanged "$delta" refused 3 "t2 has $delta without $middle above it" \
		lclone merge --into-parent "$middle"
	ok lclone close t2
	unchanged "$delta" refused 3 "others depend on: $second" lclone merge --into-parent "$middle"
	ok lclone remove "$second"
	refused 2 "one of --into-base" lclone merge --into-parent --to "$second" "$base" "$middle"
	refused 2 "needs a delta" lclone merge --into-parent "$base" "$middle"
	ok lclone close t1
	# a copy would be a second layer of one name
	dd if="$dir/middle" of="$second" bs=1M conv=fsync status=none
	unchanged "$delta" refused 5 "$second has the same identity" lclone merge --into-parent "$middle"
	dd if=/dev/zero of="$second" bs=64k count=2 conv=notrunc,fsync status=none
	# no room: the delta is filled with what the layer below has nothing of
	disk small small 8
	ok lclone create --force t1 "$base" "$small"
	put /dev/mapper/t1 0 64 1
	ok lclone snapshot t1 --to "$second"
	put /dev/mapper/t1 1000 1500 1
	ok lclone close t1
	unchanged "$small" refused 5 "$small is too small: the merge needs" \
		lclone merge --into-parent "$second"
	ok lclone measure "$base" "$second"
	grep -q "^merge-into-parent: .*TOO LITTLE" "$dir/out" || fail "$(cat "$dir/out")"
	losetup -d "$small"
	truncate -s 16M "$dir/small"
	losetup "$small" "$dir/small"
	ok lclone merge --into-parent "$second"
	cp "$dir/template" "$dir/model"
	dd if="$dir/template" skip=1 of="$dir/model" bs=4k count=64 conv=notrunc status=none
	dd if="$dir/template" skip=1 of="$dir/model" bs=4k seek=1000 count=1500 conv=notrunc status=none
	ok lclone open t1 "$base" "$small"
	same "$dir/model" /dev/mapper/t1
}

into_parent_half()
{
	local size=$((16 << 11))

	make_layers
	ok lclone close t1
	# a chunk of the layer's data cannot be read
	ok dmsetup create t3 --table "0 4480 linear $middle 0
		4480 128 error
		4608 $((size - 4608)) linear $middle 4608"
	ok dmsetup mknodes t3
	refused 1 "read error" lclone merge --into-parent /dev/mapper/t3
	refused 3 "is being merged" lclone open --read-only t2 "$base" "$delta"
	refused 3 "is being merged" lclone diff "$delta"
	disk other other 16
	refused 3 "is being merged" lclone format "$base" "$other" --parent "$delta"
	refused 3 "depend" lclone remove "$delta"
	refused 3 "is being merged into $delta" lclone remove /dev/mapper/t3
	ok lclone check "$top"
	ok lclone tree
	grep -q "^  $delta: sealed layer, .*, merge of the layer above begun$" "$dir/out" ||
		fail "$(cat "$dir/out")"
	ok dmsetup remove t3
	# it can be used meanwhile
	ok lclone open t1 "$base" "$top"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 200 20 1
	ok lclone close t1
	ok lclone merge --into-parent "$middle"
	is_free "$middle"
	ok lclone check "$delta"
	ok lclone open t1 "$base" "$top"
	same "$dir/model" /dev/mapper/t1
}

into_parent_killed()
{
	local i ended=

	make_layers
	ok lclone close t1
	for ((i = 0; i < 12; i++)); do
		lclone merge --into-parent "$middle" >/dev/null 2>&1 &
		sleep "0.0$((i * 7 % 10))"
		kill -KILL $! 2>/dev/null
		wait $! 2>/dev/null
		ok lclone open --read-only t1 "$base" "$top"
		same "$dir/model" /dev/mapper/t1
		ok lclone close t1
	done
	lclone check "$middle" >"$dir/out" 2>&1 || ended=1
	[ -n "$ended" ] || ok lclone merge --into-parent "$middle"
	is_free "$middle"
	ok lclone check "$top"
	ok lclone check "$delta"
	ok lclone open t1 "$base" "$top"
	same "$dir/model" /dev/mapper/t1
}

into_parent_left()
{
	make_layers
	ok lclone close t1
	cp --sparse=never "$dir/middle" "$dir/good"
	ok lclone merge --into-parent "$middle"
	# the machine stops before the wipe
	dd if="$dir/good" of="$middle" bs=1M conv=notrunc,fsync status=none
	ok lclone tree
	grep -q "^  $middle: sealed layer, .*, LEFT OVER: was merged into $delta$" "$dir/out" ||
		fail "$(cat "$dir/out")"
	grep -q "^    $top: not active" "$dir/out" || fail "$(cat "$dir/out")"
	refused 5 "was merged into $delta, which has its place" lclone open --read-only t2 "$base" "$middle"
	ok lclone open t1 "$base" "$top"
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --into-parent "$middle"
	is_free "$middle"
	dd if="$dir/good" of="$middle" bs=1M conv=notrunc,fsync status=none
	ok lclone remove "$middle"
	same "$dir/model" /dev/mapper/t1
}

layer_repaired()
{
	local other

	disk other other 16
	make_chain
	ok lclone close t1
	spoil "$(field root_block)"
	ok lclone repair --save "$dir/saved" "$delta"
	grep -q "^$delta: is a layer; what lies on it is refused now" "$dir/out" ||
		fail "$(cat "$dir/out")"
	refused 5 "was its parent layer with generation 1, and has generation 2 now" \
		lclone open t1 "$base" "$new"
	ok lclone format "$base" "$other"
	refused 5 "is not its parent layer" lclone rebase "$new" --parent "$other"
	ok lclone rebase "$new" --parent "$delta"
	ok lclone open t1 "$base" "$new"
	ok lclone close t1
	ok lclone rebase "$new" --parent "$delta"
	grep -q already "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone repair --undo "$dir/saved" "$delta"
	refused 5 "has generation 1 now" lclone open t1 "$base" "$new"
	refused 2 "or --parent" lclone rebase "$new" --parent "$delta" --base "$base"
	refused 2 "goes with --base" lclone rebase --force "$new" --parent "$delta"
}
