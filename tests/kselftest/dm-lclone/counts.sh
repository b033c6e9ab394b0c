#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "speed: I/O that the clone adds to what its user asked for"

# setup [feature...]: a base and a delta that count, both with a volatile cache
setup() {
	need_null
	[ ! -e /run/udev/control ] || skip "udev reads the disks while they are counted"
	base=$(null 16 cache_size=64)
	delta=$(null 64 cache_size=64)
	blkio write "$base" 0 16m 1
	# no timer may commit in the middle of a count
	clone commit_interval 3600000 "$@"
}

# counts EXPECTED DEV WHAT: reads, sectors read, writes, sectors written. A flush counts as a
# write of no sectors.
counts() {
	is "$1" "$(counted "$2" reads read writes written)" "reads, sectors, writes, sectors of $3"
}

# requests DEV COMMAND...: how many reads and writes the disk itself makes of the same I/O
requests() {
	count_from "$1"
	"${@:2}"
	echo $(($(counted "$1" reads) + $(counted "$1" writes)))
}

a_first_write_of_4_KiB_is_one_write_and_no_read() {
	setup
	count_from "$base" "$delta"
	blkio write "$vm" 1m 4k 2
	counts "0 0 1 8" "$delta" "the delta"
	counts "0 0 0 0" "$base" "the base"
	# the next subchunk of that chunk, and another chunk's
	count_from "$base" "$delta"
	blkio write "$vm" 1052672 4k 2
	blkio write "$vm" 3m 4k 2
	counts "0 0 2 16" "$delta" "the delta"
	counts "0 0 0 0" "$base" "the base"
}

an_overwrite_is_one_write_and_a_read_one_read() {
	setup
	blkio write "$vm" 1m 4k 2
	blkio fsync "$vm"
	count_from "$base" "$delta"
	blkio write "$vm" 1m 4k 3
	counts "0 0 1 8" "$delta" "the delta"
	blkio check "$vm" 1m 4k 3
	counts "1 8 1 8" "$delta" "the delta"
	blkio check "$vm" 2m 4k 1
	counts "1 8 1 8" "$delta" "the delta"
	counts "1 8 0 0" "$base" "the base"
}

a_read_of_1_MiB_of_the_base_is_not_cut() {
	setup
	want=$(requests "$base" blkio check "$base" 1m 1m 1)
	blkio check "$vm" 0 4k 1
	count_from "$base" "$delta"
	blkio check "$vm" 1m 1m 1
	# one more: the pages of a buffer may lie scattered
	at_most $((want + 1)) "$(counted "$base" reads)" "reads of the base"
	counts "0 0 0 0" "$delta" "the delta"
}

a_first_write_of_1_MiB_is_not_cut() {
	setup
	# the last MiB of the delta is out of the clone's way for now
	want=$(requests "$delta" blkio write "$delta" 60m 1m 9)
	# nor is there a leaf to be made, which takes the worker, chunk by chunk
	blkio write "$vm" 0 4k 2
	count_from "$base" "$delta"
	blkio write "$vm" 1m 1m 2
	# allocation may begin anywhere in the delta: one cut is allowed
	at_most $((want + 1)) "$(counted "$delta" writes)" "writes to the delta"
	is "2048" "$(counted "$delta" written)" "sectors written"
	is 0 "$(counted "$delta" reads)" "reads of the delta"
	counts "0 0 0 0" "$base" "the base"
	# and it is read in one as well
	count_from "$delta"
	blkio check "$vm" 1m 1m 2
	at_most $((want + 1)) "$(counted "$delta" reads)" "reads of the delta"
}

a_first_write_of_a_part_is_one_read_and_one_write() {
	setup
	count_from "$base" "$delta"
	blkio write "$vm" 1049088 512 2
	counts "1 8 0 0" "$base" "the base"
	counts "0 0 1 8" "$delta" "the delta"
	# where there is nothing below, nothing is read
	blkio discard "$vm" 2m 64k
	count_from "$base" "$delta"
	blkio write "$vm" 2097664 512 2
	counts "0 0 0 0" "$base" "the base"
	counts "0 0 1 8" "$delta" "the delta"
}

