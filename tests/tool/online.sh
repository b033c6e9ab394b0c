# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what the kernel does with a clone in use, for run, which has the tools that
# they are written with.

tests+=(
	online_merge "a clone in use becomes its base, and its delta none any more"
	online_merge_busy "a merge under load loses no write, and ends"
	online_merge_detached "a merge that nobody waits for goes on, and is taken up again"
	online_merge_interrupted "Ctrl-C leaves the merge to the kernel"
	online_merge_stopped "a merge that was stopped, closed, or ended offline, loses nothing"
	online_merge_refused "a merge that would harm another clone, or does not fit, changes nothing"
	online_merge_failed "a merge that met an error says so, and goes on when it is mended"
	online_merge_crash "a crash before the switch, or before the wipe, leaves a clone that is equal"
	flatten_to "a clone in use becomes another device, without base and layers"
	flatten_to_busy "a flatten to another device under load loses no write"
	flatten_to_changed "what was changed while it was copied is not flattened"
	flatten_to_kept "a flatten that was interrupted or stopped, or crashed, loses nothing"
	flatten_to_refused "a device that is in use, not empty or does not fit is not flattened to"
	flatten "a clone in use takes over what it needs, and has no base any more"
	flatten_busy "a flatten in place under load loses no write"
	flatten_kept "a flatten in place that was stopped, or crashed, loses nothing"
	flatten_layer "a clone in use takes over only the layer right below, which is free then"
	flatten_refused "a flatten in place without the space for it changes nothing"
	online_watch "status --watch tells how far it is until it has ended"
)

oracle() { "${BASH_SOURCE[0]%/*}/../kselftest/dm-lclone/oracle" "$@" || fail "oracle $*"; }

# The clone t1 of a base that oracle has made, which uses it in the background until calm()
busy_clone()
{
	disk base busy-base 48
	disk delta busy-delta 56
	oracle base "$base" -s 3
	oracle new "$dir/state" -s 3 -n 98304 -b 98304
	ok lclone create t1 "$base" "$delta" --commit-interval 100
	oracle run /dev/mapper/t1 -m "$dir/state" -o 2000 -t 4
	while [ ! -e "$dir/calm" ]; do
		oracle run /dev/mapper/t1 -m "$dir/state" -o 500 -t 2 2>"$dir/load" || exit 1
	done &
	load=$!
}

# The load ends, and none of it has failed
calm()
{
	touch "$dir/calm"
	wait $load || fail "the load: $(cat "$dir/load")"
}

# All that the load wrote is there
load_ends()
{
	calm
	oracle verify /dev/mapper/t1 -m "$dir/state"
}

# task_is STATE
task_is()
{
	ok lclone status --json t1
	grep -q "\"state\":\"$1\"" "$dir/out" || fail "not $1: $(cat "$dir/out")"
}

# is_disk DEVICE [BASE]: t1 is nothing but that, and $delta is no delta
is_disk()
{
	local number

	number=$(lsblk -dno MAJ:MIN "$1" | tr -d ' ')
	[ "$(dmsetup table t1)" = "0 $(blockdev --getsz /dev/mapper/t1) linear $number 0" ] ||
		fail "$(dmsetup table t1)"
	grep -q "^t1: $1 is the disk now, .*; $delta is free; " "$dir/out" || fail "$(cat "$dir/out")"
	refused 4 "blank" lclone open t2 "${2:-$base}" "$delta"
}

# A clone t1 of which so much lies in the delta that the kernel does not copy it at once
make_large_clone()
{
	disk base large-base 48
	disk delta large-delta 56
	dd if="$template" of="$base" bs=1M status=none conv=fsync
	ok lclone create t1 "$base" "$delta"
	scribble
}

# with_word WORD: the table of t1 has that feature, as of a command that was killed after it:
# one that lives might find the merge or flatten of so small a clone ended, and end the rest
with_word()
{
	ok dmsetup load t1 --table "$(table_of t1) 1 $1"
	ok dmsetup suspend t1
	ok dmsetup resume t1
}

