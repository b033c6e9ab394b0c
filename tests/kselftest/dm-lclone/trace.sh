#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "sight of what a clone does in the background"

# The trace events of the target, for the delta of the clone
setup() {
	tracing=/sys/kernel/tracing
	[ -e $tracing/trace ] || mount -t tracefs tracefs $tracing 2>/dev/null || :
	[ -e $tracing/events ] || skip "the kernel has no trace events"
	[ -e $tracing/events/lclone ] || fail "the module has none"
	base=$(template 8m)
	delta=$(loop 16m)
	on_exit "echo 0 >$tracing/events/lclone/enable"
	echo >$tracing/trace
	echo 1 >$tracing/events/lclone/enable
	clone commit_interval 3600000
	of=$(printf '%d:%d' "0x$(stat -Lc %t "$delta")" "0x$(stat -Lc %T "$delta")")
}

# traced EVENT WORDS: it was, for that delta
traced() {
	grep -q " lclone_$1: $of $2" $tracing/trace ||
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

run a_commit_and_a_checkpoint_are_traced \
	a_freed_chunk_waits_for_a_drain \
	a_batch_of_a_merge_is_traced
