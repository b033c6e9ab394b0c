#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "memory: the mapping of a large clone, held for ever"

# 64 MiB in chunks of 8 KiB: 17 leaves
setup() {
	base=$(loop 64m)
	delta=$(loop 96m)
	for pos in $(seq 0 4 60); do
		blkio write "$base" "${pos}m" 4k 1
	done
	clone chunk_size 16
	blkio write "$vm" 8k 63m 2 bs=512 step=1m
	blkio fsync "$vm"
}

contents() {
	blkio check "$vm" 8k 63m 2 bs=512 step=1m
	blkio check "$vm" 0 64m 1 bs=4k step=4m
	blkio check "$vm" 512k 63m 0 bs=4k step=1m
}

drop() {
	echo 2 >/proc/sys/vm/drop_caches
	[ "$(status vm leaves)" -le 2 ]
}

leaves_are_read_on_demand() {
	setup
	close vm
	clone
	at_most 2 "$(status vm leaves)" "leaves after activation"
	blkio check "$vm" 8k 512 2
	at_most 2 "$(status vm leaves)" "leaves after one read"
	contents
	[ "$(status vm leaves)" -ge 16 ] || fail "$(status vm leaves) leaves after reading all"
}

clean_leaves_are_given_back() {
	setup
	message vm checkpoint
	contents
	within 10 drop
	contents
}

dirty_leaves_are_kept() {
	setup
	close vm
	clone commit_interval 3600000
	contents
	blkio write "$vm" 16k 63m 3 bs=512 step=1m
	for i in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
	done
	blkio check "$vm" 16k 63m 3 bs=512 step=1m
	contents
	blkio fsync "$vm"
	for i in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
	done
	blkio check "$vm" 16k 63m 3 bs=512 step=1m
	contents
	close vm
	clone
	blkio check "$vm" 16k 63m 3 bs=512 step=1m
	contents
}

writers_do_not_notice_eviction() {
	base=$(loop 32m)
	delta=$(loop 64m)
	oracle base "$base" -s 9
	oracle new "$T/model" -s 9 -n 65536 -b 65536
	clone chunk_size 16
	background oracle run "$vm" -m "$T/model" -o "${LCLONE_CACHE_OPS:-3000}" -t 4 -x 65536
	while ! ended $job; do
		echo 2 >/proc/sys/vm/drop_caches
		message vm checkpoint
	done
	wait $job || fail "$(cat "$T/job")"
	oracle verify "$vm" -m "$T/model"
	close vm
	clone
	oracle verify "$vm" -m "$T/model"
}

run leaves_are_read_on_demand \
	clean_leaves_are_given_back \
	dirty_leaves_are_kept \
	writers_do_not_notice_eviction
