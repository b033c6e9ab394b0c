# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what is read of a clone while it is in use, for run, which has the tools that they are
# written with.

tests+=(
	now_quiet "check, diff and measure say of an active clone what they say when it is closed"
	now_busy "what diff shows of a busy clone is what it had at one moment, and no damage is found"
	now_grown "a delta that is enlarged while it is looked at is not called damaged"
	now_refused "a delta that something else has is not looked at"
)

# What all three say of $delta, but for times
look_now()
{
	ok lclone check --json "$delta" --base "$base"
	grep -v '"nodes"\|"node_chunks"' "$dir/out"	# a close writes the tree
	ok lclone diff "$delta" "$@"
	cat "$dir/out"
	ok lclone measure --json "$base" "$delta"
	grep -v '"seconds"\|"available_bytes"' "$dir/out"
}

now_quiet()
{
	local second layer

	disk second second 16
	ok lclone create --commit-interval 3600000 t1 "$base" "$delta"
	scribble
	# what is not committed is, for that
	dd if="$dir/template" of=/dev/mapper/t1 bs=4k seek=1500 count=3 oflag=direct status=none
	look_now >"$dir/now"
	grep -q "^data 6144000 12288$" "$dir/now" || fail "$(cat "$dir/now")"
	dd if="$dir/template" of=/dev/mapper/t1 bs=4k seek=1700 count=1 oflag=direct status=none
	ok dmsetup suspend t1
	look_now >"$dir/now"
	ok dmsetup resume t1
	ok lclone close t1
	look_now >"$dir/then"
	same "$dir/now" "$dir/then"
	ok lclone open t1 "$base" "$delta" --read-only
	look_now >"$dir/now"
	same "$dir/now" "$dir/then"
	ok lclone close t1
	# on a layer
	ok lclone open t1 "$base" "$delta"
	ok lclone snapshot t1 --to "$second"
	layer=$delta delta=$second
	dd if="$dir/template" of=/dev/mapper/t1 bs=4k seek=1800 count=2 oflag=direct status=none
	look_now --against "$layer" >"$dir/now"
	grep -q "^data 7372800 8192$" "$dir/now" || fail "$(cat "$dir/now")"
	ok lclone close t1
	look_now --against "$layer" >"$dir/then"
	same "$dir/now" "$dir/then"
	# damage is found, too, and the clone goes on
	ok lclone open t1 "$base" "$delta"
	ok dmsetup message t1 0 checkpoint
	printf x | dd of="$dir/second" bs=1 seek=100 conv=notrunc status=none
	lclone check "$delta" >"$dir/out" 2>"$dir/err"
	[ $? = 6 ] || fail "$(cat "$dir/out" "$dir/err")"
	grep -q "^superblock-slot: superblock A" "$dir/out" || fail "$(cat "$dir/out")"
}

# The i-th block that is written
PLACE='i * 104729 % 262144'

# Is what diff shows the first so many of these?
is_prefix()
{
	local n i

	n=$(awk '{ sum += $3 } END { print sum / 4096 }' "$1")
	for ((i = 0; i < n; i++)); do
		echo $((PLACE))
	done | sort -n >"$dir/wanted"
	awk '$1 == "data" { for (b = $2; b < $2 + $3; b += 4096) print b / 4096 }' "$1" | sort -n |
		cmp -s - "$dir/wanted" || fail "not what was ever there: $(cat "$1")"
	[ "$n" -ge "$2" ] || fail "of $2 writes there are $n"
}

writer()
{
	local i

	for ((i = 0; i < 400; i++)); do
		dd if="$dir/template" of=/dev/mapper/t1 bs=4k count=1 seek=$((PLACE)) \
			oflag=direct,dsync status=none || break
		echo $((i + 1)) >"$dir/done.new"
		mv "$dir/done.new" "$dir/done"
	done
}

# Checkpoints, one after the other; $1 seconds between them
checkpoints()
{
	while dmsetup message t1 0 checkpoint 2>/dev/null; do
		sleep "$1"
	done
}

now_busy()
{
	local pids=() pause before rc good=0 busy=0 i

	truncate -s 64M "$dir/delta"
	losetup -c "$delta"
	ok lclone create --size 1G t1 "$base" "$delta"
	echo 0 >"$dir/done"
	writer &
	pids=($!)
	for pause in 0.3 0; do
		checkpoints $pause &
		pids+=($!)
		for ((i = 0; i < 5; i++)); do
			before=$(cat "$dir/done")
			rc=0
			lclone diff "$delta" >"$dir/diff" 2>"$dir/err" || rc=$?
			case $rc in
			0)	good=$((good + 1))
				is_prefix "$dir/diff" "$before" ;;
			3)	busy=$((busy + 1))
				grep -q "try again later" "$dir/err" || fail "$(cat "$dir/err")" ;;
			*)	fail "$rc: $(cat "$dir/err")" ;;
			esac
			rc=0
			lclone check --base "$base" "$delta" >"$dir/out" 2>"$dir/err" || rc=$?
			[ $rc = 0 ] || { [ $rc = 3 ] && grep -q "try again later" "$dir/err"; } ||
				fail "$rc: $(cat "$dir/out" "$dir/err")"
		done
	done
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	echo "# $(cat "$dir/done") writes; $good times looked at, $busy times too busy"
	[ $((good + busy)) = 10 ] || fail "not each time"
	[ $good -gt 0 ] || fail "never"
	ok lclone measure "$base" "$delta"
	ok lclone close t1
	ok lclone check --base "$base" "$delta"
}

# It is held up where it has opened the delta, and while it reads
now_grown()
{
	local at mib=16

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	ok lclone create t1 "$base" "$delta"
	scribble
	for at in 1 2 3 5 8 12; do
		if ! may_hold pread:$at lclone check --base "$base" "$delta"; then
			release
			break
		fi
		mib=$((mib + 8))
		grow delta $mib
		ok dmsetup message t1 0 grow
		release
		[ "$held_rc" = 0 ] || fail "grown at $at: $held_rc: $(cat "$dir/out1" "$dir/err1")"
	done
	[ $mib -gt 16 ] || fail "it was never held up"
}

now_refused()
{
	ok lclone create t1 "$base" "$delta"
	ok lclone close t1
	ok dmsetup create t2 --table "0 32768 linear $delta 0"
	refused 3 "in use by /dev/mapper/t2" lclone check "$delta"
	refused 3 "in use by /dev/mapper/t2" lclone diff "$delta"
	refused 3 "in use by /dev/mapper/t2" lclone measure "$base" "$delta"
	ok dmsetup remove t2
}
