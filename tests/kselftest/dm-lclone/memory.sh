#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "I/O that does not end, and with it the machine, when there is no memory"
needs scarce

mem=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
[ "$mem" -le 3072 ] ||
	skip_all "no machine to be without memory for a while: a small virtual one is"

# 9 GiB in chunks of 16 KiB: three pages of the directory, each leaf has 7.9 MiB.  RAM
# disks, which have all of their pages.
setup() {
	modprobe -q brd rd_nr=6 rd_size=32768 || skip "no RAM disk"
	base=/dev/ram0 delta=/dev/ram1
	[ "$(blkio size $delta)" -ge 65536 ] || skip "the RAM disk is too small"
	on_exit "modprobe -r brd"
	blkio write $base 0 32m 4
	blkio write $delta 0 32m 5
	blkio write $delta 0 1m 0
	create vm $((9 << 21)) $base $delta chunk_size 32 "$@"
	vm=/dev/mapper/$P-vm
}

# without_memory BLOCKS SEED [THREADS]
without_memory() {
	milliseconds scarce "$vm" $((300 << 20)) "$1" "$2" 60 "${3:-1}"
	echo "$took ms"
	blkio check "$vm" 8k 512 4	# beside a part that was copied up
	is rw "$(status vm mode)" "mode"
}

first_writes_need_no_memory() {
	setup commit_interval 3600000
	without_memory 30 1
	close vm
	! command -v lclone >/dev/null || lclone check $delta
}

leaves_are_loaded_without_memory() {
	setup
	blkio write "$vm" 0 9000m 1 bs=4k step=300m
	message vm checkpoint
	without_memory 30 2
	close vm
	! command -v lclone >/dev/null || lclone check $delta
}

# Each who waits for a leaf of a layer gets to use those that it has before another's take their
# place
layers_are_read_without_memory() {
	setup
	layers=()
	for n in 2 3 4 5; do
		blkio write "$vm" ${n}m 9000m 1 bs=4k step=300m
		message vm checkpoint
		layers+=(parent "$delta")
		delta=/dev/ram$n
		blkio write $delta 0 32m 5
		blkio write $delta 0 1m 0
		reload vm $((9 << 21)) $base $delta "${layers[@]}"
		[ $n = 2 ] || [ $n = 5 ] || continue
		without_memory 30 $n 4
	done
	close vm
	! command -v lclone >/dev/null || lclone check $delta
}

run first_writes_need_no_memory \
	leaves_are_loaded_without_memory \
	layers_are_read_without_memory
