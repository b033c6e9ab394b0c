# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of what commands leave alone that remove volumes, and of what such a command ends that was
# killed, for run and with what host.sh has.

tests+=(
	kept_absent "layers stay of a clone whose delta is on a disk that is not there"
	kept_origin "a volume is not removed with the snapshots that LVM has of it"
	kept_data "a volume that has got something else on it since is not removed"
	kept_by_wish "what was kept with --keep stays"
	kept_told "layers of another clone, which go with the last one on them, are named before"
	lost_told "all snapshots that are lost are named before, however many they are"
	layer_protected "the volume of a layer is read-only, and commands that change a layer do not mind"
	removed_wiped "a remove that was killed behind the wipe takes the layers along in the end"
)

kept_absent()
{
	local far

	make_template 300
	disk far far 64
	ok vgcreate -qq ttfar "$far"
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	ok lclone snapshot web1 b --vg ttfar --delta-size 24M
	puts_at 3
	cp /dev/mapper/web1 "$dir/model"
	ok lclone create web2 --from web1@b --vg ttvg --delta-size 32M
	close_all
	ok vgchange -qq -an ttfar
	ok losetup -d "$far"
	refused 5 "ttfar/web1-delta" lclone remove --yes web1@b
	refused 5 "ttfar/web1-delta" lclone remove --dry-run web1@b
	ok lclone remove --yes web2
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	# neither tells a line of it
	ok losetup "$far" "$dir/far"
	ok vgchange -qq -ay ttfar
	ok lclone create web2 --from web1@b --vg ttvg --delta-size 32M
	close_all
	ok vgchange -qq -an ttfar
	ok losetup -d "$far"
	ok lclone open web2
	ok lclone flatten --yes web2
	grep -q "web1--delta: kept: web1 has it" "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb web1-delta web2-delta" ] || fail "$(volumes)"
	ok losetup "$far" "$dir/far"
	ok vgchange -qq -ay ttfar
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	close_all
	ok lclone remove --yes web1
	ok vgremove -qq --yes ttfar
}

kept_origin()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1
	ok lclone snapshot web1 a --delta-size 24M
	ok lclone close web1
	ok lvcreate -qq -s -n backup -L 8M ttvg/web1-delta2
	refused 3 "ttvg/web1-delta2 has snapshots of LVM's own" lclone remove --yes web1
	ok lvremove -qq -y ttvg/backup
	ok lclone check /dev/ttvg/web1-delta2
	ok lvcreate -qq -s -n backup -L 8M ttvg/web1-delta
	ok lclone remove --yes --assume-no-other-clones web1
	[ "$(volumes)" = "backup deb web1-delta" ] || fail "$(volumes)"
}

kept_data()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	ok lclone snapshot web1 a --delta-size 24M
	ok lclone close web1
	ok lclone remove /dev/ttvg/web1-delta2
	ok lclone remove /dev/ttvg/web1-delta
	# its first block is zero
	printf '\1CD001\1' | dd of=/dev/ttvg/web1-delta bs=2048 seek=16 conv=fsync status=none
	ok lclone remove --yes web1
	grep -q "web1-delta: kept: .* holds a signature of iso9660" "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb web1-delta" ] || fail "$(volumes)"
	ok lvremove -qq -y ttvg/web1-delta
}

kept_by_wish()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	ok lclone snapshot web1 a --delta-size 24M
	ok lclone snapshot web1 b --delta-size 24M
	ok lclone revert --yes --keep web1 a
	tags_of ttvg/web1-delta2 | grep -q lclone.given || fail "$(tags_of ttvg/web1-delta2)"
	tags_of ttvg/web1-delta3 | grep -q lclone.given || fail "$(tags_of ttvg/web1-delta3)"
	refused 1 "web1 has no snapshot b" lclone remove --yes web1@b
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta3 web1-delta4" ] || fail "$(volumes)"
	close_all
}

kept_told()
{
	local s

	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	ok lclone snapshot web1 golden --delta-size 24M
	ok lclone create ci-1 --from web1@golden --delta-size 16M
	ok lclone remove --yes web1
	refused 2 "and web1@golden: confirm with --yes" lclone remove ci-1
	ok lclone remove --dry-run ci-1
	grep -q "^web1@golden, on .*web1--delta, goes, too" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone create ci-2 --from deb --delta-size 16M
	for s in a b c d e f; do
		ok lclone snapshot ci-2 $s --delta-size 8M
	done
	ok lclone remove --dry-run ci-2
	[ "$(grep -c "^ci-2@[a-f], on" "$dir/out")" = 6 ] || fail "$(cat "$dir/out")"
	# what stays is not asked for
	ok lclone snapshot ci-1 x --delta-size 32M
	ok lclone create ci-3 --from ci-1@x --delta-size 16M
	ok lclone flatten --layer ci-1
	grep -q "ci--1--delta: kept: ci-3 has it" "$dir/out" || fail "$(cat "$dir/out")"
	# it is a layer of ci-1's, which goes by its name only
	ok lclone remove --yes ci-3
	ok lclone remove --yes ci-1@x
	close_all
	ok lclone remove --yes ci-1
	[ "$(volumes)" = "ci-2-delta ci-2-delta2 ci-2-delta3 ci-2-delta4 ci-2-delta5 ci-2-delta6 ci-2-delta7 deb" ] ||
		fail "$(volumes)"
}