a_flush_of_a_clean_clone_writes_nothing() {
	setup
	blkio write "$vm" 1m 4k 2
	blkio fsync "$vm"
	count_from "$base" "$delta"
	blkio fsync "$vm"
	counts "0 0 1 0" "$delta" "the delta"
	is 1 "$(counted "$delta" flushes)" "flushes that reach the delta"
}

many_writes_and_one_fsync_are_one_log_write() {
	setup
	count_from "$base" "$delta"
	blkio write "$vm" 0 16m 2 bs=4k step=128k	# 128 first writes
	counts "0 0 128 1024" "$delta" "the delta before the fsync"
	blkio fsync "$vm"
	is 130 "$(counted "$delta" writes)" "writes to the delta with flush and log"
	at_most $((1024 + 16)) "$(counted "$delta" written)" "sectors written"
	counts "0 0 0 0" "$base" "the base"
}

a_thousand_changed_chunks_are_one_log_write() {
	setup chunk_size 16
	count_from "$delta"
	blkio write "$vm" 0 8000k 2 bs=512 step=8k	# 1000 first writes
	blkio fsync "$vm"
	is 1002 "$(counted "$delta" writes)" "writes to the delta with flush and log"
	at_most $((1000 + 5 * 8)) "$(counted "$delta" written)" "sectors written"
}

overwrites_need_no_commit() {
	setup
	blkio write "$vm" 1m 64k 2
	blkio fsync "$vm"
	count_from "$delta"
	for i in 1 2 3 4; do
		blkio write "$vm" 1m 4k 3
		blkio fsync "$vm"
	done
	counts "0 0 8 32" "$delta" "the delta, four of them flushes"
}

a_FUA_write_costs_one_log_write() {
	setup
	count_from "$base" "$delta"
	blkio write "$vm" 1m 4k 2 dsync
	# data, flush and log, and the flush that the block device sends after them
	counts "0 0 4 16" "$delta" "the delta"
	# committed before: only the data
	count_from "$delta"
	blkio write "$vm" 1m 4k 3 dsync
	counts "0 0 2 8" "$delta" "the delta"
}

idle_is_idle() {
	setup
	dmsetup remove "$P-vm"
	clone commit_interval 100
	blkio write "$vm" 1m 4k 2
	blkio fsync "$vm"
	count_from "$base" "$delta"
	sleep 1
	counts "0 0 0 0" "$delta" "the delta"
	is 0 "$(counted "$delta" flushes)" "flushes of the delta"
}

activation_reads_as_much_with_few_exceptions_as_with_many() {
	need_null
	[ ! -e /run/udev/control ] || skip "udev reads the disks while they are counted"
	base=$(null 256)
	for exceptions in 1000 30000; do
		delta=$(null 64)
		clone chunk_size 16
		# a discarded chunk is an exception without data
		blkio discard "$vm" 0 $((exceptions * 8))k
		# some in every leaf, so that the trees have the same height
		blkio write "$vm" 0 256m 2 bs=512 step=4128768
		close vm
		count_from "$delta" "$base"
		clone chunk_size 16
		cost=$(counted "$delta" reads read)
		fp=$(counted "$base" reads read)
		is "${first:-$cost / $fp}" "$cost / $fp" "reads and sectors of delta / base"
		first="$cost / $fp"
		at_most 1 "$(status vm leaves)" "leaves in memory"
		close vm
	done
}

run a_first_write_of_4_KiB_is_one_write_and_no_read \
	an_overwrite_is_one_write_and_a_read_one_read \
	a_read_of_1_MiB_of_the_base_is_not_cut \
	a_first_write_of_1_MiB_is_not_cut \
	a_first_write_of_a_part_is_one_read_and_one_write \
	a_flush_of_a_clean_clone_writes_nothing \
	many_writes_and_one_fsync_are_one_log_write \
	a_thousand_changed_chunks_are_one_log_write \
	overwrites_need_no_commit \
	a_FUA_write_costs_one_log_write \
	idle_is_idle \
	activation_reads_as_much_with_few_exceptions_as_with_many
