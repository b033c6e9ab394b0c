# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of two commands at once, for run, which has the tools that they are written with.
#
# The first is held up by stop.so where it is about to write, or has begun to read, and the
# second comes then: either both have their right result, or the second has refused with one
# sentence, and the first has its result.  One delta, one layer, one target.

race_commands=(to to_layer into_base into_parent remove format create open snapshot repair
	       diff check measure)
race_second=(into_parent open repair)
# Each against each takes half an hour: LCLONE_RACES=all, or the names of those that come second
[ -z "${LCLONE_RACES:-}" ] || read -ra race_second <<<"$LCLONE_RACES"
[ "${LCLONE_RACES:-}" != all ] || race_second=("${race_commands[@]}")

for command in "${race_commands[@]}"; do
	tests+=("race_$command" "whatever comes while ${command/_/ } is held up is right, or refused")
	eval "race_$command() { race_all $command; }"
done
tests+=(
	race_sibling "a clone that is put on a layer while another is merged into it is not changed"
	race_reader "a layer is not merged into while it is read"
	race_readers "a delta is read by several at once, and is nobody else's meanwhile"
	race_changed "what was changed while it was read is not called read"
	race_backup "a clone on a layer that is being read can be opened"
	race_parts "parts of one file that do not overlap go together, those that do are not used at once"
	race_loops "what is in use by one loop device is in use by others on the same file, and by its name"
	race_foreign_lock "nobody waits for locks of others on the clone's device"
	half_merged "a layer in the middle of a merge is not merged further down, nor reverted to"
	repaired_layer "a layer that was repaired is kept for those that lie on it"
	shrunk_layer "a layer whose device was shrunk is kept for those that lie on it"
	half_merged_base "a delta that is half merged into its base is not removed"
	zero_4k "zeros that do not begin or end with a block go to a device with blocks of 4 KiB"
	vg_path "a volume group may be named as a path"
	close_in_switch "a clone is closed when its snapshot has been made, and has that"
	close_looked_at "a clone that somebody looks into for a moment is closed"
	odd_label "a label with control characters, or not in UTF-8, reaches no terminal and no JSON"
	snapshot_names "a snapshot has its own name, not that of another one at the same time, or killed"
	target_signature "a copy does not overwrite a filesystem unless it is told to"
)

held_pid=
stop_library=$(cd "${BASH_SOURCE[0]%/*}" && pwd)/stop.so

# await FILE
await()
{
	local i

	for ((i = 0; i < 600; i++)); do
		[ ! -e "$1" ] || return 0
		[ -z "$held_pid" ] || kill -0 "$held_pid" 2>/dev/null || return 1
		sleep 0.05
	done
	fail "nothing is held up"
}

# may_hold WHERE COMMAND...: it is held up there, until release; or it has ended before
may_hold()
{
	rm -f "$dir/held.here" "$dir/held.go"
	STOP_AT=$1 STOP_FILE=$dir/held LD_PRELOAD=$stop_library "${@:2}" >"$dir/out1" 2>"$dir/err1" &
	held_pid=$!
	await "$dir/held.here"
}

# hold WHERE COMMAND...: the same, and it has to be
hold()
{
	may_hold "$@" || fail "not held up before $1: ${*:2}: $(cat "$dir/err1")"
}

release()
{
	touch "$dir/held.go"
	wait "$held_pid"
	held_rc=$?
	held_pid=
}

