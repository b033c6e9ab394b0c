#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the right data, or the memory that clones share, where a base is read through its page cache"

# setup [attribute=value...]: of the base's disk; a base of 8 MiB, of which nothing is in memory
setup() {
	need_null
	base=$(null 8 "$@")
	blkio write "$base" 0 8m 1
}

# other N [feature argument...]: one more clone of it, in $vm
other() {
	create "vm$1" 16384 "$base" "$(loop 8m)" base_cache "${@:2}"
	vm=/dev/mapper/$P-vm$1
}

what_one_clone_has_read_the_others_have_in_memory() {
	local delta

	setup
	other 1
	other 2
	count_from "$base"
	blkio check "$P1" 0 8m 1 bs=64k
	is 16384 "$(counted "$base" read)" "sectors read by the first"
	blkio check "$P2" 0 8m 1 bs=1m
	blkio check "$P2" 0 8m 1 bs=4k nowait
	blkio check "$P2" 1536 4m 1 bs=3584
	is 16384 "$(counted "$base" read)" "sectors read by both"
	# of a delta that is opened the leaf is not in memory, and the worker sends the first read
	blkio write "$P2" 8188k 4k 2
	delta=$(delta_of vm2)
	close vm2
	create vm2 16384 "$base" "$delta" base_cache
	count_from "$base"	# the fingerprint was read, from the disk itself
	blkio check "$P2" 0 64k 1 nowait
	blkio check "$P2" 64k 4m 1
	is 0 "$(counted "$base" read)" "sectors read when it was opened again"
}

at_once_they_read_it_once() {
	local i jobs=()

	setup irqmode=2 completion_nsec=2000000
	for i in {1..8}; do
		other "$i"
	done
	count_from "$base"
	for i in {1..8}; do
		blkio check "/dev/mapper/$P-vm$i" 0 1m 1 bs=16k &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do
		wait "$i"
	done
	is 2048 "$(counted "$base" read)" "sectors read by all"
}

many_reads_of_one_clone_at_once() {
	command -v fio >/dev/null || skip "no fio here"
	setup irqmode=2 completion_nsec=2000000
	other 1
	timeout -k 5 60 fio --name=deep --filename="$vm" --direct=1 --ioengine=libaio \
		--rw=randread --bs=4k --iodepth=512 --size=8m --allow_file_create=0 \
		--output="$T/fio" ||
		fail "$(<"$T/fio")"
	blkio check "$vm" 0 8m 1
}

what_clones_have_written_is_their_own() {
	setup
	other 1
	other 2
	blkio check "$P1" 0 8m 1
	blkio write "$P1" 1m 64k 2
	blkio write "$P1" 2049k 512 3
	blkio discard "$P1" 3m 64k
	blkio check "$P1" 0 1m 1
	blkio check "$P1" 1m 64k 2
	blkio check "$P1" 2m 1k 1
	blkio check "$P1" 2049k 512 3
	blkio check "$P1" 2098688 8k 1
	blkio check "$P1" 3m 64k 0
	blkio check "$P2" 0 8m 1 bs=1m
	# a read of all sources at once
	blkio copy "$P1" "$T/copy"
	reload vm1 16384 "$base" "$(delta_of vm1)"
	blkio compare "$P1" "$T/copy"
}

what_lies_below_layers_is_cached_too() {
	setup
	delta=$(loop 8m)
	clone
	blkio write "$vm" 1m 64k 2
	upper=$(loop 8m)
	reload vm 16384 "$base" "$upper" parent "$delta" base_cache
	count_from "$base"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 1088k 64k 1 bs=4k
	is $((2048 + 128)) "$(counted "$base" read)" "sectors read"
	blkio check "$vm" 0 1m 1 bs=4k
	blkio check "$vm" 0 1m 1 bs=128k
	is $((2048 + 128)) "$(counted "$base" read)" "sectors read again"
}

a_base_ends_within_a_page() {
	base=$(loop 1537k)
	blkio write "$base" 0 1m 1
	blkio write "$base" 1m 513k 1
	create vm 8192 "$base" "$(loop 8m)" base_cache
	vm=/dev/mapper/$P-vm
	for pass in miss hit; do
		blkio check "$vm" 1m 513k 1 bs=64k
		blkio check "$vm" 1537k 511k 0
		blkio check "$vm" 1572864 1024 1 bs=512
		blkio check "$vm" 1573888 512 0
	done
}

# A page holds eight sectors, and the one that can't be read must not take the others along
a_sector_that_cannot_be_read_fails_alone() {
	setup
	sick "$base"
	base=$delta
	other 1
	becomes 2051+1
	for pass in miss again; do
		blkio check "$vm" 1m 1536 1 bs=512
		blkio check "$vm" 1050624 30k 1 bs=512
		! blkio check "$vm" 1050112 512 1 2>"$T/error" || fail "the error was swallowed"
		! blkio check "$vm" 1m 64k 1 2>"$T/error" || fail "the error was swallowed"
	done
	works
	blkio check "$vm" 0 8m 1
}

# Readahead takes zeros for what lies behind the end.
a_base_that_is_smaller_for_a_while_shows_no_zeros() {
	setup
	sick "$base"
	base=$delta
	other 1
	other 2
	blkio check "$P1" 0 1m 1
	has_sectors 8192
	blkio check "$P2" 0 4m 1
	for pass in miss again; do
		! dd if="$P1" of=/dev/null bs=64k skip=100 count=1 iflag=direct 2>"$T/error" ||
			fail "what is not there was read"
		grep -q "Input/output error" "$T/error" || fail "$(<"$T/error")"
	done
	has_sectors 16384
	blkio check "$P1" 0 8m 1
	blkio check "$P2" 0 8m 1
	# what was in memory before is not there, either
	has_sectors 8192
	! dd if="$P1" of=/dev/null bs=4k skip=2000 count=1 iflag=direct 2>"$T/error" ||
		fail "what is not there was read"
	has_sectors 16384
	blkio check "$P1" 0 8m 1
}

