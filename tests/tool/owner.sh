# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of the note that says which host has a delta open, for run.  Another host is this one with
# another machine-id and another name.

tests+=(
	owner_noted "a clone that is open says on which host, one that was closed does not"
	owner_elsewhere "what another host has open is refused, by its name, and not changed"
	owner_taken_over "what another host has open is taken over by who says so"
	owner_offline "commands that write to a delta take it over when told, and it has no note then"
	owner_crashed "what a crash of this host has left opens by itself, under another name, too"
	owner_kept "snapshot, revert, resize and flatten keep the note, and layers have none"
	owner_left "what a merge has left over is not wiped while another host has it"
	owner_none "a host without machine-id notes nothing, and says so"
)

# as_host ID NAME COMMAND...
as_host()
{
	local name rc=0

	name=$(hostname)
	echo "$1" >"$dir/machine-id"
	mount --bind "$dir/machine-id" /etc/machine-id || return 1
	hostname "$2"
	"${@:3}" || rc=$?
	umount /etc/machine-id
	hostname "$name"
	return $rc
}
as_b() { as_host 0123456789abcdef0123456789abcde0 host-b "$@"; }

# noted DEVICE: the note in its superblock
noted() { lclone dump "$1" | awk '$1 == "owner" { print $2; exit }'; }

# The host dies: $delta is as it was then, and so is $dir/model
crash()
{
	make_clone
	ok lclone open t1 "$base" "$delta"
	dd if="$dir/template" of=/dev/mapper/t1 bs=4k count=4 oflag=direct conv=fsync status=none
	dd if="$dir/template" of="$dir/model" bs=4k count=4 conv=notrunc status=none
	sync
	cp "$dir/delta" "$dir/crashed"
	ok lclone close t1
	dd if="$dir/crashed" of="$delta" bs=1M conv=fsync status=none
}

owner_noted()
{
	ok lclone create t1 "$base" "$delta"
	noted "$delta" | grep -qxE "$(hostname)/[0-9a-f]{16}/[0-9a-f]{8}" || fail "$(noted "$delta")"
	lclone status --json t1 | grep -q "\"owner\":\"$(hostname)\"" || fail "$(lclone status --json t1)"
	lclone list --noheadings -o name,owner | grep -q "^t1 *$(hostname)$" || fail "$(lclone list -o +owner)"
	lclone tree --json | grep -q "\"owner\":\"$(hostname)\"" || fail "$(lclone tree --json)"
	lclone table t1 | grep -q " owner $(noted "$delta")$" || fail "$(lclone table t1)"
	ok lclone close t1
	[ -z "$(noted "$delta")" ] || fail "$(noted "$delta")"
	ok lclone status --json t1
	grep -q '"owner":null' "$dir/out" || fail "$(cat "$dir/out")"
}

owner_elsewhere()
{
	local here said

	here=$(hostname)
	said="the host $here since 20"
	crash
	unchanged "$delta" refused 3 "$said" as_b lclone open t1 "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone open --read-only t1 "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone format --force "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone create --force t1 "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone remove "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone resize --size 32M "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone merge --yes --into-base "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone merge --to "$dir/merged" "$base" "$delta"
	unchanged "$delta" refused 3 "$said" as_b lclone diff "$delta"
	echo "t1 $base $delta" >"$dir/tab"
	unchanged "$delta" refused 3 "$said" as_b env LCLONE_TAB="$dir/tab" lclone unit start t1
	# what only looks says whose it is
	ok as_b lclone check "$delta"
	grep -q "is open on $said" "$dir/err" || fail "$(cat "$dir/err")"
	ok as_b lclone tree
	grep -q "OPEN ON $here since 20" "$dir/out" || fail "$(cat "$dir/out")"
	ok as_b lclone list -a -o state,owner
	grep -q "OPEN-ELSEWHERE.*$here" "$dir/out" || fail "$(cat "$dir/out")"
	# the kernel says the same
	! dmsetup create t1 2>/dev/null --table "$(lclone table "$base" "$delta" |
		sed 's|owner .*|owner host-b/0123456789abcdef/01234567|')" || fail "not refused"
	dmesg | tail -n 5 | grep -q "host $here/[0-9a-f/]* has it open for writing since" ||
		fail "$(dmesg | tail -n 5)"
	same "$dir/template" "$base"
}

