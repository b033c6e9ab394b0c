#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "what was committed, when a disk fails; and the notice of it"

# A delta whose writes can be made to fail
setup() {
	need_target flakey
	base=$(template 8m)
	disk=$(loop 16m)
	on_exit "remove_if_there flakey"
	dmsetup create "$P-flakey" --table "0 32768 linear $disk 0"
	delta=/dev/mapper/$P-flakey
	clone commit_interval 3600000
	blkio write "$vm" 1m 64k 2
	blkio fsync "$vm"
}

# becomes TABLE: of the device below the delta
becomes() {
	dmsetup suspend --noflush --nolockfs "$P-flakey"
	dmsetup load "$P-flakey" --table "0 32768 $1"
	dmsetup resume "$P-flakey"
}

fails() {
	becomes "flakey $disk 0 0 1000000 1 error_writes"
}

works() {
	becomes "linear $disk 0"
}

a_failed_data_write_fails_that_write_only() {
	setup
	fails
	! blkio write "$vm" 2m 64k 3 2>/dev/null || fail "the error was swallowed"
	is rw "$(status vm mode)" "mode"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 2m 1m 1
	works
	blkio write "$vm" 2m 64k 4
	blkio write "$vm" 3m 64k 4
	blkio fsync "$vm"
	close vm
	clone
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 2m 64k 4
	blkio check "$vm" 3m 64k 4
}

a_failed_commit_makes_it_read_only_loudly() {
	setup
	blkio write "$vm" 2m 64k 3
	was=$(events vm)
	mark "the commit fails"
	fails
	! blkio fsync "$vm" 2>/dev/null || fail "the error was swallowed"
	said "read-only|read only"
	within 10 is_status vm mode ro
	[ "$(events vm)" -gt "$was" ] || fail "no event"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	! blkio write "$vm" 3m 64k 4 2>/dev/null || fail "written in read-only mode"
	! blkio fsync "$vm" 2>/dev/null || fail "an fsync succeeds although a commit was lost"
	blkio check "$vm" 3m 64k 1
	works
	timeout 20 dmsetup remove "$P-vm"
	clone
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
}

a_base_that_cannot_be_read_fails_those_reads_only() {
	base=$(template 8m)
	delta=$(loop 16m)
	on_exit "remove_if_there base"
	dmsetup create "$P-base" <<-TABLE
		0 8192 linear $base 0
		8192 256 error
		8448 7936 linear $base 8448
	TABLE
	base=/dev/mapper/$P-base
	clone
	blkio check "$vm" 0 4m 1
	! blkio check "$vm" 4m 4k 1 2>/dev/null || fail "the error was swallowed"
	# a partial write needs what cannot be read; whole subchunks do not
	! blkio write "$vm" 4198400 512 2 2>/dev/null || fail "half a subchunk was made up"
	blkio write "$vm" 4m 4k 3
	blkio check "$vm" 4m 4k 3
	! blkio check "$vm" 4100k 4k 1 2>/dev/null || fail "the error was swallowed"
	is rw "$(status vm mode)" "mode"
	blkio check "$vm" 4224k 3968k 1
}

a_checkpoint_that_fails_loses_nothing_committed() {
	setup
	blkio write "$vm" 5m 64k 5
	blkio fsync "$vm"
	fails
	! message vm checkpoint 2>/dev/null || fail "the error was swallowed"
	within 10 is_status vm mode ro
	blkio check "$vm" 5m 64k 5
	works
	timeout 20 dmsetup remove "$P-vm"
	clone
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 5m 64k 5
	is rw "$(status vm mode)" "mode after the disk works again"
}

run a_failed_data_write_fails_that_write_only \
	a_failed_commit_makes_it_read_only_loudly \
	a_base_that_cannot_be_read_fails_those_reads_only \
	a_checkpoint_that_fails_loses_nothing_committed
