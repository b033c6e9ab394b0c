#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a device that was formatted for a table that was refused, or a clone that can't be resumed"

setup() {
	base=$(template 8m)
	delta=$(loop 16m)
}

# is_blank DEV: where superblocks are there is nothing
is_blank() {
	is "$(head -c 69632 /dev/zero | cksum)" "$(head -c 69632 "$(backing "$1")" | cksum)" \
		"the start of a delta that was never used"
}

# Formatted by the first line, then the second one is refused
a_table_that_is_refused_leaves_a_blank_delta() {
	setup
	! create_line vm "$(line 16384 "$base" "$delta")"$'\n'"16384 8 lclone" ||
		fail "not refused"
	is_blank "$delta"
	clone
	blkio check "$vm" 0 8m 1
}

# ... by device-mapper, which compares blocks and lines
a_table_that_does_not_fit_leaves_a_blank_delta() {
	base=$(template 8m)
	delta=$(loop 16m 4096)
	new=$(loop 16m)
	! create_line vm "$(line 8 - "$new")"$'\n'"8 9 lclone $base $delta" || fail "not refused"
	is_blank "$delta"
	is_blank "$new"
}

a_table_that_is_never_resumed_leaves_a_blank_delta() {
	setup
	clone
	new=$(loop 16m)
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$new" parent "$delta")"
	# a second table for it, the first one goes
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$new" parent "$delta")"
	dmsetup clear "$P-vm"
	is_blank "$new"
	reload vm 16384 "$base" "$new" parent "$delta"
	blkio write "$vm" 0 64k 2
	close vm
	create vm 16384 "$base" "$new" parent "$delta"
	blkio check "$vm" 0 64k 2
}

# What was formatted before is nobody's to take back
an_old_delta_is_not_taken_back() {
	setup
	clone
	blkio write "$vm" 0 64k 2
	close vm
	! create_line vm "$(line 16384 "$base" "$delta")"$'\n'"16384 8 lclone" ||
		fail "not refused"
	clone
	blkio check "$vm" 0 64k 2
}

# buffers WHAT: those that the module has, of vmalloc
buffers() {
	grep -c "lclone_copier_create" /proc/vmallocinfo || true
}

a_resume_allocates_nothing() {
	local n feature

	setup
	clone
	for feature in merge flatten; do
		dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" $feature)"
		n=$(buffers)
		[ "$n" -gt 0 ] || fail "no buffers for $feature when it is loaded"
		dmsetup suspend "$P-vm"
		dmsetup resume "$P-vm"
		is "$n" "$(buffers)" "buffers after the resume"
		# again, and with the same feature
		dmsetup suspend "$P-vm"
		dmsetup resume "$P-vm"
		reload vm 16384 "$base" "$delta" $feature
		is "$n" "$(buffers)" "buffers after a reload"
		reload vm 16384 "$base" "$delta"
		is 0 "$(buffers)" "buffers without $feature"
	done
}

# A full delta, as a crash leaves it: the tree is walked, but not when the clone stands still
a_resume_reads_no_tree() {
	base=$(template 8m)
	sick "$(loop 6m)"
	clone chunk_size 16 error_if_no_space
	! blkio write "$vm" 0 8m 2 bs=64k || fail "not full"
	message vm checkpoint
	cp "$(backing "$disk")" "$T/crashed"
	close vm
	dd if="$T/crashed" of="$disk" bs=1M oflag=direct status=none
	on_exit "remove_if_there vm"
	dmsetup create "$P-vm" --notable
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta")"
	# superblocks and log are there, no chunk is
	becomes "4352+7936"
	dmsetup resume "$P-vm"
	is rw "$(status vm mode)" "mode"
	works
	blkio check "$vm" 0 1m 2
}

# What a table names is its own from the load on
a_base_of_a_loaded_table_is_nobodys_delta() {
	setup
	other=$(loop 16m) new=$(loop 16m)
	clone
	dmsetup load "$P-vm" --table "$(line 16384 "$other" "$delta" rebase)"
	refused "base of another clone" create two 16384 - "$other"
	refused "base of another clone" create two 16384 - "$new" parent "$other"
	dmsetup clear "$P-vm"
	create two 16384 - "$other"
	refused "base is the delta" dmsetup load "$P-vm" \
		--table "$(line 16384 "$other" "$delta" rebase)"
}

a_merge_is_refused_at_the_load() {
	setup
	other=$(loop 16m)
	clone
	create two 16384 "$base" "$other"
	refused "base has another clone" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$delta" merge)"
	close two
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" merge)"
	refused "being merged into" create two 16384 "$base" "$other"
	dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	within 30 is_status vm sweep merged
}

# A delta that has grown while it was not active: as many leaves may be dirty as its size allows
limits_are_those_of_the_new_size() {
	local i

	delta=$(loop 24m)
	size=$((64 << 21))
	create vm $size - "$delta" commit_interval 3600000
	close vm
	blkio resize "$delta" "$(backing "$delta")" 1g
	create vm $size - "$delta" commit_interval 3600000
	vm=/dev/mapper/$P-vm
	c=$(status vm checkpoints)
	for ((i = 0; i < 60; i++)); do
		blkio write "$vm" $((i * 64))m 4k 2
	done
	is "60 $c" "$(status vm dirty) $(status vm checkpoints)" "dirty leaves and checkpoints"
}

run a_table_that_is_refused_leaves_a_blank_delta \
	a_table_that_does_not_fit_leaves_a_blank_delta \
	a_table_that_is_never_resumed_leaves_a_blank_delta \
	an_old_delta_is_not_taken_back \
	a_resume_allocates_nothing \
	a_resume_reads_no_tree \
	a_base_of_a_loaded_table_is_nobodys_delta \
	a_merge_is_refused_at_the_load \
	limits_are_those_of_the_new_size