race_make()
{
	local name b d words where

	disk rbase rbase 4
	disk ebase ebase 4
	disk layer layer 8
	disk top top 8
	disk edelta edelta 8
	disk blank blank 8
	disk target target 4
	dd if="$dir/template" of="$rbase" bs=1M count=4 oflag=direct status=none
	dd if="$dir/template" skip=4 of="$ebase" bs=1M count=4 oflag=direct status=none
	ok lclone create t1 "$rbase" "$layer"
	dd if="$dir/template" skip=40 of=/dev/mapper/t1 bs=64k count=9 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/model_layer"
	ok lclone snapshot t1 --to "$top"
	dd if="$dir/template" skip=90 of=/dev/mapper/t1 bs=64k seek=5 count=9 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/model_top"
	ok lclone close t1
	ok lclone create t1 "$ebase" "$edelta"
	dd if="$dir/template" skip=99 of=/dev/mapper/t1 bs=64k seek=7 count=9 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/model_edelta"
	ok lclone close t1
	for name in diff check measure; do
		b=$rbase d=$top words_of $name
		lclone "${words[@]}" >"$dir/model_top.$name"
		b=$ebase d=$edelta words_of $name
		lclone "${words[@]}" >"$dir/model_edelta.$name"
	done
	for name in rbase ebase layer top edelta blank target; do
		cp --sparse=always "${!name}" "$dir/$name.saved"
	done
}

race_restore()
{
	local name

	for name in t1 t2 t3; do
		dmsetup info $name >/dev/null 2>&1 && ok lclone close $name
	done
	for name in rbase ebase layer top edelta blank target; do
		dd if="$dir/$name.saved" of="${!name}" bs=1M oflag=direct conv=notrunc status=none
	done
	rm -f "$dir"/save.*
}

# words_of COMMAND WHO: the command as words; where it is held up as where.  $b and $d: the delta
words_of()
{
	where=pwrite:1
	case $1 in
	to)		words=(merge --force --to "$target" "$b" "$d") where=uring:1 ;;
	to_layer)	words=(merge --force --to "$target" "$rbase" "$layer") where=uring:1 ;;
	into_base)	words=(merge --yes --into-base "$b" "$d") ;;
	into_parent)	words=(merge --into-parent "$d") ;;
	remove)		words=(remove "$d") ;;
	format)		words=(format --force "$b" "$d") ;;
	create)		words=(create --parent "$layer" t3 "$rbase" "$blank") ;;
	open)		words=(open t1 "$b" "$d") where=load:1 ;;
	snapshot)	words=(snapshot --to "$blank" t2) where=load:1 ;;
	repair)		words=(repair --save "$dir/save.$2" "$d") ;;
	diff)		words=(diff "$d") where=pread:3 ;;
	check)		words=(check "$d") where=pread:3 ;;
	measure)	words=(measure "$b" "$d") where=pread:3 ;;
	esac
}

# said OUTPUT: without a time, and the space that a snapshot makes: a layer needs no reserve
said() { sed 's/at least [0-9.]* s//; s/: [0-9.]* MiB)/)/' "$1"; }

# is_right COMMAND OUTPUT: what it has said, or has said that it has done
is_right()
{
	case $1 in
	to)		same "$model" "$target" ;;
	to_layer)	same "$dir/model_layer" "$target" ;;
	into_base)	same "$model" "$ebase" ;;
	create)		same "$dir/model_layer" /dev/mapper/t3 ;;
	open)		same "$model" /dev/mapper/t1 ;;
	snapshot)	same "$model" /dev/mapper/t2 ;;
	diff | check | measure)	[ -n "$damaged" ] || same <(said "$model.$1") <(said "$2") ;;
	esac
}

# The delta's content, wherever it is now
content_is_right()
{
	local where=$d name

	for name in t1 t2 t3; do
		dmsetup info $name >/dev/null 2>&1 && ok lclone close $name
	done
	case " $done " in
	*" remove "* | *" format "*) return 0 ;;
	*" snapshot "*) where=$blank ;;
	*" into_parent "*) where=$layer ;;
	esac
	rm -f "$dir/content"
	ok lclone merge --to "$dir/content" "$b" "$where"
	[ ! -e "$dir/content" ] || same "$model" "$dir/content"
}

