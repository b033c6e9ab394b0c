#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "data, or the machine, when a disk is slow, goes away, or lies"

# Sectors of the delta, see format.rst. Nodes lie behind the chunks that the first slots have.
A=0+8 LOG=256+4096 NODES=12800+19968

a_slow_disk_only_takes_longer() {
	need_target delay
	base=$(loop 8m)
	sick "$(loop 16m)"
	oracle base "$base" -s 4
	oracle new "$T/model" -s 4 -n 16384 -b 16384
	becomes "0+32768:delay % 30"
	clone commit_interval 20
	background oracle run "$vm" -m "$T/model" -o "${LCLONE_SLOW_OPS:-400}" -t 8 -x 65536
	while ! ended $job; do
		timeout 60 dmsetup suspend "$P-vm"
		echo 2 >/proc/sys/vm/drop_caches
		dmsetup resume "$P-vm"
		timeout 60 dmsetup message "$P-vm" 0 checkpoint
	done
	wait $job || fail "$(cat "$T/job")"
	oracle verify "$vm" -m "$T/model"
	is rw "$(status vm mode)" "mode"
	close vm
	works
	clone
	oracle verify "$vm" -m "$T/model"
}

# The write would land on what another has put there
a_freed_chunk_waits_for_a_slow_write_to_it() {
	need_target delay
	base=$(template 8m)
	sick "$(loop 6m)"
	clone no_space_timeout 0 commit_interval 3600000 no_discard_passdown
	blkio write "$vm" 0 768k 2
	background blkio write "$vm" 1m 7m 3 bs=64k
	filler=$job
	within 20 is_status vm full "full"
	# the first time it takes a search for free space, which waits anyway
	was=$(events vm)
	blkio discard "$vm" 512k 256k
	message vm commit
	within 20 more_events
	within 20 is_status vm full "full"
	becomes "4352+$((disk_size - 4352)):delay % 0 % 6000 % 0"
	background blkio write "$vm" 0 4k 4
	writer=$job
	sleep 0.5
	was=$(events vm)
	blkio discard "$vm" 0 512k
	timeout 20 dmsetup message "$P-vm" 0 commit
	sleep 0.5
	! ended $writer || fail "the slow write is too quick"
	is "$was" "$(events vm)" "events: space was found too early"
	wait $writer
	within 20 more_events
	works
	# the other writer goes on
	blkio resize "$disk" "$(backing "$disk")" 16m
	disk_size=32768
	works
	message vm grow
	wait $filler
	blkio check "$vm" 0 512k 0
	blkio check "$vm" 1m 7m 3
}

more_events() {
	[ "$(events vm)" -gt "$was" ]
}

a_disk_that_goes_away_takes_nothing_else_along() {
	need_null
	base=$(template 8m)
	other_delta=$(loop 16m)
	delta=$(null 16)
	gone=$(tail -n 1 "$T/undo")		# what turns it off
	clone commit_interval 3600000
	create other 16384 "$base" "$other_delta"
	blkio write "$vm" 0 1m 2
	blkio fsync "$vm"
	background dd if=/dev/zero of="$vm" bs=64k seek=16 count=100 oflag=direct
	writer=$job
	was=$(events vm)
	sleep 0.2
	mark "gone"
	eval "$gone"
	! timeout 30 blkio fsync "$vm" 2>/dev/null || fail "an fsync succeeds without a disk"
	within 30 ended $writer
	within 10 is_status vm mode ro
	[ "$(events vm)" -gt "$was" ] || fail "no event"
	! timeout 30 blkio write "$vm" 0 4k 3 2>/dev/null || fail "a write succeeds without a disk"
	! timeout 30 blkio check "$vm" 0 4k 2 2>/dev/null || fail "a read succeeds without a disk"
	blkio check "$vm" 7680k 512k 1
	timeout 30 dmsetup suspend "$P-vm" || fail "suspend hangs"
	dmsetup resume "$P-vm" || true
	timeout 30 dmsetup remove "$P-vm" || fail "cannot be removed"
	blkio write /dev/mapper/$P-other 0 1m 4
	blkio fsync /dev/mapper/$P-other
	blkio check /dev/mapper/$P-other 0 1m 4
	blkio check /dev/mapper/$P-other 1m 7m 1
}

# lies AREA: what is written there is forgotten, and said to be done
lies() {
	becomes "$1:flakey % 0 1000000 1 drop_writes"
}

# liar: a clone with something committed, on a disk that can lie
liar() {
	need_target flakey
	base=$(template 8m)
	sick "$(loop 16m)"
	clone commit_interval 3600000
	blkio write "$vm" 1m 64k 2
	blkio fsync "$vm"
}

# killed: the disk as it is now, in place of the one in use
killed() {
	blkio copy "$disk" "$T/killed"
	dmsetup remove "$P-vm"
	dmsetup remove "$P-disk"
	delta=$(attach "$T/killed")
}

# Later commits prove that one was there
a_lie_about_a_commit_is_no_silent_rollback() {
	liar
	blkio write "$vm" 2m 64k 3
	lies $LOG
	blkio fsync "$vm"
	works
	blkio write "$vm" 3m 64k 4
	blkio fsync "$vm"
	killed
	refused "damaged|check" create vm 16384 "$base" "$delta"
	clone read_only
	is needs_check "$(status vm check)" "needs_check"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 4m 4m 1
}

a_lie_about_a_node_is_seen_when_it_is_read() {
	liar
	blkio write "$vm" 2m 64k 3
	lies $NODES
	message vm checkpoint
	works
	blkio fsync "$vm"
	killed
	mark "node"
	create vm 16384 "$base" "$delta"
	! blkio check "$vm" 1m 64k 2 2>/dev/null || fail "read without a table"
	said "node"
	within 10 is_status vm mode ro
	is needs_check "$(status vm check)" "needs_check"
	close vm
	refused "check" create vm 16384 "$base" "$delta"
}

# The one that was not written is older: its log goes on in a later checkpoint
a_lie_about_a_superblock_is_no_silent_rollback() {
	liar
	for i in 1 2; do
		lies $A
		message vm checkpoint
		works
		# the newest of the two is B's after one of these, and then nothing is lost
		blkio write "$vm" $((i + 1))m 64k $((i + 2))
		blkio fsync "$vm"
		blkio copy "$disk" "$T/killed.$i"
	done
	bad=0
	for i in 1 2; do
		delta=$(attach "$T/killed.$i")
		mark "superblock $i"
		if create second 16384 "$base" "$delta" 2>"$T/refused"; then
			blkio check /dev/mapper/$P-second 1m 64k 2
			blkio check /dev/mapper/$P-second $((i + 1))m 64k $((i + 2))
			close second
		else
			said "log block of a later|one between them was lost"
			bad=$((bad + 1))
		fi
	done
	[ $bad -ge 1 ] || fail "no lie was met"
}

run a_slow_disk_only_takes_longer \
	a_freed_chunk_waits_for_a_slow_write_to_it \
	a_disk_that_goes_away_takes_nothing_else_along \
	a_lie_about_a_commit_is_no_silent_rollback \
	a_lie_about_a_node_is_seen_when_it_is_read \
	a_lie_about_a_superblock_is_no_silent_rollback
