#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a delta that two clones write to"

setup() {
	base=$(template 8m)
	delta=$(loop 16m)
	other=$(loop 16m)
	clone
	blkio write "$vm" 1m 64k 2
}

a_delta_has_one_writer() {
	setup
	refused "in use|active|busy|another" create two 16384 "$base" "$delta"
	refused "in use|active|busy|another" create two 16384 "$base" "$delta" read_only
	blkio check "$vm" 1m 64k 2
	blkio write "$vm" 1m 64k 3
	close vm
	create two 16384 "$base" "$delta"
	blkio check /dev/mapper/$P-two 1m 64k 3
}

a_delta_in_use_is_nobodys_base() {
	setup
	refused "in use|active|busy|another|delta" create two 32768 "$delta" "$other"
}

a_base_in_use_is_nobodys_delta() {
	setup
	refused "" create two 16384 - "$base"
	blkio check "$vm" 0 1m 1
}

a_delta_is_not_its_own_base() {
	delta=$(loop 16m)
	refused "" create vm 16384 "$delta" "$delta"
	blkio check "$delta" 0 16m 0
}

a_delta_is_not_there_twice_in_a_table() {
	setup
	close vm
	printf '%s\n%s\n' "0 16384 lclone $base $delta" \
		"16384 16384 lclone $base $delta" >"$T/table"
	on_exit "remove_if_there two"
	refused "" dmsetup create "$P-two" "$T/table"
	clone
	blkio check "$vm" 1m 64k 2
}

a_delta_of_a_waiting_table_is_taken() {
	setup
	close vm
	on_exit "remove_if_there waits"
	dmsetup create "$P-waits" --notable
	dmsetup load "$P-waits" --table "$(line 16384 "$base" "$delta")"
	refused "in use|active|busy|another" create two 16384 "$base" "$delta"
	dmsetup remove "$P-waits"
	clone
	blkio check "$vm" 1m 64k 2
}

read_only_refuses_writes_and_writes_nothing() {
	setup
	close vm
	before=$(blkio hash "$delta")
	clone read_only
	is ro "$(status vm mode)" "mode"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	! blkio write "$vm" 2m 4k 3 2>/dev/null || fail "a write was taken"
	! blkio discard "$vm" 2m 64k 2>/dev/null || fail "a discard was taken"
	blkio fsync "$vm"
	dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	blkio check "$vm" 1m 64k 2
	close vm
	is "$before" "$(blkio hash "$delta")" "hash of the delta"
}

devices_that_are_read_only_will_do_for_reading() {
	setup
	close vm
	on_exit "blkio readonly $base 0; blkio readonly $delta 0"
	blkio readonly "$base" 1
	clone
	blkio write "$vm" 1m 64k 3
	close vm
	blkio readonly "$delta" 1
	refused "" create vm 16384 "$base" "$delta"
	create two 16384 "$base" "$delta" read_only
	blkio check /dev/mapper/$P-two 1m 64k 3
	blkio check /dev/mapper/$P-two 0 1m 1
}

run a_delta_has_one_writer \
	a_delta_in_use_is_nobodys_base \
	a_base_in_use_is_nobodys_delta \
	a_delta_is_not_its_own_base \
	a_delta_is_not_there_twice_in_a_table \
	a_delta_of_a_waiting_table_is_taken \
	read_only_refuses_writes_and_writes_nothing \
	devices_that_are_read_only_will_do_for_reading
