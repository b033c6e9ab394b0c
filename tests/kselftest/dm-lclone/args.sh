#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a sentence that says what is wrong with a table, and a delta formatted by mistake"

setup() {
	base=$(template 1m)
	delta=$(loop 8m)
	before=$(writes_to "$delta")
}

# bad REGEX TARGET-LINE: refused with one sentence, nothing written
bad() {
	refused "$1" create_line vm "$2"
	[[ $(kmsg "$marker") != *device-mapper:\ table:*device-mapper:\ table:* ]] ||
		fail "more than one sentence about '$2': $(kmsg "$marker")"
	is "$before" "$(writes_to "$delta")" "writes to the delta by '$2'"
}

wrong_argument_counts() {
	setup
	bad "argument|usage" "0 2048 lclone"
	bad "argument|usage" "0 2048 lclone $base"
	bad "argument|feature" "0 2048 lclone $base $delta 1"
	bad "argument|feature" "0 2048 lclone $base $delta 2 read_only"
	bad "argument|feature" "0 2048 lclone $base $delta 1 commit_interval"
	bad "argument|feature" "0 2048 lclone $base $delta 0 read_only"
	bad "argument|feature" "0 2048 lclone $base $delta 1 read_only error_if_no_space"
	bad "argument|feature" "0 2048 lclone $base $delta read_only"
	bad "argument|feature" "0 2048 lclone $base $delta -1 read_only"
	bad "argument|feature" "0 2048 lclone $base $delta 99999999999 read_only"
	bad "argument|feature" "0 2048 lclone $base $delta 1x read_only"
}

unknown_features() {
	setup
	bad "frobnicate|unknown|unrecogni" "0 2048 lclone $base $delta 1 frobnicate"
	bad "read|unknown|unrecogni" "0 2048 lclone $base $delta 1 read"
	bad "unknown|unrecogni|read_only" "0 2048 lclone $base $delta 1 READ_ONLY"
}

repeated_features() {
	setup
	for f in "read_only" "error_if_no_space" "no_discard_passdown" "base_cache" \
		"no_space_timeout 3" "low_water_mark 3" "commit_interval 500" "chunk_size 128"; do
		set -- $f
		bad "twice|repeat|once|again|already" "0 2048 lclone $base $delta $((2 * $#)) $f $f"
	done
}

numbers_that_are_none_or_out_of_range() {
	setup
	for f in no_space_timeout low_water_mark commit_interval chunk_size; do
		for v in -1 12a 18446744073709551616; do
			bad "$f" "0 2048 lclone $base $delta 2 $f $v"
		done
	done
	for v in "" 0x80 1e3 0 3600001 4294967296; do
		bad "commit_interval|argument" "0 2048 lclone $base $delta 2 commit_interval $v"
	done
	for v in 0 8 15 100 8192 4294967424; do
		bad "chunk_size" "0 2048 lclone $base $delta 2 chunk_size $v"
	done
	bad "no_space_timeout" "0 2048 lclone $base $delta 2 no_space_timeout 4294967296000"
}

devices_that_are_none() {
	setup
	bad "base" "0 2048 lclone /dev/no-such-base $delta"
	bad "delta" "0 2048 lclone $base /dev/no-such-delta"
	bad "delta" "0 2048 lclone $base -"
	bad "delta" "0 2048 lclone $base /dev/null"
	bad "base" "0 2048 lclone /dev/zero $delta"
	bad "base" "0 2048 lclone 999:999 $delta"
}

a_delta_too_small_is_told_what_it_needs() {
	setup
	for size in 4k 64k 2m 2228224 2490368; do
		delta=$(loop $size)
		before=$(writes_to "$delta")
		bad "small.*[0-9]|least.*[0-9]|need.*[0-9]" "0 2048 lclone $base $delta"
	done
	# 34 chunks of superblocks and log, twice the reserve of 2, one of data
	delta=$(loop $((39 * 64))k)
	clone
	blkio write "$vm" 64k 64k 2
	blkio check "$vm" 64k 64k 2
}

a_clone_of_a_size_that_cannot_be_is_not_formatted() {
	setup
	bad "" "0 18014398509481983 lclone - $delta"
}

an_unformatted_delta_is_not_opened_read_only() {
	setup
	bad "format|not a|empty|no delta|read_only|read-only" \
		"0 2048 lclone $base $delta 1 read_only"
}

run wrong_argument_counts \
	unknown_features \
	repeated_features \
	numbers_that_are_none_or_out_of_range \
	devices_that_are_none \
	a_delta_too_small_is_told_what_it_needs \
	a_clone_of_a_size_that_cannot_be_is_not_formatted \
	an_unformatted_delta_is_not_opened_read_only
