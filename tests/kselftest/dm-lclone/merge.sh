#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "data of a running clone that is merged into its base"

# under NAME FILE-DEVICE: a device on it that can be stopped like one that lost power
under() {
	on_exit "remove_if_there $1"
	dmsetup create "$P-$1" --table "0 $(blkio size "$2") linear $2 0"
	echo "/dev/mapper/$P-$1"
}

# starts the merge of vm, over $base and $delta
merge() {
	reload vm "$(blkio size "$vm")" "$base" "$delta" merge
	[ -z "$1" ] || message vm merge_rate "$1"
}

setup() {
	base=$(template "${1:-8m}")
	delta=$(loop 64m)
	clone
}

an_idle_clone_ends_up_in_its_base() {
	setup
	blkio write "$vm" 0 1m 2 bs=4k step=64k
	blkio write "$vm" 2m 2m 3
	blkio write "$vm" 5m 512 4
	blkio discard "$vm" 6m 64k
	blkio discard "$vm" 3m 64k
	sum=$(blkio hash "$vm")
	before=$(events vm)
	merge 0
	within 60 is_status vm sweep merged
	[ "$(events vm)" -gt "$before" ] || fail "no event at the end"
	is "$sum" "$(blkio hash "$vm")" "content of the clone"
	is rw "$(status vm mode)" "mode"
	close vm
	is "$sum" "$(blkio hash "$base")" "content of the base"
	clone
	is "$sum" "$(blkio hash "$vm")" "content after an activation"
}

writes_go_to_the_base_and_the_merge_ends() {
	base=$(loop 32m)
	delta=$(loop 80m)
	oracle base "$base" -s 3
	oracle new "$T/model" -s 3 -n 65536 -b 65536
	clone
	oracle run "$vm" -m "$T/model" -o 8000 -t 4
	used=$(status vm used)
	background oracle run "$vm" -m "$T/model" -o 60000 -t 4
	merge 0
	within 200 is_status vm sweep merged
	at_most $((used + 64)) "$(status vm swept)" "chunks merged"
	kill -0 "$job" || fail "the load ended first: $(<"$T/job")"
	wait "$job" || fail "$(<"$T/job")"
	oracle verify "$vm" -m "$T/model"
	# the clone becomes its base
	dmsetup load "$P-vm" --table "0 65536 linear $base 0"
	dmsetup resume "$P-vm"
	oracle verify "$vm" -m "$T/model"
	oracle run "$vm" -m "$T/model" -o 1000
	close vm
	oracle verify "$base" -m "$T/model"
}

a_merge_for_idle_times_stands_aside() {
	base=$(loop 32m)
	delta=$(loop 80m)
	oracle base "$base" -s 4
	oracle new "$T/model" -s 4 -n 65536 -b 65536
	clone
	oracle run "$vm" -m "$T/model" -o 8000 -t 4
	used=$(status vm used)
	background oracle run "$vm" -m "$T/model" -o 1000000 -t 4
	merge idle
	begun=$(status vm swept)
	sleep 5
	at_most $((used / 4)) $(($(status vm swept) - begun)) \
		"chunks merged while the clone is used"
	is merging "$(status vm sweep)" "state"
	kill -0 "$job" || fail "the load ended: $(<"$T/job")"
	kill "$job"
	wait "$job" || true
	within 60 is_status vm sweep merged
}

# power_cut SEED RATE SECONDS
power_cut() {
	local base_file delta_file

	base_file=$(loop 16m)
	delta_file=$(loop 40m)
	oracle base "$base_file" -s "$1"
	oracle new "$T/model" -s "$1" -n 32768 -b 32768
	base=$(under base "$base_file")
	delta=$(under delta "$delta_file")
	create vm 32768 "$base" "$delta" commit_interval 50
	vm=/dev/mapper/$P-vm
	oracle run "$vm" -m "$T/model" -o 1000 -t 4
	background oracle run "$vm" -m "$T/model" -o 1000000 -t 4
	merge "$2"
	sleep "$3"
	kill -0 "$job" || fail "the load ended: $(<"$T/job")"
	# from now on nothing reaches the disks
	dmsetup suspend --noflush --nolockfs "$P-base"
	dmsetup suspend --noflush --nolockfs "$P-delta"
	kill -KILL "$job"
	blkio copy "$base_file" "$T/base"
	blkio copy "$delta_file" "$T/delta"
	cp "$T/model" "$T/model.cut"
	dmsetup resume "$P-base"
	dmsetup resume "$P-delta"
	wait "$job" 2>/dev/null || true
	close vm
	create vm 32768 "$(attach "$T/base")" "$(attach "$T/delta")"
	oracle crash "$vm" -m "$T/model.cut"
	is - "$(status vm check)" "needs check"
	close vm
	close base
	close delta
}

