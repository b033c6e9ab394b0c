#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "data, silently: by a delta on the wrong base, of the wrong size," \
	"or of a version not understood"

SB_A=0
SB_B=65536
# byte offsets of fields in a superblock, see blkio.c
VERSION=12 RO_COMPAT=24 INCOMPAT=32

# A delta with data in it, closed
setup() {
	base=$(template 4m)
	delta=$(loop 16m)
	clone
	blkio write "$vm" 1m 64k 2
	blkio write "$vm" 3m 512k 3
	close vm
	size=$(blkio size "$base")
}

# keeps REGEX COMMAND...: refused, and nothing was written to base or delta
keeps() {
	local delta_hash base_hash

	delta_hash=$(blkio hash "$delta")
	base_hash=$(blkio hash "$base")
	refused "$@"
	is "$delta_hash" "$(blkio hash "$delta")" "hash of the delta"
	is "$base_hash" "$(blkio hash "$base")" "hash of the base"
}

still_good() {
	create vm "$size" "$base" "$delta"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 64k 2
	blkio check "$vm" 3m 512k 3
	close vm
}

a_length_other_than_formatted() {
	setup
	keeps "size|length|sectors|long" create vm $((size - 1)) "$base" "$delta"
	keeps "size|length|sectors|long" create vm $((size + 1)) "$base" "$delta"
	keeps "size|length|sectors|long" create vm $((size * 2)) "$base" "$delta"
	still_good
}

a_chunk_size_other_than_formatted() {
	setup
	keeps "chunk" create vm "$size" "$base" "$delta" chunk_size 16
	create vm "$size" "$base" "$delta" chunk_size 128
	close vm
	still_good
}

a_delta_shrunk_below_its_high_water_mark() {
	setup
	file=$(backing "$delta")
	cp "$file" "$T/whole"
	for to in 2304k 2m 64k 4k; do
		blkio resize "$delta" "$(backing "$delta")" $to
		keeps "small|shr|size|short|trunc|high-water|damaged" \
			create vm "$size" "$base" "$delta"
		keeps "small|shr|size|short|trunc|high-water|damaged" \
			create vm "$size" "$base" "$delta" read_only
	done
	blkio resize "$delta" "$(backing "$delta")" 16m
	cp "$T/whole" "$file"
	still_good
}

a_base_of_another_size() {
	setup
	blkio resize "$base" "$(backing "$base")" 5m
	keeps "base" create vm "$size" "$base" "$delta"
	blkio resize "$base" "$(backing "$base")" 3m
	keeps "base" create vm "$size" "$base" "$delta"
	keeps "base" create vm "$size" - "$delta"
}

a_base_of_another_content() {
	setup
	other=$(loop 4m)
	blkio write "$other" 0 4m 5
	mine=$base
	base=$other
	keeps "base" create vm "$size" "$other" "$delta"
	keeps "base" create vm "$size" "$other" "$delta" read_only
	base=$mine
	still_good
}

a_base_that_was_changed() {
	setup
	# anything that mounts or partitions it writes into the first 64 KiB
	blkio write "$base" 4k 512 9
	keeps "base" create vm "$size" "$base" "$delta"
	blkio write "$base" 4k 512 1
	still_good
}

a_base_where_there_was_none() {
	delta=$(loop 16m)
	base=$(template 4m)
	size=8192
	create vm $size - "$delta"
	close vm
	keeps "base" create vm $size "$base" "$delta"
	create vm $size - "$delta"
}

a_base_that_is_mounted() {
	setup
	background blkio claim "$base" 60
	within 10 grep -q claimed "$T/job"
	keeps "base" create vm "$size" "$base" "$delta"
	kill $job
	wait $job || true
	still_good
}

a_base_mounted_for_real() {
	command -v mke2fs >/dev/null || skip "no mke2fs here"
	grep -qw ext4 /proc/filesystems || modprobe -q ext4 || skip "no ext4"
	base=$(loop 8m)
	delta=$(loop 16m)
	mke2fs -q "$base" >/dev/null 2>&1
	mkdir -p "$T/mnt"
	on_exit "umount $T/mnt 2>/dev/null || true"
	mount "$base" "$T/mnt" || skip "cannot mount ext2 here"
	before=$(writes_to "$delta")
	refused "base" create vm 16384 "$base" "$delta"
	is "$before" "$(writes_to "$delta")" "writes to the delta"
	umount "$T/mnt"
	create vm 16384 "$base" "$delta"
	! mount "$base" "$T/mnt" 2>/dev/null || fail "the base of an active clone was mounted"
}

a_delta_of_a_newer_version() {
	setup
	blkio sb "$delta" $SB_A $VERSION 4 2
	blkio sb "$delta" $SB_B $VERSION 4 2
	keeps "version" create vm "$size" "$base" "$delta"
	keeps "version" create vm "$size" "$base" "$delta" read_only
	blkio sb "$delta" $SB_A $VERSION 4 1
	blkio sb "$delta" $SB_B $VERSION 4 1
	still_good
}