# The kernel has merged t1, and no command was there to switch to the base
merged_by_the_kernel()
{
	with_word merge
	until_merged
	task_is merged
}

# It is waited for; whether it has come to that is asked by who calls
until_merged()
{
	for _ in {1..200}; do
		lclone status t1 | grep -q ' merged,' && break
		sleep 0.1
	done
}

fill()
{
	put /dev/mapper/t1 0 4000 50
	put /dev/mapper/t1 4096 4000 60
	put /dev/mapper/t1 8192 4000 70
}

online_merge()
{
	ok lclone create t1 "$base" "$delta" --commit-interval 500 --base-cache
	scribble
	ok lclone merge --yes t1
	is_disk "$base"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 77 40 3
	same "$dir/model" "$base"
	ok dmsetup remove t1
	# a base that is larger than the clone stays so
	ok lclone create t1 "$base" "$delta" --size 12M
	cp "$dir/model" "$dir/larger"
	dd if=/dev/mapper/t1 of="$dir/model" bs=1M status=none
	truncate -s 12M "$dir/model"
	put /dev/mapper/t1 2000 40 3
	ok lclone merge --yes --rate max --json t1
	tail -n 1 "$dir/out" | grep -q '^{ *"state": "switched", "disk": "'"$base"'", "free": "'"$delta"'"' ||
		fail "$(cat "$dir/out")"
	head -n 1 "$dir/out" | grep -q '^{ "state": "merg.*, "done_bytes": [0-9]*, "total_bytes": ' ||
		fail "$(cat "$dir/out")"
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = 12582912 ] || fail "size"
	same "$dir/model" /dev/mapper/t1
	dd if="$dir/model" of="$dir/larger" conv=notrunc bs=1M status=none
	same "$dir/larger" "$base"
}

online_merge_busy()
{
	busy_clone
	ok lclone merge --yes --rate max t1
	is_disk "$base"
	load_ends
	oracle verify "$base" -m "$dir/state"
}

online_merge_detached()
{
	make_large_clone
	fill
	ok lclone merge --yes --rate 1000 --detach t1
	grep -q 'goes on with it; "lclone merge t1" waits' "$dir/out" || fail "$(cat "$dir/out")"
	task_is merging
	put /dev/mapper/t1 3000 40 3
	ok lclone merge --yes --rate 1001 --detach --json t1
	grep -q '^{ "state": "merging"' "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(wc -l <"$dir/out")" = 1 ] || fail "$(cat "$dir/out")"
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --yes --rate max t1
	is_disk "$base"
	same "$dir/model" "$base"
}

online_merge_interrupted()
{
	local pid rc=0

	ok lclone create t1 "$base" "$delta"
	scribble
	lclone merge --yes --rate 2000 t1 >"$dir/out" 2>"$dir/err" &
	pid=$!
	sleep 1
	kill -INT $pid
	wait $pid || rc=$?
	[ $rc = 1 ] && grep -q 'kernel goes on with it; "lclone merge t1" waits' "$dir/err" ||
		fail "$rc: $(cat "$dir/err")"
	task_is merging
	ok lclone merge --yes t1
	is_disk "$base"
	same "$dir/model" "$base"
}

online_merge_stopped()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	refused 1 "no merge under way" lclone merge --stop t1
	ok lclone merge --yes --rate 1000 --detach t1
	ok lclone merge --stop t1
	dmsetup table t1 | grep -q merge && fail "$(dmsetup table t1)"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 1000 40 3
	ok lclone close t1
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --yes --rate 1000 --detach t1
	put /dev/mapper/t1 500 40 3
	ok lclone close t1
	ok lclone merge --yes --into-base "$base" "$delta"
	same "$dir/model" "$base"
	ok lclone check --base "$base" "$delta"
}

