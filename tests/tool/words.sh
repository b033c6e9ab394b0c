# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what the tool says and takes, for run, which has the tools that they are written with.

tests+=(
	said_suspended "a clone that stands still is said to by status, tree and JSON"
	said_not_root "who is not root is told so"
	said_busy "close says who has a clone open: a mount, a device, a process"
	closed_linear "what a merge leaves is closed by the clone's name"
	sizes_taken "a size may be relative, or have a fraction; a delta that was shrunk is not silently used"
	none_of_ours "what was loaded, suspended or made by others is left as it is"
	striped_base "a base on stripes has its delta beside it, but not on it"
	names_taken "a clone is found by its name in /dev/mapper, help by a command's name"
	said_full "a full clone says so to QEMU, which stops its guest for that"
	closed_output "what is printed to a standard output that is closed goes to no delta"
	plain_names "names of files reach a terminal without what it would obey"
	watch_ends "a watch ends well when the clone has become something else, or is closed"
)

says()
{
	grep -qF -- "$1" "$dir/out" || fail "\"$1\" is not in: $(cat "$dir/out")"
}

said_suspended()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	ok lclone status t1
	says " MiB in use"
	ok lclone status -v t1
	says "commits"
	ok dmsetup suspend t1
	ok lclone status t1
	says "SUSPENDED"
	ok lclone status --json t1
	says '"suspended":true'
	says '"used_bytes":'
	says '"version":1'
	kept 3 '"dmsetup resume t1" lets it go on' lclone resize t1
	ok dmsetup resume t1
	ok lclone status --json t1
	says '"suspended":false'
	ok lclone tree
	! grep -q "active as t1.* 0.0 MiB used" "$dir/out" || fail "$(cat "$dir/out")"
}

said_not_root()
{
	local command nobody=(setpriv --reuid 65534 --clear-groups)

	ok lclone create t1 "$base" "$delta"
	for command in status list "close t1" "merge t1" "snapshot --to $delta t1" "resize t1"; do
		# shellcheck disable=SC2086 # words
		refused 1 "only root may do that" "${nobody[@]}" lclone $command
	done
}

said_busy()
{
	ok lclone create t1 "$base" "$delta"
	ok mkfs.ext4 -q /dev/mapper/t1
	ok mount /dev/mapper/t1 "$dir/mnt"
	refused 3 "mounted on $dir/mnt" lclone close t1
	ok umount "$dir/mnt"
	ok dmsetup create t2 --table "0 2048 linear /dev/mapper/t1 0"
	refused 3 "in use by /dev/mapper/t2" lclone close t1
	ok dmsetup remove t2
	sleep 60 9</dev/mapper/t1 &
	sleep 0.5
	refused 3 "in use by process $! (sleep)" lclone close t1
	kill $!
	wait $! 2>/dev/null
	ok lclone close t1
	refused 1 "there is no active clone t1" lclone close t1
}

closed_linear()
{
	ok lclone create t1 "$base" "$delta"
	scribble
	ok lclone merge --yes --rate max t1
	exec 9</dev/mapper/t1
	refused 3 "in use by process" lclone close t1
	exec 9<&-
	ok lclone close t1
	! dmsetup info t1 >/dev/null 2>&1 || fail "it is there"
	same "$dir/model" "$base"
	# not every linear device
	ok dmsetup create t1 --table "0 2048 linear $base 8"
	refused 1 "is not a linked clone" lclone close t1
	ok dmsetup remove t1
}

sizes_taken()
{
	refused 2 "is not a size" lclone format --size 1.2345678G "$base" "$delta"
	refused 2 "is not a size" lclone format --size 3.s "$base" "$delta"
	ok lclone create --size 16.5M t1 "$base" "$delta"
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = 17301504 ] || fail "16.5M"
	ok lclone resize --size +1M t1
	says "the clone has 17.5 MiB, the delta 16.0 MiB"
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = 18350080 ] || fail "+1M"
	truncate -s 15M "$dir/delta"
	losetup -c "$delta"
	refused 5 "a delta cannot shrink" lclone resize t1
	truncate -s 16M "$dir/delta"
	losetup -c "$delta"
	ok lclone resize t1
	ok lclone close t1
	ok lclone resize --size +1MiB "$delta"
	says "the clone has 18.5 MiB"
}

none_of_ours()
{
	local table

	ok lclone create t1 "$base" "$delta"
	table=$(dmsetup table t1)
	# a table loaded by hand, of a clone and of another device; a device without any
	ok dmsetup load t1 --table "$table"
	ok lclone resize t1
	[ "$(dmsetup info -c --noheadings -o tables_loaded t1)" = Both ] || fail "it was cleared"
	ok dmsetup clear t1
	ok dmsetup create t2 --table "0 2048 zero"
	ok dmsetup load t2 --table "0 4096 zero"
	ok dmsetup suspend t2
	refused 1 "not a linked clone" lclone close t2
	[ "$(dmsetup info -c --noheadings -o suspended,tables_loaded t2)" = Suspended:Both ] ||
		fail "it was resumed"
	ok dmsetup remove t2
	ok dmsetup create t2 --notable
	lclone close t2 2>"$dir/err" && fail "it was closed"
	ok dmsetup remove t2
	# suspended by hand after a merge that was interrupted
	put /dev/mapper/t1 10 1000 100
	timeout --signal INT 2 lclone merge --yes --rate 100 t1 >"$dir/out" 2>"$dir/err"
	grep -q "the kernel goes on" "$dir/err" || fail "$(cat "$dir/err")"
	ok dmsetup suspend t1
	refused 3 "is suspended" lclone merge --stop t1
	[ "$(dmsetup info -c --noheadings -o suspended t1)" = Suspended ] || fail "it was resumed"
	ok dmsetup resume t1
	# stopped while another waits for its end
	lclone merge --yes --rate 100 t1 >"$dir/waits" 2>&1 &
	sleep 1
	ok timeout 20 lclone merge --stop t1
	wait $! && fail "it was not stopped"
	grep -q "stopped before it was merged" "$dir/waits" || fail "$(cat "$dir/waits")"
	# a delta is also found under /dev/mapper
	ok lclone close t1
	ok dmsetup create t2 --table "0 32768 linear $delta 0"
	ok dmsetup mknodes
	refused 3 "half merged into its base" lclone resize --size 17M /dev/mapper/t2
	ok lclone resize /dev/mapper/t2
	says "/dev/mapper/t2: the clone has 16.0 MiB"
	ok dmsetup remove t2
}

