#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the right to trust what is read from a disk that rots"

FLIPS=${LCLONE_FLIPS:-2}	# bytes of each block

# 8 MiB in chunks of 8 KiB: three leaves and a root; $T/want is what the clone must read
setup() {
	base=$(template 8m)
	delta=$(loop 12m)
	size=16384
	clone chunk_size 16 commit_interval 3600000
	blkio write "$vm" 0 8m 2 bs=8k step=128k
	blkio write "$vm" 20480 8m 3 bs=512 step=256k
	blkio discard "$vm" 3m 1m
}

want() {
	blkio copy "$vm" "$T/want"
}

# The flipped delta, opened for reading: equal or an error, nothing else; prints the result
opened_read_only() {
	local result

	if ! dmsetup create "$P-vm" --table "$(line $size "$base" "$delta" read_only)" 2>/dev/null
	then
		said "" >/dev/null
		echo refused
		return
	fi
	result=$(blkio compare "$vm" "$T/want")
	dmsetup remove "$P-vm"
	case $result in
	*" wrong=0 "*) echo "$result" ;;
	*) fail "wrong data after a flip: $result" ;;
	esac
}

# The same for writing, on a copy of the delta: what a host does that knows of nothing
opened_for_writing() {
	local whole=$delta delta result

	blkio copy "$whole" "$T/copy"
	delta=$(blkio attach "$T/copy")
	if dmsetup create "$P-vm" --table "$(line $size "$base" "$delta")" 2>/dev/null; then
		result=$(blkio compare "$vm" "$T/want")
		blkio write "$vm" 0 512 9 2>/dev/null || true
		dmsetup remove "$P-vm"
	else
		result=refused
	fi
	blkio detach "$delta"
	case $result in
	refused|*" wrong=0 "*) echo "$result" ;;
	*) fail "wrong data after a flip: $result" ;;
	esac
}

# some FROM TO: a few places between
some() {
	local i

	for ((i = 0; i < FLIPS; i++)); do
		echo $(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1)))
	done
}

a_flipped_byte_of_a_superblock() {
	setup
	want
	close vm
	RANDOM=1
	for pos in 0 8 12 65544 $(some 12 328) $(some 328 512) \
		$(some 65536 65864) $(some 65864 66048); do
		blkio flip "$delta" "$pos"
		mark "flip of $pos"
		[ "$(opened_for_writing)" = refused ] ||
			fail "opened for writing with byte $pos of a superblock flipped"
		said "superblock|slot"
		opened_read_only >/dev/null
		blkio flip "$delta" "$pos"
	done
	is "equal=2048 wrong=0 failed=0" "$(opened_read_only)" "with nothing flipped"
}

# The newest superblock is the only one that knows the newest tree: no silent rollback
a_flipped_newest_superblock_is_not_hidden() {
	setup
	message vm checkpoint
	blkio write "$vm" 5m 64k 4
	message vm checkpoint
	want
	close vm
	for slot in 0 65536; do
		blkio flip "$delta" $((slot + 100))
		mark "flip of slot at $slot"
		[ "$(opened_for_writing)" = refused ] || fail "opened for writing"
		said "superblock|slot"
		blkio flip "$delta" $((slot + 100))
	done
}

a_flipped_byte_of_a_tree_node() {
	setup
	want
	close vm
	RANDOM=2
	blkio nodes "$delta" >"$T/nodes"
	[ "$(wc -l <"$T/nodes")" -ge 4 ] || fail "nodes: $(cat "$T/nodes")"
	hit=0
	while read -r block level; do
		# the header, and what it heads
		for pos in $((block + 4 * level)) $(some $((block + 64)) $((block + 4096))); do
			blkio flip "$delta" "$pos"
			mark "flip of $pos, level $level"
			result=$(opened_read_only)
			# nodes of older trees are not in use: nothing may come of them
			if [ "$result" != "equal=2048 wrong=0 failed=0" ]; then
				# those that follow in a few seconds may be suppressed
				[ $hit != 0 ] || said "checksum|node|magic"
				hit=$((hit + 1))
			fi
			blkio flip "$delta" "$pos"
		done
	done <"$T/nodes"
	[ $hit -ge $((4 * (FLIPS + 1))) ] || fail "only $hit flips had an effect"
	is "equal=2048 wrong=0 failed=0" "$(opened_read_only)" "with nothing flipped"
}

a_flipped_tree_node_is_not_written_through() {
	setup
	want
	close vm
	RANDOM=3
	blkio nodes "$delta" | awk '!seen[$2]++' >"$T/nodes"	# a leaf and a root
	while read -r block level; do
		blkio flip "$delta" $((block + 72))
		opened_for_writing >/dev/null
		blkio flip "$delta" $((block + 72))
	done <"$T/nodes"
	still=$(opened_read_only)
	is "equal=2048 wrong=0 failed=0" "$still" "with nothing flipped"
}

