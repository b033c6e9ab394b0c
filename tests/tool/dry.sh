# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of commands that only say what they would do, for run and with what host.sh has.

tests+=(
	dry_merge "a dry run of each form of merge changes nothing, and is refused as the merge is"
	dry_flatten "a dry run of each form of flatten changes nothing, and is refused as the flatten is"
	dry_remove "a dry run of remove changes nothing, and is refused as the removal is"
)

# all_state: tables, volumes with their tags and permissions, lclonetab, and all bytes of volumes
all_state()
{
	local lv

	dmsetup table | sort
	lvs --noheadings -o lv_name,lv_size,lv_attr,lv_tags ttvg
	cat "$LCLONE_TAB" 2>/dev/null
	ls "$dir"
	for lv in /dev/ttvg/*; do
		echo "$lv $(cksum <"$lv")"
	done
}

# dry TEXT COMMAND...: it says so, and changes nothing
dry()
{
	local text=$1

	shift
	: >"$dir/out"; : >"$dir/err"; : >"$dir/before"; : >"$dir/after"
	all_state >"$dir/before"
	ok lclone "${@:1:1}" --dry-run "${@:2}"
	grep -qF -- "$text" "$dir/out" || fail "\"$text\" is not in: $(cat "$dir/out")"
	all_state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "$*: $(cat "$dir/after") and not $(cat "$dir/before")"
}

# dry_refused STATUS TEXT COMMAND...: so is the dry run, and the real one
dry_refused()
{
	refused "$1" "$2" lclone "${@:3:1}" --dry-run "${@:4}"
	refused "$1" "$2" lclone "${@:3:1}" --yes "${@:4}"
}

dry_merge()
{
	local top=/dev/ttvg/web1-delta2

	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	dry_refused 1 "is read-only" merge web1
	ok lvchange -qq --permission rw ttvg/deb
	dry "web1: what /dev/mapper/ttvg-web1--delta has would be written to /dev/mapper/ttvg-deb" merge web1
	grep -q "ttvg-web1--delta: would be removed" "$dir/out" || fail "$(cat "$dir/out")"
	dry "ttvg-web1--delta: would be free" merge --keep web1
	ok lclone close web1
	dry "web1--delta has would be written to /dev/mapper/ttvg-deb" merge web1
	dry "/dev/ttvg/deb: would get what /dev/ttvg/web1-delta has" merge --into-base web1
	dry "$dir/image: would get the disk of /dev/ttvg/web1-delta" merge --to "$dir/image" web1
	touch "$dir/image"
	refused 3 "exists" lclone merge --dry-run --to "$dir/image" web1
	ok lclone open web1
	ok lclone snapshot web1 one --delta-size 24M
	dry_refused 3 "lies on 1 layers" merge web1
	dry_refused 3 "in use by /dev/mapper/web1" merge --into-base /dev/ttvg/deb "$top"
	ok lclone snapshot web1 two --delta-size 24M
	dry "web1--delta: would get all that $top has" merge --into-parent "$top"
	grep -q "^web1: would go on without $top" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close web1
	dry_refused 3 "lies on 2 layers" merge web1
	dry "web1--delta2: would get all that /dev/ttvg/web1-delta3 has" merge --into-parent web1
	ok lclone merge --into-parent "$top"
	close_all
}

dry_flatten()
{
	make_template 400
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	ok lclone snapshot web1 one --delta-size 24M
	puts_at 3
	ok lclone snapshot web1 two --delta-size 8M
	for _ in active inactive; do
		dry "web1@two, on /dev/mapper/ttvg-web1--delta2, goes, too" flatten web1
		grep -q "web1: the volume of its delta would be extended by" "$dir/out" || fail "$(cat "$dir/out")"
		grep -q "web1@one, on /dev/mapper/ttvg-web1--delta, goes, too" "$dir/out" || fail "$(cat "$dir/out")"
		grep -q "web1: would not need /dev/mapper/ttvg-deb, /dev/mapper/ttvg-web1--delta, /dev/mapper/ttvg-web1--delta2 any more" "$dir/out" ||
			fail "$(cat "$dir/out")"
		dry "web1: would not need /dev/mapper/ttvg-web1--delta2 any more" flatten --layer web1
		! grep web1@one "$dir/out" || fail "$(cat "$dir/out")"
		dry "would be made in the group ttvg" flatten --to-vg ttvg web1
		ok lvcreate -qq -y --size 4M --name web1 ttvg
		dry_refused 3 "there is a volume ttvg/web1 already" flatten --to-vg ttvg web1
		dry_refused 5 "less than the clone's" flatten --to /dev/ttvg/web1 web1
		ok lvremove -qq -y ttvg/web1
		ok lvcreate -qq -y --size 16M --name target ttvg
		dry "would be copied to /dev/ttvg/target" flatten --to /dev/ttvg/target web1
		ok mkfs.ext4 -q /dev/ttvg/target
		dry_refused 4 "signature" flatten --to /dev/ttvg/target web1
		ok lvremove -qq -y ttvg/target
		! dmsetup info web1 >/dev/null 2>&1 || ok lclone close web1
	done
	refused 1 "there is no clone web7" lclone flatten --dry-run web7
}

dry_remove()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	ok lclone snapshot web1 one --delta-size 24M
	refused 3 "" lclone remove --dry-run /dev/ttvg/web1-delta
	refused 3 "" lclone remove /dev/ttvg/web1-delta
	exec 9</dev/mapper/web1
	dry_refused 3 "in use" remove web1
	exec 9<&-
	dry "web1: would be removed, with /dev/mapper/ttvg-web1--delta2, and its line" remove web1
	grep -q "^web1@one, on .*web1--delta, goes, too" "$dir/out" || fail "$(cat "$dir/out")"
	dry "web1@one: would be removed" remove web1@one
	ok lclone close web1
	dry "web1: would be removed" remove web1
	dry "/dev/ttvg/web1-delta2: would be wiped" remove /dev/ttvg/web1-delta2
	refused 4 "" lclone remove --dry-run /dev/ttvg/deb
	ok lclone open web1
}