owner_taken_over()
{
	crash
	refused 2 "confirm with --yes" as_b lclone open --takeover t1 "$base" "$delta"
	ok as_b lclone open --takeover --read-only t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	noted "$delta" | grep -q "^$(hostname)/" || fail "$(noted "$delta")"
	ok as_b lclone open --takeover --yes t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	noted "$delta" | grep -q "^host-b/" || fail "$(noted "$delta")"
	# the first one is up again
	refused 3 "already" lclone open t1 "$base" "$delta"
	cp "$dir/delta" "$dir/crashed"
	ok lclone close t1
	[ -z "$(noted "$delta")" ] || fail "$(noted "$delta")"
	dd if="$dir/crashed" of="$delta" bs=1M conv=fsync status=none
	refused 3 "the host host-b since" lclone open t1 "$base" "$delta"
}

owner_offline()
{
	crash
	ok as_b lclone resize --takeover --yes --size 32M "$delta"
	[ -z "$(noted "$delta")" ] || fail "$(noted "$delta")"
	ok as_b lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1 16777216
	ok lclone close t1
	dd if="$dir/crashed" of="$delta" bs=1M conv=fsync status=none
	ok as_b lclone merge --takeover --yes --into-base "$base" "$delta"
	same "$dir/model" "$base"
	[ -z "$(noted "$delta")" ] || fail "$(noted "$delta")"
	dd if="$dir/template" of="$base" bs=1M conv=fsync status=none
	dd if="$dir/crashed" of="$delta" bs=1M conv=fsync status=none
	ok as_b lclone remove --takeover --yes "$delta"
	refused 4 "" lclone dump "$delta"
}

owner_crashed()
{
	crash
	lclone tree | grep -q "OPEN ON $(hostname) since 20" || fail "$(lclone tree)"
	ok as_host "$(cat /etc/machine-id)" renamed lclone open t1 "$base" "$delta"
	noted "$delta" | grep -q "^renamed/" || fail "$(noted "$delta")"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	dd if="$dir/crashed" of="$delta" bs=1M conv=fsync status=none
	ok lclone open --read-only t1 "$base" "$delta"
	ok lclone close t1
	ok lclone merge --to "$dir/merged" "$base" "$delta"
	same "$dir/model" "$dir/merged"
}

owner_kept()
{
	local d2 d3 note

	disk d2 d2 48 && disk d3 d3 48
	ok lclone create t1 "$base" "$delta"
	note=$(noted "$delta")
	ok lclone resize --size 32M t1
	[ "$(noted "$delta")" = "$note" ] || fail "after a resize: $(noted "$delta")"
	ok lclone snapshot t1 --to "$d2"
	[ -z "$(noted "$delta")" ] || fail "of a layer: $(noted "$delta")"
	[ "$(noted "$d2")" = "$note" ] || fail "after a snapshot: $(noted "$d2")"
	ok lclone revert --yes t1 --to "$d3"
	[ -z "$(noted "$d2")" ] || fail "of what was left: $(noted "$d2")"
	[ "$(noted "$d3")" = "$note" ] || fail "after a revert: $(noted "$d3")"
	ok lclone flatten --yes t1
	[ "$(noted "$d3")" = "$note" ] || fail "after a flatten: $(noted "$d3")"
	same "$base" /dev/mapper/t1 16777216
	ok lclone close t1
	[ -z "$(noted "$d3")" ] || fail "after the end: $(noted "$d3")"
}

owner_left()
{
	make_chain
	put /dev/mapper/t1 100 50 3
	sync
	cp --sparse=never "$dir/new" "$dir/noted"
	ok lclone close t1
	ok lclone merge --into-parent "$new"
	dd if="$dir/noted" of="$new" bs=1M conv=notrunc,fsync status=none
	unchanged "$new" refused 3 "the host $(hostname) since 20" as_b lclone merge --into-parent "$new"
	ok as_b lclone open t1 "$base" "$delta"
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone merge --into-parent "$new"
	refused 4 "blank" lclone check "$new"
}

owner_none()
{
	ok as_host uninitialized nobody lclone create t1 "$base" "$delta"
	grep -q "has no machine-id" "$dir/err" || fail "$(cat "$dir/err")"
	[ -z "$(noted "$delta")" ] || fail "$(noted "$delta")"
	ok lclone close t1
	ok lclone remove "$delta"
	crash
	refused 3 "the host $(hostname) since 20" as_host "" nobody lclone open t1 "$base" "$delta"
}
