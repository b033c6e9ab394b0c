#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "time: what is not in memory waits for what is written"

# What has to be loaded while a checkpoint is written, and what is deferred behind it
a_leaf_is_loaded_during_a_checkpoint() {
	local checkpoint

	need_target delay
	base=$(loop 8g)
	sick "$(loop 38m)"
	create vm 16777216 "$base" "$delta" chunk_size 16 commit_interval 3600000
	vm=/dev/mapper/$P-vm
	blkio write "$vm" 0 8k 2
	blkio write "$vm" 1g 8k 3
	blkio write "$vm" 2g 8k 4
	close vm
	create vm 16777216 "$base" "$delta" chunk_size 16 commit_interval 3600000
	blkio write "$vm" 1m 8k 5
	# behind superblocks and log each write takes 6 s
	becomes "8192+$((disk_size - 8192)):delay % 0 % 6000 % 0"
	background message vm checkpoint
	checkpoint=$job
	sleep 1
	quick 2000 blkio check "$vm" 1g 8k 3
	quick 2000 blkio check "$vm" 2g 8k 4
	! ended "$checkpoint" || fail "the checkpoint had ended before"
	works
	wait "$checkpoint"
	blkio check "$vm" 1m 8k 5
}

# A weekly fstrim: where nothing changes, nothing is written
a_discard_of_what_is_discarded_writes_nothing() {
	local writes commits

	base=$(template 64m)
	delta=$(loop 64m)
	clone commit_interval 20
	blkio write "$vm" 0 8m 2
	blkio discard "$vm" 0 32m
	blkio zeroout "$vm" 40m 1m
	message vm checkpoint
	sleep 1
	writes=$(writes_to "$delta") commits=$(status vm commits)
	blkio discard "$vm" 0 32m
	blkio discard "$vm" 4096 1m
	blkio zeroout "$vm" 40m 1m
	is 0 "$(status vm dirty)" "leaves to be written"
	sleep 1
	is "$writes" "$(writes_to "$delta")" "writes to the delta"
	is "$commits" "$(status vm commits)" "commits"
	# and where something does, it is
	blkio discard "$vm" 0 33m
	blkio check "$vm" 0 33m 0
	is 1 "$(status vm dirty)" "leaves to be written"
}

run a_leaf_is_loaded_during_a_checkpoint \
	a_discard_of_what_is_discarded_writes_nothing