# kept STATUS TEXT [COMMAND...]: that, or a merge of t1, is refused, and t1 is as it was
kept()
{
	local table state command=("${@:3}")

	[ $# -gt 2 ] || command=(lclone merge --yes t1)
	table=$(dmsetup table t1)
	state=$(dmsetup info -c --noheadings -o suspended,tables_loaded t1)
	refused "$1" "$2" "${command[@]}"
	[ "$table" = "$(dmsetup table t1)" ] || fail "$(dmsetup table t1)"
	[ "$state" = "$(dmsetup info -c --noheadings -o suspended,tables_loaded t1)" ] ||
		fail "$(dmsetup info t1)"
}

online_merge_refused()
{
	local new second third small

	disk new new 16
	disk second second 16
	disk third third 16
	disk small small 8
	cp "$dir/template" "$dir/model"
	ok lclone create t1 "$base" "$delta"
	ok lclone format "$base" "$second"
	kept 3 "is the base of other deltas, too, which would be lost: $second"
	ok lclone create t2 "$base" "$third"
	kept 3 "lost: /dev/loop"
	grep -q "$second" "$dir/err" && grep -q "$third" "$dir/err" || fail "$(cat "$dir/err")"
	ok lclone remove "$second"
	kept 3 "lost: $third"
	ok lclone close t2
	ok lclone remove "$third"
	ok dmsetup create t2 --table "0 2048 linear $base 0"
	kept 3 "$base is in use by others, too: /dev/mapper/t2"
	ok dmsetup remove t2
	blockdev --setro "$base"
	kept 1 "the base $base is read-only"
	blockdev --setrw "$base"
	ok dmsetup suspend t1
	kept 3 "is suspended"
	ok dmsetup resume t1
	refused 2 "is not a rate" lclone merge --yes --rate 0 t1
	refused 2 "is not a rate" lclone merge --yes --rate fast t1
	refused 2 "for an active clone" lclone merge --yes --rate max --to "$small" "$base" "$delta"
	refused 1 "t3" lclone merge --yes t3
	ok lclone snapshot t1 --to "$new"
	kept 3 "lies on 1 layers"
	ok lclone close t1
	ok lclone open t1 "$base" "$new" --read-only
	kept 1 "is read-only"
	ok lclone close t1
	ok lclone create --force --size 20M t1 "$base" "$third"
	kept 5 "less than the clone"
	ok lclone close t1
	ok lclone create --force --size 16M t1 - "$third"
	kept 1 "has no base"
	ok lclone close t1
	# a delta that was made while the base was as it is now
	ok lclone remove "$new"
	ok lclone remove "$delta"
	ok lclone create t1 "$base" "$delta"
	put /dev/mapper/t1 0 40 3
	with_word merge
	refused 3 "is being merged" lclone snapshot t1 --to "$new"
	refused 3 "is half merged into its base" lclone resize t1 --size 17M
	until_merged
	ok lclone merge --stop t1
	ok lclone format "$base" "$second"
	kept 3 "lost: $second"
}

online_merge_failed()
{
	local size line

	size=$(blockdev --getsz "$base") line="linear $base 0"
	ok dmsetup create t3 --table "0 $size $line"
	ok dmsetup mknodes t3
	ok lclone create t1 /dev/mapper/t3 "$delta"
	scribble
	# the base does not take writes between 9 MiB and 10 MiB
	ok dmsetup reload t3 --table "0 18432 $line
18432 2048 flakey $base 18432 0 3600 1 error_writes
20480 $((size - 20480)) linear $base 20480"
	ok dmsetup suspend --noflush t3
	ok dmsetup resume t3
	refused 1 "an I/O error, see the kernel's log" lclone merge --yes t1
	task_is merge_failed
	same "$dir/model" /dev/mapper/t1
	ok dmsetup reload t3 --table "0 $size $line"
	ok dmsetup suspend --noflush t3
	ok dmsetup resume t3
	ok lclone merge --yes t1
	is_disk /dev/mapper/t3
	same "$dir/model" "$base"
	ok dmsetup remove t1
}

online_merge_crash()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	merged_by_the_kernel
	# before the switch
	ok dmsetup remove t1
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 700 40 3
	merged_by_the_kernel
	# between switch and wipe
	ok dmsetup load t1 --table "0 $(blockdev --getsz "$base") linear $base 0"
	ok dmsetup suspend t1
	ok dmsetup resume t1
	put /dev/mapper/t1 1700 40 3
	ok dmsetup remove t1
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --yes t1
	is_disk "$base"
	same "$dir/model" "$base"
}

