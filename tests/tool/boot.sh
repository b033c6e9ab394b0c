# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of what systemd calls at boot and shutdown, for run, which has the tools that they are
# written with.  What systemd makes of it is not tested here.

tests+=(
	boot_unit "a clone of lclonetab comes and goes, with its options, as often as it is asked to"
	boot_layers "a clone of lclonetab on layers, named or found, comes"
	boot_refused "a line that is broken, or names what does not fit, activates nothing"
)

# line WORD...: the only line of lclonetab but a broken one
line()
{
	export LCLONE_TAB=$dir/tab
	printf '%s\n' "broken" "$*" >"$LCLONE_TAB"
}

boot_unit()
{
	make_clone
	line t1 "$base" "$delta" nofail,commit-interval=20
	ok lclone unit start t1
	grep -q "tab, line 1: there are fewer fields" "$dir/err" || fail "$(cat "$dir/err")"
	table_of t1 | grep -q ' 2 commit_interval 20$' || fail "$(dmsetup table t1)"
	same "$dir/model" /dev/mapper/t1
	ok lclone unit start t1
	ok lclone unit stop t1
	! dmsetup info t1 >/dev/null 2>&1 || fail "it is still there"
	ok lclone unit stop t1
	ok lclone unit start t1
	same "$dir/model" /dev/mapper/t1
	exec 9</dev/mapper/t1
	refused 3 "in use" lclone unit stop t1
	exec 9<&-
	ok lclone unit stop t1
}

boot_layers()
{
	local second

	disk second second 16
	make_clone
	ok lclone open t1 "$base" "$delta"
	ok lclone snapshot t1 --to "$second"
	ok lclone close t1
	line t1 "$base" "$second" "parent=$delta"
	ok lclone unit start t1
	same "$dir/model" /dev/mapper/t1
	ok lclone unit stop t1
	line t1 "$base" "$second"
	ok lclone unit start t1
	same "$dir/model" /dev/mapper/t1
	ok lclone unit stop t1
}

boot_refused()
{
	local second

	disk second second 17
	make_clone
	line t1 "$second" "$delta"
	lclone unit start t1 2>"$dir/err"
	[ $? = 5 ] || fail "$(cat "$dir/err")"
	line t1 "$base" "$delta" read-onyl
	lclone unit start t1 2>"$dir/err" && fail "a line with an unknown option was taken"
	grep -q "no option \"read-onyl\"" "$dir/err" || fail "$(cat "$dir/err")"
	! dmsetup info t1 >/dev/null 2>&1 || fail "it is active"
	refused 2 "start or stop" lclone unit t1
}
