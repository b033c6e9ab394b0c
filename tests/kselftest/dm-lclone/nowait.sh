#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "io_uring's speed: without NOWAIT each I/O goes through a thread"

setup() {
	need_null
	base=$(null 16)
	delta=$(null 32 "$@")
	blkio write "$base" 0 16m 1
	blkio write "$base" 0 4k 1 nowait 2>/dev/null || skip "no NOWAIT on devices here"
}

# again COMMAND...: EAGAIN is allowed while something is being fetched, but not for ever
again() {
	within 5 "$@"
}

reads_need_not_wait() {
	setup
	clone
	again blkio check "$vm" 1m 64k 1 nowait
	blkio write "$vm" 2m 64k 2
	again blkio check "$vm" 2m 64k 2 nowait
	blkio check "$vm" 2m 64k 2 nowait
	blkio check "$vm" 1m 64k 1 nowait
}

overwrites_and_first_writes_need_not_wait() {
	setup
	clone
	blkio write "$vm" 2m 64k 2
	blkio check "$vm" 2m 64k 2
	blkio write "$vm" 2m 64k 3 nowait
	blkio check "$vm" 2m 64k 3
	blkio write "$vm" 3m 64k 4 nowait
	blkio check "$vm" 3m 64k 4
}

# Whole or not at all: EAGAIN may come, another content may not
a_write_that_must_wait_says_so_or_is_done() {
	setup
	clone
	if blkio write "$vm" 1050112 512 2 nowait 2>"$T/error"; then
		blkio check "$vm" 1050112 512 2
	else
		grep -q "temporarily unavailable" "$T/error" || fail "$(cat "$T/error")"
		blkio check "$vm" 1050112 512 1
	fi
	blkio check "$vm" 1m 1536 1
	blkio check "$vm" 1050624 2m 1
}

# uring FIO-OPTION...
uring() {
	command -v fio >/dev/null || skip "no fio here"
	fio --name=try --filename="$vm" --direct=1 --ioengine=io_uring --rw=read --size=4k \
		--output="$T/fio" || skip "no io_uring here"
	fio --name=uring --filename="$vm" --direct=1 --ioengine=io_uring --size=16m \
		--verify=crc32c --verify_fatal=1 --allow_file_create=0 --output="$T/fio" "$@" ||
		fail "$(cat "$T/fio")"
}

io_uring_verifies() {
	setup
	clone
	uring --iodepth=16 --rw=randrw --bsrange=512-128k --io_size=24m --fsync=64
}

# Where an I/O must be cut and the disk has no room for its second part, EAGAIN must not come out
io_uring_writes_1_MiB_across_leaves() {
	setup hw_queue_depth=2
	clone chunk_size 16
	uring --iodepth=8 --rw=write --bs=1m
}

run reads_need_not_wait \
	overwrites_and_first_writes_need_not_wait \
	a_write_that_must_wait_says_so_or_is_done \
	io_uring_verifies \
	io_uring_writes_1_MiB_across_leaves
