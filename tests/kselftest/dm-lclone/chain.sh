#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "snapshots: what a layer holds, or whose data are read"

setup() {
	base=$(template "${1:-8m}")
	delta=$(loop 16m)
	layers=()
	clone
}

# snapshot NAME BASE DELTA NEW: the delta of a running clone becomes a layer, $layers the chain
snapshot() {
	layers+=(parent "$3")
	reload "$1" "$(blkio size "/dev/mapper/$P-$1")" "$2" "$4" "${layers[@]}"
}

a_snapshot_keeps_what_was_and_takes_what_comes() {
	setup
	blkio write "$vm" 1m 128k 2
	new=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 128k 2
	blkio write "$vm" 1m 64k 3
	blkio write "$vm" 2m 64k 4
	blkio check "$vm" 1m 64k 3
	blkio check "$vm" $((1024 + 64))k 64k 2
	close vm
	# the same again after an activation, and what it was at the snapshot
	create vm 16384 "$base" "$new" "${layers[@]}"
	blkio check "$vm" 1m 64k 3
	blkio check "$vm" 2m 64k 4
	third=$(loop 16m)
	create old 16384 "$base" "$third" "${layers[@]}"
	blkio check "/dev/mapper/$P-old" 1m 128k 2
	blkio check "/dev/mapper/$P-old" 2m 64k 1
	blkio write "/dev/mapper/$P-old" 1m 128k 5
	blkio check "$vm" 1m 64k 3
	blkio check "$vm" 0 1m 1
}

a_snapshot_may_be_taken_under_load() {
	base=$(loop 32m)
	delta=$(loop 80m)
	layers=()
	oracle base "$base" -s 7
	oracle new "$T/model" -s 7 -n 65536 -b 65536
	create busy 65536 "$base" "$delta"
	background oracle run "/dev/mapper/$P-busy" -m "$T/model" -o 60000 -t 4
	sleep 1
	for i in 1 2 3 4; do
		new=$(loop 80m)
		snapshot busy "$base" "$delta" "$new"
		delta=$new
		sleep 0.5
	done
	wait "$job" || fail "$(<"$T/job")"
	oracle verify "/dev/mapper/$P-busy" -m "$T/model"
}

each_layer_gives_what_it_has() {
	local i j

	setup
	top=$delta
	for ((i = 0; i < 16; i++)); do
		# each layer leaves one subchunk of what the one before wrote
		blkio write "$vm" $((1024 + 4 * i))k $((64 - 4 * i))k $((i + 2))
		blkio write "$vm" $((2048 + 64 * i))k 64k $((i + 40))
		new=$(loop 16m)
		snapshot vm "$base" "$top" "$new"
		top=$new
	done
	for j in warm cold; do
		for ((i = 0; i < 16; i++)); do
			blkio check "$vm" $((1024 + 4 * i))k 4k $((i + 2))
			blkio check "$vm" $((2048 + 64 * i))k 64k $((i + 40))
		done
		blkio check "$vm" 0 1m 1
		blkio check "$vm" $((1024 + 64))k $((1024 - 64))k 1
		blkio check "$vm" 3m 5m 1
		[ $j = warm ] || break
		close vm
		create vm 16384 "$base" "$top" "${layers[@]}"
	done
}

a_part_of_a_subchunk_is_filled_from_a_layer() {
	setup
	blkio write "$vm" 1m 64k 2
	new=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	blkio write "$vm" $((1048576 + 512)) 512 3
	blkio check "$vm" 1m 512 2
	blkio check "$vm" $((1048576 + 512)) 512 3
	blkio check "$vm" $((1048576 + 1024)) $((65536 - 1024)) 2
	blkio write "$vm" $((2097152 + 4096 + 512)) 512 4
	blkio check "$vm" 2m 4608 1
	blkio check "$vm" $((2097152 + 5120)) 60416 1
}

zeros_hide_what_is_below() {
	setup
	blkio write "$vm" 1m 256k 2
	blkio discard "$vm" $((1024 + 64))k 64k
	new=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	blkio check "$vm" $((1024 + 64))k 64k 0
	blkio discard "$vm" $((1024 + 128))k 64k
	blkio discard "$vm" 3m 64k
	blkio check "$vm" $((1024 + 128))k 64k 0
	blkio check "$vm" 3m 64k 0
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" $((1024 + 192))k 64k 2
	close vm
	create vm 16384 "$base" "$new" "${layers[@]}"
	blkio check "$vm" $((1024 + 64))k 128k 0
	blkio check "$vm" 3m 64k 0
}

without_a_base_the_layers_are_all_there_is() {
	delta=$(loop 16m)
	create vm 16384 - "$delta"
	vm=/dev/mapper/$P-vm
	layers=()
	blkio write "$vm" 1m 64k 2
	new=$(loop 16m)
	snapshot vm - "$delta" "$new"
	blkio check "$vm" 0 1m 0
	blkio check "$vm" 1m 64k 2
	blkio write "$vm" 1m 4k 3
	blkio check "$vm" 1m 4k 3
	blkio check "$vm" 1028k 60k 2
}

a_layer_may_be_smaller_than_the_clone() {
	setup
	blkio write "$vm" 7m 1m 2
	new=$(loop 32m)
	snapshot vm "$base" "$delta" "$new"
	message vm resize $((64 << 11))
	reload vm $((64 << 11)) "$base" "$new" "${layers[@]}"
	blkio check "$vm" 7m 1m 2
	blkio check "$vm" 8m 56m 0
	blkio write "$vm" 40m 64k 3
	blkio check "$vm" 40m 64k 3
}

