#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "memory of others, when the delta grows while it is searched or full"

# A delta with little above the mark, and something free below it
aged() {
	base=$(loop 256m)
	sick "$back"
	clone
	blkio write "$vm" 0 20m 2 bs=64k
	blkio discard "$vm" 0 10m
	message vm commit
	sleep 1
	close vm
	clone "$@"
}

grow() {
	blkio resize "$back" "$(backing "$back")" "$1"
	disk_size=$(blkio size "$back")
	becomes "${@:2}"
	message vm grow
}

need_delay() {
	need_target delay
}

# The superblock that tells of the growth is slow: the allocator must not use it before
a_growth_while_a_search_begins() {
	need_delay
	back=$(loop 64m)
	aged
	background grow 192m "0+136:delay % 0 % 4000 % 0"
	grow=$job
	sleep 1
	background blkio write "$vm" 32m 60m 3 bs=64k
	writer=$job
	wait "$grow"
	disk_size=$(blkio size "$back")
	wait "$writer"
	works
	blkio write "$vm" 100m 80m 4 bs=64k
	blkio check "$vm" 32m 60m 3
	blkio check "$vm" 100m 80m 4
	blkio check "$vm" 10m 10m 2
}

# Small growths, one after the other, of a delta that is full and was searched
growths_of_a_full_delta() {
	local size=48 writer

	back=$(loop 48m)
	aged no_space_timeout 0
	background blkio write "$vm" 32m 100m 3 bs=64k
	writer=$job
	while ! ended "$writer"; do
		if is_status vm full "full"; then
			size=$((size + 3))
			grow ${size}m
		fi
		sleep 0.05
	done
	wait "$writer"
	[ $size -ge 100 ] || fail "it has grown to $size MiB only"
	blkio check "$vm" 32m 100m 3
	blkio check "$vm" 10m 10m 2
	is rw "$(status vm mode)" "mode"
	close vm
	! command -v lclone >/dev/null || lclone check --base "$base" "$delta"
}

run a_growth_while_a_search_begins growths_of_a_full_delta