striped_base()
{
	local extra

	disk extra extra 16
	ok dmsetup create t2 --table "0 16384 striped 2 128 $delta 0 $extra 0"
	ok dmsetup create t3 --table "0 16384 linear $delta 8192"
	ok dmsetup mknodes
	ok lclone format /dev/mapper/t2 /dev/mapper/t3
	ok dmsetup reload t3 --table "0 16384 linear $delta 8128"
	ok dmsetup resume t3
	refused 3 "" lclone format --force /dev/mapper/t2 /dev/mapper/t3
	ok dmsetup remove t3
	ok dmsetup remove t2
}

names_taken()
{
	refused 2 "own name" lclone create control "$base" "$delta"
	ok lclone create t1 "$base" "$delta"
	ok lclone status /dev/mapper/t1
	says "t1: rw"
	ok lclone resize /dev/mapper/t1
	ok lclone close /dev/mapper/t1
	ok lclone help merge
	says "Usage: lclone merge"
	refused 1 "lvchange -ay novg/nolv" lclone check novg/nolv
	refused 1 "lvchange -ay novg/nolv" lclone check /dev/novg/nolv
}

# qemu_writes TEXT: what QEMU is told when it writes all of t1
qemu_writes()
{
	qemu-io -f raw -t none -c "write -P 7 0 16M" /dev/mapper/t1 >"$dir/out" 2>&1
	says "$1"
}

said_full()
{
	local small option

	disk small small 8
	for option in --error-if-no-space "--no-space-timeout 1"; do
		# shellcheck disable=SC2086 # two words
		ok lclone create --force $option t1 "$base" "$small"
		qemu_writes "No space left on device"
		ok lclone close t1
	done
	ok lclone open --error-if-no-space t1 "$base" "$small"
	truncate -s 32M "$dir/small"
	losetup -c "$small"
	ok lclone resize t1
	qemu_writes "wrote 16777216/16777216 bytes"
}

watch_ends()
{
	local pid

	ok lclone create t1 "$base" "$delta"
	lclone status --watch=2 t1 >"$dir/watched" 2>&1 &
	pid=$!
	sleep 1
	# between two looks
	ok lclone merge --yes --rate max t1
	wait $pid || fail "$?: $(cat "$dir/watched")"
	ok lclone close t1
	ok lclone create t1 "$base" "$delta"
	lclone status --watch=1 t1 >"$dir/watched" 2>&1 &
	pid=$!
	sleep 1.5
	ok lclone close t1
	wait $pid || fail "$?: $(cat "$dir/watched")"
}

closed_output()
{
	local pid file rc=0

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	ok lclone format "$base" "$delta"
	STOP_AT=pread:3 STOP_FILE=$dir/held LD_PRELOAD=$stop_library \
		lclone rebase --base "$base" "$delta" <&- >&- 2>&- &
	pid=$!
	await "$dir/held.here"
	for file in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$file")" = /dev/null ] ||
			fail "$file is $(readlink "/proc/$pid/fd/$file")"
	done
	touch "$dir/held.go"
	wait $pid || rc=$?
	[ $rc = 1 ] || fail "what it had to say was not written, and its status is $rc"
	ok lclone check "$delta"
}

plain_names()
{
	local odd

	odd=$dir/$(printf 'del\033[31mta')
	truncate -s 16M "$odd"
	cp "$dir/template" "$dir/base.img"
	cp "$dir/template" "$dir/copy.img"
	truncate -s 20M "$dir/copy.img"
	for words in "format $dir/base.img ODD" "check ODD" "measure $dir/base.img ODD" "resize ODD" \
		"repair ODD" "merge --dry-run --into-base $dir/base.img ODD" "remove --dry-run ODD" \
		"rebase --base $dir/copy.img ODD" "rebase --base $dir/copy.img ODD" "map ODD" \
		"table $dir/copy.img ODD"; do
		# shellcheck disable=SC2086 # words
		set -- ${words/ODD/}
		lclone "$@" "$odd" >"$dir/out" 2>"$dir/err"
		! grep -q $'\033' "$dir/out" "$dir/err" || fail "$words: $(cat -v "$dir/out" "$dir/err")"
	done
	ok lclone check "$odd"
	says 'del\x1b[31mta: no damage'
	refused 2 "a table's line cannot have that name" lclone table "$dir/copy.img" "$odd"
}
