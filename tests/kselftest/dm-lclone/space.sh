#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "what is written, discarded and written again while the delta is full, and grows"

OPS=${LCLONE_SPACE_OPS:-16000}	# all together

# setup SIZE_MIB DELTA feature...
setup() {
	size=$(($1 * 2048))
	base=$(loop $((size * 256)))
	delta=$(loop "$2")
	oracle base "$base" -s "$1"
	oracle new "$T/model" -s "$1" -n $size -b $((size / 2))
	open "${@:3}"
	vm=/dev/mapper/$P-vm
}

open() {
	create vm $size "$base" "$delta" "$@"
}

grow() {
	blkio resize "$delta" "$(backing "$delta")" $(($(blkio size "$delta") * 512 + $1))
	message vm grow
}

# Twice: as it is in memory, and from the delta
all_is_there() {
	oracle verify "$vm" -m "$T/model"
	is rw "$(status vm mode)" "mode"
	close vm
	! command -v lclone >/dev/null || lclone check --base "$base" "$delta"
	open "$@"
	oracle verify "$vm" -m "$T/model"
}

# grown MIB: the delta until it has so many, each time that it is full
grown() {
	local times=0

	background oracle run "$vm" -m "$T/model" -o "$ops" -t 4 -x 262144
	while ! ended $job; do
		if is_status vm full "full"; then
			grow 524288
			times=$((times + 1))
		fi
		sleep 0.05
	done
	wait $job || fail "$(cat "$T/job")"
	[ $times -ge "$1" ] || fail "full $times times only"
}

writes_that_wait_while_it_grows() {
	ops=$((OPS / 8))
	setup 8 3m no_space_timeout 0
	grown 6
	all_is_there
	close vm
	setup 8 4m no_space_timeout 0 chunk_size 16 commit_interval 20
	grown 6
	all_is_there
}

# Half of what is written has room: what is discarded is used again at once
space_that_is_always_short() {
	local i

	ops=$((OPS / 8))
	setup 8 6m error_if_no_space
	for i in 1 2 3; do
		mark "round $i"
		oracle run "$vm" -m "$T/model" -o $ops -t 4 -x 262144 -e
		# maybe not at the end: a discard gives space again
		said "the delta is full"
		grow 262144
		oracle run "$vm" -m "$T/model" -o $ops -e
		all_is_there error_if_no_space
	done
}

# Each checkpoint writes some leaves anew, and frees single blocks here and there
metadata_that_is_freed_is_used_again() {
	local i leaf=4128768 step

	base=$(loop 300m)
	delta=$(loop 64m)
	clone chunk_size 16 commit_interval 3600000
	for ((i = 0; i < 60; i++)); do
		step=$((3 + i % 3))
		blkio write "$vm" $((i % step * leaf + i * 8192)) $((60 * leaf)) 2 bs=8k \
			step=$((step * leaf))
		message vm checkpoint
	done
	# 20, 15 and 12 chunks of data in three rounds
	at_most 200 $(($(status vm used) - 20 * 47)) "chunks of metadata"
}

run writes_that_wait_while_it_grows \
	space_that_is_always_short \
	metadata_that_is_freed_is_used_again
