#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "polled I/O, as of databases on NVMe: EAGAIN comes out, or wrong data"

setup() {
	command -v fio >/dev/null || skip "no fio here"
	need_null
	base=$(null 16 submit_queues=1 poll_queues=2 "$@") || skip "no poll queues in null_blk here"
	delta=$(null 32 submit_queues=1 poll_queues=2 "$@")
	blkio write "$base" 0 16m 1
	# A page that null_blk does not have yet it would allocate while it is polled, where
	# nothing may sleep: debug kernels complain of it
	dd if=/dev/zero of="$delta" bs=1M count=32 oflag=direct status=none
	clone
	[ "$(limit io_poll)" = 1 ] || skip "device-mapper does not poll here"
}

# job FIO-OPTION...
job() {
	fio --name=job --filename="$vm" --direct=1 --allow_file_create=0 --size=16m \
		--output="$T/fio" "$@" || fail "$(<"$T/fio")"
}

verified=(--verify=crc32c --verify_fatal=1)

# polled FIO-OPTION...: a job of io_uring that polls, each I/O verified
polled() {
	fio --name=try --filename="$vm" --direct=1 --ioengine=io_uring --hipri --rw=read \
		--size=4k --output="$T/fio" || skip "no polled io_uring here"
	job --ioengine=io_uring --hipri "${verified[@]}" "$@"
}

# I/O of all sizes is cut at chunks and where a subchunk's source changes, with NOWAIT as
# io_uring sends it
polled_io_of_all_sizes_verifies() {
	setup
	polled --iodepth=16 --rw=randrw --bsrange=512-128k --io_size=24m
}

polled_io_of_a_kernel_thread_verifies() {
	setup
	polled --iodepth=16 --rw=randrw --bsrange=4k-128k --io_size=16m --sqthread_poll
}

polled_io_with_fixed_buffers_verifies() {
	setup
	polled --iodepth=16 --rw=randrw --bsrange=4k-128k --io_size=16m --fixedbufs --registerfiles
	polled --iodepth=16 --rw=randrw --bsrange=4k-128k --io_size=16m --fixedbufs \
		--registerfiles --sqthread_poll
}

# one of each kind that has to be cut
polled_io_is_cut() {
	setup
	blkio write "$vm" 1028k 4k 2		# the second subchunk of a chunk
	job --ioengine=io_uring --hipri --rw=read --bs=16k --offset=1m --size=16k
	polled --rw=write --bs=4k --offset=2162176 --size=4k	# 2 KiB before the end of a chunk
	polled --rw=write --bs=1m --offset=4m --size=1m
	blkio check "$vm" 1m 4k 1
	blkio check "$vm" 1028k 4k 2
	blkio check "$vm" 1032k 1m 1
}

polled_reads_and_writes_that_block_verify() {
	setup
	job --ioengine=pvsync2 --hipri "${verified[@]}" --rw=randrw --bsrange=512-128k --io_size=8m
}

# What need not be cut need not wait either
io_that_need_not_wait_is_done() {
	setup
	for engine in pvsync2 libaio; do
		job --ioengine=$engine --nowait=1 "${verified[@]}" --rw=randrw --bs=4k --io_size=8m
	done
	job --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=512-128k --io_size=16m \
		"${verified[@]}"
}

# More parts than the disk takes at a time: who polls may not wait for them
few_requests_are_enough() {
	setup hw_queue_depth=4
	polled --iodepth=32 --rw=randrw --bsrange=4k-256k --io_size=24m
}

# As dm-linear does: nobody says that the parts of a write come or go together
atomic_writes_are_refused() {
	setup
	blkio write "$base" 0 4k 1 atomic 2>"$T/linear" && skip "null_blk has atomic writes here"
	on_exit "remove_if_there linear"
	dmsetup create "$P-linear" --table "0 32768 linear $base 0"
	blkio write "/dev/mapper/$P-linear" 0 4k 2 atomic 2>"$T/linear" &&
		fail "dm-linear takes atomic writes: what about us?"
	blkio write "$vm" 0 4k 2 atomic 2>"$T/error" && fail "an atomic write was taken"
	is "$(sed 's/.*: //' "$T/linear")" "$(sed 's/.*: //' "$T/error")" "what is said"
	blkio check "$vm" 0 4k 1
}

run polled_io_of_all_sizes_verifies \
	polled_io_of_a_kernel_thread_verifies \
	polled_io_with_fixed_buffers_verifies \
	polled_io_is_cut \
	polled_reads_and_writes_that_block_verify \
	io_that_need_not_wait_is_done \
	few_requests_are_enough \
	atomic_writes_are_refused
