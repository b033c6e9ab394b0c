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

# scattered LENGTH: of each of eight chunks at 4m that much, in the opposite order
scattered() {
	local i

	for i in 7 6 5 4 3 2 1 0; do
		blkio write "$vm" $((4096 + i * 64))k "$1" 2
	done
}

what_lies_scattered_is_cut_without_EAGAIN() {
	setup
	clone "$@"
	scattered 64k
	blkio check "$vm" 4m 512k 2 nowait
	blkio check "$vm" 4064k 32k 1 nowait
	blkio check "$vm" 4m 512k 2 nowait
	blkio write "$vm" 4m 512k 3 nowait
	blkio check "$vm" 4m 512k 3 nowait
	# overwrites and first writes, the latter also of parts of a chunk
	blkio write "$vm" 5m 64k 4
	blkio write "$vm" 4992k 256k 5 nowait
	blkio check "$vm" 4992k 256k 5 nowait
	blkio discard "$vm" 4160k 128k
	blkio check "$vm" 4160k 128k 0 nowait
	blkio write "$vm" 4m 512k 6 nowait dsync
	close vm
	clone "$@"
	blkio check "$vm" 0 4m 1
	blkio check "$vm" 4m 512k 6
	blkio check "$vm" 4608k 384k 1
	blkio check "$vm" 4992k 256k 5
	blkio check "$vm" 5248k 1m 1
}

what_lies_scattered_is_cut_with_the_base_cached() {
	what_lies_scattered_is_cut_without_EAGAIN base_cache
}

# From the middle of a block to the middle of another, with a FUA, and in small chunks
parts_of_blocks_are_cut_without_EAGAIN() {
	setup
	clone chunk_size 16
	blkio write "$vm" 1049088 256k 2 nowait dsync
	close vm
	clone chunk_size 16
	blkio check "$vm" 0 1049088 1
	blkio check "$vm" 1049088 256k 2
	blkio check "$vm" 1311232 1m 1
}

# A part in the middle fails, those around it do not
an_error_of_one_part_of_a_read_is_that_of_the_whole() {
	setup
	local there=$delta
	sick "$base"
	base=$delta delta=$there
	clone
	blkio write "$vm" 4m 128k 2
	blkio write "$vm" 4288k 128k 2
	becomes 8448+8		# 4224k
	! blkio check "$vm" 4m 320k 2 nowait 2>"$T/error" || fail "the error was swallowed"
	grep -q "Input/output error" "$T/error" || fail "$(cat "$T/error")"
	works
	blkio check "$vm" 4224k 64k 1 nowait
	blkio write "$vm" 4m 320k 3 nowait
	blkio check "$vm" 4m 320k 3 nowait
}

# lies POSITION: sets at to the first sector of its chunk in the delta
lies() {
	local to=$((disk_size / 128)) middle

	at=0
	while [ $((to - at)) -gt 1 ]; do
		middle=$(((at + to) / 2))
		becomes $((at * 128))+$(((middle - at) * 128))
		if blkio check "$vm" "$1" 4k 2 2>/dev/null; then
			at=$middle
		else
			to=$middle
		fi
	done
	works
	at=$((at * 128))
}

an_error_of_one_part_of_a_write_is_that_of_the_whole() {
	setup
	sick "$delta"
	clone commit_interval 3600000
	scattered 4k
	blkio fsync "$vm"
	lies 4352k
	becomes $at+128
	! blkio write "$vm" 4m 512k 3 nowait 2>"$T/error" || fail "the error was swallowed"
	grep -q "Input/output error" "$T/error" || fail "$(cat "$T/error")"
	works
	# of the part that failed nothing is shown, the others are there
	blkio check "$vm" 4352k 4k 2
	blkio check "$vm" 4356k 60k 1
	blkio check "$vm" 4m 256k 3
	blkio check "$vm" 4416k 192k 3
	becomes $at+128
	! blkio write "$vm" 4m 512k 4 nowait dsync 2>/dev/null || fail "the error was swallowed"
	works
	blkio write "$vm" 4m 512k 5 nowait dsync
	is rw "$(status vm mode)" mode
	close vm
	clone
	blkio check "$vm" 4m 512k 5
	blkio check "$vm" 4608k 1m 1
}

# Nobody is there who could wait in place of the submitter: only this says so
a_write_that_is_cut_during_a_merge_says_so_or_is_done() {
	setup
	clone
	scattered 64k
	close vm
	clone merge
	if blkio write "$vm" 4m 512k 3 nowait 2>"$T/error"; then
		blkio check "$vm" 4m 512k 3
	else
		grep -q "temporarily unavailable" "$T/error" || fail "$(cat "$T/error")"
		blkio check "$vm" 4m 512k 2
	fi
	blkio write "$vm" 4m 512k 4
	blkio check "$vm" 4m 512k 4
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

# Twice the chunks lie as they came
io_uring_verifies_1_MiB_over_what_lies_scattered() {
	setup
	clone
	uring --iodepth=16 --rw=randwrite --bs=64k --size=8m
	uring --iodepth=4 --rw=write --bs=1m --size=8m --fsync=4
	uring --iodepth=4 --rw=randrw --bs=1m --size=8m --loops=2
}

# Where an I/O must be cut and the disk has no room for its second part, EAGAIN must not come out
io_uring_writes_1_MiB_across_leaves() {
	setup hw_queue_depth=2
	clone chunk_size 16
	uring --iodepth=8 --rw=write --bs=1m
}

run reads_need_not_wait \
	overwrites_and_first_writes_need_not_wait \
	what_lies_scattered_is_cut_without_EAGAIN \
	what_lies_scattered_is_cut_with_the_base_cached \
	parts_of_blocks_are_cut_without_EAGAIN \
	an_error_of_one_part_of_a_read_is_that_of_the_whole \
	an_error_of_one_part_of_a_write_is_that_of_the_whole \
	a_write_that_is_cut_during_a_merge_says_so_or_is_done \
	io_uring_verifies \
	io_uring_verifies_1_MiB_over_what_lies_scattered \
	io_uring_writes_1_MiB_across_leaves
