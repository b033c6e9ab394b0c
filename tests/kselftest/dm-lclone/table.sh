#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "tools that read tables and status lines, and the table itself after a save and restore"

setup() {
	base=$(template 1m)
	delta=$(loop 8m)
}

number_of() {
	echo "$(<"/sys/block/${1##*/}/dev")"
}

what_table_prints_is_what_was_loaded() {
	setup
	clone
	for set in {0..63}; do
		features=()
		[ $((set & 1)) = 0 ] || features+=(read_only)
		[ $((set & 2)) = 0 ] || features+=(error_if_no_space)
		[ $((set & 4)) = 0 ] || features+=(no_space_timeout 5)
		[ $((set & 8)) = 0 ] || features+=(low_water_mark 3)
		[ $((set & 16)) = 0 ] || features+=(commit_interval 500)
		[ $((set & 32)) = 0 ] || features+=(no_discard_passdown)
		table="0 2048 lclone $(number_of "$base") $(number_of "$delta")"
		[ ${#features[@]} = 0 ] || table+=" ${#features[@]} ${features[*]}"
		dmsetup load "$P-vm" --table "$table"
		is "$table" "$(dmsetup table --inactive "$P-vm")" "table"
	done
}

features_may_come_in_any_order() {
	setup
	clone commit_interval 500 error_if_no_space low_water_mark 3
	is "5 error_if_no_space low_water_mark 3 commit_interval 500" \
		"$(dmsetup table "$P-vm" | cut -d' ' -f6-)" "features"
}

the_table_of_a_chunk_size_and_of_no_base_loads_again() {
	setup
	create vm 2048 - "$delta" chunk_size 16
	table=$(dmsetup table "$P-vm")
	is - "$(echo "$table" | cut -d' ' -f4)" "base"
	close vm
	create_line vm "$table"
	is "$table" "$(dmsetup table "$P-vm")" "table"
	is 16 "$(status vm chunk)" "chunk size"
	close vm
	# a formatted delta knows its chunk size
	create vm 2048 - "$delta"
	is 16 "$(status vm chunk)" "chunk size"
}

status_has_its_nine_fields() {
	setup
	clone
	dmsetup status "$P-vm" | grep -Eq \
		'^0 2048 lclone rw 128 [0-9]+/[0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ - -$' ||
		fail "status: $(dmsetup status "$P-vm")"
	# 8 MiB are 128 chunks; the superblocks and the log take 34
	is 94 "$(status vm total)" "total chunks"
}

status_counts_what_happens() {
	setup
	clone commit_interval 3600000
	used=$(status vm used)
	commits=$(status vm commits)
	checkpoints=$(status vm checkpoints)
	blkio write "$vm" 0 256k 2
	is $((used + 4)) "$(status vm used)" "used chunks"
	is 1 "$(status vm dirty)" "dirty leaves"
	message vm commit
	is $((commits + 1)) "$(status vm commits)" "commits"
	message vm checkpoint
	is $((checkpoints + 1)) "$(status vm checkpoints)" "checkpoints"
	is 0 "$(status vm dirty)" "dirty leaves"
}

commit_makes_durable() {
	setup
	clone commit_interval 3600000
	blkio write "$vm" 64k 64k 2
	message vm commit
	blkio copy "$delta" "$T/copy"
	create two 2048 "$base" "$(attach "$T/copy")"
	blkio check /dev/mapper/$P-two 64k 64k 2
}

the_virtual_size_grows_by_message_and_reload() {
	setup
	clone
	blkio write "$vm" 960k 64k 2
	message vm resize 8192
	dmsetup load "$P-vm" --table "$(line 8192 "$base" "$delta")"
	dmsetup resume "$P-vm"
	is 8192 "$(blkio size "$vm")" "size"
	blkio write "$vm" 3m 64k 3
	for pass in live again; do
		blkio check "$vm" 0 960k 1
		blkio check "$vm" 960k 64k 2
		blkio check "$vm" 1m 2m 0
		blkio check "$vm" 3m 64k 3
		[ $pass = again ] || { close vm; create vm 8192 "$base" "$delta"; }
	done
	close vm
	refused "8192|size|length|long" create vm 2048 "$base" "$delta"
}

the_virtual_size_grows_past_a_leaf_and_a_level() {
	base=$(template 1m)
	delta=$(loop 64m)
	clone chunk_size 16
	blkio write "$vm" 960k 64k 2
	for sectors in 8192 131072 4194304; do
		message vm resize $sectors
		dmsetup load "$P-vm" --table "$(line $sectors "$base" "$delta")"
		dmsetup resume "$P-vm"
		blkio write "$vm" $(((sectors - 16) * 512)) 8k 3
		blkio check "$vm" 0 960k 1
		blkio check "$vm" 960k 64k 2
		close vm
		create vm $sectors "$base" "$delta"
	done
	blkio check "$vm" 960k 64k 2
	blkio check "$vm" 4186112 8k 3
	blkio check "$vm" 67100672 8k 3
	blkio check "$vm" 2147475456 8k 3
}

a_bad_message_changes_nothing() {
	setup
	clone
	blkio write "$vm" 64k 64k 2
	for m in "" "frobnicate" "commit now" "checkpoint 1" "grow 5" "resize" "resize 0" \
		"resize -1" "resize 1k" "resize 99999999999999999999" "resize 1024" \
		"resize 8192 1" "resize 18446744073709551615"; do
		# shellcheck disable=SC2086 # words are what a message has
		! message vm $m 2>/dev/null || fail "accepted: '$m'"
	done
	is 2048 "$(blkio size "$vm")" "size"
	is rw "$(status vm mode)" "mode"
	blkio check "$vm" 64k 64k 2
	close vm
	clone
	blkio check "$vm" 64k 64k 2
}

run what_table_prints_is_what_was_loaded \
	features_may_come_in_any_order \
	the_table_of_a_chunk_size_and_of_no_base_loads_again \
	status_has_its_nine_fields \
	status_counts_what_happens \
	commit_makes_durable \
	the_virtual_size_grows_by_message_and_reload \
	the_virtual_size_grows_past_a_leaf_and_a_level \
	a_bad_message_changes_nothing
