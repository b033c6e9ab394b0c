#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
. "${0%/*}/network.sh"
loses "what was written to clones, or their use, when the network takes the base away"

# readable PLACE: the base is read there
readable() { timeout 20 blkio check "$vm" "$1" 4k 1 2>/dev/null; }

# reads_fail TRANSPORT OPTION: the path is lost and comes again, and who asks for the base gets
# errors meanwhile
reads_fail() {
	"clone_on_$1" "${@:2}"
	"$1_is_lost"
	goes_on_without
	# half a subchunk: the rest of it is in the base
	fails blkio write "$vm" 2m 2k 3
	goes_on 9m
	"$1_is_there"
	within 30 readable 64k
	all_there
	blkio check "$vm" 2m 1m 1
	blkio check "$vm" 10m 1m 1
	blkio write "$vm" 2m 2k 3
	blkio fsync "$vm"
	close vm
	clone commit_interval 3600000
	blkio check "$vm" 2m 2k 3
	blkio check "$vm" 2050k 2k 1
	blkio check "$vm" 8m 64k 3
	blkio check "$vm" 9m 64k 3
}

# reads_wait TRANSPORT OPTION: the same, and who asks for the base waits
reads_wait() {
	"clone_on_$1" "${@:2}"
	"$1_is_lost"
	blkio check "$vm" 0 4k 1 >"$T/reader" 2>&1 &
	reader=$!
	blkio write "$vm" 2m 2k 3 >"$T/writer" 2>&1 &
	writer=$!
	sleep 2
	goes_on 8m
	! ended $reader && ! ended $writer || fail "not waiting: $(cat "$T/reader" "$T/writer")"
	"$1_is_there"
	within 30 ended $reader
	within 30 ended $writer
	wait $reader || fail "$(cat "$T/reader")"
	wait $writer || fail "$(cat "$T/writer")"
	all_there
	blkio check "$vm" 2m 2k 3
	blkio check "$vm" 2050k 2k 1
}

nvme_reads_fail_after_fast_io_fail_tmo() { reads_fail nvme ctrl_loss_tmo=600 fast_io_fail_tmo=1; }
nvme_reads_wait_without_it() { reads_wait nvme ctrl_loss_tmo=600; }
iscsi_reads_fail_after_replacement_timeout() { reads_fail iscsi 1; }
iscsi_reads_wait_until_then() { reads_wait iscsi 600; }

run nvme_reads_fail_after_fast_io_fail_tmo \
	nvme_reads_wait_without_it \
	iscsi_reads_fail_after_replacement_timeout \
	iscsi_reads_wait_until_then
