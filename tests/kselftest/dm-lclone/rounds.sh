#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "what is written while a commit is under way"

need_delay() {
	need_target delay
}

# the log answers slowly, all else at once
slow_log() {
	becomes "256+4096:delay % 0 % 1500 % 0"
}

commits_are() {
	[ "$(status vm commits)" -ge "$1" ]
}

# The timer ends while the round of an earlier write is under way, which does not have this one.
a_write_during_a_round_is_committed_in_time() {
	local c

	need_delay
	base=$(template 8m)
	sick "$(loop 32m)"
	clone commit_interval 20
	blkio write "$vm" 0 4k 2
	message vm commit
	slow_log
	c=$(status vm commits)
	blkio write "$vm" 64k 4k 3
	sleep 0.5
	blkio write "$vm" 128k 4k 4
	within 10 commits_are $((c + 2))
	works
}

# The leaf is taken off the list, seen to have changed, and put back: a flush between the two.
a_flush_waits_for_a_write_during_a_round() {
	local commit

	base=$(template 8m)
	delta=$(loop 32m)
	clone commit_interval 3600000
	blkio write "$vm" 0 4k 2
	blkio write "$vm" 256k 4k 2
	message vm commit
	blkio write "$vm" 64k 4k 3
	background message vm commit
	commit=$job
	sleep 0.5
	blkio write "$vm" 1m 4k 4
	blkio fsync "$vm"
	cp "$(backing "$delta")" "$T/after"
	wait "$commit"
	copy=$(attach "$T/after")
	create cut 16384 "$base" "$copy"
	blkio check "/dev/mapper/$P-cut" 64k 4k 3
	blkio check "/dev/mapper/$P-cut" 1m 4k 4
}

# A log that fails: neither the flush that waits, nor a later one of the same or of another
# writer may succeed.
no_flush_succeeds_after_a_failed_commit() {
	base=$(template 8m)
	sick "$(loop 32m)"
	clone commit_interval 3600000
	blkio write "$vm" 0 4k 2
	becomes "256+4096"
	for _ in 1 2 3 4; do
		! blkio fsync "$vm" || fail "a flush succeeded behind a commit that had failed"
	done
	is ro "$(status vm mode)" "mode"
	works
}

run a_write_during_a_round_is_committed_in_time \
	a_flush_waits_for_a_write_during_a_round \
	no_flush_succeeds_after_a_failed_commit
