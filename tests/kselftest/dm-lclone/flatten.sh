#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "data of a running clone that takes over what lies below it"

# flatten RATE [feature...]: vm, over $base and ${parents[@]}
flatten() {
	reload vm "$(blkio size "$vm")" "$base" "$delta" "${parents[@]}" flatten
	message vm merge_rate "$1"
}

# of nothing below any more: vm as the delta alone is
alone() {
	reload vm "$(blkio size "$vm")" - "$delta" rebase
}

an_idle_clone_takes_over_its_base() {
	base=$(template 8m)
	delta=$(loop 16m)
	clone
	blkio write "$vm" 1m 64k 2
	blkio write "$vm" $((2 * 1048576 + 512)) 512 3
	blkio discard "$vm" 3m 64k
	blkio discard "$vm" 4m 4k
	sum=$(blkio hash "$vm")
	before=$(events vm)
	flatten 0
	within 60 is_status vm sweep flattened
	[ "$(events vm)" -gt "$before" ] || fail "no event at the end"
	is "$sum" "$(blkio hash "$vm")" "content"
	alone
	is "$sum" "$(blkio hash "$vm")" "content without the base"
	blkio write "$base" 0 8m 9
	is "$sum" "$(blkio hash "$vm")" "content when the base is another disk's"
	close vm
	refused "without a base" create vm 16384 "$base" "$delta"
	create vm 16384 - "$delta"
	is "$sum" "$(blkio hash "$vm")" "content after an activation"
}

# The base ends within a subchunk, and before the clone
what_the_base_does_not_have_is_zeros() {
	base=$(loop $((5 * 1048576 + 1536)))
	blkio write "$base" 0 $((5 * 1048576 + 1536)) 1 bs=512
	delta=$(loop 16m)
	# what the delta's device held before must not show
	blkio write "$delta" 0 16m 7
	blkio write "$delta" 0 1m 0
	create vm 16384 "$base" "$delta" chunk_size 512
	vm=/dev/mapper/$P-vm
	flatten 0
	within 60 is_status vm sweep flattened
	alone
	blkio check "$vm" 0 5m 1
	blkio check "$vm" 5m 1536 1
	blkio check "$vm" $((5 * 1048576 + 1536)) $((3 * 1048576 - 1536)) 0 bs=512
	at_most 48 "$(status vm used)" "chunks: what reads as zeros takes no space"
}

# vm on three layers with data of $T/model, ${parents[@]}
three_layers() {
	base=$(loop 32m)
	delta=$(loop 80m)
	parents=()
	oracle base "$base" -s 3
	oracle new "$T/model" -s 3 -n 65536 -b 65536
	clone
	for i in 1 2 3; do
		oracle run "$vm" -m "$T/model" -o 1000 -t 4
		parents+=(parent "$delta")
		delta=$(loop 80m)
		reload vm 65536 "$base" "$delta" "${parents[@]}"
	done
}

a_clone_takes_over_layers_under_load() {
	three_layers
	echo 2 >/proc/sys/vm/drop_caches
	background oracle run "$vm" -m "$T/model" -o 20000 -t 4
	flatten 0
	within 100 is_status vm sweep flattened
	alone
	wait "$job" || fail "$(<"$T/job")"
	oracle verify "$vm" -m "$T/model"
	close vm
	create vm 65536 - "$delta"
	oracle verify "$vm" -m "$T/model"
}

# Of two layers only the upper one. What that hides stays hidden
a_clone_takes_over_its_topmost_layer() {
	local lower upper sum

	base=$(template 16m)
	delta=$(loop 32m)
	clone
	blkio write "$vm" 1m 1m 2
	lower=$delta delta=$(loop 32m)
	reload vm 32768 "$base" "$delta" parent "$lower"
	blkio write "$vm" 2m 256k 3
	blkio write "$vm" $((3 * 1048576 + 4096)) 4k 3
	blkio discard "$vm" 1m 64k	# the lower layer's
	blkio discard "$vm" 5m 4k	# the base's
	upper=$delta delta=$(loop 32m)
	reload vm 32768 "$base" "$delta" parent "$lower" parent "$upper"
	blkio write "$vm" 2m 4k 4
	blkio discard "$vm" $((2 * 1048576 + 8192)) 4k
	sum=$(blkio hash "$vm")
	echo 2 >/proc/sys/vm/drop_caches
	reload vm 32768 "$base" "$delta" parent "$lower" parent "$upper" flatten_layer
	message vm merge_rate 0
	within 60 is_status vm sweep flattened
	is "$sum" "$(blkio hash "$vm")" "content"
	at_most 8 "$(status vm used)" "chunks: what the layer has, and the tree"
	reload vm 32768 "$base" "$delta" parent "$lower" rebase
	is "$sum" "$(blkio hash "$vm")" "content without the layer"
	close vm
	blkio write "$upper" 0 32m 9
	create vm 32768 "$base" "$delta" parent "$lower"
	is "$sum" "$(blkio hash "$vm")" "content after an activation"
}

