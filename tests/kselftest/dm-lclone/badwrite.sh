#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "what was committed, or the notice of it, when one place of the delta can't be written"

# Sectors of the delta, see format.rst. Nodes lie behind the chunks that the first slots have.
A=0+8 B=128+8 LOG=256+4096 CHUNKS=4352+28416 NODES=12800+19968

setup() {
	base=$(template 8m)
	sick "$(loop 16m)"
	open
	blkio write "$vm" 1m 64k 2
	blkio write "$vm" 1600k 4k 4
	blkio fsync "$vm"
}

# open [feature...]
open() {
	clone commit_interval 3600000 "$@"
}

# What setup committed, and nothing else
committed() {
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 1088k 512k 1
	blkio check "$vm" 1600k 4k 4
	blkio check "$vm" 5m 3m 1
}

arm() {
	was=$(events vm)
	mark "something will fail"
}

told() {
	[ "$(events vm)" -gt "$was" ]
}

# fails COMMAND...: in time
fails() {
	background "$@"
	within 20 ended $job
	! wait $job || fail "the error was swallowed: $*"
}

# degraded WHAT: because it could not WHAT. Told once, with an event, and kept readable.
degraded() {
	within 10 is_status vm mode ro
	within 10 told
	is 1 "$(sentences "could not $1")" "sentences about it"
	is 1 "$(sentences "read-only now")" "sentences about the mode"
	fails blkio write "$vm" 1m 4k 9
	fails blkio write "$vm" 6m 4k 9
	fails blkio discard "$vm" 1m 64k
	fails blkio fsync "$vm"
	fails message vm commit
	is 1 "$(sentences "could not $1")" "sentences about it, later"
}

# reopened [feature...]: by an administrator who has mended the disk
reopened() {
	timeout 20 dmsetup remove "$P-vm" || fail "cannot be removed"
	works
	open "$@"
	is rw "$(status vm mode)" "mode of the new activation"
	is - "$(status vm check)" "needs_check of the new activation"
	committed
}

a_commit_that_cannot_be_written() {
	setup
	for how in fsync FUA message timer; do
		if [ $how = timer ]; then
			close vm
			clone commit_interval 1000
		else
			blkio write "$vm" 2m 64k 3
		fi
		arm
		becomes $LOG
		case $how in
		fsync) fails blkio fsync "$vm" ;;
		FUA) fails blkio write "$vm" 2m 4k 5 dsync ;;
		message) fails message vm commit ;;
		timer) blkio write "$vm" 2m 64k 3 ;;
		esac
		degraded "write the log"
		committed
		# not committed, but still in use
		blkio check "$vm" 2052k 60k 3
		works
		fails blkio fsync "$vm"
		is ro "$(status vm mode)" "mode of a clone whose disk works again"
		reopened
		blkio check "$vm" 2m 64k 1
	done
}

a_log_that_stays_broken_is_refused_and_kept() {
	setup
	blkio write "$vm" 2m 64k 3
	arm
	becomes $LOG
	fails blkio fsync "$vm"
	degraded "write the log"
	timeout 20 dmsetup remove "$P-vm"
	refused "can't be read|can't read" create vm 16384 "$base" "$delta"
	works
	open
	committed
}

# Where all writes work: the last sectors are never written
a_flush_that_fails_with_nothing_to_commit() {
	need_target flakey
	setup
	arm
	becomes "32760+8:flakey % 0 1000000 1 error_writes"
	fails blkio fsync "$vm"
	is rw "$(status vm mode)" "mode"
	works
	blkio fsync "$vm"
	is 0 "$(sentences "")" "sentences"
	committed
}

# The record must not be written then: its data may not be durable
a_flush_that_fails_before_a_commit() {
	need_target flakey
	setup
	blkio write "$vm" 2m 64k 3
	arm
	becomes "32760+8:flakey % 0 1000000 1 error_writes"
	fails blkio fsync "$vm"
	degraded "write the log"
	committed
	reopened
	blkio check "$vm" 2m 64k 1
	blkio write "$vm" 2m 64k 3
	blkio fsync "$vm"
	arm
	becomes "32760+8:flakey % 0 1000000 1 error_writes"
	fails message vm checkpoint
	degraded "write a checkpoint"
	reopened
	blkio check "$vm" 2m 64k 3
}

a_checkpoint_whose_nodes_cannot_be_written() {
	setup
	for how in message suspend; do
		blkio write "$vm" 2m 64k 3
		blkio fsync "$vm"
		arm
		becomes $NODES
		if [ $how = message ]; then
			fails message vm checkpoint
		else
			timeout 20 dmsetup suspend "$P-vm"
			dmsetup resume "$P-vm"
		fi
		degraded "write a checkpoint"
		committed
		blkio check "$vm" 2m 64k 3
		reopened
		blkio check "$vm" 2m 64k 3
	done
}

a_checkpoint_whose_superblock_cannot_be_written() {
	setup
	blkio write "$vm" 2m 64k 3
	blkio fsync "$vm"
	arm
	becomes $A $B
	fails message vm checkpoint
	degraded "write a checkpoint"
	committed
	timeout 20 dmsetup remove "$P-vm"
	fails create vm 16384 "$base" "$delta"
	works
	open
	committed
	blkio check "$vm" 2m 64k 3
}