# independent NAMES: t1 has a delta and nothing else
independent()
{
	local number

	grep -qx "t1: does not need $1 any more" "$dir/out" || fail "$(cat "$dir/out")"
	number=$(lsblk -dno MAJ:MIN "$delta" | tr -d ' ')
	table_of t1 | grep -qE "^0 [0-9]+ lclone - $number( 2 commit_interval 100)?$" ||
		fail "$(dmsetup table t1)"
}

flatten_to()
{
	local layer=$delta target old

	disk target target 24
	make_chain
	put /dev/mapper/t1 100 50 3
	delta=$new old=$(sum "$base")
	unchanged "$layer" ok lclone flatten --rate max --to "$target" t1
	grep -qx "t1: does not need $base, $layer any more" "$dir/out" || fail "$(cat "$dir/out")"
	is_disk "$target" "$target"
	[ "$old" = "$(sum "$base")" ] || fail "the base was changed"
	same "$dir/model" /dev/mapper/t1
	same "$dir/model" "$target" 16777216
	ok dmsetup remove t1
	# beyond the base's end; what is on the target is overwritten, also by zeros
	cp "$template" "$dir/model"
	truncate -s 20M "$dir/model"
	dd if=/dev/urandom of="$target" bs=1M status=none conv=fsync 2>/dev/null
	ok lclone create --size 20M --base-cache t1 "$base" "$delta"
	put /dev/mapper/t1 4090 10 3
	refused 4 "not blank" lclone flatten --to "$target" t1
	ok lclone flatten --to "$target" --force --json t1
	grep -q '^{ "state": "copying", "done_bytes": .*, "total_bytes": 20971520,' "$dir/out" &&
		grep -q '^{ "state": "merg' "$dir/out" && grep -q '"free": "'"$delta"'"' "$dir/out" ||
		fail "$(cat "$dir/out")"
	same "$dir/model" /dev/mapper/t1
	same "$dir/model" "$target" 20971520
}

# The copy is held up; meanwhile another activation may have merged.  Another clone of the base
# does not keep the next copy from what is only begun.
flatten_to_changed()
{
	local target sibling copy

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk target target 24
	disk sibling sibling 16
	ok lclone format "$base" "$sibling"
	cp "$template" "$dir/model"
	ok lclone create t1 "$base" "$delta"
	put /dev/mapper/t1 100 50 3
	ok env DM_DISABLE_UDEV=1 dmsetup create t3 --table "0 49152 linear $target 0"
	ok dmsetup suspend t3
	refused 3 "is suspended" timeout 20 lclone flatten --to /dev/mapper/t3 t1
	ok dmsetup resume t3
	STOP_FILE=$dir/stop STOP_AT=submit:1 LD_PRELOAD=$stop_library \
		lclone flatten --to /dev/mapper/t3 t1 >"$dir/copy" 2>&1 &
	copy=$!
	for _ in {1..200}; do
		[ -e "$dir/stop.here" ] && break
		sleep 0.05
	done
	ok dmsetup suspend t1
	ok dmsetup resume t1
	touch "$dir/stop.go"
	! wait $copy || fail "it went on: $(cat "$dir/copy")"
	grep -q "was changed" "$dir/copy" || fail "$(cat "$dir/copy")"
	ok dmsetup table t1
	! grep -q "merge\|rebase" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone flatten --to /dev/mapper/t3 --force t1
	same "$dir/model" /dev/mapper/t1
}

flatten_to_busy()
{
	local target

	disk target target 48
	busy_clone
	ok lclone flatten --rate max --to "$target" t1
	is_disk "$target" "$target"
	load_ends
	oracle verify "$target" -m "$dir/state"
}

