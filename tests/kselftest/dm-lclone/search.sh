#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "time, or data, while the delta is searched for free chunks"

LEAVES=2000

# A delta with many leaves of one small chunk each, not much space above the mark, and
# something free below it: with the activation the search begins
setup() {
	need_target delay
	base=$(loop 8g)
	sick "$(loop 38m)"
	open
	blkio write "$vm" 0 $((LEAVES * 4128768)) 2 bs=4k step=4128768
	blkio write "$vm" 0 8k 2
	blkio discard "$vm" $((7 * 4128768)) 8k
	message vm commit
	sleep 1
	close vm
}

open() {
	create vm 16777216 "$base" "$delta" chunk_size 16 commit_interval 3600000
	vm=/dev/mapper/$P-vm
}

# behind superblocks and log each read takes so many ms
slow() {
	becomes "8192+$((disk_size - 8192)):delay % $1 % 0"
}

reads() {
	local stat

	read -ra stat <"/sys/block/${delta_dm}/stat"
	echo "${stat[0]}"
}

searches() {
	local n

	n=$(reads)
	sleep 1
	[ "$(reads)" -gt $((n + 8)) ]
}

a_search_holds_nobody_up() {
	setup
	delta_dm=$(dmsetup info -c --noheadings -o blkdevname "$P-disk")
	slow 400
	open
	# an index node, a leaf and the data: 1200 ms without the search
	quick 2400 blkio check "$vm" $((1500 * 4128768)) 4k 2
	quick 2400 blkio check "$vm" $((1900 * 4128768)) 4k 2
	quick 800 blkio write "$vm" $((1900 * 4128768)) 4k 3	# an overwrite
	quick 1200 blkio write "$vm" $((1500 * 4128768 + 16384)) 4k 4 # a first write
	quick 1000 blkio fsync "$vm"
	quick 1500 message vm checkpoint
	searches || fail "the search had ended before"
	# with 32 at a time it takes 25 s, not 800
	n=0
	while searches; do
		n=$((n + 1))
		[ $n -lt 60 ] || fail "the search takes too long"
	done
	works
	blkio check "$vm" $((1500 * 4128768 + 16384)) 4k 4
	blkio check "$vm" $((1900 * 4128768)) 4k 3
}

a_search_ends_with_a_suspend() {
	setup
	slow 400
	open
	sleep 1
	# its checkpoint has nothing to write; what it waits for is one read
	quick 3000 dmsetup suspend --nolockfs "$P-vm"
	dmsetup resume "$P-vm"
	sleep 1
	quick 3000 close vm
	works
	open
	blkio check "$vm" $((1500 * 4128768)) 4k 2
	blkio check "$vm" 0 8k 2
}

# All is written, discarded and written again in a full delta that is found full of freed
# chunks each time, and is searched while that goes on
what_changes_during_a_search_is_kept() {
	local round

	need_target delay
	size=$((16 * 2048))
	base=$(loop $((size * 256)))
	sick "$(loop 24m)"
	oracle base "$base" -s 16
	oracle new "$T/model" -s 16 -n $size -b $((size / 2))
	for round in 1 2 3 4 5 6; do
		create vm $size "$base" "$delta" chunk_size 16 commit_interval 20 no_space_timeout 0
		vm=/dev/mapper/$P-vm
		becomes "4096+$((disk_size - 4096)):delay % 15 % 0"
		oracle run "$vm" -m "$T/model" -o 500 -t 4 -x 65536
		works
		oracle verify "$vm" -m "$T/model"
		is rw "$(status vm mode)" "mode"
		# a crash: what the next one finds is not clean
		[ $((round % 2)) = 0 ] || dmsetup message "$P-vm" 0 commit
		close vm
		! command -v lclone >/dev/null || lclone check --base "$base" "$delta"
	done
}

run a_search_holds_nobody_up \
	a_search_ends_with_a_suspend \
	what_changes_during_a_search_is_kept