# Slots take turns: one suspend's checkpoint meets the broken one, the other's last write
a_superblock_that_cannot_be_written_at_suspend() {
	local seen=

	setup
	for i in 1 2; do
		blkio write "$vm" 2m 64k 3
		arm
		becomes $A
		timeout 20 dmsetup suspend "$P-vm"
		if [ "$(sentences "could not write a checkpoint")" = 1 ]; then
			seen+="checkpoint "
			dmsetup resume "$P-vm"
			degraded "write a checkpoint"
		else
			seen+="end "
			is 1 "$(sentences "can't write the superblock")" "sentences about it"
			works
			dmsetup resume "$P-vm"
			is rw "$(status vm mode)" "mode"
			blkio check "$vm" 2m 64k 3
		fi
		reopened
	done
	[[ $seen = "checkpoint end " || $seen = "end checkpoint " ]] || fail "failed: $seen"
}

a_superblock_that_cannot_be_written_at_activation() {
	setup
	close vm
	for slot in $A $B; do
		becomes "$slot:flakey % 0 1000000 1 error_writes"
		if create vm 16384 "$base" "$delta" 2>"$T/error"; then
			vm=/dev/mapper/$P-vm
			works
			committed
			close vm
		else
			said "can't write the superblock"
			refused=1
			works
		fi
		mark "next"
	done
	is 1 "${refused:-0}" "activations refused because of a slot whose turn it was"
	open
	committed
}

a_superblock_that_cannot_be_written_at_resume() {
	setup
	timeout 20 dmsetup suspend "$P-vm"
	becomes $A $B
	mark "resume"
	for i in 1 2; do
		fails dmsetup resume "$P-vm"
	done
	said "can't write the superblock"
	works
	dmsetup resume "$P-vm"
	committed
	blkio write "$vm" 2m 64k 3
	blkio fsync "$vm"
	reopened
	blkio check "$vm" 2m 64k 3
}

a_size_that_cannot_be_noted() {
	setup
	for what in grow "resize 20480"; do
		if [ "$what" = grow ]; then
			blkio resize "$disk" "$(backing "$disk")" 17m
			disk_size=34816
		fi
		arm
		becomes $A $B
		fails message vm $what
		degraded "write the superblock"
		committed
		reopened
		[ "$what" != grow ] || is 17 "$(($(status vm total) * 64 / 1024 + 3))" "MiB, about"
	done
}

a_format_that_cannot_be_written() {
	base=$(template 8m)
	sick "$(loop 16m)"
	for area in $A $B $LOG; do
		works
		blkio write "$delta" 0 3m 0
		blkio write "$delta" 1m 64k 6
		becomes "$area:flakey % 0 1000000 1 error_writes"
		refused "can't write" create vm 16384 "$base" "$delta"
	done
	works
	open
	blkio check "$vm" 0 8m 1
}

# Damage is met, but cannot be noted: it is met again
a_mark_that_cannot_be_written() {
	setup
	close vm
	read -r leaf _ <<<"$(blkio nodes "$delta" | grep ' 0$' | tail -n 1)"
	blkio flip "$delta" $((leaf + 100))
	for i in 1 2; do
		open
		arm
		becomes $A $B
		fails blkio check "$vm" 1m 64k 2
		within 10 is_status vm mode ro
		is needs_check "$(status vm check)" "needs_check"
		works
		timeout 20 dmsetup remove "$P-vm"
	done
	blkio flip "$delta" $((leaf + 100))
	open
	committed
}

chunks_that_fail_fail_the_IO_that_needs_them() {
	setup
	arm
	becomes $CHUNKS
	fails blkio check "$vm" 1m 64k 2		# read
	blkio check "$vm" 2m 1m 1
	fails blkio write "$vm" 1m 64k 3		# overwrite
	fails blkio write "$vm" 2m 64k 3		# first write
	fails blkio write "$vm" 2m 64k 3 dsync
	fails blkio write "$vm" 3146240 512 3		# a part, copied up first
	fails blkio zeroout "$vm" 4194816 1024		# ragged
	fails blkio zeroout "$vm" 1638912 512		# in place
	blkio fsync "$vm"
	is rw "$(status vm mode)" "mode"
	is "$was" "$(events vm)" "events"
	works
	committed
	blkio check "$vm" 2m 3m 1
	blkio write "$vm" 2m 64k 3
	blkio write "$vm" 3146240 512 3
	blkio zeroout "$vm" 4194816 1024
	blkio fsync "$vm"
	close vm
	open
	committed
	blkio check "$vm" 2m 64k 3
	blkio check "$vm" 3m 512 1
	blkio check "$vm" 3146240 512 3
	blkio check "$vm" 3146752 512 1
	blkio check "$vm" 4194816 1024 0
}

run a_commit_that_cannot_be_written \
	a_log_that_stays_broken_is_refused_and_kept \
	a_flush_that_fails_with_nothing_to_commit \
	a_flush_that_fails_before_a_commit \
	a_checkpoint_whose_nodes_cannot_be_written \
	a_checkpoint_whose_superblock_cannot_be_written \
	a_superblock_that_cannot_be_written_at_suspend \
	a_superblock_that_cannot_be_written_at_activation \
	a_superblock_that_cannot_be_written_at_resume \
	a_size_that_cannot_be_noted \
	a_format_that_cannot_be_written \
	a_mark_that_cannot_be_written \
	chunks_that_fail_fail_the_IO_that_needs_them