# idle_with FIRST SECOND: the status and the sentence with which the first is refused before it
# has anything to hold up, as its delta is active, damaged, or on no layer; or nothing
idle_with()
{
	case "$1 $2" in
	"to snapshot" | "into_base snapshot" | "into_parent snapshot" | "remove snapshot" | \
	"format snapshot" | "open snapshot" | "repair snapshot")
		echo "3 is in use by /dev/mapper/t2" ;;
	"to repair")
		echo "6 is damaged: see lclone check" ;;
	"into_base repair" | "into_parent repair" | "open repair")
		echo "6 superblock B is damaged" ;;
	"into_parent into_base")
		echo "1 lies on no other layer" ;;
	esac
}

# pair FIRST SECOND
pair()
{
	local b=$rbase d=$top model=$dir/model_top done='' damaged='' rc words where want

	if [ "$1" = into_base ] || [ "$2" = into_base ]; then
		b=$ebase d=$edelta model=$dir/model_edelta
	fi
	race_restore
	[[ " $1 $2 " != *" snapshot "* ]] || ok lclone open t2 "$b" "$d"
	if [[ " $1 $2 " == *" repair "* && " $1 $2 " != *" snapshot "* ]]; then
		damaged=1
		printf x | dd of="$d" bs=1 seek=$((65536 + 300)) conv=notrunc,fsync status=none
	fi
	words_of "$1" 1
	pairs=$((pairs + 1))
	want=$(idle_with "$1" "$2")
	if ! may_hold "$where" lclone "${words[@]}"; then
		release
		[ -n "$want" ] && [ "$held_rc" = "${want%% *}" ] &&
			grep -qF "${want#* }" "$dir/err1" ||
			fail "$1, then $2: is not held up: $held_rc: $(cat "$dir/err1")"
		idle=$((idle + 1))
		return 0
	fi
	words_of "$2" 2
	rc=0
	timeout 60 lclone "${words[@]}" >"$dir/out" 2>"$dir/err" || rc=$?
	release
	[ -z "$want" ] || fail "$1, then $2: the first is held up"
	[ $rc -lt 7 ] || fail "$1, then $2: the second has $rc: $(cat "$dir/err")"
	[ $rc = 0 ] || [ "$2" = check ] || [ "$(wc -l <"$dir/err")" = 1 ] ||
		fail "$1, then $2: not one sentence: $(cat "$dir/err")"
	[ $held_rc = 0 ] || [ "$damaged$1$held_rc" = 1check6 ] ||
		fail "$1, then $2 ($rc): the first has $held_rc: $(cat "$dir/err1")"
	[ $held_rc != 0 ] || done+=" $1"
	[ $rc != 0 ] || done+=" $2"
	[ $held_rc != 0 ] || is_right "$1" "$dir/out1" || fail "$1, then $2 ($rc): the first is wrong"
	[ $rc != 0 ] || is_right "$2" "$dir/out" || fail "$1, then $2: the second is wrong"
	case " $1 $2 " in
	*" repair "*) ;;		# the content is looked at by its own tests
	*) content_is_right || fail "$1, then $2 ($rc): $(cat "$dir/err")" ;;
	esac
	[ $rc = 0 ] || refusals=$((refusals + 1))
}

race_all()
{
	local second pairs=0 idle=0 refusals=0

	race_make
	for second in "${race_second[@]}"; do
		pair "$1" "$second"
	done
	echo "# $pairs pairs: $((pairs - idle - refusals)) went through, $refusals times the second was refused," \
		"$idle times the first before it had anything to hold up"
}