flatten_to_kept()
{
	local target rc=0 old

	disk target target 48
	make_large_clone
	fill
	old=$(sum "$base")
	# a slow device; it is not used before all is copied
	ok dmsetup create t3 --table "0 $((48 << 11)) delay $target 0 0 $target 0 1500"
	ok dmsetup mknodes t3
	timeout --preserve-status -s INT 1 lclone flatten --to /dev/mapper/t3 t1 >"$dir/out" 2>"$dir/err" ||
		rc=$?
	[ $rc = 1 ] && grep -q "interrupted: the clone is as it was" "$dir/err" ||
		fail "$rc: $(cat "$dir/err")"
	same "$dir/model" /dev/mapper/t1
	ok dmsetup remove t3
	ok lclone flatten --force --rate 1000 --detach --to "$target" t1
	task_is merging
	kept 3 "is being merged" lclone flatten --force --to "$target" t1
	kept 3 "is being merged" lclone flatten t1
	put /dev/mapper/t1 3000 40 3
	ok lclone merge --stop t1
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --yes --rate 1000 --detach t1
	task_is merging
	# the machine stops
	ok dmsetup remove t1
	ok lclone open t1 "$target" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone merge --yes t1
	is_disk "$target" "$target"
	same "$dir/model" "$target"
	[ "$old" = "$(sum "$base")" ] || fail "the base was changed"
}

flatten_to_refused()
{
	local small ext4 big new

	disk small small 15
	disk ext4 ext4 16
	disk new new 16
	ok lclone create t1 "$base" "$delta"
	unchanged "$small" kept 5 "less than the clone" lclone flatten --to "$small" t1
	ok mkfs.ext4 -q "$ext4"
	unchanged "$ext4" kept 4 "ext4" lclone flatten --to "$ext4" t1
	ok lclone format "$base" "$ext4" --force
	unchanged "$ext4" kept 4 "holds an lclone delta" lclone flatten --to "$ext4" t1
	kept 3 "in use" lclone flatten --to "$base" --force t1
	kept 3 "in use" lclone flatten --to "$delta" --force t1
	kept 1 "not a block device" lclone flatten --to "$dir/template" --force t1
	truncate -s 16M "$dir/4k"
	big=$(losetup -f --show --sector-size 4096 "$dir/4k")
	loops+=("$big")
	unchanged "$big" kept 5 "logical blocks of 4096" lclone flatten --to "$big" t1
	refused 2 "--force goes with --to" lclone flatten --force t1
	refused 2 "no other option" lclone flatten --stop --to "$new" t1
	refused 2 "not a rate" lclone flatten --rate x t1
	refused 2 "name of a clone" lclone flatten
	ok lclone close t1
	ok lclone open --read-only t1 "$base" "$delta"
	unchanged "$new" kept 1 "is read-only" lclone flatten --to "$new" t1
}

flatten()
{
	local layer

	disk roomy roomy 24
	ok lclone create t1 "$base" "$delta" --base-cache
	scribble
	ok lclone snapshot t1 --to "$roomy"
	layer=$delta delta=$roomy
	put /dev/mapper/t1 100 50 3
	unchanged "$base" unchanged "$layer" ok lclone flatten --rate max t1
	independent "$base, $layer"
	dd if=/dev/zero of="$base" bs=1M count=16 status=none conv=fsync
	ok lclone remove "$layer"
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 2000 50 3
	kept 1 "nothing to flatten" lclone flatten t1
	ok lclone close t1
	ok lclone check "$delta"
	ok lclone open t1 - "$delta"
	same "$dir/model" /dev/mapper/t1
	[ "$(table_of t1)" = "0 32768 lclone - $(lsblk -dno MAJ:MIN "$delta" | tr -d ' ')" ] ||
		fail "$(dmsetup table t1)"
}

