#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "what fio can verify: deep queues of mixed sizes, read again after an activation"
needs fio

# job RW ENGINE [fio option...]
job() {
	base=$(template 16m)
	delta=$(loop 24m)
	clone
	set -- --name=job --filename="$vm" --direct=1 --rw="$1" --ioengine="$2" --size=16m \
		--verify=crc32c --verify_fatal=1 --allow_file_create=0 --randrepeat=1 \
		--output="$T/fio" "${@:3}"
	fio "$@" --fsync=128 || fail "$(cat "$T/fio")"
	close vm
	clone
	fio "$@" --verify_only || fail "$(cat "$T/fio")"
}

random_writes_of_4_KiB() {
	job randwrite libaio --bs=4k --iodepth=32
}

random_writes_of_mixed_sizes() {
	job randwrite libaio --bsrange=512-128k --bs_unaligned=0 --blockalign=512 --iodepth=16
}

sequential_writes_of_1_MiB() {
	job write psync --bs=1m
}

run random_writes_of_4_KiB \
	random_writes_of_mixed_sizes \
	sequential_writes_of_1_MiB
