#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "more than what lies there, when one place of base or delta can't be read"

# Sectors of the delta, see format.rst
A=0+8 B=128+8 LOG_1=256+2048 LOG_2=2304+2048

# 12 MiB in chunks of 8 KiB: four leaves and an index node. Each leaf has one place written.
PLACES=(0 4m 8m 12160k)

setup() {
	base=$(template 12m)
	sick "$(loop 16m)"
	open chunk_size 16
	for place in "${PLACES[@]}"; do
		blkio write "$vm" "$place" 4k 2
	done
	blkio fsync "$vm"
}

open() {
	clone commit_interval 3600000 "$@"
}

# readable: how many of the places
readable() {
	local place n=0

	for place in "${PLACES[@]}"; do
		! timeout 20 blkio check "$vm" "$place" 4k 2 2>/dev/null || n=$((n + 1))
	done
	echo $n
}

# fails COMMAND...: in time
fails() {
	! timeout 20 "$@" 2>"$T/error" || fail "the error was swallowed: $*"
}

# unchanged COMMAND...: it fails, and the delta is as it was
unchanged() {
	local before

	before=$(writes_to "$disk")
	"$@"
	is "$before" "$(writes_to "$disk")" "writes to the delta"
}

nodes() {
	blkio nodes "$delta" | awk -v level="$1" '$2 == level { printf "%d+8\n", $1 / 512 }'
}

superblocks_and_log_at_activation() {
	setup
	close vm
	for area in $A $B $LOG_1 $LOG_2; do
		becomes $area
		for how in "" read_only; do
			unchanged refused "can't read|can't be read" \
				create vm 24576 "$base" "$delta" $how
		done
	done
	works
	open
	is 4 "$(readable)" "places that can be read"
}

# After a crash the log names leaves of the tree
a_leaf_that_the_log_names_at_activation() {
	setup
	message vm checkpoint
	blkio write "$vm" 1m 4k 3
	blkio fsync "$vm"
	blkio copy "$delta" "$T/killed"
	close vm
	dmsetup remove "$P-disk"
	sick "$(attach "$T/killed")"
	nodes 0 >"$T/leaves"
	is 4 "$(wc -l <"$T/leaves")" "leaves"
	index=$(nodes 1)
	bad=0
	while read -r leaf; do
		becomes "$leaf"
		if create vm 24576 "$base" "$delta" read_only 2>"$T/error"; then
			close vm
		else
			bad=$((bad + 1))
			unchanged refused "can't be read" create vm 24576 "$base" "$delta"
		fi
	done <"$T/leaves"
	is 1 $bad "leaves that activation needed"
	becomes "$index"
	unchanged refused "can't be read" create vm 24576 "$base" "$delta"
	works
	open
	is 4 "$(readable)" "places that can be read"
	blkio check "$vm" 1m 4k 3
}

a_sample_of_the_base_at_activation() {
	template=$(template 12m)
	delta=$(loop 16m)
	on_exit "remove_if_there base"
	dmsetup create "$P-base" --table "0 8 error
		8 24568 linear $template 8"
	base=/dev/mapper/$P-base
	disk=$delta
	unchanged refused "can't read the base" create vm 24576 "$base" "$delta"
	base=$template
	open
	close vm
	unchanged refused "can't read the base" create vm 24576 "/dev/mapper/$P-base" "$delta"
}

a_leaf() {
	setup
	close vm
	nodes 0 >"$T/leaves"
	is 4 "$(wc -l <"$T/leaves")" "leaves"
	while read -r leaf; do
		open
		was=$(events vm)
		mark "leaf at $leaf"
		becomes "$leaf"
		is 3 "$(readable)" "places that can be read"
		said "can't read the leaf"
		bad=0
		for place in "${PLACES[@]}"; do
			if ! timeout 20 blkio write "$vm" "$place" 4k 2 2>/dev/null; then
				bad=$((bad + 1))
				fails blkio discard "$vm" "$place" 64k
				fails blkio zeroout "$vm" "$place" 512
			fi
		done
		is 1 $bad "places that can't be written"
		blkio fsync "$vm"
		message vm checkpoint
		is rw "$(status vm mode)" "mode"
		is "$was" "$(events vm)" "events"
		works
		# the next one tries again
		is 4 "$(readable)" "places that can be read"
		close vm
		nodes 0 >"$T/newer"
	done <<<"$(head -n 1 "$T/leaves")"
	open
	is 4 "$(readable)" "places that can be read"
}

an_index_node() {
	setup
	close vm
	open
	was=$(events vm)
	mark "index node"
	becomes "$(nodes 1)"
	is 0 "$(readable)" "places that can be read"
	said "can't read the node"
	fails blkio write "$vm" 4m 4k 3
	blkio fsync "$vm"
	is rw "$(status vm mode)" "mode"
	is "$was" "$(events vm)" "events"
	works
	is 4 "$(readable)" "places that can be read"
	blkio write "$vm" 4m 4k 3
	blkio fsync "$vm"
	blkio check "$vm" 4m 4k 3
}

# A crash has left chunks that only a walk of the tree can find. It cannot be walked.
leaves_that_the_search_for_freed_chunks_needs() {
	base=$(template 12m)
	sick "$(loop 4m)"
	open chunk_size 16 error_if_no_space
	blkio write "$vm" 0 3m 2 bs=8k step=32k
	blkio write "$vm" 8m 4k 3
	message vm checkpoint
	blkio discard "$vm" 0 2m
	blkio fsync "$vm"
	blkio copy "$delta" "$T/crashed"
	close vm
	dmsetup remove "$P-disk"
	sick "$(attach "$T/crashed")"
	for leaf in $(nodes 0); do
		becomes "$leaf"
		# it can if that is not the leaf of which the log tells
		! create vm 24576 "$base" "$delta" error_if_no_space 2>"$T/error" || break
	done
	blkio check "$vm" 2m 1m 2 bs=8k step=32k
	fails blkio check "$vm" 8m 4k 3
	fails blkio write "$vm" 0 2m 4 bs=8k
	grep -q "No space left" "$T/error" || fail "not ENOSPC: $(cat "$T/error")"
	blkio check "$vm" 2m 1m 2 bs=8k step=32k
	is rw "$(status vm mode)" "mode"
	timeout 20 dmsetup remove "$P-vm" || fail "cannot be removed"
	works
	open error_if_no_space
	blkio check "$vm" 2m 1m 2 bs=8k step=32k
	blkio check "$vm" 8m 4k 3
	# now they are found: space is not lost
	blkio write "$vm" 1m 512k 5
	blkio check "$vm" 1m 512k 5
}

run superblocks_and_log_at_activation \
	a_leaf_that_the_log_names_at_activation \
	a_sample_of_the_base_at_activation \
	a_leaf \
	an_index_node \
	leaves_that_the_search_for_freed_chunks_needs
