#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a delta that nobody was to write to, or what its log has"

# A delta with commits in its log, as a crash leaves it
setup() {
	base=$(template 8m)
	delta=$(loop 16m)
	clone
	blkio write "$vm" 0 64k 2
	message vm commit
	cp "$(backing "$delta")" "$T/crashed"
	close vm
	delta=$(attach "$T/crashed")
	clone read_only
	n=$(writes_to "$delta")
}

unwritten() {
	is "$n" "$(writes_to "$delta")" "writes to a delta that is read_only, after $1"
	blkio check "$vm" 0 64k 2
}

a_read_only_delta_is_not_sealed() {
	setup
	new=$(loop 16m)
	refused "can't be sealed" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$new" parent "$delta")"
	unwritten "a snapshot"
	# nor one that was never resumed
	close vm
	dmsetup create "$P-vm" --notable
	on_exit "remove_if_there vm"
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta")"
	refused "can't be sealed" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$new" parent "$delta")"
	is "$n" "$(writes_to "$delta")" "writes to a delta that was not resumed"
	close vm
	# writable it is
	clone
	reload vm 16384 "$base" "$new" parent "$delta"
	blkio check "$vm" 0 64k 2
}

# loaded while the clone is written, resumed when it is not
a_delta_that_became_read_only_is_not_sealed() {
	base=$(template 8m)
	sick "$(loop 16m)"
	clone
	blkio write "$vm" 0 64k 2
	message vm checkpoint
	new=$(loop 16m)
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$new" parent "$delta")"
	becomes 256+4096
	blkio write "$vm" 1m 64k 3
	! message vm commit || fail "a commit without a log"
	works
	m=$(writes_to "$disk")
	! dmsetup resume "$P-vm" || fail "a snapshot of a delta that has met an error"
	is "$m" "$(writes_to "$disk")" "writes to a delta that has met an error"
	reload vm 16384 "$base" "$delta"
	is ro "$(status vm mode)" "mode"
	blkio check "$vm" 0 64k 2
	refused "can't be sealed" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$new" parent "$delta")"
	refused "no rebase" dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" rebase)"
	# a merge of it ends before it begins, and says so
	reload vm 16384 "$base" "$delta" merge
	is merge_failed "$(status vm sweep)" "a merge of a delta that has met an error"
	reload vm 16384 "$base" "$delta"
	for m in grow "resize 32768" commit checkpoint; do
		# shellcheck disable=SC2086
		refused "not writable" message vm $m
	done
}

messages_do_not_write_to_it() {
	setup
	for m in grow "resize 32768" commit checkpoint "merge_rate 1"; do
		# shellcheck disable=SC2086
		refused "not writable" message vm $m
		unwritten "$m"
	done
	blkio resize "$delta" "$T/crashed" 32m
	dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	unwritten "a growth"
}

a_table_for_reading_only_wants_nothing_written() {
	setup
	close vm
	for f in merge flatten rebase; do
		on_exit "remove_if_there vm"
		refused "writable delta" dmsetup create "$P-vm" --readonly \
			--table "$(line 16384 "$base" "$delta" $f)"
		is "$n" "$(writes_to "$delta")" "writes to the delta by $f"
	done
}

# The first error is of the device, the damage comes later
damage_is_not_noted_on_it() {
	sick "$(loop 16m)"
	create vm 131072 - "$delta"
	vm=/dev/mapper/$P-vm
	blkio write "$vm" 0 64k 2
	blkio write "$vm" 48m 64k 2
	close vm
	create vm 131072 - "$delta"
	blkio write "$vm" 1m 64k 3
	becomes 256+4096
	! message vm commit || fail "a commit without a log"
	works
	reload vm 131072 - "$delta" read_only
	n=$(writes_to "$disk")
	# all leaves but the first one, which is in memory
	becomes "4352+28416:zero"
	! blkio check "$vm" 48m 64k 2 || fail "read without its leaf"
	within 10 is_status vm check needs_check
	sleep 1
	is "$n" "$(writes_to "$disk")" "writes to a delta that is read_only"
}

run a_read_only_delta_is_not_sealed \
	a_delta_that_became_read_only_is_not_sealed \
	messages_do_not_write_to_it \
	a_table_for_reading_only_wants_nothing_written \
	damage_is_not_noted_on_it
