#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "any sector, ever: all kinds of I/O in every mix, against an independent model," \
	"across activations"

OPS=${LCLONE_ORACLE_OPS:-102000}	# all together

# mix OPS SIZE_MIB BASE_SECTORS DELTA ACTIVATIONS SUBCHUNK [feature...]
mix() {
	local ops=$(($1 / $5 / 2)) sectors=$(($2 * 2048)) i

	base=$(loop $(($3 * 512)))
	delta=$(loop "$4")
	oracle base "$base" -s "$1"
	oracle new "$T/model" -s "$1" -n $sectors -b "$3"
	before=$(blkio hash "$base")
	for ((i = 0; i < $5; i++)); do
		create vm $sectors "$base" "$delta" "${@:7}"
		vm=/dev/mapper/$P-vm
		oracle run "$vm" -m "$T/model" -a "$6" -o $ops
		oracle run "$vm" -m "$T/model" -a "$6" -o $ops -t 4
		[ $((i % 2)) = 0 ] || message vm checkpoint
		close vm
	done
	create vm $sectors "$base" "$delta" "${@:7}"
	oracle verify "$vm" -m "$T/model"
	is rw "$(status vm mode)" "mode"
	close vm
	is "$before" "$(blkio hash "$base")" "hash of the base"
}

chunks_of_64_KiB() {
	mix $((OPS * 50 / 100)) 32 65536 40m 4 4096
}

chunks_of_8_KiB_and_a_base_of_odd_size() {
	mix $((OPS * 35 / 100)) 24 40001 32m 3 512 chunk_size 16 commit_interval 20
}

chunks_of_2_MiB() {
	mix $((OPS * 10 / 100)) 32 30000 56m 2 131072 chunk_size 4096
}

# Data need nearly all of the delta: what is discarded must come back in time
a_delta_with_no_room_to_spare() {
	mix $((OPS * 5 / 100)) 8 16384 11m 2 4096
}

run chunks_of_64_KiB \
	chunks_of_8_KiB_and_a_base_of_odd_size \
	chunks_of_2_MiB \
	a_delta_with_no_room_to_spare
