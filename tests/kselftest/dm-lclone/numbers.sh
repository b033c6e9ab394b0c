#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a number that is not taken for what it is"

setup() {
	base=$(template 8m)
	delta=$(loop 16m)
}

# ends FEATURE LEAST MOST: both are taken and printed, what is beyond them is not
ends() {
	local v bad=($(($3 + 1)) -1 18446744073709551615 4294967296)

	[ "$2" = 0 ] || bad+=($(($2 - 1)))
	for v in "$2" "$3"; do
		reload vm 16384 "$base" "$delta" "$1" "$v"
		[[ "$(dmsetup table "$P-vm")" == *" 2 $1 $v" ]] || fail "$(dmsetup table "$P-vm")"
		blkio write "$vm" 1m 4k 2
		message vm commit
	done
	for v in "${bad[@]}"; do
		refused "$1 must be" dmsetup load "$P-vm" \
			--table "$(line 16384 "$base" "$delta" "$1" "$v")"
	done
}

each_feature_at_both_ends() {
	setup
	clone
	ends no_space_timeout 0 31536000
	ends low_water_mark 1 1073741823
	ends commit_interval 1 3600000
	close vm
	for chunk in 16 4096; do
		delta=$(loop 64m)
		create vm 16384 "$base" "$delta" chunk_size $chunk
		is $chunk "$(status vm chunk)" "chunk size"
		close vm
	done
	delta=$(loop 64m)
	for chunk in 8 8192 0 -1 4294967312; do
		refused "chunk_size must be" create vm 16384 "$base" "$delta" chunk_size $chunk
	done
}

# 17179870 * 250 and 4294968 * 1000 are a little more than 2^32; a year is the most
a_long_timeout_is_not_a_short_one() {
	local n=0 s writers=()

	base=$(template 8m)
	for s in 17179870 14316558 4294968 31536000 0; do
		deltas[n]=$(loop 3m)
		create wait$n 16384 "$base" "${deltas[n]}" no_space_timeout $s
		background blkio write "/dev/mapper/$P-wait$n" 0 8m 2 bs=64k
		writers[n]=$job
		within 20 is_status wait$n full "full"
		n=$((n + 1))
	done
	sleep 4
	for n in "${!writers[@]}"; do
		! ended "${writers[n]}" || fail "writer $n did not wait: $(cat "$T/job")"
		blkio resize "${deltas[n]}" "$(backing "${deltas[n]}")" 16m
		message wait$n grow
		wait "${writers[n]}" || fail "$(cat "$T/job")"
		close wait$n
	done
}

a_timeout_of_a_second_is_one() {
	base=$(template 8m)
	delta=$(loop 3m)
	clone no_space_timeout 1
	background blkio write "$vm" 0 8m 2 bs=64k
	writer=$job
	within 10 ended $writer
	! wait $writer || fail "written without space"
	is rw "$(status vm mode)" "mode"
}

a_commit_interval_at_both_ends() {
	local c

	setup
	clone commit_interval 3600000
	c=$(status vm commits)
	blkio write "$vm" 0 4k 2
	sleep 3
	is "$c" "$(status vm commits)" "commits within 3 s of an hour"
	reload vm 16384 "$base" "$delta" commit_interval 1
	c=$(status vm commits)
	blkio write "$vm" 1m 4k 3
	within 5 eval '[ "$(status vm commits)" -gt '"$c"' ]'
}

# of a flatten: the smallest goes on, the largest is no limit
rates_at_both_ends() {
	setup
	clone flatten
	for bad in -1 4294967296 18446744073709551616 x ""; do
		! message vm merge_rate "$bad" || fail "merge_rate '$bad' was taken"
	done
	message vm merge_rate 1
	s=$(status vm swept)
	sleep 2
	at_most $((s + 8)) "$(status vm swept)" "chunks in 2 s of 1 KiB/s"
	message vm merge_rate 4294967295
	within 30 is_status vm sweep flattened
}

# 2^35 chunks are the most
sizes_at_both_ends() {
	local most=4398046511104

	setup
	clone
	for bad in 0 16383 $((most + 1)) 18446744073709551615; do
		refused "can only grow" message vm resize $bad
	done
	refused "wrong arguments" message vm resize 18446744073709551616
	message vm resize 16384
	message vm resize $most
	reload vm $most "$base" "$delta"
	blkio write "$vm" $((most * 512 - 4096)) 4k 2
	close vm
	create vm $most "$base" "$delta"
	blkio check "$vm" $((most * 512 - 8192)) 4k 0
	blkio check "$vm" $((most * 512 - 4096)) 4k 2
	new=$(loop 16m)
	refused "too large" create big $((most + 1)) "$base" "$new"
	create one 1 - "$new"
	blkio write "/dev/mapper/$P-one" 0 512 3
}

run each_feature_at_both_ends \
	a_long_timeout_is_not_a_short_one \
	a_timeout_of_a_second_is_one \
	a_commit_interval_at_both_ends \
	rates_at_both_ends \
	sizes_at_both_ends
