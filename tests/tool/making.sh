# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of clones that are made with their volumes by two runs at once, or by one that is killed
# and then by another one, for run, which has the tools that they are written with.

tests+=(
	making_twice "of two that make the same clones one makes them, and loses nothing"
	making_other "what is done with the volume of a killed run is not undone by the next"
	making_origin "a clone that a killed run has begun is not taken for one of another snapshot"
	making_kept "a run that was killed when some clones were kept is ended by the next"
	making_named "a clone has a volume also if the last one of its name has left a layer"
)

# waits_in PROGRAM BEFORE AFTER: one of LVM's, found first in $dir/bin, that does this, too
waits_in()
{
	mkdir -p "$dir/bin"
	cat >"$dir/bin/$1" <<-SCRIPT
		#!/bin/bash
		waits() { touch "$dir/lvm.here"; until [ -e "$dir/lvm.go" ]; do sleep 0.1; done; }
		$2
		$(type -P "$1") "\$@" || exit
		$3
	SCRIPT
	chmod +x "$dir/bin/$1"
	rm -f "$dir/lvm.here" "$dir/lvm.go"
}

making_twice()
{
	local late=0

	make_template 200
	# shellcheck disable=SC2016 # it is for the script
	waits_in lvm '[ $# -gt 0 ] || waits' ""
	PATH=$dir/bin:$PATH lclone create x1 x2 --from deb --delta-size 8M >"$dir/out1" 2>"$dir/err1" &
	await "$dir/lvm.here"
	ok lclone create x1 --from deb --delta-size 8M
	dd if="$dir/template" of=/dev/mapper/x1 bs=64k count=1 seek=5 oflag=direct status=none
	cp /dev/mapper/x1 "$dir/model"
	touch "$dir/lvm.go"
	wait $! || late=$?
	[ $late = 1 ] && tail -n 1 "$dir/err1" | grep -q "lvcreate failed for x1: nothing was made" ||
		fail "$late: $(cat "$dir/err1")"
	[ "$(volumes)" = "deb x1-delta" ] || fail "$(volumes)"
	same "$dir/model" /dev/mapper/x1
	ok lclone close x1
	ok lclone open x1
	same "$dir/model" /dev/mapper/x1
	ok lclone close x1
	# what one that lives has made is not what a killed one has left
	hold table:1 lclone create --vg ttvg --delta-size 8M t1 "$base"
	waits_in lvcreate "" waits
	PATH=$dir/bin:$PATH lclone create --vg ttvg --delta-size 8M t1 "$base" >"$dir/out2" 2>"$dir/err2" &
	await "$dir/lvm.here"
	release
	[ "$held_rc" = 1 ] && grep -q "already exists" "$dir/err1" || fail "$held_rc: $(cat "$dir/err1")"
	touch "$dir/lvm.go"
	wait $! || fail "$(cat "$dir/err2")"
	same "$dir/template" /dev/mapper/t1
}

making_other()
{
	make_template 100
	killed_at pwrite:1 lclone create --vg ttvg --delta-size 8M t1 "$base"
	ok mkfs.ext4 -q /dev/ttvg/t1-delta
	cp /dev/ttvg/t1-delta "$dir/model"
	! lclone create --vg ttvg --delta-size 8M t1 "$base" >"$dir/out" 2>"$dir/err" || fail "it goes"
	same "$dir/model" /dev/ttvg/t1-delta
	ok lvremove -qq -y ttvg/t1-delta
	ok lclone create --vg ttvg --delta-size 8M t1 "$base"
}

# killed_keeping COUNT COMMAND...: it is killed when it has kept so many of what it has made
killed_keeping()
{
	local rc=0 lvm

	lvm=$(type -P lvm)
	mkdir -p "$dir/bin"
	cat >"$dir/bin/lvm" <<-SCRIPT
		#!/bin/bash
		[ \$# = 0 ] || exec $lvm "\$@"
		lines=\$(cat)
		[[ \$lines == *"--deltag lclone.new"* ]] || exec $lvm <<<"\$lines"
		head -n $1 <<<"\$lines" | $lvm
		kill -KILL \$PPID
	SCRIPT
	chmod +x "$dir/bin/lvm"
	{ PATH=$dir/bin:$PATH "${@:2}" >"$dir/out" 2>"$dir/err"; } 2>/dev/null || rc=$?
	[ $rc = 137 ] || fail "not killed: ${*:2}: $(cat "$dir/err")"
}

making_origin()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 16M
	puts_at 1 2
	cp /dev/mapper/web1 "$dir/a"
	ok lclone snapshot web1 a --delta-size 16M
	puts_at 2 3
	ok lclone snapshot web1 b --delta-size 16M
	killed_keeping 0 lclone create x --from web1@a --delta-size 8M
	refused 3 "x already" lclone create x --from web1@b --delta-size 8M
	refused 3 "x already" lclone create x --from deb --delta-size 8M
	ok lclone close x
	refused 3 "x was made of something else than web1@b by an lclone that was killed" \
		lclone create x --from web1@b --delta-size 8M
	refused 3 "x was made of something else than deb" lclone create x --from deb --delta-size 8M
	ok lclone create x --from web1@a --delta-size 8M
	same "$dir/a" /dev/mapper/x
	close_all
}

making_kept()
{
	make_template 200
	killed_keeping 1 lclone create y1 y2 y3 --from deb --delta-size 8M
	! tags_of ttvg/y1-delta | grep -q lclone.new || fail "$(tags_of ttvg/y1-delta)"
	tags_of ttvg/y2-delta | grep -q lclone.new || fail "$(tags_of ttvg/y2-delta)"
	# nor is what is kept another's to make
	refused 3 "there is a device-mapper device y1 already" lclone create y1 --from deb
	ok lclone create y1 y2 y3 --from deb --delta-size 8M
	! tags_of ttvg/y2-delta | grep -q lclone.new || fail "$(tags_of ttvg/y2-delta)"
	[ "$(awk '{ print $1 }' "$LCLONE_TAB" | xargs)" = "y1 y2 y3" ] || fail "$(cat "$LCLONE_TAB")"
	refused 3 "there is a device-mapper device y1 already" \
		lclone create y1 y2 y3 --from deb --delta-size 8M
	close_all
}

making_named()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 16M
	puts_at 1 2
	ok lclone snapshot web1 a --delta-size 16M
	ok lclone create web2 --from web1@a --delta-size 16M
	ok lclone remove --yes web1
	[ "$(volumes)" = "deb web1-delta web2-delta" ] || fail "$(volumes)"
	ok lclone create web1 --from deb --delta-size 16M
	[ "$(volumes)" = "deb web1-delta web1-delta2 web2-delta" ] || fail "$(volumes)"
	same "$dir/template" /dev/mapper/web1
	ok lclone remove --yes web1
	killed_keeping 0 lclone create web1 --from deb --delta-size 8M
	ok lclone create web1 --from deb --delta-size 8M
	same "$dir/template" /dev/mapper/web1
	close_all
}