race_sibling()
{
	race_make
	hold pwrite:1 lclone merge --into-parent "$top"
	refused 3 "in use by another lclone" lclone create --parent "$layer" t3 "$rbase" "$blank"
	release
	[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	race_restore
	hold load:1 lclone create --parent "$layer" t3 "$rbase" "$blank"
	refused 3 "" lclone merge --into-parent "$top"
	release
	[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	same "$dir/model_layer" /dev/mapper/t3
	refused 3 "" lclone merge --into-parent "$top"
	same "$dir/model_layer" /dev/mapper/t3
}

race_reader()
{
	local words where

	race_make
	for words in "merge --force --to $target $rbase $layer" "diff $layer"; do
		where=uring:1
		[[ $words == merge* ]] || where=pread:3
		hold $where lclone $words
		refused 3 "in use by another lclone" lclone merge --into-parent "$top"
		release
		[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	done
	same "$dir/model_layer" "$target"
	ok lclone merge --into-parent "$top"
}

race_readers()
{
	local first line

	race_make
	line=$(lclone table "$rbase" "$top")
	STOP_AT=pread:3 STOP_FILE=$dir/first LD_PRELOAD=$stop_library lclone diff "$top" >"$dir/out2" &
	first=$!
	await "$dir/first.here"
	ok lclone diff "$top"
	ok lclone check "$top"
	ok lclone measure "$rbase" "$top"
	ok lclone repair "$top"
	ok lclone dump "$top"
	ok lclone table "$rbase" "$top"
	ok lclone merge --force --to "$target" "$rbase" "$top"
	same "$dir/model_top" "$target"
	refused 3 "in use by another lclone" lclone open t1 "$rbase" "$top"
	refused 3 "in use by another lclone" lclone remove "$top"
	! dmsetup create t1 --table "$line" 2>/dev/null || fail "the kernel writes to what is read"
	hold pread:7 lclone check "$top"
	touch "$dir/first.go"
	wait "$first" || fail "the first: $?"
	# the first has ended, the second goes on
	refused 3 "in use by another lclone" lclone open t1 "$rbase" "$top"
	refused 3 "in use by another lclone" lclone remove "$top"
	ok lclone diff "$top"
	ok dmsetup create t1 --table "$line"
	ok dmsetup remove t1
	release
	[ $held_rc = 3 ] && grep -q "changed while it was read" "$dir/err1" ||
		fail "$held_rc: $(cat "$dir/err1")"
	ok lclone open t1 "$rbase" "$top"
	same "$dir/model_top" /dev/mapper/t1
}

# By who knows no locks: another host
race_changed()
{
	race_make
	hold uring:1 lclone merge --force --to "$target" "$rbase" "$layer"
	# the newest superblock is in slot A or B: the other one becomes newer
	dd if="$top" of="$layer" bs=4k count=17 conv=notrunc oflag=direct status=none
	release
	[ $held_rc = 3 ] || fail "status $held_rc"
	grep -q "changed while it was read" "$dir/err1" || fail "$(cat "$dir/err1")"
}

race_backup()
{
	race_make
	hold uring:1 lclone merge --force --to "$target" "$rbase" "$layer"
	ok lclone open t1 "$rbase" "$top"
	ok lclone create --parent "$layer" t3 "$rbase" "$blank"
	release
	[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	same "$dir/model_layer" "$target"
	same "$dir/model_layer" /dev/mapper/t3
	same "$dir/model_top" /dev/mapper/t1
}

race_loops()
{
	local again low other part

	race_make
	again=$(losetup -f --show "$dir/top") && loops+=("$again")
	ok lclone open t1 "$rbase" "$top"
	for other in "$again" "$dir/top"; do
		unchanged "$top" refused 3 "$top, which shows the same, is used by /dev/mapper/t1" \
			lclone remove "$other"
		unchanged "$top" refused 3 "shows the same" lclone format --force "$rbase" "$other"
		unchanged "$top" refused 3 "shows the same" lclone merge --into-parent "$other"
		unchanged "$top" refused 3 "shows the same" lclone resize --size 5M "$other"
		refused 3 "shows the same" lclone check "$other"
		refused 3 "shows the same" lclone merge --force --to "$target" "$rbase" "$other"
	done
	refused 3 "shows the same" lclone open t2 "$rbase" "$again"
	unchanged "$top" refused 3 "shows the same" lclone snapshot --force --to "$again" t1
	same "$dir/model_top" /dev/mapper/t1
	# from another byte on
	part=$(losetup -f --show -o 1M "$dir/top") && loops+=("$part")
	unchanged "$top" refused 3 "$top, which shows the same, is used by /dev/mapper/t1" \
		lclone format --force "$rbase" "$part"
	unchanged "$top" refused 3 "shows the same" lclone merge --force --to "$part" "$rbase" "$layer"
	ok lclone close t1
	for other in "$again" "$dir/top"; do
		hold pread:3 lclone check "$top"
		ok lclone check "$other"
		refused 3 "in use by another lclone" lclone remove "$other"
		release
		[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
		hold pread:3 lclone check "$other"
		refused 3 "in use by another lclone" lclone remove "$top"
		release
		[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	done
	# a layer is only locked, and has no claim
	low=$(losetup -f --show "$dir/layer") && loops+=("$low")
	for other in "$low" "$dir/layer"; do
		hold pread:3 lclone diff "$other"
		refused 3 "in use by another lclone" lclone merge --into-parent "$top"
		release
		[ $held_rc = 0 ] || fail "$(cat "$dir/err1")"
	done
}

race_parts()
{
	local low mid high whole long

	truncate -s 24M "$dir/parts"
	head -c 4M "$dir/template" | dd of="$dir/parts" bs=1M conv=notrunc status=none
	low=$(losetup -f --show --sizelimit 4M "$dir/parts") && loops+=("$low")
	mid=$(losetup -f --show -o 4M --sizelimit 8M "$dir/parts") && loops+=("$mid")
	high=$(losetup -f --show -o 12M "$dir/parts") && loops+=("$high")
	ok lclone create t1 "$low" "$mid"
	ok lclone create t2 "$low" "$high"
	dd if="$dir/template" of=/dev/mapper/t1 bs=64k skip=9 count=9 oflag=direct status=none
	dd if="$dir/template" of=/dev/mapper/t2 bs=64k skip=20 count=9 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/model"
	ok lclone close t1
	# as if the base had grown
	whole=$(losetup -f --show "$dir/parts") && loops+=("$whole")
	unchanged "$mid" refused 3 "have sectors in common" lclone open t1 "$whole" "$mid"
	ok lclone open t1 "$low" "$mid"
	same "$dir/model" /dev/mapper/t1
	# set up again without its limit it could grow into what is behind it
	ok lclone close t1
	long=$(losetup -f --show -o 4M "$dir/parts") && loops+=("$long")
	unchanged "$mid" refused 3 "$high, which shows the same, is used by /dev/mapper/t2" \
		lclone open t1 "$low" "$long"
}

race_foreign_lock()
{
	race_make
	ok lclone open t1 "$rbase" "$top"
	exec 9</dev/mapper/t1
	flock 9
	ok timeout 20 lclone snapshot t1 --to "$blank"
	exec 9<&-
	same "$dir/model_top" /dev/mapper/t1
}

half_merged()
{
	race_make
	ok lclone open t1 "$rbase" "$top"
	ok lclone snapshot t1 --to "$blank"
	dd if="$dir/template" skip=9 of=/dev/mapper/t1 bs=64k seek=6 count=9 oflag=direct status=none
	cp /dev/mapper/t1 "$dir/model"
	ok lclone close t1
	killed_at uring:1 lclone merge --into-parent "$blank"
	ok lclone tree
	grep -q "merge of the layer above begun" "$dir/out" || fail "not half merged: $(cat "$dir/out")"
	refused 3 "is being merged with the layer above" lclone merge --into-parent "$top"
	refused 3 "is being merged" lclone remove "$blank"
	ok lclone open t1 "$rbase" "$blank"
	disk other other 8
	refused 3 "is being merged with the layer above" lclone revert --yes --to "$other" t1
	same "$dir/model" /dev/mapper/t1
	ok lclone close t1
	ok lclone merge --into-parent "$blank"
	ok lclone open t1 "$rbase" "$top"
	same "$dir/model" /dev/mapper/t1
}

# The root of the layer's tree is lost, and with it some of its content
repair_layer()
{
	local root

	root=$(lclone dump "$layer" | awk '$1 == "root_block" { print $2 }')
	dd if=/dev/urandom of="$layer" bs=4k seek="$root" count=1 conv=notrunc oflag=direct status=none
	ok lclone repair --save "$dir/save.layer" "$layer"
	grep -q "is refused now" "$dir/out" || fail "nothing was lost: $(cat "$dir/out")"
}

repaired_layer()
{
	race_make
	repair_layer
	unchanged "$layer" refused 3 "depend on: $top" lclone remove "$layer"
	unchanged "$layer" refused 3 "depend on: $top" lclone format --force "$rbase" "$layer"
	ok lclone rebase --parent "$layer" "$top"
	# one that has not accepted it is in the way of a merge of one that has
	race_restore
	ok lclone format --parent "$layer" "$rbase" "$blank"
	repair_layer
	ok lclone rebase --parent "$layer" "$top"
	unchanged "$layer" refused 3 "$blank" lclone merge --into-parent "$top"
}

shrunk_layer()
{
	local small

	race_make
	truncate -s 2304K "$dir/layer"
	losetup -c "$layer"
	refused 3 "depend on: $top" lclone remove "$layer"
	refused 3 "depend on: $top" lclone format --force "$rbase" "$layer"
}

half_merged_base()
{
	race_make
	half_merge "$ebase" "$edelta"
	unchanged "$edelta" refused 3 "end that with lclone merge --into-base" lclone remove "$edelta"
	# and it goes on when the base was enlarged meanwhile
	truncate -s 5M "$dir/ebase"
	losetup -c "$ebase"
	ok lclone merge --yes --into-base "$ebase" "$edelta"
	same "$dir/model_edelta" "$ebase" 4194304
	ok lclone open t1 "$ebase" "$edelta"
	same "$dir/model_edelta" /dev/mapper/t1
	ok lclone close t1
	ok lclone remove "$edelta"
}

zero_4k()
{
	local odd large

	head -c $((2097152 + 512)) "$dir/template" >"$dir/odd"
	odd=$(losetup -f --show "$dir/odd") && loops+=("$odd")
	truncate -s 8M "$dir/large"
	large=$(losetup -b 4096 -f --show "$dir/large") && loops+=("$large")
	dd if="$dir/template" of="$large" bs=1M count=8 oflag=direct status=none
	ok lclone format --size 8M "$odd" "$delta"
	ok lclone merge --to "$large" "$odd" "$delta"
	cp "$dir/odd" "$dir/expected"
	truncate -s 8M "$dir/expected"
	same "$dir/expected" "$large"
}

vg_path()
{
	local pv

	disk pv pv 64
	make_vg "$pv"
	ok lclone create --vg /dev/ttvg --delta-size 16M t1 "$base"
	same "$base" /dev/mapper/t1
}

close_in_switch()
{
	local new call pid rc

	disk new new 16
	for call in load:1 resume:1; do
		ok lclone create --force t1 "$base" "$delta"
		hold $call lclone snapshot --to "$new" t1
		lclone close t1 >"$dir/out" 2>"$dir/err" &
		pid=$!
		sleep 1
		release
		[ "$held_rc" = 0 ] || fail "snapshot, held up before $call: $(cat "$dir/err1")"
		rc=0
		wait $pid || rc=$?
		[ $rc = 0 ] || fail "close: $(cat "$dir/err")"
		refused 3 "" lclone open t1 "$base" "$delta"
		ok lclone open t1 "$base" "$new"
		same "$dir/template" /dev/mapper/t1
		ok lclone close t1
		ok lclone remove "$new"
	done
}

close_looked_at()
{
	ok lclone create t1 "$base" "$delta"
	sleep 1 9</dev/mapper/t1 &
	sleep 0.3
	ok lclone close t1
	wait $!
	# who has it for itself is not waited for: that would be twenty looks
	ok lclone open t1 "$base" "$delta"
	ok mkfs.ext4 -q /dev/mapper/t1
	ok mount /dev/mapper/t1 "$dir/mnt"
	refused 3 "is mounted" env STOP_AT=table:5 LD_PRELOAD="$stop_library" lclone close t1
	ok umount "$dir/mnt"
	ok dmsetup create t2 --table "0 32768 linear /dev/mapper/t1 0"
	refused 3 "t2" env STOP_AT=table:5 LD_PRELOAD="$stop_library" lclone close t1
	ok dmsetup remove t2
	# others close it, or merge it, meanwhile
	exec 9</dev/mapper/t1
	hold table:3 lclone close t1 9<&-
	exec 9<&-
	ok dmsetup remove t1
	release
	[ $held_rc = 1 ] && grep -q "by somebody else" "$dir/err1" || fail "$held_rc: $(cat "$dir/err1")"
	ok lclone open t1 "$base" "$delta"
	exec 9</dev/mapper/t1
	hold table:3 lclone close t1 9<&-
	ok lclone merge --yes t1
	exec 9<&-
	mkdir /run/lclone/pending-t1	# nothing has to be noted of what is no clone
	release
	rmdir /run/lclone/pending-t1
	[ $held_rc = 0 ] || fail "$held_rc: $(cat "$dir/err1")"
	! dmsetup info t1 >/dev/null 2>&1 || fail "not closed"
}

# label_is_clean COMMAND...: all that print the label print it without what is no text
label_is_clean()
{
	local words

	for words in "$@"; do
		ok lclone $words
		grep -q 'a.*\[31m' "$dir/out" || fail "lclone $words: no label"
		! LC_ALL=C grep -q $'\377' "$dir/out" || fail "lclone $words: not UTF-8"
		! grep -q $'\e' "$dir/out" || fail "lclone $words: an escape sequence"
		! grep -q '^b' "$dir/out" || fail "lclone $words: a line of its own"
	done
}

odd_label()
{
	local label

	printf -v label 'a\e[31m\nb\377c'
	ok lclone create --label "$label" t1 "$base" "$delta"
	label_is_clean tree "tree --json"
	ok lclone close t1
	label_is_clean tree "tree --json" "dump $delta" "dump --json $delta"
}

target_signature()
{
	local target

	disk target target 16
	ok lclone format "$base" "$delta"
	ok mkfs.ext4 -q "$target"
	unchanged "$target" refused 4 "ext4" lclone merge --to "$target" "$base" "$delta"
	ok lclone merge --force --to "$target" "$base" "$delta"
	same "$base" "$target"
	# a run that was killed has left what the next one knows to be its own
	ok mkfs.ext4 -q "$base"
	ok lclone format --force "$base" "$delta"
	killed_at submit:2 lclone merge --to "$target" "$base" "$delta"
	ok lclone merge --to "$target" "$base" "$delta"
	same "$base" "$target"
}

# The name goes to the kernel with the switch that it is for: neither to another's, nor to the next
snapshot_names()
{
	local new top late

	disk new new 16
	disk top top 16
	ok lclone create t1 "$base" "$delta"
	# it has looked at the clone, and comes when the other one has told its name
	STOP_AT=pwrite:1 STOP_FILE=$dir/late LD_PRELOAD=$stop_library \
		lclone snapshot --to "$top" t1 b >"$dir/out" 2>"$dir/err" &
	late=$!
	await "$dir/late.here"
	hold load:1 lclone snapshot --to "$new" t1 a
	touch "$dir/late.go"
	sleep 2
	release
	[ "$held_rc" = 0 ] || fail "$(cat "$dir/err1")"
	! wait $late || fail "both went through"
	grep -q "somebody else has changed it" "$dir/err" || fail "$(cat "$dir/err")"
	has_snapshots t1@a
	killed_at load:1 lclone snapshot --to "$top" t1 b
	ok lclone snapshot --to "$top" t1
	has_snapshots t1@a
	ok lclone close t1
	ok lclone remove "$top"
}