# A part of a subchunk is written with the rest, which is read of the base, past the cache
a_part_is_not_written_where_the_base_is_smaller_for_a_while() {
	setup
	sick "$base"
	base=$delta
	other 1
	create vm2 16384 "$base" "$(loop 8m)"
	blkio check "$P1" 0 8m 1
	for vm in "$P1" "$P2"; do
		has_sectors 8192
		! blkio write "$vm" 6554112 512 2 2>"$T/error" ||
			fail "it was written without the rest"
		grep -q "Input/output error" "$T/error" || fail "$(<"$T/error")"
		has_sectors 16384
		blkio check "$vm" 0 8m 1
		blkio write "$vm" 6554112 512 2
		blkio check "$vm" 6553600 512 1
		blkio check "$vm" 6554112 512 2
		blkio check "$vm" 6554624 3584 1
	done
}

# has_sectors N: the disk of sick
has_sectors() {
	dmsetup suspend --noflush --nolockfs "$P-disk"
	dmsetup load "$P-disk" --table "0 $1 linear $disk 0"
	dmsetup resume "$P-disk"
}

# Readahead leaves a page alone that is there, though reading it has failed.
what_could_not_be_read_is_cached_later() {
	setup
	sick "$base"
	other_disk=$base
	base=$delta
	other 1
	becomes 2048+2048
	! blkio check "$vm" 1m 64k 1 2>"$T/error" || fail "the error was swallowed"
	works
	blkio check "$vm" 1m 64k 1
	count_from "$other_disk"
	blkio check "$vm" 1m 64k 1
	is 0 "$(counted "$other_disk" read)" "sectors read again"
}

memory_is_given_back() {
	setup
	other 1
	other 2
	count_from "$base"
	blkio check "$P1" 0 4m 1
	echo 3 >/proc/sys/vm/drop_caches
	blkio check "$P2" 0 4m 1
	is 16384 "$(counted "$base" read)" "sectors read"
}

# Nobody tells a page cache what is written to a disk below it
what_it_had_before_the_first_clone_counts_no_more() {
	setup
	exec {keeps}<"$base"
	dd if="$base" of=/dev/null bs=1M status=none
	on_exit "remove_if_there other"
	dmsetup create "$P-other" --table "0 16384 linear $base 0"
	blkio write "/dev/mapper/$P-other" 0 8m 2
	close other
	other 1
	blkio check "$vm" 0 8m 2
	exec {keeps}<&-
}

a_merge_into_it_is_seen() {
	setup
	delta=$(loop 16m)
	clone base_cache
	blkio check "$vm" 0 8m 1
	blkio write "$vm" 1m 2m 2
	refused "base_cache" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$delta" merge base_cache)"
	reload vm 16384 "$base" "$delta" merge
	within 20 merged
	dd if="$base" of=/dev/null bs=1M status=none
	blkio write "$vm" 5m 64k 3
	reload vm 16384 "$base" "$delta" base_cache
	for pass in with without; do
		blkio check "$vm" 0 1m 1
		blkio check "$vm" 1m 2m 2
		blkio check "$vm" 5m 64k 3
		blkio check "$vm" 3m 2m 1
		[ $pass = without ] || reload vm 16384 "$base" "$delta"
	done
}

merged() {
	[[ $(dmsetup status "$P-vm") == *" merged "* ]]
}

reads_and_reloads_at_once() {
	setup irqmode=2 completion_nsec=100000
	delta=$(loop 8m)
	clone base_cache
	background forever blkio check "$vm" 0 8m 1 bs=4k
	for pass in {1..10}; do
		echo 3 >/proc/sys/vm/drop_caches
		reload vm 16384 "$base" "$delta" base_cache
		reload vm 16384 "$base" "$delta"
	done
	! ended "$job" || fail "$(<"$T/job")"
	kill "$job"
	wait "$job" || :
	within 10 close vm
}

forever() {
	while "$@"; do
		:
	done
}

without_a_base_it_does_nothing() {
	create vm 2048 - "$(loop 8m)" base_cache
	vm=/dev/mapper/$P-vm
	blkio check "$vm" 0 1m 0
	is "1 base_cache" "$(dmsetup table "$P-vm" | cut -d' ' -f6-)" "features"
}

P1=/dev/mapper/$P-vm1
P2=/dev/mapper/$P-vm2

# delta_of NAME: as its table has it
delta_of() {
	dmsetup table "$P-$1" | cut -d' ' -f5
}

run what_one_clone_has_read_the_others_have_in_memory \
	at_once_they_read_it_once \
	many_reads_of_one_clone_at_once \
	what_clones_have_written_is_their_own \
	what_lies_below_layers_is_cached_too \
	a_base_ends_within_a_page \
	a_sector_that_cannot_be_read_fails_alone \
	a_base_that_is_smaller_for_a_while_shows_no_zeros \
	a_part_is_not_written_where_the_base_is_smaller_for_a_while \
	what_could_not_be_read_is_cached_later \
	memory_is_given_back \
	what_it_had_before_the_first_clone_counts_no_more \
	a_merge_into_it_is_seen \
	reads_and_reloads_at_once \
	without_a_base_it_does_nothing
