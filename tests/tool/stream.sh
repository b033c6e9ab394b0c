# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of snapshots that leave the host, for run and with what host.sh has.

tests+=(
	backup "snapshots that were sent are received in another group, and clones of them have what they had"
	backup_rotated "the oldest snapshot goes on both sides, and the next changes are received all the same"
	backup_cut "what was not received to its end is no layer, for nobody"
	backup_base "what is not in a template is received where the template is"
)

# sent FILE WORD...: the stream goes to the file
sent()
{
	local file=$1

	shift
	lclone send "$@" >"$file" 2>"$dir/err" || fail "lclone send $*: $(cat "$dir/err")"
}

# received FILE WORD...
received()
{
	local file=$1

	shift
	ok lclone receive "$@" <"$file"
}

# web1 with the snapshots sunday and monday, sent to files; what they had is in sunday.disk, ...
make_backups()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2 4000
	cp /dev/mapper/web1 "$dir/sunday.disk"
	ok lclone snapshot web1 sunday --delta-size 24M
	puts_at 2 3
	ok fallocate --zero-range -o 1048576 -l 1048576 /dev/mapper/web1
	cp /dev/mapper/web1 "$dir/monday.disk"
	ok lclone snapshot web1 monday --delta-size 24M
	puts_at 4
	sent "$dir/sunday" web1@sunday
	sent "$dir/monday" --since web1@sunday web1@monday
	sent "$dir/over" --since-base web1@monday
	disk far far 160
	ok vgcreate -qq ttfar "$far"
	ok lvcreate -qq -L 24M -n sunday ttfar
	ok lvcreate -qq -L 16M -n monday ttfar
	ok lvcreate -qq -L 16M -n delta ttfar
	ok lvcreate -qq -L 16M -n delta2 ttfar
}

end_backups()
{
	close_all
	ok vgremove -qq --yes ttfar
}

backup()
{
	local far

	make_backups
	refused 3 "in use by" lclone send /dev/ttvg/deb /dev/ttvg/web1-delta3
	refused 1 "web1 has no snapshot friday" lclone send web1@friday
	# two of one identity would be taken for each other
	unchanged /dev/ttfar/sunday refused 3 "is here already: " lclone receive ttfar/sunday \
		<"$dir/sunday"
	close_all
	ok lclone remove --yes web1
	refused 5 "its parent layer" lclone receive ttfar/monday <"$dir/monday"
	received "$dir/sunday" --label web1@sunday ttfar/sunday
	received "$dir/monday" --label web1@monday ttfar/monday
	ok lclone check ttfar/sunday
	ok lclone check ttfar/monday
	ok lclone create --parent ttfar/monday web1 - ttfar/delta
	same "$dir/monday.disk" /dev/mapper/web1
	has_snapshots web1@sunday web1@monday
	puts_at 7
	ok lclone create --parent ttfar/sunday t1 - ttfar/delta2
	same "$dir/sunday.disk" /dev/mapper/t1
	ok lclone close web1
	ok lclone open web1
	[ "$(dd if=/dev/mapper/web1 bs=4k skip=7 count=1 status=none | head -c 7)" = "write 7" ] ||
		fail "what was written is lost"
	end_backups
}

backup_rotated()
{
	local far

	make_backups
	ok lclone remove --yes web1@sunday
	puts_at 5 3
	cp /dev/mapper/web1 "$dir/tuesday.disk"
	ok lclone snapshot web1 tuesday --delta-size 24M
	sent "$dir/tuesday" --since web1@monday web1@tuesday
	close_all
	ok lclone remove --yes web1
	received "$dir/sunday" --label web1@sunday ttfar/sunday
	received "$dir/monday" --label web1@monday ttfar/monday
	ok lclone merge --into-parent ttfar/monday
	received "$dir/tuesday" --label web1@tuesday ttfar/monday
	ok lvremove -qq -y ttfar/delta
	ok lclone create --parent ttfar/monday --vg ttfar --delta-size 16M web1 -
	same "$dir/tuesday.disk" /dev/mapper/web1
	has_snapshots web1@monday web1@tuesday
	end_backups
}

backup_cut()
{
	local far size

	make_backups
	close_all
	ok lclone remove --yes web1
	head -c $(($(stat -c %s "$dir/sunday") / 2)) "$dir/sunday" >"$dir/part"
	refused 6 "the stream is not whole" lclone receive --label web1@sunday ttfar/sunday <"$dir/part"
	refused 3 "half written" lclone check ttfar/sunday
	grep -q "half written: " "$dir/out" || fail "$(cat "$dir/out")"
	refused 6 "no repair is possible" lclone repair ttfar/sunday
	refused 3 "half written" lclone create --parent ttfar/sunday t1 - ttfar/delta
	refused 3 "half written" lclone open --read-only t1 - ttfar/sunday
	refused 4 "holds an lclone delta" lclone format - ttfar/sunday --size 16M
	ok lclone tree
	grep -q "sunday: .*HALF WRITTEN" "$dir/out" || fail "$(cat "$dir/out")"
	has_snapshots
	size=$((16 << 11))
	! dmsetup create --readonly t1 --table "0 $size lclone - /dev/ttfar/sunday" 2>/dev/null ||
		fail "the kernel takes it"
	! dmsetup create t1 --table "0 $size lclone - /dev/ttfar/delta 2 parent /dev/ttfar/sunday" \
		2>/dev/null || fail "the kernel takes it as a layer"
	# it is wiped, or received again
	ok lclone remove ttfar/sunday
	refused 6 "the stream is not whole" lclone receive ttfar/sunday <"$dir/part"
	received "$dir/sunday" ttfar/sunday
	ok lclone create --parent ttfar/sunday t1 - ttfar/delta
	same "$dir/sunday.disk" /dev/mapper/t1
	end_backups
}

backup_base()
{
	local far

	make_backups
	close_all
	ok lclone remove --yes web1
	refused 5 "the stream is of what was changed since base-" \
		lclone receive --base "$delta" ttfar/sunday <"$dir/over"
	# another device has the same content, until it has not
	refused 5 "which may be here: " lclone receive ttfar/sunday <"$dir/over"
	dd if=/dev/urandom of="$base" bs=1M count=1 conv=notrunc,fsync status=none
	received "$dir/over" ttfar/sunday
	[ "$(stat -c %s "$dir/over")" -lt 2000000 ] || fail "the base was sent, too"
	ok lclone create --parent ttfar/sunday t1 ttvg/deb ttfar/delta
	same "$dir/monday.disk" /dev/mapper/t1
	end_backups
}