flatten_layer()
{
	local upper first waiter

	disk upper upper 24
	# enough for what the layer has, not for what the base has
	disk roomy roomy 8
	first=$delta delta=$roomy
	ok lclone create t1 "$base" "$first"
	kept 1 "lies on no layer" lclone flatten --layer t1
	scribble
	ok lclone snapshot t1 --to "$upper"
	put /dev/mapper/t1 100 500 3
	ok lclone snapshot t1 --to "$delta"
	put /dev/mapper/t1 120 50 4
	ok lclone flatten --layer --rate 100 --detach t1
	kept 3 "only of its topmost layer" lclone flatten t1
	kept 3 "is being flattened" lclone merge --yes t1
	ok lclone flatten --stop t1
	grep -q '"lclone flatten --layer t1" takes it up again' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone flatten --layer --rate 100 --detach t1
	# two wait for it: one of them ends it, once
	lclone flatten --layer t1 >"$dir/waiter" 2>&1 &
	waiter=$!
	unchanged "$first" lclone flatten --layer --rate max t1 >"$dir/out" 2>&1 || true
	wait $waiter || true
	[ "$(cat "$dir/out" "$dir/waiter" | grep -cx "t1: does not need $upper any more")" = 1 ] ||
		fail "$(cat "$dir/out" "$dir/waiter")"
	ok lclone remove "$upper"
	dd if=/dev/zero of="$upper" bs=1M count=24 status=none conv=fsync
	same "$dir/model" /dev/mapper/t1
	put /dev/mapper/t1 2000 50 3
	table_of t1 | grep -qE ' 2 parent [0-9:]+$' || fail "$(dmsetup table t1)"
	ok lclone close t1
	ok lclone check "$delta"
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	# what does not lie right below stays
	refused 3 "" lclone remove "$first"
}

flatten_busy()
{
	busy_clone
	ok lclone flatten --rate max t1
	independent "$base"
	dd if=/dev/zero of="$base" bs=1M count=48 status=none conv=fsync
	load_ends
}

flatten_kept()
{
	make_large_clone
	refused 1 "no flatten under way" lclone flatten --stop t1
	ok lclone flatten --rate 1000 --detach t1
	task_is flattening
	refused 3 "is being flattened" lclone merge --yes t1
	put /dev/mapper/t1 1000 40 3
	ok lclone flatten --stop t1
	dmsetup table t1 | grep -q flatten && fail "$(dmsetup table t1)"
	same "$dir/model" /dev/mapper/t1
	ok lclone flatten --rate 1000 --detach t1
	task_is flattening
	put /dev/mapper/t1 1100 40 3
	# the machine stops
	ok dmsetup remove t1
	ok lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone flatten t1
	independent "$base"
	dd if=/dev/zero of="$base" bs=1M count=16 status=none conv=fsync
	same "$dir/model" /dev/mapper/t1
}

flatten_refused()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	kept 5 "extend its device by" lclone flatten t1
	ok lclone close t1
	# where there is less below than the clone is large, that is enough
	ok lclone create --force --size 40M t1 "$base" "$delta"
	kept 5 "extend its device by" lclone flatten t1
	truncate -s 24M "$dir/delta"
	losetup -c "$delta"
	ok lclone resize t1
	ok lclone flatten t1
	independent "$base"
}

online_watch()
{
	local pid rc=0

	ok lclone create t1 "$base" "$delta"
	scribble
	refused 2 "number of seconds" lclone status --watch=0 t1
	refused 2 "the name of one clone" lclone status --watch
	refused 1 "t3" lclone status --watch t3
	lclone status --watch t1 >"$dir/watched" &
	pid=$!
	for _ in {1..300}; do
		[ "$(grep -c '^t1: rw, ' "$dir/watched")" -lt 2 ] || break
		sleep 0.1
	done
	kill -INT $pid
	wait $pid || fail "watch, interrupted: $?"
	[ "$(grep -c '^t1: rw, ' "$dir/watched")" -ge 2 ] || fail "$(cat "$dir/watched")"
	ok lclone merge --yes --rate 2000 --detach t1
	lclone status --watch --json t1 >"$dir/watched" &
	pid=$!
	ok lclone merge --yes t1
	wait $pid || rc=$?
	[ $rc = 0 ] && [ "$(wc -l <"$dir/watched")" -ge 2 ] || fail "$rc: $(cat "$dir/watched")"
	grep -q '^{"name":"t1",.*"task":{"state":"merging","chunks":.*"total_bytes":[1-9]' "$dir/watched" ||
		fail "$(cat "$dir/watched")"
}
