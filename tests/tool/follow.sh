# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of what is written down of a clone whose table was exchanged, its line in lclonetab(5) and
# tags of LVM, for run, which has the tools that they are written with: it is closed, and opened by
# its name.

tests+=(
	follow_snapshot "a clone comes by its line after snapshot, revert, and merge into a layer"
	follow_flatten "a clone comes by its line after flatten, of a layer, of all, and to a device"
	flatten_cut "a flatten whose end a power cut has hit leaves a clone that comes by its line, and no volumes for good"
	follow_merge "a clone that was merged into its base has no line any more"
	follow_refused "a line that cannot be changed is told, and one that names a layer opens nothing"
	follow_tags "the tags of its volumes go with a clone"
	follow_unasked "that tags did not go with a clone, as LVM did not answer, is said, and mended"
	scan "tags that are wrong or gone come from what is on the volumes"
	follow_rebase "a clone that is not active comes by its line after a rebase"
)

# begin WORD...: the clone t1, active, and its line with these options among others
begin()
{
	export LCLONE_TAB=$dir/tab
	disk second second 16
	disk third third 16
	printf '%s\n' "# mine" "broken" "t1 $base $delta $*" "other - /dev/other nofail" >"$LCLONE_TAB"
	ok lclone create t1 "$base" "$delta"
	scribble
}

# has_line [WORD...]: that is t1's, and nothing else has changed
has_line()
{
	local all

	all="# mine broken ${*:+$* }other - /dev/other nofail"
	[ "$(xargs <"$LCLONE_TAB")" = "$all" ] || fail "$(cat "$LCLONE_TAB")"
}

# As after a reboot: nothing is known but what is written down
comes()
{
	ok lclone close t1
	rm -rf /run/lclone
	ok lclone open t1
	same "$dir/model" /dev/mapper/t1
}

follow_snapshot()
{
	begin nofail
	ok lclone snapshot t1 --to "$second"
	has_line t1 "$base" "$second" "nofail,parent=$delta"
	comes
	ok lclone snapshot t1 --to "$third"
	has_line t1 "$base" "$third" "nofail,parent=$delta,parent=$second"
	comes
	# a layer that is merged away beneath it
	ok lclone merge --into-parent "$second"
	has_line t1 "$base" "$third" "nofail,parent=$delta"
	comes
	dd if=/dev/zero of=/dev/mapper/t1 bs=4k count=3 oflag=direct status=none || fail "write"
	ok lclone revert --yes --force t1 --to "$second"
	has_line t1 "$base" "$second" "nofail,parent=$delta"
	comes
	ok lclone close t1

	# layers that are looked for stay so
	sed -i "s/,parent=.*//" "$LCLONE_TAB"
	ok lclone open t1
	ok lclone snapshot --force t1 --to "$third"
	has_line t1 "$base" "$third" nofail
	comes
	ok lclone close t1
	# a line that names another delta, as it is somebody else's, stays
	sed -i "s|$third|$base-none|" "$LCLONE_TAB"
	ok lclone open t1 "$base" "$third"
	disk fourth fourth 16
	ok lclone revert --yes t1 --to "$fourth"
	has_line t1 "$base" "$base-none" nofail
	ok lclone close t1
}

follow_flatten()
{
	begin commit-interval=700
	ok lclone snapshot t1 --to "$second"
	ok lclone flatten --layer t1
	has_line t1 "$base" "$second" commit-interval=700
	comes
	ok lclone remove "$delta"
	disk target target 16
	ok lclone flatten --to "$target" --detach t1
	has_line t1 "$target" "$second" commit-interval=700
	comes
	ok lclone merge --yes t1
	grep -qF "its line was removed from $LCLONE_TAB" "$dir/out" || fail "$(cat "$dir/out")"
	has_line
	same "$dir/model" "$target"
	ok lclone close t1

	disk large large 40
	ok lclone create t1 "$base" "$large"
	printf 't1 %s %s\n' "$base" "$large" >"$LCLONE_TAB"
	cp "$dir/template" "$dir/model"
	ok lclone flatten t1
	[ "$(xargs <"$LCLONE_TAB")" = "t1 - $large" ] || fail "$(cat "$LCLONE_TAB")"
	comes
	ok lclone close t1
}

# killed_by PROGRAM [WORD]...: lclone is killed when it runs that one
killed_by()
{
	local program=$1

	mkdir "$dir/bin"
	printf '#!/bin/bash\nkill -KILL $PPID\n' >"$dir/bin/$program"
	chmod +x "$dir/bin/$program"
	PATH=$dir/bin:$PATH lclone "${@:2}" >"$dir/out" 2>"$dir/err"
	[ $? = 137 ] || fail "it was not killed by $program: $(cat "$dir/err")"
	rm -r "${dir:?}/bin"
} 2>/dev/null

