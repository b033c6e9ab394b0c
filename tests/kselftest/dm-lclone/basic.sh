#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the clone itself: a disk that shows its template, keeps what was written," \
	"and leaves the template alone"

the_plain_line_works_on_two_plain_devices() {
	base=$(template 8m)
	delta=$(loop 16m)
	create_line vm "0 16384 lclone $base $delta"
	is 16384 "$(blkio size /dev/mapper/$P-vm)" "size"
	blkio check /dev/mapper/$P-vm 0 8m 1
	is rw "$(status vm mode)" "mode"
}

a_write_is_read_back_and_the_base_stays() {
	base=$(template 8m)
	delta=$(loop 16m)
	before=$(blkio hash "$base")
	clone
	blkio write "$vm" 128k 64k 2
	blkio write "$vm" 1044480 4k 3
	blkio write "$vm" 3m 2m 4
	for pass in live again; do
		blkio check "$vm" 0 128k 1
		blkio check "$vm" 128k 64k 2
		blkio check "$vm" 192k 847872 1
		blkio check "$vm" 1044480 4k 3
		blkio check "$vm" 1m 2m 1
		blkio check "$vm" 3m 2m 4
		blkio check "$vm" 5m 3m 1
		# the second pass reads what a removal left on the delta
		[ $pass = again ] || { close vm; clone; }
	done
	close vm
	is "$before" "$(blkio hash "$base")" "hash of the base"
}

writes_after_an_activation_keep_those_before_it() {
	base=$(template 8m)
	delta=$(loop 16m)
	for i in 2 3 4 5 6; do
		clone
		blkio write "$vm" $((i * 100))k 44k $i
		close vm
	done
	clone
	blkio check "$vm" 0 200k 1
	for i in 2 3 4 5 6; do
		blkio check "$vm" $((i * 100))k 44k $i
		blkio check "$vm" $((i * 100 + 44))k 56k 1
	done
}

a_clone_larger_than_its_base_reads_zeros_beyond_it() {
	base=$(template 3m)
	delta=$(loop 16m)
	for pass in first again; do
		create vm 16384 "$base" "$delta"
		vm=/dev/mapper/$P-vm
		[ $pass = again ] || {
			blkio check "$vm" 0 3m 1
			blkio check "$vm" 3m 5m 0
		}
		# a write across the border, and one far behind it
		blkio write "$vm" 3141632 8k 2
		blkio write "$vm" 7m 4k 3
		blkio check "$vm" 0 3141632 1
		blkio check "$vm" 3141632 8k 2
		blkio check "$vm" 3149824 4190208 0
		blkio check "$vm" 7m 4k 3
		blkio check "$vm" 7344128 1044480 0
		close vm
	done
}

a_base_of_odd_size_is_read_up_to_its_last_sector() {
	base=$(template 3146240)	# 3 MiB and a sector
	delta=$(loop 16m)
	create vm 8193 "$base" "$delta"
	vm=/dev/mapper/$P-vm
	blkio check "$vm" 0 3146240 1
	blkio check "$vm" 3146240 1048576 0
	blkio write "$vm" 3146752 512 2
	blkio check "$vm" 3145728 512 1
	blkio check "$vm" 3146240 512 0
	blkio check "$vm" 3146752 512 2
	# the clone's own last sector
	blkio write "$vm" 4194304 512 3
	blkio check "$vm" 4194304 512 3
	blkio check "$vm" 4193792 512 0
}

no_base_is_a_base_of_zeros() {
	delta=$(loop 16m)
	for pass in first again; do
		create vm 16384 - "$delta"
		vm=/dev/mapper/$P-vm
		blkio write "$vm" 1m 20k 2
		blkio check "$vm" 0 1m 0
		blkio check "$vm" 1m 20k 2
		blkio check "$vm" 1069056 7319552 0
		close vm
	done
}

clones_of_one_base_do_not_see_each_other() {
	base=$(template 4m)
	for i in 2 3 4; do
		create vm$i 8192 "$base" "$(loop 16m)"
	done
	for i in 2 3 4; do
		blkio write /dev/mapper/$P-vm$i 1m 100k $i
	done
	for i in 2 3 4; do
		blkio check /dev/mapper/$P-vm$i 0 1m 1
		blkio check /dev/mapper/$P-vm$i 1m 100k $i
		blkio check /dev/mapper/$P-vm$i 1150976 512k 1
	done
}

every_chunk_size_works() {
	base=$(template 4m)
	for chunk in 16 32 256 1024 4096; do
		delta=$(loop 24m)
		for pass in first again; do
			create vm 8192 "$base" "$delta" chunk_size $chunk
			vm=/dev/mapper/$P-vm
			is $chunk "$(status vm chunk)" "chunk size in status"
			blkio write "$vm" 4k 5632 2
			blkio write "$vm" 2m 1m 3
			blkio check "$vm" 0 4k 1
			blkio check "$vm" 4k 5632 2
			blkio check "$vm" 9728 2087424 1
			blkio check "$vm" 2m 1m 3
			blkio check "$vm" 3m 1m 1
			close vm
		done
	done
}

a_file_system_lives_on_a_clone() {
	command -v mke2fs >/dev/null || skip "no mke2fs here"
	grep -qw ext4 /proc/filesystems || modprobe -q ext4 || skip "no ext4"
	base=$(loop 16m)
	delta=$(loop 24m)
	mkdir -p "$T/mnt"
	mke2fs "$base" >/dev/null 2>&1
	mount -t ext4 "$base" "$T/mnt"
	on_exit "umount $T/mnt 2>/dev/null || true"
	head -c 3000000 /dev/urandom >"$T/mnt/template"
	umount "$T/mnt"
	before=$(blkio hash "$base")
	clone
	mount -t ext4 "$vm" "$T/mnt"
	cp "$T/mnt/template" "$T/mnt/copy"
	sync
	umount "$T/mnt"
	close vm
	clone
	mount -t ext4 "$vm" "$T/mnt"
	cmp "$T/mnt/template" "$T/mnt/copy"
	umount "$T/mnt"
	close vm
	is "$before" "$(blkio hash "$base")" "hash of the base"
}

run the_plain_line_works_on_two_plain_devices \
	a_write_is_read_back_and_the_base_stays \
	writes_after_an_activation_keep_those_before_it \
	a_clone_larger_than_its_base_reads_zeros_beyond_it \
	a_base_of_odd_size_is_read_up_to_its_last_sector \
	no_base_is_a_base_of_zeros \
	clones_of_one_base_do_not_see_each_other \
	every_chunk_size_works \
	a_file_system_lives_on_a_clone