what_was_covered_survives_a_power_cut() {
	power_cut 5 0 0.3
	power_cut 7 4000 1.1
	power_cut 8 auto 1.5
}

a_merge_that_was_stopped_goes_on() {
	setup 32m
	blkio write "$vm" 0 32m 2
	merge 1000
	sleep 1
	dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	is merging "$(status vm sweep)" "the merge after a suspend"
	blkio check "$vm" 0 32m 2
	close vm
	clone
	blkio check "$vm" 0 32m 2
	blkio write "$vm" 1m 1m 3
	merge 0
	within 60 is_status vm sweep merged
	blkio check "$vm" 0 1m 2
	blkio check "$vm" 1m 1m 3
	blkio check "$vm" 2m 30m 2
	close vm
	blkio check "$base" 1m 1m 3
}

parts_of_subchunks_and_zeros_go_down_too() {
	setup
	blkio write "$vm" $((1048576 + 512)) 512 2
	merge 0
	within 60 is_status vm sweep merged
	blkio write "$vm" $((2097152 + 512)) 512 3
	blkio write "$vm" 3m 4k 4 dsync
	blkio discard "$vm" 4m 64k
	blkio check "$vm" $((2097152 + 512)) 512 3
	blkio check "$vm" 2m 512 1
	blkio check "$vm" 3m 4k 4
	blkio check "$vm" 1m 512 1
	blkio check "$vm" $((1048576 + 512)) 512 2
	is merged "$(status vm sweep)" "state"
}

no_leaf_is_in_RAM() {
	echo 2 >/proc/sys/vm/drop_caches
	is_status vm leaves 0
}

# A delta that got one more exception would lose it with the switch to the base
has_swept() {
	[ "$(status vm swept)" -gt 0 ]
}

a_batch_of_zeros_is_no_larger_than_one_of_data() {
	setup 32m
	blkio discard "$vm" 0 32m
	merge 1000
	within 20 has_swept
	at_most 64 "$(status vm swept)" "chunks of the first batches"
	message vm merge_rate 0
	within 60 is_status vm sweep merged
	is 512 "$(status vm swept)" "chunks merged"
	blkio check "$base" 0 32m 0
}

scsi_debug_disk() {
	compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*"
}

a_base_may_fail_its_command_for_zeros() {
	local disk

	# it has WRITE SAME, but not to unmap
	modprobe -q sd_mod && modprobe -q scsi_debug dev_size_mb=8 lbpws=0 &&
		[ -d /sys/module/scsi_debug ] || skip "no scsi_debug here"
	on_exit "modprobe -r scsi_debug"
	within 10 scsi_debug_disk >"$T/out"
	disk=$(scsi_debug_disk)
	echo writesame_16_unmap >"${disk%/block/*}"/scsi_disk/*/zeroing_mode
	base=/dev/${disk##*/}
	blkio write "$base" 0 8m 1
	delta=$(loop 64m)
	clone
	blkio discard "$vm" 1m 3m
	merge 0
	within 60 is_status vm sweep merged
	close vm
	blkio check "$base" 0 1m 1
	blkio check "$base" 1m 3m 0
	blkio check "$base" 4m 4m 1
}

what_comes_after_the_end_goes_to_the_base() {
	setup
	blkio write "$vm" 0 1m 2
	merge 0
	within 60 is_status vm sweep merged
	message vm checkpoint
	within 10 no_leaf_is_in_RAM
	blkio discard "$vm" 4m 64k
	blkio write "$vm" 4m 64k 7
	within 10 no_leaf_is_in_RAM
	blkio write "$vm" 5m 512 8
	within 10 no_leaf_is_in_RAM
	blkio zeroout "$vm" 6m 66k
	blkio write "$vm" 6m 4k 9
	blkio fsync "$vm"
	blkio check "$base" 4m 64k 7
	blkio check "$base" 5m 512 8
	blkio check "$base" 6m 4k 9
	blkio check "$base" $((6 * 1048576 + 4096)) 62k 0
}