layers_are_taken_over_under_load() {
	three_layers
	while [ ${#parents[@]} -gt 0 ]; do
		background oracle run "$vm" -m "$T/model" -o 3000 -t 4
		reload vm 65536 "$base" "$delta" "${parents[@]}" flatten_layer
		message vm merge_rate 0
		within 100 is_status vm sweep flattened
		parents=("${parents[@]:0:${#parents[@]}-2}")
		reload vm 65536 "$base" "$delta" "${parents[@]}" rebase
		wait "$job" || fail "$(<"$T/job")"
		oracle verify "$vm" -m "$T/model"
	done
	close vm
	create vm 65536 "$base" "$delta"
	oracle verify "$vm" -m "$T/model"
}

a_flatten_that_was_stopped_goes_on() {
	base=$(template 32m)
	delta=$(loop 48m)
	clone
	flatten 2000
	sleep 2
	used=$(status vm used)
	is_status vm sweep flattening || fail "no time to stop it"
	close vm
	clone
	at_most 10 $((used - $(status vm used))) "chunks copied in vain"
	blkio write "$vm" 1m 1m 3
	flatten 0
	within 60 is_status vm sweep flattened
	alone
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 1m 3
	blkio check "$vm" 2m 30m 1
}

without_space_it_stops_and_can_go_on() {
	base=$(template 16m)
	delta=$(loop 8m)
	clone no_space_timeout 0
	flatten 0
	within 30 is_status vm sweep flatten_failed
	blkio check "$vm" 0 16m 1
	blkio resize "$delta" "$(backing "$delta")" 32m
	flatten 0
	within 60 is_status vm sweep flattened
	alone
	blkio check "$vm" 0 16m 1
}

an_unreadable_base_stops_it() {
	delta=$(loop 16m)
	own=$delta
	sick "$(template 8m)"
	base=$delta delta=$own
	clone
	becomes 8192+8
	flatten 0
	within 30 is_status vm sweep flatten_failed
	blkio check "$vm" 0 4m 1
	works
	flatten 0
	within 30 is_status vm sweep flattened
	blkio check "$vm" 0 8m 1
}

what_makes_no_sense_is_refused() {
	base=$(template 8m)
	delta=$(loop 16m)
	refused "nothing below" create vm 16384 - "$delta" flatten
	refused "on a layer" create vm 16384 "$base" "$delta" flatten_layer
	clone
	refused "writable" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$delta" flatten read_only)"
	refused "merged" dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" flatten merge)"
	refused "writable" dmsetup load "$P-vm" \
		--table "$(line 16384 "$base" "$delta" rebase read_only)"
	reload vm 16384 "$base" "$delta" merge
	refused "being merged" dmsetup load "$P-vm" --table "$(line 16384 "$base" "$delta" rebase)"
	refused "resized" message vm resize 32768
}

# A copy of the base takes its place; what is no copy is the user's word
a_delta_gets_another_base() {
	base=$(template 8m)
	delta=$(loop 16m)
	clone
	blkio write "$vm" 1m 64k 2
	copy=$(loop 16m)
	blkio write "$copy" 0 16m 1
	refused "size differs" dmsetup load "$P-vm" --table "$(line 16384 "$copy" "$delta")"
	reload vm 16384 "$copy" "$delta" rebase
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	close vm
	refused "size differs" create vm 16384 "$base" "$delta"
	create vm 16384 "$copy" "$delta"
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 2m 6m 1
}

parents=()
run an_idle_clone_takes_over_its_base \
	what_the_base_does_not_have_is_zeros \
	a_clone_takes_over_layers_under_load \
	a_clone_takes_over_its_topmost_layer \
	layers_are_taken_over_under_load \
	a_flatten_that_was_stopped_goes_on \
	without_space_it_stops_and_can_go_on \
	an_unreadable_base_stops_it \
	what_makes_no_sense_is_refused \
	a_delta_gets_another_base
