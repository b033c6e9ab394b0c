#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "zeros that a discard promised while the clone is merged, or the base's space"

# setup BASE-ATTRIBUTE...: a slow merge; the base has no command for zeros
setup() {
	need_null
	base=$(null 16 "$@")
	delta=$(loop 64m)
	blkio write "$base" 0 16m 1
	clone
	blkio write "$vm" 0 4m 2
	merge 1
}

merge() {
	reload vm "$(blkio size "$vm")" "$base" "$delta" merge
	message vm merge_rate "$1"
}

# discards of what is in the base only, of what is in the delta, of parts of a chunk
discard_some() {
	is merging "$(status vm sweep)" "state"
	blkio discard "$vm" 8m 1m
	blkio discard "$vm" 3m 1m
	blkio discard "$vm" 10m 12k
}

check_all() {
	blkio check "$1" 0 3m 2
	blkio check "$1" 3m 1m 0
	blkio check "$1" 4m 4m 1
	blkio check "$1" 8m 1m 0
	blkio check "$1" 9m 1m 1
	blkio check "$1" 10m 12k 0
	blkio check "$1" 10252k 4m 1
}

finish_merge() {
	message vm merge_rate 0
	within 60 is_status vm sweep merged
	check_all "$vm"
	blkio discard "$vm" 15m 64k		# nothing is left but the base
	blkio check "$vm" 15m 64k 0
	close vm
	check_all "$base"
	blkio check "$base" 15m 64k 0
}

what_is_discarded_reads_as_zeros() {
	setup
	discard_some
	check_all "$vm"
	finish_merge
}

discards() {
	local now

	read -ra now <"/sys/block/${1##*/}/stat"
	echo "${now[11]}"
}

the_base_is_not_discarded() {
	setup discard=1
	from=$(discards "$base")
	discard_some
	check_all "$vm"
	finish_merge
	is "$from" "$(discards "$base")" "discards of the base"
}

# the base's own command makes the zeros, where it has one
a_base_with_write_zeroes_is_not_written() {
	base=$(template 16m)
	delta=$(loop 64m)
	[ "$(<"/sys/block/${base##*/}/queue/write_zeroes_max_bytes")" != 0 ] ||
		skip "a loop device without write-zeroes here"
	clone
	blkio write "$vm" 0 4m 2
	merge 1
	discard_some
	check_all "$vm"
	finish_merge
}

run what_is_discarded_reads_as_zeros \
	the_base_is_not_discarded \
	a_base_with_write_zeroes_is_not_written