# The first chunk meets a bad sector of the base; the second one, in a batch of its own, is held up
a_write_does_not_run_into_a_batch() {
	file=$(template 16m)
	slow=$(under slow "$file")
	on_exit "remove_if_there base"
	dmsetup create "$P-base" --table "0 128 linear $file 0
128 32640 linear $slow 128"
	base=/dev/mapper/$P-base
	delta=$(loop 64m)
	clone
	blkio write "$vm" 0 128k 2	# both lie together
	blkio write "$vm" 128k 16256k 2
	dmsetup load "$P-vm" --table "$(line 32768 "$base" "$delta" merge)"
	dmsetup suspend --noflush --nolockfs "$P-base"
	dmsetup load "$P-base" --table "0 8 error
8 120 linear $file 8
128 32640 linear $slow 128"
	dmsetup resume "$P-base"
	dmsetup suspend --noflush --nolockfs "$P-slow"
	dmsetup resume "$P-vm"
	within 20 is_status vm sweep merge_failed
	background blkio write "$vm" 0 128k 3
	sleep 1
	dmsetup resume "$P-slow"
	within 20 ended $job
	wait $job
	sleep 1
	blkio check "$vm" 0 128k 3
	blkio check "$vm" 128k 1m 2
}

# What is in flight may hold a leaf that was evicted before the merge met the one in its place
a_slow_write_is_merged_though_its_leaf_was_evicted() {
	command -v fio >/dev/null || skip "no fio here"
	need_target delay
	base=$(loop 64m)
	sick "$(loop 96m)"
	clone chunk_size 16
	blkio write "$vm" 0 64m 2 bs=1m
	message vm checkpoint
	becomes "0+$disk_size:delay % 0 % 20"
	background fio --name=job --filename="$vm" --direct=1 --rw=randwrite --bs=4k --size=64m \
		--ioengine=libaio --iodepth=64 --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--verify_state_save=0 --allow_file_create=0
	merge 10000
	while ! ended $job; do
		echo 2 >/proc/sys/vm/drop_caches
	done
	wait $job || fail "$(<"$T/job")"
	within 60 is_status vm sweep merged
	works
}

# Its base changes till the end: what is put on top of it could never be opened again
what_is_being_merged_does_not_become_a_layer() {
	setup
	third=$(loop 16m)
	blkio write "$vm" 0 8m 2
	merge 100
	refused "being merged" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$third" parent "$delta")"
	reload vm 16384 "$base" "$delta"
	reload vm 16384 "$base" "$third" parent "$delta"
	blkio write "$vm" 1m 64k 3
	blkio check "$vm" 0 1m 2
	close vm
	create vm 16384 "$base" "$third" parent "$delta"
	blkio check "$vm" 1m 64k 3
	blkio check "$vm" 2m 6m 2
}

what_others_need_is_not_merged_into() {
	setup
	other=$(loop 16m)
	create two 16384 "$base" "$other"
	refused "another|other|too" reload vm 16384 "$base" "$delta" merge
	dmsetup clear "$P-vm" 2>/dev/null || true
	reload vm 16384 "$base" "$delta"
	close two
	merge 100
	dmsetup create "$P-two" --notable
	on_exit "close two"
	refused "merged into" dmsetup load "$P-two" --table "$(line 16384 "$base" "$other")"
	blkio check "$vm" 0 1m 1
}

what_can_not_be_merged_is_refused() {
	setup
	refused "writable" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$delta" merge read_only)"
	close vm
	new=$(loop 16m)
	third=$(loop 16m)
	refused "base" create vm 16384 - "$third" merge
	refused "smaller" create vm 32768 "$base" "$new" merge
}

run an_idle_clone_ends_up_in_its_base \
	writes_go_to_the_base_and_the_merge_ends \
	a_merge_for_idle_times_stands_aside \
	what_was_covered_survives_a_power_cut \
	a_merge_that_was_stopped_goes_on \
	parts_of_subchunks_and_zeros_go_down_too \
	a_batch_of_zeros_is_no_larger_than_one_of_data \
	a_base_may_fail_its_command_for_zeros \
	what_comes_after_the_end_goes_to_the_base \
	a_write_does_not_run_into_a_batch \
	a_slow_write_is_merged_though_its_leaf_was_evicted \
	what_is_being_merged_does_not_become_a_layer \
	what_others_need_is_not_merged_into \
	what_can_not_be_merged_is_refused
