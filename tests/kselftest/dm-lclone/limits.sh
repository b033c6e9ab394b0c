#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "guests with 512-byte sectors, or the hints that let a guest avoid slow writes"

subchunk_and_chunk_are_the_hints() {
	base=$(template 8m)
	for chunk in 16 128 1024; do
		delta=$(loop 16m)
		clone chunk_size $chunk
		is 512 "$(limit logical_block_size)" "logical block size"
		is $((chunk * 32)) "$(limit minimum_io_size)" "minimum I/O size"
		is $((chunk * 512)) "$(limit optimal_io_size)" "optimal I/O size"
		# not above a page: file systems take it for their block size
		sub=$((chunk * 32))
		is $((sub < 4096 ? sub : 4096)) "$(limit physical_block_size)" "physical block size"
		close vm
	done
}

discards_are_offered_whatever_lies_below() {
	need_null
	base=$(null 8)
	delta=$(null 16)
	blkio write "$base" 0 8m 1
	clone
	[ "$(limit discard_max_bytes)" -ge 65536 ] ||
		fail "at most $(limit discard_max_bytes) bytes"
	at_most 65536 "$(limit discard_granularity)" "granularity"
	blkio write "$vm" 64k 64k 2
	blkio discard "$vm" 64k 128k
	blkio check "$vm" 64k 128k 0
	blkio check "$vm" 192k 64k 1
}

a_guest_of_512_byte_sectors_works() {
	base=$(template 1m)
	delta=$(loop 8m)
	clone
	for i in 2 3 4 5 6 7 8 9; do
		blkio write "$vm" $((i * 4608)) 512 $i
	done
	blkio check "$vm" 0 9216 1
	for i in 2 3 4 5 6 7 8 9; do
		blkio check "$vm" $((i * 4608)) 512 $i
		blkio check "$vm" $((i * 4608 + 512)) 4096 1
	done
}

sectors_of_4_KiB_below_are_sectors_of_4_KiB() {
	base=$(loop 8m 4096)
	delta=$(loop 16m 4096)
	blkio write "$base" 0 8m 1
	for _ in first again; do
		clone
		is 4096 "$(limit logical_block_size)" "logical block size"
		blkio write "$vm" 68k 4k 2
		blkio check "$vm" 0 68k 1
		blkio check "$vm" 68k 4k 2
		blkio check "$vm" 72k 1m 1
		close vm
	done
}

one_device_of_4_KiB_sectors_decides() {
	base=$(loop 8m 4096)
	delta=$(loop 16m)
	blkio write "$base" 0 8m 1
	clone
	is 4096 "$(limit logical_block_size)" "logical block size"
	blkio write "$vm" 68k 4k 2
	blkio check "$vm" 64k 4k 1
	blkio check "$vm" 68k 4k 2
}

a_chunk_smaller_than_16_sectors_of_the_device_is_refused() {
	base=$(loop 8m 4096)
	delta=$(loop 16m 4096)
	before=$(writes_to "$delta")
	refused "chunk|block size|logical" create vm 16384 "$base" "$delta" chunk_size 16
	is "$before" "$(writes_to "$delta")" "writes to the delta"
}

run subchunk_and_chunk_are_the_hints \
	discards_are_offered_whatever_lies_below \
	a_guest_of_512_byte_sectors_works \
	sectors_of_4_KiB_below_are_sectors_of_4_KiB \
	one_device_of_4_KiB_sectors_decides \
	a_chunk_smaller_than_16_sectors_of_the_device_is_refused
