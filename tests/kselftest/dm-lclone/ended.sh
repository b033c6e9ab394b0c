#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "time at each start, or what a disk had kept although it lost a superblock"

# A delta that was closed, as it is then in $T/closed, and in $T/killed one that was opened and
# written to since, with a commit of one block for each of $1 writes; their data begin at 1 MiB
closed_and_killed() {
	local i

	base=$(template 8m)
	delta=$(loop 32m)
	clone chunk_size 16 commit_interval 3600000
	blkio write "$vm" 0 64k 2
	close vm
	blkio copy "$delta" "$T/closed"
	clone commit_interval 3600000
	for ((i = 1; i <= $1; i++)); do
		blkio write "$vm" $((i * 64 + 960))k 4k $((i + 2))
		blkio fsync "$vm"
	done
}

killed() {
	blkio copy "$delta" "$T/killed"
	close vm
}

# The disk has lost all superblocks since the delta was closed
lose_superblocks() {
	local block

	for block in 0 16; do
		dd if="$T/closed" of="$T/killed" bs=4096 skip=$block seek=$block count=1 \
			conv=notrunc status=none
	done
}

opens_not_for_writing() {
	delta=$(attach "$T/killed")
	! dmsetup create "$P-vm" --table "$(line 16384 "$base" "$delta")" 2>/dev/null ||
		fail "opened for writing: a silent rollback"
	said "log block of a later"
}

a_start_after_a_clean_end_reads_little() {
	need_null
	base=$(template 8m)
	delta=$(null 32)
	clone
	blkio write "$vm" 0 64k 2
	blkio fsync "$vm"
	blkio write "$vm" 1m 64k 3
	for _ in 1 2; do
		close vm
		count_from "$delta"
		clone
		at_most 256 "$(counted "$delta" read)" "sectors read at the start"
	done
	blkio check "$vm" 0 64k 2
	blkio check "$vm" 1m 64k 3
}

# So it is with a layer, and with a delta that was only formatted
a_start_of_a_layer_reads_little() {
	need_null
	base=$(template 8m)
	lower=$(null 32)
	delta=$(null 32)
	create vm 16384 "$base" "$lower"
	blkio write "/dev/mapper/$P-vm" 0 64k 2
	reload vm 16384 "$base" "$delta" parent "$lower"
	close vm
	count_from "$lower" "$delta"
	clone parent "$lower"
	at_most 256 "$(counted "$lower" read)" "sectors of the layer read at the start"
	at_most 256 "$(counted "$delta" read)" "sectors of the delta read at the start"
	blkio check "$vm" 0 64k 2
}

after_a_power_cut_all_of_the_log_is_read() {
	closed_and_killed 3
	killed
	delta=$(attach "$T/killed")
	count_from "$delta"
	clone
	[ "$(counted "$delta" read)" -ge 4096 ] || fail "the log was not read"
	blkio check "$vm" 1m 4k 3
	blkio check "$vm" 1152k 4k 5
}

# They were acknowledged, and are all in the log still
commits_behind_a_lost_superblock_are_there() {
	closed_and_killed 3
	killed
	lose_superblocks
	delta=$(attach "$T/killed")
	clone
	blkio check "$vm" 0 64k 2
	blkio check "$vm" 1m 4k 3
	blkio check "$vm" 1152k 4k 5
}

a_lost_checkpoint_is_damage() {
	closed_and_killed 1
	message vm checkpoint
	blkio write "$vm" 2m 4k 4
	blkio fsync "$vm"
	killed
	lose_superblocks
	opens_not_for_writing
}

# Superblocks were lost, and the first blocks of the log, too
a_hole_in_the_log_is_damage() {
	closed_and_killed 8
	killed
	lose_superblocks
	blkio log "$(attach "$T/killed")" | sort -k2,2n -k3,3n | tail -n 8 | cut -d' ' -f1 >"$T/log"
	cp "$T/killed" "$T/whole"
	for lost in 1 2 3 5; do
		cp "$T/whole" "$T/killed"
		head -n $lost "$T/log" | while read -r block; do
			dd if=/dev/zero of="$T/killed" bs=4096 seek=$((block / 4096)) count=1 \
				conv=notrunc status=none
		done
		mark "$lost blocks lost"
		opens_not_for_writing
	done
}

run a_start_after_a_clean_end_reads_little \
	a_start_of_a_layer_reads_little \
	after_a_power_cut_all_of_the_log_is_read \
	commits_behind_a_lost_superblock_are_there \
	a_lost_checkpoint_is_damage \
	a_hole_in_the_log_is_damage
