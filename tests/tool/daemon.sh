# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of lcloned on logical volumes, for run, which has the tools that they are written with.

tests+=(
	daemon_grows "a delta that is full under load grows, and nobody who writes gets an error"
	daemon_starts "lcloned extends at its start what has become short without it, and is alone"
	daemon_full_vg "a volume group without space is told of once, and what is added to it is used"
	daemon_suspended "lcloned leaves a suspended clone alone, and extends it when it goes on"
	daemon_no_lv "a delta that is no volume, or as large as it may be, is told of once"
)

# daemon [OPTION]...: lcloned, as $daemon, which says what it does to $dir/said
daemon()
{
	lclone daemon "$@" 2>>"$dir/said" &
	daemon=$!
	daemons+=("$daemon")
}

# ended: it ends when it is told to, without an error
ended()
{
	kill "$daemon"
	wait "$daemon" || fail "lcloned: $(cat "$dir/said")"
}

# has_said TIMES TEXT [SECONDS]
has_said()
{
	local _

	for _ in $(seq $((${3:-20} * 5))); do
		[ "$(grep -cF -- "$2" "$dir/said")" -lt "$1" ] || break
		sleep 0.2
	done
	[ "$(grep -cF -- "$2" "$dir/said")" = "$1" ] || fail "not $1 times \"$2\": $(cat "$dir/said")"
}

# vg_of MIB: the volume group ttvg, of so much and some metadata
vg_of()
{
	local pv

	disk pv pv $(($1 + 4))
	make_vg "$pv"
}

# lv_clone MIB [OPTION]...: a clone t1 of 48 MiB whose delta is a volume of so many
lv_clone()
{
	disk base large-base 48
	cat "$dir/template" "$dir/template" "$dir/template" >"$base"
	ok lclone create --vg ttvg --delta-size "$1M" "${@:2}" t1 "$base"
}

# write MIB [SEEK]: durable, block by block
write()
{
	dd if="$dir/template" of=/dev/mapper/t1 bs=64k count=$(($1 * 16)) seek=$((${2:-0} * 16)) \
		oflag=direct,dsync status=none 2>"$dir/err" || fail "$(cat "$dir/err")"
}

size_of() { blockdev --getsize64 "/dev/ttvg/$1"; }

daemon_grows()
{
	local i

	vg_of 120
	lv_clone 8
	daemon
	# it is full long before it is looked at again, and is extended again and again
	for i in 0 16 32; do
		write 16 $i
	done
	[ "$(size_of t1-delta)" -gt $((48 << 20)) ] || fail "$(size_of t1-delta)"
	grep -q "t1: its delta /dev/.*-t1--delta has .* it had 8.0 MiB" "$dir/said" ||
		fail "$(cat "$dir/said")"
	for i in 0 16 32; do
		cmp -n 16777216 "$dir/template" <(dd if=/dev/mapper/t1 bs=1M skip=$i count=16 status=none) ||
			fail "at $i MiB"
	done
	ok lclone close t1
	ok lclone check --base "$base" /dev/ttvg/t1-delta
	ended
	# how long it was full each time
	dmesg | sed -n 's/^\[ *\([0-9.]*\)\].*lclone: .*the delta \(is full\|has space again\)/\1 \2/p' |
		awk '/full/ { at = $1 } /again/ && at { printf "# full for %.1f s\n", $1 - at; at = 0 }'
}

daemon_starts()
{
	vg_of 60
	lv_clone 12
	write 8
	[ "$(size_of t1-delta)" = $((12 << 20)) ] || fail "$(size_of t1-delta)"
	daemon --autoextend-threshold 50 --autoextend-percent 100
	has_said 1 "it had 12.0 MiB"
	[ "$(size_of t1-delta)" = $((24 << 20)) ] || fail "$(size_of t1-delta)"
	refused 3 "an lcloned on this host already" lclone daemon
	ended

	# killed behind lvextend: the kernel is told of the space that is there
	lclone create --vg ttvg --delta-size 4M --no-space-timeout 0 t2 "$base" >/dev/null
	dd if="$dir/template" of=/dev/mapper/t2 bs=64k count=96 oflag=direct status=none &
	local load=$!
	for _ in {1..100}; do
		! dmsetup status t2 | grep -q ' full' || break
		sleep 0.1
	done
	ok lvextend -qq --size 16M ttvg/t2-delta
	daemon --max 16M
	wait $load || fail "the load"
	sleep 1
	! grep -q "t2" "$dir/said" || fail "$(cat "$dir/said")"
	[ "$(size_of t2-delta)" = $((16 << 20)) ] || fail "$(size_of t2-delta)"
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null	# so that the shell does not tell of it
	daemon --autoextend-percent 50
	write 8 8
	ended
}

daemon_full_vg()
{
	local second load

	vg_of 16
	lv_clone 12 --no-space-timeout 0
	daemon --autoextend-percent 50
	write 32 &
	load=$!
	has_said 1 "t1: its delta /dev/"
	has_said 1 "could not be extended: lvextend failed: Insufficient free space"
	sleep 3
	has_said 1 "could not be extended"
	kill -0 $load 2>/dev/null || fail "the writes did not wait"
	disk second second 64
	ok vgextend -qq ttvg "$second"
	wait $load || fail "the writes failed: $(cat "$dir/err")"
	has_said 1 "could not be extended"
	cmp -n 16777216 "$dir/template" /dev/mapper/t1 || fail "what was written is not there"
	ended
}

daemon_suspended()
{
	vg_of 60
	lv_clone 12
	write 8
	ok dmsetup suspend t1
	daemon --autoextend-threshold 50
	sleep 8
	[ "$(size_of t1-delta)" = $((12 << 20)) ] || fail "$(size_of t1-delta)"
	ok dmsetup resume t1
	has_said 1 "it had 12.0 MiB"
	! dmesg | grep "the clone is suspended" || fail "it was sent messages"
	ended
}

daemon_no_lv()
{
	local small

	disk small small 8
	vg_of 40
	lv_clone 8 --no-space-timeout 0
	ok lclone create --error-if-no-space t2 "$base" "$small"
	daemon --max 12M --autoextend-percent 90
	dd if="$dir/template" of=/dev/mapper/t2 bs=1M oflag=direct status=none 2>/dev/null &&
		fail "8 MiB took 16"
	write 16 &
	has_said 1 "t2: its delta $small is not a logical volume"
	has_said 1 "t1: its delta /dev/mapper/ttvg-t1--delta has reached 12.0 MiB, the most"
	sleep 3
	has_said 1 "is not a logical volume"
	has_said 1 "the most that is allowed"
	[ "$(size_of t1-delta)" = $((12 << 20)) ] || fail "$(size_of t1-delta)"
	ended
	ok lvextend -qq --size 24M ttvg/t1-delta
	ok lclone resize t1
	wait
}