# No note of the run is left, and the clone comes by what is written down
cut_power()
{
	ok dmsetup remove web1
	rm -rf /run/lclone
	ok lclone unit start web1
	same "$dir/model" /dev/mapper/web1
}

flatten_cut()
{
	local flatten=(flatten --yes --rate max)

	make_template 300
	# right behind the switch, and what is written down is of before
	ok lclone create web1 --from deb --delta-size 24M
	ok lclone snapshot web1 one --delta-size 24M
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	ok lclone snapshot web1 two --delta-size 24M
	cp /dev/mapper/web1 "$dir/model"
	{ STOP_AT=suspend:3 LD_PRELOAD=$stop_library lclone "${flatten[@]}" --layer web1; } \
		>"$dir/out" 2>"$dir/err"
	[ $? = 137 ] || fail "it was not killed: $(cat "$dir/err")"
	cut_power
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/web1-delta3 parent=/dev/ttvg/web1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	ok lclone scan </dev/null
	grep -q "would remove /dev/ttvg/web1-delta2: confirm with --yes" "$dir/err" || fail "$(cat "$dir/err")"
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta3" ] || fail "$(volumes)"
	ok lclone scan --yes
	[ "$(xargs <"$dir/out")" = "/dev/ttvg/web1-delta2: removed" ] || fail "$(cat "$dir/out")"
	[ "$(volumes)" = "deb web1-delta web1-delta3" ] || fail "$(volumes)"
	same "$dir/model" /dev/mapper/web1
	# one is wiped, and another clone lies on the other
	ok lclone snapshot web1 two --delta-size 24M
	ok lclone create web2 --from web1@one --delta-size 24M
	cp /dev/mapper/web2 "$dir/model2"
	killed_by lvremove "${flatten[@]}" web1
	cut_power
	[ "$(head -n 1 "$LCLONE_TAB" | xargs)" = "web1 - /dev/ttvg/web1-delta2" ] || fail "$(cat "$LCLONE_TAB")"
	refused 1 "(volumes that it left: lclone scan)" lclone flatten web1
	ok lclone scan --yes
	[ "$(volumes)" = "deb web1-delta web1-delta2 web2-delta" ] || fail "$(volumes)"
	same "$dir/model2" /dev/mapper/web2
	ok lclone remove --yes web2
	# its clone may need it, as long as that is not there to be asked
	cp "$LCLONE_TAB" "$dir/tab"
	ok lclone close web1
	echo "web1 - /dev/ttvg/elsewhere" >"$LCLONE_TAB"
	ok lclone scan --yes
	[ "$(volumes)" = "deb web1-delta web1-delta2" ] || fail "$(volumes)"
	cp "$dir/tab" "$LCLONE_TAB"
	ok lclone scan --dry-run
	[ "$(xargs <"$dir/out")" = "/dev/ttvg/web1-delta: would be removed" ] || fail "$(cat "$dir/out")"
	ok lclone scan --yes
	[ "$(volumes)" = "deb web1-delta2" ] || fail "$(volumes)"
	close_all
}

follow_merge()
{
	begin
	ok lclone merge --yes t1
	grep -qF "its line was removed from $LCLONE_TAB" "$dir/out" || fail "$(cat "$dir/out")"
	has_line
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	refused 1 "there is no clone t1" lclone open t1
}

follow_refused()
{
	begin
	mkdir "$LCLONE_TAB.lclone-new"		# nobody can write another file
	refused 1 "which has to be: t1 $base $second parent=$delta" lclone snapshot t1 --to "$second"
	same "$dir/model" /dev/mapper/t1
	has_line t1 "$base" "$delta"
	# once is enough to say it
	ok lclone close t1
	refused 3 "is a sealed layer; the only delta above it is $second" lclone open t1
	lclone unit start t1 2>"$dir/err"
	grep -q "the only delta above it is $second" "$dir/err" || fail "$(cat "$dir/err")"
	! dmsetup info t1 >/dev/null 2>&1 || fail "it is active"
	ok lclone open t1 "$base" "$second"
	ok lclone close t1
	ok lclone create --parent "$delta" t2 "$base" "$third"
	ok lclone close t2
	refused 3 "which delta t1 has now cannot be told" lclone open t1
	ok lclone remove "$third"
	ok lclone remove "$second"
	ok lclone remove "$delta"

	# nor can that of one that is merged be taken out
	ok lclone create --force t1 "$base" "$second"
	printf 't1 %s %s\n' "$base" "$second" >"$LCLONE_TAB"
	refused 1 "its line is still in $LCLONE_TAB" lclone merge --yes --assume-no-other-clones t1
	rmdir "$LCLONE_TAB.lclone-new"
	ok lclone close t1
}

