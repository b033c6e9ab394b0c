#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the machine, when it swaps to a clone and memory is short"
needs hog mkswap swapon swapoff

mem() { awk -v f="$1:" '$1 == f { print int($2 / 1024) }' /proc/meminfo; }

# in pages, ever
swapped_out() { awk '$1 == "pswpout" { print $2 }' /proc/vmstat; }

[ "$(mem MemTotal)" -le 1024 ] ||
	skip_all "more memory than can be used up here: a machine with 1 GiB does"

# Backing store of a clone must not itself be swapped: a RAM disk, all of its pages there
setup() {
	modprobe -q brd rd_nr=1 rd_size=131072 || skip "no RAM disk"
	[ "$(blkio size /dev/ram0)" -ge 262144 ] || skip "the RAM disk is too small"
	delta=/dev/ram0
	on_exit "modprobe -r brd"
	blkio write $delta 0 128m 5
	blkio write $delta 0 1m 0
	create vm 229376 - $delta commit_interval 100 "$@"
	vm=/dev/mapper/$P-vm
	mkswap $vm
	on_exit "swapoff $vm 2>/dev/null || true"
}

# memory_is_short SWAPON_OPTION...
memory_is_short() {
	local before want

	before=$(swapped_out)
	swapon "$@" $vm
	# what is available is an estimate
	want=$(($(mem MemAvailable) + 64))
	background hog $want 3 4
	while ! ended $job; do
		message vm checkpoint
		echo 2 >/proc/sys/vm/drop_caches
		sleep 0.5
	done
	wait $job || fail "$(cat "$T/job")"
	[ $(($(swapped_out) - before)) -gt 1024 ] || skip "this machine swaps nothing out"
	swapoff $vm
	is rw "$(status vm mode)" "mode"
	close vm
	! command -v lclone >/dev/null || lclone check $delta
}

swap_with_large_chunks() {
	setup
	memory_is_short
}

swap_that_is_discarded_with_small_chunks() {
	setup chunk_size 16
	memory_is_short --discard
}

run swap_with_large_chunks \
	swap_that_is_discarded_with_small_chunks
