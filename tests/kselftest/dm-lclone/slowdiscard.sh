#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "seconds in every write that waits, while a slow disk discards what was freed"

DATA=4352	# the first sector of data in a delta, see format.rst

# A clone with 1 MiB of data that can be discarded
setup() {
	need_target delay
	base=$(template 8m)
	sick "$(loop 32m)"
	clone commit_interval 3600000
	blkio write "$vm" 0 1m 2
	message vm commit
}

at_or_below() {
	[ "$(status vm used)" -le "$1" ]
}

nobody_waits_for_a_slow_discard() {
	setup
	becomes "$DATA+2048:delay % 0 % 6000"
	used=$(status vm used)
	blkio discard "$vm" 0 1m
	message vm commit
	sleep 0.5
	# the worker copies up, and makes a leaf
	milliseconds blkio write "$vm" 4m 512 3
	at_or_below $((used - 10)) && fail "the discard is too quick"
	[ $took -le 3000 ] || fail "a write waited $took ms"
	within 20 at_or_below $((used - 10))
	works
	blkio write "$vm" 0 1m 4
	blkio check "$vm" 0 1m 4
	blkio check "$vm" 4m 512 3
	blkio check "$vm" 4194816 1m 1
}

# a suspend waits for it, and what was discarded is not another's by then
a_suspend_waits_for_a_slow_discard() {
	setup
	becomes "$DATA+2048:delay % 0 % 3000"
	blkio discard "$vm" 0 1m
	message vm commit
	timeout 20 dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	works
	for i in 3 4 5; do
		blkio write "$vm" 0 8m $i
		blkio check "$vm" 0 8m $i
	done
}

run nobody_waits_for_a_slow_discard \
	a_suspend_waits_for_a_slow_discard
