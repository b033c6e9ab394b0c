#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a clone whose blocks get larger under its file system," \
	"or whose size no table can have any more"

max() {
	echo $(($1 > $2 ? $1 : $2))
}

# disks BASE DELTA [SIZE]: of 8 MiB and 16 MiB, with blocks of these sizes
disks() {
	base=$(loop 8m "$1")
	delta=$(loop 16m "$2")
	size=$(max "$1" "$2")
}

# each combination of base and delta: what is odd in its own blocks is refused, and nothing written
an_odd_size_is_refused_where_blocks_are_larger() {
	local b d n before

	for b in 512 4096; do
		for d in 512 4096; do
			disks $b $d
			if [ $size = 512 ]; then
				create vm 16385 "$base" "$delta"
				message vm resize 16387
				reload vm 16387 "$base" "$delta"
				close vm
				continue
			fi
			before=$(writes_to "$delta")
			refused "multiple of the logical block size" \
				create vm 16385 "$base" "$delta"
			said "16392 (would )?do"
			is "$before" "$(writes_to "$delta")" \
				"writes to a delta that was refused, $b/$d"
			create vm 16384 "$base" "$delta"
			for n in 16385 16391 16388; do
				refused "multiple of 8 sectors" message vm resize $n
			done
			# nothing was recorded
			reload vm 16384 "$base" "$delta"
			message vm resize 16392
			refused "Not the size" dmsetup load "$P-vm" \
				--table "$(line 16384 "$base" "$delta")"
			reload vm 16392 "$base" "$delta"
			close vm
			create vm 16392 "$base" "$delta"
			close vm
		done
	done
}

# a layer of large blocks, too
an_odd_size_is_refused_above_a_layer() {
	disks 512 4096
	create vm 16384 "$base" "$delta"
	new=$(loop 16m 512)
	reload vm 16384 "$base" "$new" parent "$delta"
	refused "multiple of 8 sectors" message vm resize 16385
	reload vm 16384 "$base" "$new" parent "$delta"
}

# base, delta, new delta: a snapshot may make blocks smaller, never larger
a_snapshot_never_makes_blocks_larger() {
	local b d n

	for b in 512 4096; do
		for d in 512 4096; do
			for n in 512 4096; do
				disks $b $d
				new=$(loop 16m $n)
				create vm 16384 "$base" "$delta"
				vm=/dev/mapper/$P-vm
				if [ $n -le $size ]; then
					reload vm 16384 "$base" "$new" parent "$delta"
				else
					before=$(writes_to "$new")
					refused "in use with smaller logical blocks" \
						dmsetup load "$P-vm" --table \
						"$(line 16384 "$base" "$new" parent "$delta")"
					is "$before" "$(writes_to "$new")" \
						"writes to the new delta"
					# nor as a clone of what was used so
					dmsetup clear "$P-vm"
				fi
				is "$size" "$(limit logical_block_size)" "block size, $b/$d/$n"
				blkio write "$vm" 0 4k 2
				blkio check "$vm" 0 4k 2
				close vm
			done
		done
	done
}

a_revert_never_makes_blocks_larger() {
	disks 512 512
	clone
	new=$(loop 16m)
	reload vm 16384 "$base" "$new" parent "$delta"
	third=$(loop 16m 4096)
	refused "in use with smaller logical blocks" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$third" parent "$delta")"
	close vm
	# neither when it is not in use
	refused "was used with smaller logical blocks" \
		create vm 16384 "$base" "$third" parent "$delta"
}

# The delta's disk is replaced by one of larger blocks
a_clone_is_not_opened_with_larger_blocks_than_it_had() {
	disks 512 512
	clone
	blkio write "$vm" 0 64k 2
	close vm
	copy=$(attach "$(backing "$delta")" 16m 4096)
	refused "was used with smaller logical blocks" create vm 16384 "$base" "$copy"
	clone
	blkio check "$vm" 0 64k 2
}

# What flatten and merge end with: blocks may become smaller, and then stay so
a_flatten_may_leave_large_blocks_behind() {
	disks 4096 512
	clone flatten
	is 4096 "$(limit logical_block_size)" "block size"
	within 30 is_status vm sweep flattened
	reload vm 16384 - "$delta" rebase
	is 512 "$(limit logical_block_size)" "block size"
	blkio write "$vm" 512 512 2
	large=$(loop 8m 4096)
	refused "in use with smaller logical blocks" dmsetup load "$P-vm" \
		--table "$(line 16384 "$large" "$delta" rebase merge)"
	close vm
	refused "was used with smaller logical blocks" create vm 16384 "$large" "$delta" rebase
	create vm 16384 - "$delta"
	blkio check "$vm" 512 512 2
}

# The base stays what it is in a merge
a_merge_keeps_the_blocks() {
	local b d

	for b in 512 4096; do
		for d in 512 4096; do
			disks $b $d
			clone
			blkio write "$vm" 1m 64k 2
			reload vm 16384 "$base" "$delta" merge
			is "$size" "$(limit logical_block_size)" "block size, $b/$d"
			within 30 is_status vm sweep merged
			close vm
			blkio check "$base" 1m 64k 2
		done
	done
}

# odd BASE_SECTORS [feature...]: a base that ends within a block of the clone, which is larger
odd() {
	base=$(template $(($1 * 512)))
	delta=$(loop 32m 4096)
	end=$(($1 * 512))
	create vm 24576 "$base" "$delta" "${@:2}"
	vm=/dev/mapper/$P-vm
	cp "$(backing "$base")" "$T/want"
	want=$(attach "$T/want" 12m)
}

# also: the clone and what it shall be get the same write
also() {
	blkio write "$vm" "$@"
	blkio write "$want" "$@"
	blkio fsync "$want"
}

whole() {
	cmp "$vm" "$T/want"
}

# with zeros behind
a_base_may_end_within_a_block() {
	local n

	for n in 16385 16391 16388 3; do
		odd $n
		whole
		reload vm 24576 "$base" "$delta" flatten
		within 30 is_status vm sweep flattened
		reload vm 24576 - "$delta" rebase
		whole
		close vm
	done
}

# A write beside the end fills up the subchunk, of one block or of four
a_copy_up_where_the_base_ends() {
	local n chunk beside at

	for chunk in 128 512; do
		for n in 16385 16391 16409 16412; do
			for beside in 1 -1; do
				odd $n chunk_size $chunk
				at=$(((end / 4096 + beside) * 4096))
				also $at 4k 2
				whole
				close vm
				create vm 24576 "$base" "$delta"
				whole
				close vm
			done
		done
	done
}

run an_odd_size_is_refused_where_blocks_are_larger \
	an_odd_size_is_refused_above_a_layer \
	a_snapshot_never_makes_blocks_larger \
	a_revert_never_makes_blocks_larger \
	a_clone_is_not_opened_with_larger_blocks_than_it_had \
	a_flatten_may_leave_large_blocks_behind \
	a_merge_keeps_the_blocks \
	a_base_may_end_within_a_block \
	a_copy_up_where_the_base_ends
