#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "sight of what a clone does in the background"

# setup [FEATURE...]: the trace events of the target, for a clone on $delta, or on a new one
setup() {
	tracing=/sys/kernel/tracing
	[ -e $tracing/trace ] || mount -t tracefs none $tracing 2>/dev/null || :
	[ -e $tracing/events ] || skip "the kernel has no trace events"
	[ -e $tracing/events/lclone ] || fail "the module has none"
	base=$(template 8m)
	[ -n "${delta-}" ] || delta=$(loop 16m)
	on_exit "echo 0 >$tracing/events/lclone/enable"
	echo >$tracing/trace
	echo 1 >$tracing/events/lclone/enable
	clone commit_interval 3600000 "$@"
	of=$(printf '%d:%d' "0x$(stat -Lc %t "$delta")" "0x$(stat -Lc %T "$delta")")
}

# is_traced EVENT WORDS: it was, for that delta
is_traced() {
	grep -q " lclone_$1: $of $2" $tracing/trace
}

traced() {
	is_traced "$@" ||
		fail "no lclone_$1: $of $2 in: $(grep lclone_ $tracing/trace)"
}

a_commit_and_a_checkpoint_are_traced() {
	setup
	traced mode rw
	blkio write "$vm" 1m 64k 2
	blkio fsync "$vm"
	traced commit "commit=.* blocks=1 error=0"
	message vm checkpoint
	traced checkpoint "checkpoint=.* nodes=[1-9][0-9]* error=0"
}

a_freed_chunk_waits_for_a_drain() {
	setup
	blkio write "$vm" 1m 64k 2
	blkio fsync "$vm"
	blkio discard "$vm" 1m 64k
	message vm commit
	close vm
	traced drain begins
	traced drain "has ended"
}

a_batch_of_a_merge_is_traced() {
	setup
	blkio write "$vm" 1m 64k 2
	close vm
	clone merge
	within 60 is_status vm sweep merged
	traced batch "chunks=1 sectors=128 error=0"
}

a_full_delta_and_its_new_space_are_traced() {
	delta=$(loop 3m)
	setup error_if_no_space
	! is_traced space "" || fail "space was traced before the delta was full"
	! blkio write "$vm" 0 8m 2 bs=64k 2>/dev/null || fail "8 MiB fitted into 3"
	traced space full
	! is_traced space "has space" || fail "a full delta has space"
	blkio resize "$delta" "$(backing "$delta")" 32m
	message vm grow
	within 20 is_traced space "has space"
}

a_change_to_read_only_is_traced() {
	sick "$(loop 16m)"
	setup
	blkio write "$vm" 1m 64k 2
	! is_traced mode ro || fail "a clone that may be written was traced as read-only"
	becomes "0+$disk_size"
	! blkio fsync "$vm" 2>/dev/null || fail "a disk that fails all I/O has made a commit"
	traced mode ro
	traced commit "commit=.* blocks=1 error=-5"
	works
}

run a_commit_and_a_checkpoint_are_traced \
	a_freed_chunk_waits_for_a_drain \
	a_batch_of_a_merge_is_traced \
	a_full_delta_and_its_new_space_are_traced \
	a_change_to_read_only_is_traced
