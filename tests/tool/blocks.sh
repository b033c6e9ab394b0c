# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of logical blocks, for run, which has the tools that they are written with.

tests+=(
	blocks_odd "a size that is no multiple of the blocks is refused before anything is written"
	blocks_larger "a clone never gets larger blocks, and what would is refused before anything is written"
	blocks_base_end "a base that ends within a block of the clone is used as it is"
)

# disk_of VARIABLE NAME BYTES BLOCK_SIZE
disk_of()
{
	local dev

	truncate -s "$3" "$dir/$2"
	dev=$(losetup -f --show -b "$4" "$dir/$2") || return 1
	loops+=("$dev")
	printf -v "$1" %s "$dev"
}

blocks_odd()
{
	local b d

	for b in 512 4096; do
		for d in 512 4096; do
			disk_of base "base-$b-$d" 16M $b
			disk_of delta "delta-$b-$d" 16M $d
			if [ $b$d = 512512 ]; then
				ok lclone create --size 32769s t1 "$base" "$delta"
				ok lclone resize --size 32771s t1
				ok lclone close t1
				ok lclone resize --size 32773s "$delta"
				ok lclone open t1 "$base" "$delta"
				ok lclone close t1
				continue
			fi
			unchanged "$delta" refused 2 "32768s or 32776s (sectors) would do" \
				lclone create --size 32769s t1 "$base" "$delta"
			ok lclone create t1 "$base" "$delta"
			refused 2 "32768s or 32776s (sectors) would do" lclone resize --size 32769s t1
			[ "$(blockdev --getsz /dev/mapper/t1)" = 32768 ] || fail "it was resized"
			[ "$(dmsetup info -c --noheadings -o suspended t1)" = Active ] || fail "suspended"
			ok lclone close t1
			unchanged "$delta" refused 2 "32768s or 32776s (sectors) would do" \
				lclone resize --size 32769s "$delta"
			ok lclone open t1 "$base" "$delta"
			ok lclone resize --size 32776s t1
			ok lclone close t1
			ok lclone open t1 "$base" "$delta"
			ok lclone close t1
		done
	done
}

blocks_larger()
{
	local large copy out second

	disk_of large large 16M 4096
	ok lclone create t1 "$base" "$delta"
	scribble
	unchanged "$large" refused 5 "logical blocks of 4096 bytes" lclone snapshot t1 --to "$large"
	disk second second 16
	ok lclone snapshot t1 --to "$second"
	unchanged "$large" refused 5 "logical blocks of 4096 bytes" lclone revert --yes t1 --to "$large"
	disk_of out large2 32M 4096
	unchanged "$out" refused 5 "logical blocks of 4096 bytes" lclone flatten --to "$out" t1
	same "$dir/model" /dev/mapper/t1
	[ "$(blockdev --getss /dev/mapper/t1)" = 512 ] || fail "larger blocks"
	ok lclone close t1
	# as a clone of the clone
	unchanged "$large" refused 5 "the layer below was used with 512" \
		lclone create --parent "$delta" t1 "$base" "$large"
	disk_of copy copy 16M 4096
	dd if="$template" of="$copy" bs=1M oflag=direct status=none
	unchanged "$second" refused 5 "the clone was used with 512" \
		lclone rebase --base "$copy" "$second"
	ok lclone open t1 "$base" "$second"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
}

blocks_base_end()
{
	local odd

	disk_of odd odd 30000128 512
	dd if="$template" of="$odd" bs=30000128 count=1 iflag=fullblock status=none 2>/dev/null
	cp "$dir/odd" "$dir/model"
	truncate -s 30003200 "$dir/model"
	disk_of delta delta4k 64M 4096
	unchanged "$delta" refused 2 "58592s or 58600s (sectors) would do" lclone create t1 "$odd" "$delta"
	ok lclone create --size 58600s t1 "$odd" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone flatten t1
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
}