# A commit in mid-log: the later ones prove that it was once whole
a_flipped_byte_of_the_log_is_no_rollback() {
	base=$(template 8m)
	delta=$(loop 12m)
	size=16384
	clone chunk_size 16 commit_interval 3600000
	for i in 1 2 3 4 5 6; do
		blkio write "$vm" ${i}m 64k $((i + 1))
		blkio fsync "$vm"
	done
	want
	blkio copy "$delta" "$T/killed"
	close vm
	delta=$(attach "$T/killed")
	# the newest checkpoint's commits, all but the last
	blkio log "$delta" | sort -k2,2n -k3,3n -k4,4n >"$T/log"
	newest=$(tail -n 1 "$T/log" | cut -d' ' -f2)
	awk -v c="$newest" '$2 == c { print $1 }' "$T/log" | sed '$d' >"$T/blocks"
	[ "$(wc -l <"$T/blocks")" -ge 5 ] || fail "log: $(cat "$T/log")"
	RANDOM=4
	while read -r block; do
		# a record, the header, the unused rest: all is under the checksum
		for pos in $((block + 64 + RANDOM % 16)) $((block + RANDOM % 4096)); do
			blkio flip "$delta" "$pos"
			mark "flip of $pos in the log"
			[ "$(opened_for_writing)" = refused ] ||
				fail "opened for writing: a silent rollback"
			said "log"
			blkio flip "$delta" "$pos"
		done
	done <"$T/blocks"
	is "equal=2048 wrong=0 failed=0" "$(opened_read_only)" "with nothing flipped"
}

# The last commit cannot be told from one that a power cut tore: all or nothing of it
a_torn_last_commit_leaves_those_before_it() {
	base=$(template 8m)
	delta=$(loop 12m)
	size=16384
	clone chunk_size 16 commit_interval 3600000
	blkio write "$vm" 2m 64k 2
	blkio fsync "$vm"
	want
	blkio write "$vm" 4m 64k 3
	blkio fsync "$vm"
	blkio copy "$delta" "$T/killed"
	close vm
	delta=$(attach "$T/killed")
	last=$(blkio log "$delta" | sort -k2,2n -k3,3n | tail -n 1 | cut -d' ' -f1)
	blkio flip "$delta" $((last + 70))
	is "equal=2048 wrong=0 failed=0" "$(opened_read_only)" "without the last commit"
	is "equal=2048 wrong=0 failed=0" "$(opened_for_writing)" "without the last commit"
}

# log_blocks: where the two of the last commit are
log_blocks() {
	blkio log "$delta" | sort -k2,2n -k3,3n -k4,4n | tail -n 2 | cut -d' ' -f1 | xargs
}

# The second one has the number and the place of the first: the incarnation tells them apart
two_torn_commits_do_not_make_a_whole_one() {
	base=$(template 8m)
	delta=$(loop 12m)
	clone chunk_size 16 commit_interval 3600000
	blkio write "$vm" 0 3200k 2 bs=4k step=8k
	blkio fsync "$vm"
	blkio copy "$delta" "$T/first"
	close vm
	# only its second block was written
	delta=$(attach "$T/first")
	read -r head tail <<<"$(log_blocks)"
	is $((head + 4096)) "$tail" "the second block of the commit"
	dd if="$T/first" of="$T/tail" bs=4096 skip=$((tail / 4096)) count=1 status=none
	blkio flip "$delta" $((head + 70))
	clone chunk_size 16 commit_interval 3600000
	blkio check "$vm" 0 8m 1
	blkio write "$vm" 4m 3200k 3 bs=4k step=8k
	blkio fsync "$vm"
	blkio copy "$delta" "$T/second"
	close vm
	# and then only the first
	dd if="$T/tail" of="$T/second" bs=4096 seek=$((tail / 4096)) conv=notrunc status=none
	delta=$(attach "$T/second")
	is "$head $tail" "$(log_blocks)" "the place of the second commit"
	clone
	blkio check "$vm" 0 8m 1
}

run a_flipped_byte_of_a_superblock \
	a_flipped_newest_superblock_is_not_hidden \
	a_flipped_byte_of_a_tree_node \
	a_flipped_tree_node_is_not_written_through \
	a_flipped_byte_of_the_log_is_no_rollback \
	a_torn_last_commit_leaves_those_before_it \
	two_torn_commits_do_not_make_a_whole_one
