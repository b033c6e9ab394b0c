#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the space of deleted files, or data beside what was deleted"

setup() {
	base=$(template 8m)
	delta=$(loop 16m)
	clone
}

used() {
	message vm commit
	status vm used
}

a_discard_reads_zeros_now_and_later() {
	setup
	blkio write "$vm" 1m 1m 2
	blkio discard "$vm" 1m 512k		# written before
	blkio discard "$vm" 4m 192k		# from the base
	for pass in live again; do
		blkio check "$vm" 0 1m 1
		blkio check "$vm" 1m 512k 0
		blkio check "$vm" 1536k 512k 2
		blkio check "$vm" 2m 2m 1
		blkio check "$vm" 4m 192k 0
		blkio check "$vm" 4288k 3904k 1
		[ $pass = again ] || { close vm; clone; }
	done
}

a_discard_of_subchunks_spares_the_others() {
	setup
	blkio write "$vm" 64k 64k 2
	blkio discard "$vm" 72k 8k
	blkio discard "$vm" 200k 8k
	for pass in live again; do
		blkio check "$vm" 0 64k 1
		blkio check "$vm" 64k 8k 2
		blkio check "$vm" 72k 8k 0
		blkio check "$vm" 80k 48k 2
		blkio check "$vm" 128k 72k 1
		blkio check "$vm" 200k 8k 0
		blkio check "$vm" 208k 48k 1
		[ $pass = again ] || { close vm; clone; }
	done
}

writes_after_a_discard_count() {
	setup
	blkio write "$vm" 1m 256k 2
	blkio discard "$vm" 1m 256k
	blkio write "$vm" 1088k 4k 3
	for pass in live again; do
		blkio check "$vm" 1m 64k 0
		blkio check "$vm" 1088k 4k 3
		blkio check "$vm" 1092k 188k 0
		blkio check "$vm" 1280k 64k 1
		[ $pass = again ] || { close vm; clone; }
	done
}

discarded_chunks_are_free_after_a_commit() {
	setup
	empty=$(used)
	blkio write "$vm" 0 4m 2
	full=$(used)
	[ "$full" -ge $((empty + 64)) ] || fail "64 chunks written, $empty -> $full used"
	blkio discard "$vm" 0 4m
	within 20 at_or_below $((full - 60))
}

at_or_below() {
	[ "$(used)" -le "$1" ]
}

zeroed_chunks_are_free_after_a_commit() {
	setup
	[ "$(limit write_zeroes_max_bytes)" != 0 ] ||
		skip "a device below has no write-zeroes"
	blkio write "$vm" 0 4m 2
	full=$(used)
	blkio zeroout "$vm" 0 4m
	within 20 at_or_below $((full - 60))
	blkio check "$vm" 0 4m 0
	blkio check "$vm" 4m 4m 1
}

freed_space_is_used_again() {
	base=$(template 8m)
	delta=$(loop 7m)	# room for one 4 MiB of data, not for two
	clone error_if_no_space
	for i in 2 3 4 5 6 7; do
		blkio write "$vm" 0 4m $i
		blkio write "$vm" 4m 64k $i
		blkio check "$vm" 0 4m $i
		blkio discard "$vm" 0 4m
		message vm commit
		blkio check "$vm" 0 4m 0
		blkio check "$vm" 4m 64k $i
	done
	# and also what was freed before an activation
	close vm
	clone error_if_no_space
	blkio write "$vm" 4m 4m 8
	blkio check "$vm" 4m 4m 8
	blkio check "$vm" 0 4m 0
}

write_zeroes_are_exact_to_the_sector() {
	setup
	blkio write "$vm" 1m 256k 2
	blkio zeroout "$vm" 1050112 66048	# 3 sectors into a subchunk, 129 long
	blkio zeroout "$vm" 2098688 1024
	for pass in live again; do
		blkio check "$vm" 0 1m 1
		blkio check "$vm" 1m 1536 2
		blkio check "$vm" 1050112 66048 0
		blkio check "$vm" 1116160 194560 2
		blkio check "$vm" 1280k 768k 1
		blkio check "$vm" 2m 1536 1
		blkio check "$vm" 2098688 1024 0
		blkio check "$vm" 2099712 1m 1
		[ $pass = again ] || { close vm; clone; }
	done
}

a_discard_of_16_GiB_is_quick_and_stops_nobody() {
	base=$(loop 16g)
	delta=$(loop 128m)
	blkio write "$base" 8g 1m 1
	clone
	blkio write "$vm" 4g 1m 2
	before=$SECONDS
	background blkio discard "$vm" 1m 17177772032	# all but the first and the last MiB
	# a write and a read beside it do not wait for its end
	blkio write "$vm" 0 64k 3
	blkio check "$vm" 0 64k 3
	wait $job
	at_most "${LCLONE_QUICK:-40}" $((SECONDS - before)) "seconds for 16 GiB"
	for pass in live again; do
		blkio check "$vm" 0 64k 3
		blkio check "$vm" 4g 1m 0
		blkio check "$vm" 8g 1m 0
		[ $pass = again ] || { close vm; clone; }
	done
}

a_discard_of_a_TiB_of_nothing_is_quick() {
	delta=$(loop 128m)
	create vm 2147483648 - "$delta"
	vm=/dev/mapper/$P-vm
	blkio write "$vm" 512g 1m 2
	before=$SECONDS
	blkio discard "$vm" 0 1024g
	at_most "${LCLONE_QUICK:-40}" $((SECONDS - before)) "seconds for 1 TiB"
	blkio check "$vm" 512g 1m 0
	at_most 60 "$(used)" "chunks in use"
}

discards_are_passed_down_unless_told_not_to() {
	base=$(template 8m)
	delta=$(loop 16m)
	file=$(backing "$delta")
	clone
	blkio write "$vm" 0 4m 2
	message vm commit
	was=$(stat -c %b "$file")
	blkio discard "$vm" 0 4m
	message vm commit
	within 20 shrunk "$file" $((was - 7000))	# 4 MiB are 8192 sectors
	blkio check "$vm" 0 4m 0
	close vm
	clone no_discard_passdown
	blkio write "$vm" 0 4m 3
	message vm commit
	was=$(stat -c %b "$file")
	blkio discard "$vm" 0 4m
	message vm commit
	sleep 1
	[ "$(stat -c %b "$file")" -ge $((was - 100)) ] || fail "passed down all the same"
	blkio check "$vm" 0 4m 0
}

shrunk() {
	[ "$(stat -c %b "$1")" -le "$2" ]
}

run a_discard_reads_zeros_now_and_later \
	a_discard_of_subchunks_spares_the_others \
	writes_after_a_discard_count \
	discarded_chunks_are_free_after_a_commit \
	zeroed_chunks_are_free_after_a_commit \
	freed_space_is_used_again \
	write_zeroes_are_exact_to_the_sector \
	a_discard_of_16_GiB_is_quick_and_stops_nobody \
	a_discard_of_a_TiB_of_nothing_is_quick \
	discards_are_passed_down_unless_told_not_to
