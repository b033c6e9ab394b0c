#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a running VM's I/O while its table is changed"

setup() {
	base=$(template 8m)
	delta=$(loop 24m)
	clone "$@"
}

a_reload_under_load_loses_nothing() {
	base=$(loop 8m)
	delta=$(loop 24m)
	oracle base "$base" -s 3
	oracle new "$T/model" -s 3 -n 16384 -b 16384
	clone
	background oracle run "$vm" -m "$T/model" -o "${LCLONE_RELOAD_OPS:-30000}" -t 4 -x 131072
	n=0
	while ! ended $job; do
		n=$((n + 1))
		case $((n % 4)) in
		0) reload vm 16384 "$base" "$delta" ;;
		1) reload vm 16384 "$base" "$delta" error_if_no_space commit_interval 50 ;;
		2) reload vm 16384 "$base" "$delta" low_water_mark 3 ;;
		3) dmsetup suspend "$P-vm"; dmsetup resume "$P-vm" ;;
		esac
	done
	wait $job || fail "$(cat "$T/job")"
	[ $n -ge 4 ] || fail "only $n reloads under load"
	oracle verify "$vm" -m "$T/model"
	close vm
	clone
	oracle verify "$vm" -m "$T/model"
}

fio_does_not_notice_a_reload() {
	command -v fio >/dev/null || skip "no fio here"
	setup
	background fio --name=live --filename="$vm" --direct=1 --ioengine=psync --rw=randrw \
		--bsrange=512-64k --size=8m --io_size=12m --verify=crc32c --verify_fatal=1 \
		--allow_file_create=0 --output="$T/fio"
	n=0
	while ! ended $job; do
		reload vm 16384 "$base" "$delta"
		n=$((n + 1))
		sleep 0.2
	done
	wait $job || fail "$(cat "$T/fio")"
	[ $n -ge 2 ] || fail "only $n reloads under load"
}

a_feature_changes_by_reload() {
	setup
	blkio write "$vm" 1m 64k 2
	reload vm 16384 "$base" "$delta" commit_interval 200 no_discard_passdown
	dmsetup table "$P-vm" | grep -q "commit_interval 200 no_discard_passdown" ||
		fail "table: $(dmsetup table "$P-vm")"
	blkio check "$vm" 1m 64k 2
	blkio write "$vm" 2m 64k 3
	reload vm 16384 "$base" "$delta"
	! dmsetup table "$P-vm" | grep -q "commit_interval" || fail "still there"
	blkio check "$vm" 2m 64k 3
}

read_only_and_back_by_reload() {
	setup
	blkio write "$vm" 1m 64k 2
	reload vm 16384 "$base" "$delta" read_only
	is ro "$(status vm mode)" "mode"
	! blkio write "$vm" 1m 64k 3 2>/dev/null || fail "written to a read-only clone"
	blkio check "$vm" 1m 64k 2
	reload vm 16384 "$base" "$delta"
	is rw "$(status vm mode)" "mode"
	blkio write "$vm" 1m 64k 3
	blkio check "$vm" 1m 64k 3
}

a_loaded_table_may_be_dropped_again() {
	setup
	blkio write "$vm" 1m 64k 2
	for i in 1 2 3; do
		dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" read_only)"
		dmsetup clear "$P-vm"
	done
	blkio write "$vm" 2m 64k 3
	blkio fsync "$vm"
	# removed with a table still waiting
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta")"
	close vm
	clone
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 2m 64k 3
}

a_bad_table_leaves_the_running_one_alone() {
	setup
	blkio write "$vm" 1m 64k 2
	refused "" dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" frobnicate)"
	refused "" dmsetup load "$P-vm" --table "$(line 9999 "$base" "$delta")"
	blkio check "$vm" 1m 64k 2
	blkio write "$vm" 2m 64k 3
	blkio check "$vm" 2m 64k 3
	is rw "$(status vm mode)" "mode"
}

a_suspended_clone_is_complete_on_its_delta() {
	setup
	blkio write "$vm" 1m 64k 2
	dmsetup suspend "$P-vm"
	blkio copy "$delta" "$T/copy"
	dmsetup resume "$P-vm"
	create two 16384 "$base" "$(attach "$T/copy")"
	blkio check /dev/mapper/$P-two 1m 64k 2
	blkio check /dev/mapper/$P-two 2m 6m 1
}

# checkpoints N: until one is refused
checkpoints() {
	while message vm checkpoint 2>"$T/refusal.$1"; do
		:
	done
	grep -q "temporarily unavailable" "$T/refusal.$1"
}

# What comes too late would change what the suspend has noted of the delta
messages_keep_off_a_suspend() {
	local i j jobs

	command -v lclone >/dev/null || skip "no lclone here"
	base=$(template 8m)
	delta=$(loop 16m)
	clone chunk_size 16
	for i in 1 2 3; do
		blkio write "$vm" 0 4m $i
		blkio discard "$vm" 1m 2m
		jobs=()
		for j in 1 2 3; do
			checkpoints $j &
			jobs+=($!)
		done
		sleep 0.3
		dmsetup suspend "$P-vm"
		for j in "${jobs[@]}"; do
			wait "$j"
		done
		close vm
		lclone check --base "$base" "$delta"
		clone
	done
}

run a_reload_under_load_loses_nothing \
	fio_does_not_notice_a_reload \
	a_feature_changes_by_reload \
	read_only_and_back_by_reload \
	a_loaded_table_may_be_dropped_again \
	a_bad_table_leaves_the_running_one_alone \
	a_suspended_clone_is_complete_on_its_delta \
	messages_keep_off_a_suspend