follow_tags()
{
	local uuid

	make_template 200
	ok lclone create web1 --from deb --delta-size 32M
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lvcreate -qq -y --size 24M --name new ttvg
	ok lclone snapshot web1 --to /dev/ttvg/new
	uuid=$(lclone probe /dev/ttvg/new)
	[ "$(tags_of ttvg/new)" = "lclone.delta,lclone.from=deb,lclone.given,lclone.name=web1,lclone.uuid=$uuid" ] ||
		fail "$(tags_of ttvg/new)"
	! tags_of ttvg/web1-delta | grep lclone.name || fail "$(tags_of ttvg/web1-delta)"
	[ "$(xargs <"$LCLONE_TAB")" = "web1 /dev/ttvg/deb /dev/ttvg/new parent=/dev/ttvg/web1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	ok lclone close web1
	rm "$LCLONE_TAB"
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	# lclone did not make that volume, and does not remove it
	ok lclone remove --yes web1
	ok lvs ttvg/new
	[ -z "$(tags_of ttvg/new)" ] || fail "$(tags_of ttvg/new)"
}

follow_unasked()
{
	make_template 200
	ok lclone create web1 --from deb --delta-size 24M
	mkdir "$dir/bin"
	# once the clone lies on a layer
	cat >"$dir/bin/lvm" <<-SCRIPT
		#!/bin/bash
		[ "\$1" != fullreport ] || ! dmsetup table web1 | grep -q parent || exit 5
		exec $(type -P lvm) "\$@"
	SCRIPT
	chmod +x "$dir/bin/lvm"
	PATH=$dir/bin:$PATH refused 1 'not the tags of its volumes, which "lclone scan" puts right: LVM could not be asked' \
		lclone snapshot web1 one
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	rm "$LCLONE_TAB"
	refused 3 "is a sealed layer; the only delta above it is /dev/mapper/ttvg-web1--delta2: if that is what web1 has now, name it (lclone scan)" \
		lclone open web1
	ok lclone scan --dry-run
	cp "$dir/out" "$dir/wanted"
	[ "$(cut -d ' ' -f 1 "$dir/wanted" | sort | xargs)" = "ttvg/web1-delta2: ttvg/web1-delta:" ] ||
		fail "$(cat "$dir/out")"
	ok lclone scan
	same "$dir/wanted" "$dir/out"
	tags_of ttvg/web1-delta | grep -q lclone.layer=web1,lclone.snapshot=one || fail "$(tags_of ttvg/web1-delta)"
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone remove --yes web1
	[ "$(volumes)" = deb ] || fail "$(volumes)"
}

scan()
{
	local lv

	make_template 200
	ok lclone create web1 --from deb --delta-size 24M
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	ok lclone snapshot web1 one
	cp /dev/mapper/web1 "$dir/model"
	ok lclone create web2 --from deb --delta-size 24M
	close_all
	rm "$LCLONE_TAB"
	for lv in web1-delta web1-delta2 web2-delta; do
		tags_of ttvg/$lv >"$dir/$lv"
	done
	ok lclone scan
	[ ! -s "$dir/out" ] || fail "$(cat "$dir/out")"
	# of another clone
	ok lvchange -qq --deltag lclone.name=web1 --deltag "lclone.uuid=$(lclone probe /dev/ttvg/web1-delta2)" \
		--addtag lclone.name=web2 --addtag lclone.uuid=0 ttvg/web1-delta2
	ok lvchange -qq --deltag lclone.name=web2 ttvg/web2-delta
	refused 5 'has the tags of web2, but another delta is on it: "lclone scan"' lclone open web2
	ok lvchange -qq -an ttvg/web1-delta2 ttvg/web1-delta
	ok lclone scan
	for lv in web1-delta web1-delta2 web2-delta; do
		tags_of ttvg/$lv | cmp - "$dir/$lv" || fail "$lv: $(tags_of ttvg/$lv)"
	done
	# none: what may be somebody's own is not removed
	for lv in web1-delta web1-delta2; do
		# shellcheck disable=SC2046 # words
		ok lvchange -qq $(sed 's/^/,/; s/,/ --deltag /g' "$dir/$lv") ttvg/$lv
	done
	ok lclone scan
	for lv in web1-delta web1-delta2; do
		tags_of ttvg/$lv | sed 's/lclone.given,//' | cmp - "$dir/$lv" || fail "$lv: $(tags_of ttvg/$lv)"
	done
	ok lvchange -qq -an ttvg/web1-delta2 ttvg/web1-delta
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	ok lclone remove --yes web1
	[ "$(volumes)" = "deb web1-delta web1-delta2 web2-delta" ] || fail "$(volumes)"
	close_all
}

follow_rebase()
{
	local larger

	begin
	disk larger larger 17
	dd if="$base" of="$larger" bs=1M conv=notrunc,fsync status=none
	ok lclone close t1
	ok lclone rebase --base "$larger" "$delta"
	has_line t1 "$larger" "$delta"
	ok lclone open t1
	comes
	ok lclone close t1
}