a_layer_is_not_written_any_more() {
	setup
	new=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	refused "layer" create two 16384 "$base" "$delta"
	close vm
	refused "sealed" create two 16384 "$base" "$delta"
	sum=$(cksum <"$(backing "$delta")")
	create vm 16384 "$base" "$new" "${layers[@]}"
	blkio write "$vm" 0 8m 4
	blkio discard "$vm" 0 4m
	close vm
	is "$sum" "$(cksum <"$(backing "$delta")")" "what the layer holds"
}

label_of() { newest "$1" 200 64 | sed 's/\(00\)*$//; s/../\\x&/g' | xargs -0 printf '%b'; }
sealed_at() { echo $((16#$(newest "$1" 448 8 | sed 's/\(..\)\(..\)\(..\)\(..\)0*$/\4\3\2\1/'))); }

a_layer_has_its_label_and_its_time() {
	setup
	is 0 "$(sealed_at "$delta")" "time of what is not sealed"
	new=$(loop 16m) top=$(loop 16m)
	refused "at most 63 bytes" message vm layer_label "$(printf %064d 1)"
	message vm layer_label other
	message vm layer_label vm@first
	before=$(date +%s)
	snapshot vm "$base" "$delta" "$new"
	is vm@first "$(label_of "$delta")" "label"
	at=$(sealed_at "$delta")
	[ "$at" -ge "$before" ] && [ "$at" -le "$(date +%s)" ] || fail "sealed at $at, not $before"
	# it was for that layer only, and can be taken back
	message vm layer_label second
	message vm layer_label
	snapshot vm "$base" "$new" "$top"
	is "" "$(label_of "$new")" "label"
	[ "$(sealed_at "$new")" -ge "$at" ] || fail "no time"
	close vm
	create vm 16384 "$base" "$top" "${layers[@]}"
	refused "wrong arguments" message vm layer_label a b
}

a_chain_that_is_not_as_it_was_is_refused() {
	setup
	new=$(loop 16m) top=$(loop 16m) other=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	snapshot vm "$base" "$new" "$top"
	close vm
	refused "parent" create vm 16384 "$base" "$top"
	refused "parent" create vm 16384 "$base" "$top" parent "$delta"
	refused "parent" create vm 16384 "$base" "$top" parent "$new"
	refused "parent" create vm 16384 "$base" "$top" parent "$new" parent "$delta"
	refused "parent" create vm 16384 "$base" "$top" parent "$delta" parent "$delta"
	refused "empty|zero|read_only" create vm 16384 "$base" "$top" parent "$other"
	refused "parent" create vm 16384 "$base" "$top" parent "$top"
	create vm 16384 "$base" "$top" "${layers[@]}"
	refused "base" create two 16384 "$new" "$other"
	refused "base" create two 16384 "$base" "$other" parent "$base"
}

# The machine stops between the new delta's format and the seal
a_snapshot_that_did_not_happen_changes_nothing() {
	setup
	blkio write "$vm" 1m 64k 2
	new=$(loop 16m)
	dmsetup load "$P-vm" --table "$(line 16384 "$base" "$new" parent "$delta")"
	blkio write "$vm" 1m 64k 3
	dmsetup clear "$P-vm"
	blkio check "$vm" 1m 64k 3
	close vm
	refused "sealed" create vm 16384 "$base" "$new" parent "$delta"
	clone
	blkio check "$vm" 1m 64k 3
	blkio write "$vm" 2m 64k 4
	snapshot vm "$base" "$delta" "$new"
	blkio check "$vm" 2m 64k 4
	blkio check "$vm" 1m 64k 3
}

clones_share_layers() {
	setup
	blkio write "$vm" 1m 64k 2
	new=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	for i in 1 2 3; do
		d=$(loop 16m)
		create "c$i" 16384 "$base" "$d" "${layers[@]}"
		blkio write "/dev/mapper/$P-c$i" 1m 4k $((i + 10))
	done
	close vm
	for i in 1 2 3; do
		blkio check "/dev/mapper/$P-c$i" 1m 4k $((i + 10))
		blkio check "/dev/mapper/$P-c$i" 1028k 60k 2
	done
}

a_table_with_parents_parses_to_itself() {
	setup
	new=$(loop 16m) top=$(loop 16m)
	snapshot vm "$base" "$delta" "$new"
	snapshot vm "$base" "$new" "$top"
	table=$(dmsetup table "$P-vm")
	[[ $table =~ \ 4\ parent\ [0-9]+:[0-9]+\ parent\ [0-9]+:[0-9]+$ ]] || fail "$table"
	close vm
	create_line vm "$table"
	is "$table" "$(dmsetup table "$P-vm")" "the table"
}

run a_snapshot_keeps_what_was_and_takes_what_comes \
	a_snapshot_may_be_taken_under_load \
	each_layer_gives_what_it_has \
	a_part_of_a_subchunk_is_filled_from_a_layer \
	zeros_hide_what_is_below \
	without_a_base_the_layers_are_all_there_is \
	a_layer_may_be_smaller_than_the_clone \
	a_layer_is_not_written_any_more \
	a_layer_has_its_label_and_its_time \
	a_chain_that_is_not_as_it_was_is_refused \
	a_snapshot_that_did_not_happen_changes_nothing \
	clones_share_layers \
	a_table_with_parents_parses_to_itself
