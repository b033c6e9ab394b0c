#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the limits of a cgroup: one guest takes the disk from all others"

# setup LIMIT: a cgroup that may do so much to the delta
setup() {
	need_null
	base=$(null 16)
	delta=$(null 32)
	blkio write "$base" 0 16m 1
	mkdir -p "$T/cgroup"
	mount -t cgroup2 none "$T/cgroup" 2>/dev/null || skip "no cgroup2 here"
	on_exit "umount $T/cgroup"
	echo +io >"$T/cgroup/cgroup.subtree_control" || skip "no io controller in cgroup2 here"
	mkdir "$T/cgroup/guest"
	on_exit "rmdir $T/cgroup/guest"
	[ -e "$T/cgroup/guest/io.max" ] || skip "no io.max here"
	clone
	read -r number <"/sys/block/${delta##*/}/dev"
	echo "$number $1" >"$T/cgroup/guest/io.max"
}

# limited COMMAND...: in the cgroup; $took is in milliseconds
limited() {
	local from=${EPOCHREALTIME/.}

	( echo "$BASHPID" >"$T/cgroup/guest/cgroup.procs"
	  exec "$@" )
	took=$(((${EPOCHREALTIME/.} - from) / 1000))
}

at_least() {
	[ "$2" -ge "$1" ] || fail "$3: at least $1 expected, found $2"
}

# Each is written with the rest of its 4 KiB: 64 of them are 256 KiB
first_writes_of_512_bytes_keep_to_io_max() {
	setup wbps=65536
	limited blkio write "$vm" 0 512k 2 bs=512 step=8k
	at_least 3000 "$took" "ms"
	blkio check "$vm" 0 512k 2 bs=512 step=8k
	blkio check "$vm" 512 7680 1
}

# What the worker sends after a wait for a leaf
deferred_writes_keep_to_io_max() {
	setup wbps=65536
	blkio write "$vm" 0 256k 2
	close vm
	clone
	limited blkio write "$vm" 0 256k 3 bs=128k
	at_least 3000 "$took" "ms"
	blkio check "$vm" 0 256k 3
}

# What the worker cuts, and sends in parts
writes_over_what_lies_scattered_keep_to_io_max() {
	setup wbps=65536
	for i in 3 2 1 0; do
		blkio write "$vm" $((i * 64))k 64k 2
	done
	limited blkio write "$vm" 0 256k 3 nowait
	at_least 3000 "$took" "ms"
	blkio check "$vm" 0 256k 3
}

run first_writes_of_512_bytes_keep_to_io_max \
	deferred_writes_keep_to_io_max \
	writes_over_what_lies_scattered_keep_to_io_max
