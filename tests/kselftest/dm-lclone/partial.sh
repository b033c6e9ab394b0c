#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the neighbours of a 512-byte write"

# around OFFSET LENGTH [OPTION]: a write there changes that range and nothing else, now and
# later; $chunk is the size of the chunks in sectors
chunk=128
around() {
	local pos=$1 len=$2 end=$(($1 + $2)) pass

	base=$(template 1m)
	delta=$(loop 32m)
	clone chunk_size $chunk
	blkio write "$vm" "$pos" "$len" 2 "${@:3}"
	for pass in live again; do
		[ "$pos" = 0 ] || blkio check "$vm" 0 "$pos" 1
		blkio check "$vm" "$pos" "$len" 2
		blkio check "$vm" $end $((1048576 - end)) 1
		[ $pass = again ] || { close vm; clone; }
	done
	close vm
}

one_sector_in_a_subchunk() {
	around 0 512
	around 2560 512
	around 69120 512
}

# What is laid over what is below comes in pieces that have nothing to do with its pages
a_buffer_in_pieces() {
	around 512 3072 piece=512
	around 512 2560 piece=1536
	chunk=512
	around 17408 12288 piece=3584
	around 17408 14848 piece=512
}

# Such a subchunk is filled in two steps, of 32 KiB
parts_of_a_large_subchunk() {
	chunk=2048
	around 512 512
	around 32256 1024
	around 32256 1024 piece=512
	around 32768 512
	around 40960 20480
	around 512 64512
	around 69120 4096
}

a_write_across_two_subchunks() {
	around 3584 1024
}

a_write_across_two_chunks() {
	around 65024 1024
}

a_large_write_with_ragged_ends() {
	around 66048 300544
}

a_second_write_completes_a_subchunk() {
	base=$(template 1m)
	delta=$(loop 8m)
	clone
	blkio write "$vm" 4k 2k 2
	blkio write "$vm" 6k 2k 3
	blkio check "$vm" 0 4k 1
	blkio check "$vm" 4k 2k 2
	blkio check "$vm" 6k 2k 3
	blkio check "$vm" 8k 56k 1
}

beside_it_are_zeros_where_the_base_has_ended() {
	base=$(template 66048)	# a chunk and a sector
	delta=$(loop 8m)
	create vm 2048 "$base" "$delta"
	vm=/dev/mapper/$P-vm
	blkio write "$vm" 66560 512 2		# the sector after the next
	blkio write "$vm" 201216 512 3		# far beyond
	for pass in live again; do
		blkio check "$vm" 0 66048 1
		blkio check "$vm" 66048 512 0
		blkio check "$vm" 66560 512 2
		blkio check "$vm" 67072 134144 0
		blkio check "$vm" 201216 512 3
		blkio check "$vm" 201728 846848 0
		[ $pass = again ] || {
			close vm
			create vm 2048 "$base" "$delta"
		}
	done
}

beside_it_are_zeros_in_a_discarded_subchunk() {
	base=$(template 1m)
	delta=$(loop 8m)
	clone
	blkio zeroout "$vm" 64k 64k
	blkio write "$vm" 70144 512 2
	blkio check "$vm" 0 64k 1
	blkio check "$vm" 64k 4608 0
	blkio check "$vm" 70144 512 2
	blkio check "$vm" 70656 60416 0
	blkio check "$vm" 128k 512k 1
}

# Many writers on few sectors: the model of the oracle notices a lost one
race() {
	base=$(loop "$1")
	delta=$(loop 16m)
	oracle base "$base" -s 7
	oracle new "$T/model" -s 7 -n "$(blkio size "$base")" -b "$(blkio size "$base")"
	for i in 1 2 3; do
		clone
		oracle run "$vm" -m "$T/model" -o "$2" -t 8 -x "$3"
		oracle verify "$vm" -m "$T/model"
		close vm
	done
	clone
	oracle verify "$vm" -m "$T/model"
}

writers_of_one_subchunk_at_the_same_time() {
	race 4k 400 1024
}

writers_of_one_chunk_at_the_same_time() {
	race 64k 800 8192
}

writers_of_few_chunks_at_the_same_time() {
	race 1m 1200 65536
}

run one_sector_in_a_subchunk \
	a_buffer_in_pieces \
	parts_of_a_large_subchunk \
	a_write_across_two_subchunks \
	a_write_across_two_chunks \
	a_large_write_with_ragged_ends \
	a_second_write_completes_a_subchunk \
	beside_it_are_zeros_where_the_base_has_ended \
	beside_it_are_zeros_in_a_discarded_subchunk \
	writers_of_one_subchunk_at_the_same_time \
	writers_of_one_chunk_at_the_same_time \
	writers_of_few_chunks_at_the_same_time