a_newer_version_in_one_slot_only() {
	setup
	blkio sb "$delta" $SB_A $VERSION 4 2
	keeps "version" create vm "$size" "$base" "$delta"
	blkio sb "$delta" $SB_A $VERSION 4 1
	blkio sb "$delta" $SB_B $VERSION 4 2
	keeps "version" create vm "$size" "$base" "$delta"
}

a_feature_that_is_not_understood() {
	setup
	blkio sb "$delta" $SB_A $INCOMPAT 8 4
	blkio sb "$delta" $SB_B $INCOMPAT 8 4
	keeps "feature" create vm "$size" "$base" "$delta"
	keeps "feature" create vm "$size" "$base" "$delta" read_only
	blkio sb "$delta" $SB_A $INCOMPAT 8 0
	blkio sb "$delta" $SB_B $INCOMPAT 8 0
	# one that only a writer must understand
	blkio sb "$delta" $SB_A $RO_COMPAT 8 4
	blkio sb "$delta" $SB_B $RO_COMPAT 8 4
	keeps "feature" create vm "$size" "$base" "$delta"
	create vm "$size" "$base" "$delta" read_only
	blkio check "$vm" 1m 64k 2
}

a_foreign_signature() {
	base=$(template 4m)
	delta=$(loop 16m)
	size=8192
	# the ext4 magic, a boot sector's last bytes, one byte anywhere in the first block
	for at in 1080 510 0 4095 2048; do
		blkio write "$delta" 0 4k 0
		blkio flip "$delta" $at
		keeps "delta|format|foreign|signature|holds|zero" create vm $size "$base" "$delta"
	done
	blkio write "$delta" 0 4k 0
	create vm $size "$base" "$delta"
}

# the first block of these is free, and a format would destroy what is behind it
a_foreign_signature_behind_zeros() {
	base=$(template 4m)
	delta=$(loop 16m)
	while read -r at magic; do
		blkio write "$delta" 0 128k 0
		printf "$magic" | dd of="$delta" bs=1 seek="$at" conv=notrunc,fsync 2>/dev/null
		keeps "not empty" create vm 8192 "$base" "$delta"
	done <<-'END'
		65600 _BHRfS_M
		65536 \x01\x16\x19\x70
		65588 ReIsEr2Fs
		32768 JFS1
		32769 CD001
		4096 \xfc\x4e\x2b\xa9
		4120 \xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81
	END
	blkio write "$delta" 0 128k 0
	create vm 8192 "$base" "$delta"
}

what_an_old_volume_holds_beyond_its_first_block_is_no_delta() {
	base=$(template 4m)
	delta=$(loop 16m)
	blkio write "$delta" 4k 16380k 6
	create vm 8192 "$base" "$delta"
	vm=/dev/mapper/$P-vm
	blkio check "$vm" 0 4m 1
	blkio write "$vm" 1m 512 2
	close vm
	create vm 8192 "$base" "$delta"
	blkio check "$vm" 0 1m 1
	blkio check "$vm" 1m 512 2
	blkio check "$vm" 1049088 2m 1
}

a_recycled_volume_whose_second_superblock_verifies() {
	setup
	blkio write "$delta" 0 4k 0
	keeps "superblock|slot|damaged|delta" create vm "$size" "$base" "$delta"
}

one_damaged_superblock_is_not_written_to() {
	setup
	for slot in $SB_A $SB_B; do
		blkio flip "$delta" $((slot + 40))
		keeps "superblock|slot" create vm "$size" "$base" "$delta"
		blkio flip "$delta" $((slot + 40))
	done
	still_good
}

two_damaged_superblocks_are_none() {
	setup
	blkio flip "$delta" $((SB_A + 40))
	blkio flip "$delta" $((SB_B + 40))
	keeps "superblock|checksum" create vm "$size" "$base" "$delta"
	keeps "superblock|checksum" create vm "$size" "$base" "$delta" read_only
	blkio flip "$delta" $((SB_A + 40))
	blkio flip "$delta" $((SB_B + 40))
	still_good
}

run a_length_other_than_formatted \
	a_chunk_size_other_than_formatted \
	a_delta_shrunk_below_its_high_water_mark \
	a_base_of_another_size \
	a_base_of_another_content \
	a_base_that_was_changed \
	a_base_where_there_was_none \
	a_base_that_is_mounted \
	a_base_mounted_for_real \
	a_delta_of_a_newer_version \
	a_newer_version_in_one_slot_only \
	a_feature_that_is_not_understood \
	a_foreign_signature \
	a_foreign_signature_behind_zeros \
	what_an_old_volume_holds_beyond_its_first_block_is_no_delta \
	a_recycled_volume_whose_second_superblock_verifies \
	one_damaged_superblock_is_not_written_to \
	two_damaged_superblocks_are_none