removed_wiped()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 40M
	puts_at 1
	ok lclone snapshot web1 a --delta-size 40M
	puts_at 2
	# behind the wipe of the layer, which the delta has taken over
	ok lclone flatten --layer --keep web1
	ok lvchange -qq --deltag lclone.given ttvg/web1-delta
	ok lclone remove /dev/ttvg/web1-delta
	ok lclone remove --yes web1@a
	[ "$(volumes)" = "deb web1-delta2" ] || fail "$(volumes)"
	# of the whole clone, behind that of its delta
	ok lclone snapshot web1 b --delta-size 24M
	ok lclone snapshot web1 c --delta-size 24M
	ok lclone close web1
	ok lclone remove /dev/ttvg/web1-delta3
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
}

lost_told()
{
	local i

	make_template 300
	ok lclone create web1 --from deb --delta-size 8M
	for i in 1 2 3 4 5 6 7; do
		ok lclone snapshot web1 s$i --delta-size 8M
	done
	refused 2 "confirm with --yes" lclone revert web1 s1
	for i in 2 3 4 5 6 7; do
		grep -qx "web1@s$i, on /dev/mapper/ttvg-web1--delta$i, goes, too" "$dir/err" || fail "$(cat "$dir/err")"
	done
	! grep "^web1@s1," "$dir/err" || fail "it stays: $(cat "$dir/err")"
	ok lclone revert --dry-run web1 s1
	grep -q "^web1@s7, on" "$dir/out" || fail "$(cat "$dir/out")"
	refused 2 "confirm with --yes" lclone flatten web1
	for i in 1 2 3 4 5 6 7; do
		grep -q "^web1@s$i, on .*, goes, too" "$dir/err" || fail "$(cat "$dir/err")"
	done
	[ "$(volumes | wc -w)" = 9 ] || fail "$(volumes)"
	close_all
}

# is VOLUME r|w: what LVM lets others do with it
is() { [ "$(lvs --noheadings -o lv_attr "ttvg/$1" | xargs | cut -c 2)" = "$2" ] || fail "$1: $(lvs ttvg)"; }

layer_protected()
{
	local layer=/dev/ttvg/web1-delta second=/dev/ttvg/web1-delta2 at=300 dev

	make_template 400
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	is web1-delta w
	ok lclone snapshot web1 one --delta-size 24M
	is web1-delta r
	is web1-delta2 w
	fails dd if="$dir/template" of=$layer bs=4k count=1 conv=notrunc,fsync
	puts_at 3
	ok lclone snapshot web1 two --delta-size 24M
	puts_at 4
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	for dev in $layer $second; do
		fails mkfs.ext4 -q -F $dev
		fails dd if="$dir/template" of=$dev bs=4k count=1 conv=notrunc,fsync
	done
	# what is refused leaves it so
	refused 3 "a layer that others depend on" lclone resize web1@one
	refused 3 "" lclone remove $layer
	refused 3 "" lclone format --force /dev/ttvg/deb $layer
	is web1-delta r
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	# a merge into it, while it is used, and another when it is not
	ok lclone merge --into-parent $second
	same "$dir/model" /dev/mapper/web1
	is web1-delta r
	is web1-delta2 w
	ok lclone remove --dry-run web1@two
	is web1-delta r
	ok lclone close web1
	ok lclone merge --into-parent web1
	is web1-delta w
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	puts_at 5
	ok lvremove -qq -y ttvg/web1-delta2 ttvg/web1-delta3
	# a repair, of the superblock that does not count
	ok lclone snapshot web1 three --delta-size 24M
	ok lclone close web1
	ok lvchange -qq --permission rw ttvg/web1-delta
	ok lclone dump $layer
	grep -q "newest_superblock  *A" "$dir/out" && at=65836
	printf x | dd of=$layer bs=1 seek=$at conv=notrunc,fsync status=none
	ok lvchange -qq --permission r ttvg/web1-delta
	ok lclone repair --save "$dir/saved" web1@three
	is web1-delta r
	ok lclone repair --undo "$dir/saved" $layer
	is web1-delta r
	rm "$dir/saved"
	ok lclone repair --save "$dir/saved" web1@three
	ok lclone open web1
	# one that has been made writable by hand is as good
	ok lvchange -qq --permission rw ttvg/web1-delta
	ok lclone flatten --yes --layer --rate max web1
	[ "$(volumes)" = "deb web1-delta2" ] || fail "$(volumes)"
	ok lclone snapshot web1 four --delta-size 24M
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
}
