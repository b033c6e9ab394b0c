#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "acknowledged data in a power cut"

setup() {
	base=$(template 8m)
	delta=$(loop 16m)
	# what becomes durable does so by a flush, not by the timer
	clone commit_interval 3600000 "$@"
}

# killed NAME: what a kill at this moment would have left on the delta, as clone NAME
killed() {
	blkio copy "$delta" "$T/copy.$1"
	create "$1" "$(blkio size "$base")" "$base" "$(attach "$T/copy.$1")"
	vm2=/dev/mapper/$P-$1
	is rw "$(status "$1" mode)" "mode after a kill"
	is - "$(status "$1" check)" "needs check"
}

what_an_fsync_covered_survives_a_kill() {
	setup
	blkio write "$vm" 0 1m 2 bs=4k step=64k
	blkio write "$vm" 4m 2m 3
	blkio write "$vm" 7m 512 4
	blkio discard "$vm" 5m 64k
	blkio fsync "$vm"
	killed two
	blkio check "$vm2" 0 1m 2 bs=4k step=64k
	blkio check "$vm2" 4k 1m 1 bs=60k step=64k
	blkio check "$vm2" 1090k 2m 1
	blkio check "$vm2" 4m 1m 3
	blkio check "$vm2" 5m 64k 0
	blkio check "$vm2" 5184k 960k 3
	blkio check "$vm2" 7m 512 4
	blkio check "$vm2" 7340544 1048064 1
}

a_FUA_write_survives_a_kill() {
	setup
	blkio write "$vm" 1m 64k 2 bs=4k dsync
	blkio write "$vm" 3146240 512 3 dsync
	killed two
	blkio check "$vm2" 1m 64k 2
	blkio check "$vm2" 3146240 512 3
	blkio check "$vm2" 3m 512 1
}

more_commits() {
	[ "$(status vm commits)" -gt "$commits" ]
}

the_timer_commits_without_a_flush() {
	base=$(template 8m)
	delta=$(loop 16m)
	clone commit_interval 200
	commits=$(status vm commits)
	blkio write "$vm" 1m 64k 2
	within 20 more_commits
	killed two
	blkio check "$vm2" 1m 64k 2
}

a_kill_after_a_kill_loses_nothing() {
	setup
	for i in 2 3 4 5; do
		blkio write "$vm" $((i * 256))k 64k $i
		blkio fsync "$vm"
		blkio write "$vm" $((i * 256 + 64))k 64k 9	# may be lost
		blkio copy "$delta" "$T/copy"
		close vm
		delta=$(attach "$T/copy")
		clone commit_interval 3600000
		rm "$T/copy"
	done
	blkio check "$vm" 0 512k 1
	for i in 2 3 4 5; do
		blkio check "$vm" $((i * 256))k 64k $i
		blkio check "$vm" $((i * 256 + 128))k 128k 1
	done
}

many_commits_wrap_the_log() {
	setup
	# one commit per write: more than the 512 blocks of the log
	for i in 1 2 3 4 5; do
		blkio write "$vm" 0 7680k $i bs=4k step=64k dsync
		blkio discard "$vm" 0 7680k
	done
	blkio write "$vm" 0 7680k 6 bs=4k step=64k dsync
	[ "$(status vm checkpoints)" -ge 2 ] || fail "$(status vm checkpoints) checkpoints only"
	killed two
	blkio check "$vm2" 0 7680k 6 bs=4k step=64k
	blkio check "$vm2" 4k 7680k 0 bs=60k step=64k
	blkio check "$vm2" 7680k 512k 1
}

# A disk that drops, from one moment on, all writes and says they are done
dropped_writes_lose_nothing_that_a_flush_covered() {
	need_target flakey
	base=$(loop 6m)
	disk=$(loop 16m)
	oracle base "$base" -s 11
	oracle new "$T/model" -s 11 -n 16384 -b 12288
	on_exit "remove_if_there flakey"
	for i in 1 2 3 4; do
		dmsetup create "$P-flakey" --table "0 32768 linear $disk 0"
		create vm 16384 "$base" "/dev/mapper/$P-flakey" commit_interval 50
		oracle run /dev/mapper/$P-vm -m "$T/model" -o "${LCLONE_DURABLE_OPS:-400}" -t 3 \
			-x 131072
		dmsetup suspend --noflush --nolockfs "$P-flakey"
		dmsetup load "$P-flakey" --table "0 32768 flakey $disk 0 0 1000000 1 drop_writes"
		dmsetup resume "$P-flakey"
		blkio write /dev/mapper/$P-vm 0 8m 77 bs=64k
		timeout 20 dmsetup remove "$P-vm"
		dmsetup remove "$P-flakey"
		create vm 16384 "$base" "$disk"
		is rw "$(status vm mode)" "mode after the cut"
		oracle crash /dev/mapper/$P-vm -m "$T/model"
		# start again from what there is
		close vm
		oracle new "$T/model" -s $((11 + i)) -n 16384 -b 12288
		oracle base "$base" -s $((11 + i))
		blkio write "$disk" 0 16m 0
	done
}

run what_an_fsync_covered_survives_a_kill \
	a_FUA_write_survives_a_kill \
	the_timer_commits_without_a_flush \
	a_kill_after_a_kill_loses_nothing \
	many_commits_wrap_the_log \
	dropped_writes_lose_nothing_that_a_flush_covered
