# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of commands that are killed, for run, which has the tools that they are written
# with: each command is killed before its first ioctl, pwrite, fsync, ..., then before its
# second, until it ends by itself; each time it is run again, and must end what it began.
#
# That takes most of an hour: LCLONE_KILLED=all asks for it (make check-tool). Else each
# command is killed before its second call, its 31st, and then three times as far each time,
# nine times with LVM, where each takes seconds.

killed_commands=(format create create_volume create_from open close remove snapshot revert
		 snapshot_volume revert_volume drop_snapshot scan resize resize_inactive
		 merge merge_stop merge_to merge_to_file merge_into_base merge_into_parent
		 merge_layer flatten flatten_layer flatten_to flatten_stop flatten_volumes
		 flatten_to_volume rebase receive)

for command in "${killed_commands[@]}"; do
	tests+=("killed_$command" "${command/_/ } that is killed anywhere, and run again, has ended what it began")
	eval "killed_$command() { killed_everywhere $command; }"
done
tests+=(signalled "a signal that comes in a switch waits for its end, one before it changes nothing")

tests+=(killed_twice "a flatten whose end is killed, and killed again, leaves nothing suspended")
tests+=(flattened_then_closed "a clone that is closed right behind its flatten opens by its name")
tests+=(killed_resizing "a clone whose resize was killed is not kept from all else by the size that is recorded")
tests+=(killed_telling "what a command that was killed has done is forgotten when the next has said it")
tests+=(killed_naming "a snapshot without a name is not done by one that has got one, and was killed")
tests+=(killed_recycled "a create that is killed where a delta has been before is run again")
tests+=(reverted_then_closed "a revert that is killed, and not run again, leaves no old delta that opens")

stop_library=$(cd "${BASH_SOURCE[0]%/*}" && pwd)/stop.so

# Small devices, as all is made anew for each time
begin_killed()
{
	local name

	for name in t1 t2; do
		dmsetup info "$name" >/dev/null 2>&1 && ok dmsetup remove "$name"
	done
	rm -f "$dir"/target.img*
	for name in "$delta" "$new" "$top" "$target"; do
		dd if=/dev/zero of="$name" bs=64k count=8 conv=notrunc status=none
		dd if=/dev/zero of="$name" bs=4k count=1 seek=1 conv=notrunc,fsync status=none
	done
	head -c 2M "$template" | dd of="$base" conv=notrunc,fsync bs=1M status=none
	head -c 2M "$template" >"$dir/model"
}

active()	{ ok lclone create "$@" t1 "$base" "$delta"; put /dev/mapper/t1 10 3 100; }
inactive()	{ active; ok lclone close t1; }
layered()	{ active "$@"; ok lclone snapshot --to "$new" t1; put /dev/mapper/t1 40 20 200; }
two_layers()	{ layered; ok lclone snapshot --to "$top" t1; put /dev/mapper/t1 50 2 300; }
is_model()	{ same "$dir/model" "${1:-/dev/mapper/t1}" 2097152; }
opens()		{ ok lclone open t1 "$base" "$1" && is_model; }

# For each command: what there is before; the command; what must hold in the end
prepare_format()	{ :; }
command_format()	{ words=(format --force "$base" "$delta"); }
verify_format()		{ opens "$delta"; }

prepare_create()	{ :; }
command_create()	{ words=(create --force t1 "$base" "$delta"); }
verify_create()		{ is_model; }

prepare_create_volume()
{
	[ -n "$has_vg" ] || make_vg "$volumes"
	! lvs ttvg/t1-delta >/dev/null 2>&1 || ok lvremove -qq -y ttvg/t1-delta
}
command_create_volume()	{ words=(create --vg ttvg --delta-size 6M t1 "$base"); }
verify_create_volume()
{
	is_model
	put /dev/mapper/t1 10 3 100
	! lvs --noheadings -o lv_tags ttvg/t1-delta | grep lclone.new || fail "it is new"
	ok lclone close t1
	ok lclone open t1 "$base" /dev/ttvg/t1-delta
	is_model
}

prepare_create_from()
{
	export LCLONE_TAB=$dir/lclonetab
	prepare_create_volume
	rm -f "$LCLONE_TAB"
	lvs ttvg/deb >/dev/null 2>&1 || ok lclone template add deb "$base" --vg ttvg
}
command_create_from()	{ words=(create --from deb --delta-size 8M t1); }
verify_create_from()
{
	[ "$(xargs <"$LCLONE_TAB")" = "t1 /dev/ttvg/deb /dev/ttvg/t1-delta" ] ||
		fail "$(cat "$LCLONE_TAB")"
	is_model
	put /dev/mapper/t1 10 3 100
	! lvs --noheadings -o lv_tags ttvg/t1-delta | grep lclone.new || fail "it is new"
	ok lclone close t1
	ok lclone open t1
	is_model
}

prepare_open()		{ inactive; }
command_open()		{ words=(open --commit-interval 500 t1 "$base" "$delta"); }
verify_open()		{ is_model; }

prepare_close()		{ active; }
command_close()		{ words=(close t1); }
verify_close()		{ ! dmsetup info t1 >/dev/null 2>&1 || fail "it is there"; opens "$delta"; }

prepare_remove()	{ inactive; }
command_remove()	{ words=(remove "$delta"); }
verify_remove()		{ refused 4 "" lclone open t1 "$base" "$delta"; }

prepare_snapshot()	{ active; }
command_snapshot()	{ words=(snapshot --to "$new" t1); }
verify_snapshot()
{
	local before

	is_model
	before=$(sum "$delta")
	put /dev/mapper/t1 70 3 9
	[ "$before" = "$(sum "$delta")" ] || fail "no snapshot: the layer is written"
	ok lclone close t1
	opens "$new"
}

# Without a label the kernel formats its deltas
prepare_revert()
{
	layered --label ""
	head -c 2M "$template" >"$dir/model"
	dd if="$dir/template" skip=100 of="$dir/model" seek=10 bs=4k count=3 conv=notrunc status=none
}
command_revert()	{ words=(revert --yes --to "$top" t1); }
verify_revert()		{ is_model; ok lclone close t1; opens "$top"; }

# A clone on a volume of its own, in lclonetab
prepare_snapshot_volume()
{
	local lv

	export LCLONE_TAB=$dir/lclonetab
	[ -n "$has_vg" ] || make_vg "$volumes"
	for lv in $(lvs --noheadings -o lv_name ttvg); do
		ok lvremove -qq -y "ttvg/$lv"
	done
	ok lclone create --vg ttvg --delta-size 6M t1 "$base"
	echo "t1 $base /dev/ttvg/t1-delta" >"$LCLONE_TAB"
	put /dev/mapper/t1 10 3 100
}
command_snapshot_volume()	{ words=(snapshot --delta-size 6M t1 one); }

# has_volumes SNAPSHOTS NAME...: and the clone comes by its name
has_volumes()
{
	is_model
	[ "$(lvs --noheadings -o lv_name ttvg | xargs)" = "${*:2}" ] || fail "$(lvs -o+lv_tags ttvg)"
	! lvs --noheadings -o lv_tags ttvg | grep lclone.new || fail "it is new"
	ok lclone list --snapshots --noheadings -o snapshot
	[ "$(xargs <"$dir/out")" = "$1" ] || fail "$(cat "$dir/out")"
	put /dev/mapper/t1 10 3 130
	ok lclone close t1
	ok lclone open t1
	is_model
}
verify_snapshot_volume()	{ has_volumes t1@one t1-delta t1-delta2; }

prepare_revert_volume()
{
	prepare_snapshot_volume
	ok lclone snapshot --delta-size 6M t1 one
	cp "$dir/model" "$dir/then"
	put /dev/mapper/t1 20 5 170
	cp "$dir/then" "$dir/model"
}
command_revert_volume()		{ words=(revert --yes --delta-size 6M t1 one); }
verify_revert_volume()		{ has_volumes t1@one t1-delta t1-delta3; }

prepare_drop_snapshot()
{
	prepare_snapshot_volume
	ok lclone snapshot --delta-size 6M t1 one
	put /dev/mapper/t1 20 5 170
	ok lclone snapshot --delta-size 6M t1 two
	put /dev/mapper/t1 22 5 180
}
command_drop_snapshot()		{ words=(remove --yes t1@one); }
verify_drop_snapshot()		{ has_volumes t1@two t1-delta t1-delta3; }

# The tags that the clone's volume lost
prepare_scan()
{
	prepare_snapshot_volume
	ok lvchange -qq --deltag lclone.name=t1 ttvg/t1-delta
	rm "$LCLONE_TAB"
}
command_scan()		{ words=(scan); }
verify_scan()
{
	lvs --noheadings -o lv_tags ttvg/t1-delta | grep -q lclone.name=t1, || fail "no tag"
	is_model
	ok lclone close t1
	opens /dev/ttvg/t1-delta
}

is_large()		{ [ "$(blockdev --getsize64 /dev/mapper/t1)" = 3145728 ] || fail "size"; }
prepare_resize()	{ active; }
command_resize()	{ words=(resize --size 3M t1); }
verify_resize()		{ is_large; is_model; ok lclone close t1; opens "$delta"; is_large; }

prepare_resize_inactive() { inactive; }
command_resize_inactive() { words=(resize --size 3M "$delta"); }
verify_resize_inactive()  { opens "$delta"; is_large; }

is_linear()		{ dmsetup table t1 | grep -q linear || fail "$(dmsetup table t1)"; }
prepare_merge()		{ active; }
command_merge()		{ words=(merge --yes --rate max t1); }
verify_merge()
{
	is_linear
	is_model
	is_model "$base"
	refused 4 "" lclone open t2 "$base" "$delta"
}

prepare_merge_stop()	{ active; with_word merge; }
command_merge_stop()	{ words=(merge --stop t1); }
verify_merge_stop()	{ ! dmsetup table t1 | grep merge || fail "it merges"; is_model; }

prepare_merge_to()	{ inactive; }
command_merge_to()	{ words=(merge --to "$target" "$base" "$delta"); }
verify_merge_to()	{ is_model "$target"; opens "$delta"; }

prepare_merge_to_file()	{ inactive; }
command_merge_to_file()	{ words=(merge --to "$dir/target.img" "$base" "$delta"); }
verify_merge_to_file()
{
	is_model "$dir/target.img"
	! ls "$dir"/target.img?* >/dev/null 2>&1 || fail "left: $(ls "$dir"/target.img*)"
	opens "$delta"
}

prepare_merge_into_base() { inactive; }
command_merge_into_base() { words=(merge --yes --into-base "$base" "$delta"); }
verify_merge_into_base()  { is_model "$base"; opens "$delta"; }

prepare_merge_into_parent() { layered; ok lclone close t1; }
command_merge_into_parent() { words=(merge --into-parent "$new"); }
verify_merge_into_parent()  { opens "$delta"; }

prepare_merge_layer()	{ two_layers; }
command_merge_layer()	{ words=(merge --into-parent "$new"); }
verify_merge_layer()
{
	is_model
	table_of t1 | grep -q ' 2 parent [0-9:]*$' || fail "$(dmsetup table t1)"
	ok lclone close t1
	opens "$top"
}

has_no_base()
{
	table_of t1 | grep -q 'lclone - [0-9:]*$' || fail "$(dmsetup table t1)"
	is_model
	ok lclone close t1
	ok lclone open t1 - "$delta"
	is_model
}
prepare_flatten()	{ active; }
command_flatten()	{ words=(flatten --rate max t1); }
verify_flatten()	{ has_no_base; }

prepare_flatten_layer()	{ layered; }
command_flatten_layer()	{ words=(flatten --layer --rate max t1); }
verify_flatten_layer()
{
	! dmsetup table t1 | grep "parent\|rebase" || fail "it has the layer"
	is_model
	ok lclone close t1
	opens "$new"
}

prepare_flatten_to()	{ active; }
command_flatten_to()	{ words=(flatten --force --rate max --to "$target" t1); }
verify_flatten_to()
{
	is_linear
	is_model
	is_model "$target"
	refused 4 "" lclone open t2 "$base" "$delta"
}

# Layers on volumes: none is left
prepare_flatten_volumes()
{
	prepare_snapshot_volume
	ok lclone snapshot --delta-size 6M t1 one
	put /dev/mapper/t1 20 5 170
	ok lclone snapshot --delta-size 6M t1 two
	put /dev/mapper/t1 22 5 180
}
command_flatten_volumes()	{ words=(flatten --yes --rate max t1); }
verify_flatten_volumes()
{
	is_model
	[ "$(lvs --noheadings -o lv_name ttvg | xargs)" = t1-delta3 ] || fail "$(lvs -o+lv_tags ttvg)"
	[ "$(xargs <"$LCLONE_TAB")" = "t1 - /dev/ttvg/t1-delta3" ] || fail "$(cat "$LCLONE_TAB")"
	ok lclone close t1
	ok lclone open t1
	is_model
}

prepare_flatten_to_volume()	{ prepare_flatten_volumes; }
command_flatten_to_volume()	{ words=(flatten --yes --rate max --to-vg ttvg t1); }
verify_flatten_to_volume()
{
	is_linear
	is_model
	is_model /dev/ttvg/t1
	[ "$(lvs --noheadings -o lv_name ttvg | xargs)" = t1 ] || fail "$(lvs -o+lv_tags ttvg)"
	[ -z "$(lvs --noheadings -o lv_tags ttvg/t1 | xargs)" ] || fail "$(lvs -o+lv_tags ttvg)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
}

prepare_flatten_stop()	{ active; with_word flatten; }
command_flatten_stop()	{ words=(flatten --stop t1); }
verify_flatten_stop()	{ ! dmsetup table t1 | grep flatten || fail "it flattens"; is_model; }

prepare_rebase()
{
	inactive
	head -c 2M "$template" | dd of="$target" conv=fsync bs=1M status=none
}
command_rebase()	{ words=(rebase "$delta" --base "$target"); }
verify_rebase()		{ ok lclone open t1 "$target" "$delta"; is_model; }

# The stream is of another host: nothing here has that layer
prepare_receive()
{
	active
	ok lclone snapshot --to "$new" t1
	lclone send "$base" "$delta" >"$dir/stream" 2>"$dir/err" || fail "$(cat "$dir/err")"
	ok lclone close t1
	ok lclone remove "$new"
	ok lclone remove "$delta"
}
command_receive()	{ words=(receive "$top"); input=$dir/stream; }
verify_receive()
{
	ok lclone check "$top"
	ok lclone create --parent "$top" t1 - "$new"
	is_model
}

# Nothing stands still, nor has a table that waits to be used
all_go_on()
{
	local state

	state=$(dmsetup info -c --noheadings -o name,suspended,tables_loaded |
		grep -v -e ":Active:Live$" -e "^No devices found$")
	[ -z "$state" ] || fail "$state"
}

# What the command says when it had ended but for its last words
accept()
{
	case $1 in
	remove | merge_into_parent | merge_layer) grep -q "blank" "$dir/err" ;;
	drop_snapshot) grep -q "has no snapshot one" "$dir/err" ;;
	receive) grep -q "is here already" "$dir/err" ;;
	import_chain) grep -q "t1 is a clone already, in $LCLONE_TAB" "$dir/err" ;;
	merge_to_file) grep -q "target.img exists" "$dir/err" ;;
	*) false ;;
	esac
}

# next_kill N: the call before which it is killed after the N-th
next_kill()
{
	local times=${has_vg:+9}

	if [ "${LCLONE_KILLED:-}" = all ]; then
		# what makes very many calls copies data: there each third will do
		echo $(($1 + ($1 < 60 ? 1 : 3)))
	else
		# some make less than 5; with LVM they make hundreds
		echo $(($1 < 31 ? $1 ? 31 : 2 : $1 * ${times:-3}))
	fi
}

killed_everywhere()
{
	local new top target volumes words input=/dev/null n rc again

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk base small-base 2
	disk delta small-delta 6
	disk new new 6
	disk top top 6
	disk target target 3
	disk volumes volumes 32
	for ((n = $(next_kill 0); n < 1000; n = $(next_kill $n))); do
		begin_killed
		"prepare_$1"
		"command_$1"
		rc=0
		{ STOP_AT=$n LD_PRELOAD=$stop_library lclone "${words[@]}" <"$input" >"$dir/out" 2>"$dir/err"; } \
			2>/dev/null || rc=$?
		if [ $rc = 137 ]; then
			again=0
			timeout 60 lclone "${words[@]}" <"$input" >"$dir/out" 2>"$dir/err" ||
				again=$?
			[ $again = 0 ] || accept "$1" ||
				fail "$1 was killed before call $n; again, it ends with $again: $(cat "$dir/err")"
		elif [ $rc != 0 ]; then
			fail "$1, not killed, ends with $rc: $(cat "$dir/err")"
		fi
		all_go_on
		"verify_$1"
		[ -z "$failed" ] || break
		[ $rc = 137 ] || break
	done
	[ "$n" -gt "$(next_kill 0)" ] || fail "it was never killed"
	echo "# $1: it makes less than $n calls"
	begin_killed
	[ -z "$has_vg" ] || prepare_create_volume
}

# signalled_at SIGNAL CALL [WORD...]: a snapshot, or another command, is held up before a load,
# suspend or resume; then the signal comes
signalled_at()
{
	local pid table rc=0 words=("${@:3}")

	[ ${#words[@]} -gt 0 ] || words=(snapshot --to "$new" t1)
	rm -f "$dir"/stop.*
	table=$(dmsetup table t1)
	STOP_FILE=$dir/stop STOP_AT=$2:1 LD_PRELOAD=$stop_library \
		env --default-signal lclone "${words[@]}" >"$dir/out" 2>"$dir/err" &
	pid=$!
	for _ in {1..200}; do
		[ -e "$dir/stop.here" ] && break
		sleep 0.05
	done
	kill -s "$1" $pid
	sleep 0.2
	kill -0 $pid 2>/dev/null || fail "$1 ended it before $2"
	touch "$dir/stop.go"
	wait $pid 2>/dev/null || rc=$?
	[ $rc -gt 128 ] || fail "$1 before $2 was not obeyed: $rc"
	all_go_on
	[ "${words[0]}" = snapshot ] || return 0
	if [ "$2" = load ]; then
		[ "$table" = "$(dmsetup table t1)" ] || fail "$(dmsetup table t1)"
	else
		dmsetup table t1 | grep -q parent || fail "$(dmsetup table t1)"
	fi
}

signalled()
{
	local new top how

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk new new 16
	for how in {TERM,INT,HUP,QUIT,PIPE}" suspend" "TERM load" "TERM resume"; do
		ok lclone create --force t1 "$base" "$delta"
		cp "$dir/template" "$dir/model"
		put /dev/mapper/t1 10 3 100
		# shellcheck disable=SC2086 # two words
		signalled_at $how
		ok lclone snapshot --to "$new" t1
		same "$dir/model" /dev/mapper/t1
		ok lclone close t1
		ok lclone remove "$new"
	done
	# what is recorded is not taken back
	disk top top 16
	ok lclone create --force t1 "$base" "$delta"
	signalled_at "TERM" load resize --size 17M t1
	[ "$(blockdev --getsz /dev/mapper/t1)" = $((17 * 2048)) ] || fail "$(dmsetup table t1)"
	ok lclone snapshot --to "$top" t1
}

# before_forgetting TEXT COMMAND...: killed before it forgets its note; TEXT was printed
before_forgetting()
{
	{ STOP_AT=unlink:1 LD_PRELOAD=$stop_library "${@:2}" >"$dir/out" 2>"$dir/err"; } 2>/dev/null
	[ $? = 137 ] || fail "not killed: ${*:2}: $(cat "$dir/err")"
	grep -qF -- "$1" "$dir/out" || fail "not said: ${*:2}: $(cat "$dir/out")"
}

killed_telling()
{
	local new top n

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk new new 16
	disk top top 16
	ok lclone create t1 "$base" "$delta"
	dd if="$template" of=/dev/mapper/t1 bs=1M count=9 oflag=direct status=none || fail "write"
	ok lclone merge --yes --rate 100 --detach t1
	for n in 1 2 3; do
		before_forgetting "goes on without the merge" lclone merge --stop t1
	done
	ok lclone merge --stop t1
	refused 1 "no merge under way" lclone merge --stop t1
	for n in 1 2 3; do
		before_forgetting "$new takes what is written" lclone snapshot --to "$new" t1
	done
	ok lclone snapshot --to "$new" t1
	ok lclone flatten --rate max --layer t1
	ok lclone remove "$delta"
	for n in 1 2 3; do
		before_forgetting "disk" lclone merge --yes --rate max t1
	done
	ok lclone merge --yes t1
	ok lclone close t1
	ok lclone create t1 "$base" "$top"
	for n in 1 2 3; do
		before_forgetting "" lclone resize --size +1M t1
	done
	ok lclone resize --size +1M t1
	[ "$(blockdev --getsz /dev/mapper/t1)" = $((17 * 2048)) ] || fail "$(dmsetup table t1)"
}

# killed_at CALL COMMAND...
killed_at()
{
	{ STOP_AT=$1 LD_PRELOAD=$stop_library "${@:2}" >"$dir/out" 2>"$dir/err"; } 2>/dev/null
	[ $? = 137 ] || fail "not killed before $1: ${*:2}: $(cat "$dir/err")"
}

# fails_at CALL COMMAND...: that call fails, and so the command
fails_at()
{
	refused 1 "memory" env "STOP_AT=$1" STOP_FAIL=1 "LD_PRELOAD=$stop_library" "${@:2}"
}

# Its third change of the table takes a word away that has had its effect
killed_twice()
{
	local new top target words call

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk base small-base 2
	disk delta small-delta 6
	disk new new 6
	disk top top 6
	disk target target 3
	for call in load:1 suspend:1 resume:1; do
		begin_killed
		prepare_flatten_layer
		command_flatten_layer
		killed_at load:3 lclone "${words[@]}"
		killed_at $call lclone "${words[@]}"
		ok lclone "${words[@]}"
		all_go_on
		verify_flatten_layer
	done
	# that change fails, also when it is tried again
	for call in load suspend; do
		begin_killed
		prepare_flatten_layer
		command_flatten_layer
		fails_at $call:3 lclone "${words[@]}"
		fails_at $call:1 lclone "${words[@]}"
		killed_at $call:1 lclone "${words[@]}"
		fails_at $call:1 lclone "${words[@]}"
		ok lclone "${words[@]}"
		all_go_on
		verify_flatten_layer
	done
	begin_killed
}

killed_resizing()
{
	local new top target

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk base small-base 2
	disk delta small-delta 6
	disk new new 6
	disk top top 6
	disk target target 3
	begin_killed
	layered
	killed_at load:1 lclone resize --size 3M t1
	ok lclone snapshot --to "$top" t1
	is_large
	killed_at load:1 lclone resize --size 4M t1
	ok lclone merge --into-parent "$new"
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = 4194304 ] || fail "$(dmsetup table t1)"
	killed_at load:1 lclone resize --size 5M t1
	ok lclone flatten --layer --rate max t1
	[ "$(blockdev --getsize64 /dev/mapper/t1)" = 5242880 ] || fail "$(dmsetup table t1)"
	is_model
	begin_killed
}

reverted_then_closed()
{
	local new top

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk new new 16
	disk top top 16
	layered
	{ STOP_AT=resume:1 LD_PRELOAD=$stop_library lclone revert --yes --to "$top" t1; } 2>/dev/null
	[ "$(dmsetup info -c --noheadings -o suspended t1)" = Suspended ] ||
		fail "it was not killed in the switch"
	ok lclone close t1
	lclone open t1 "$base" "$new" 2>"$dir/err" && fail "the old delta opens"
	ok lclone open t1 "$base" "$top"
}

# Held up before it asks for the table behind its last switch but one
flattened_then_closed()
{
	local new top target pid n closed=

	[ -e "$stop_library" ] || fail "make -C tests/tool first" || return
	disk base small-base 2
	disk delta small-delta 6
	disk new new 6
	disk top top 6
	disk target target 3
	export LCLONE_TAB=$dir/lclonetab
	for ((n = 6; n < 50 && !${#closed}; n++)); do
		begin_killed
		active
		echo "t1 $base $delta" >"$LCLONE_TAB"
		rm -f "$dir"/stop.*
		STOP_FILE=$dir/stop STOP_AT=table:$n LD_PRELOAD=$stop_library \
			lclone flatten --rate max t1 >"$dir/out" 2>"$dir/err" &
		pid=$!
		while [ ! -e "$dir/stop.here" ] && kill -0 $pid 2>/dev/null; do
			sleep 0.05
		done
		if table_of t1 | grep -q 'lclone - .* rebase$' && dmsetup remove t1 2>/dev/null; then
			closed=1
		fi
		touch "$dir/stop.go"
		wait $pid || fail "$(cat "$dir/err")"
	done
	[ -n "$closed" ] || fail "it was never closed"
	[ "$(xargs <"$LCLONE_TAB")" = "t1 - $delta" ] || fail "$(cat "$LCLONE_TAB")"
	ok lclone open t1
	is_model
	begin_killed
}

killed_naming()
{
	make_template 200
	ok lclone create web1 --from deb --delta-size 16M
	killed_at unlink:1 lclone snapshot web1 a --delta-size 16M
	has_snapshots web1@a
	ok lclone snapshot web1 --delta-size 16M
	[ "$(volumes)" = "deb web1-delta web1-delta2 web1-delta3" ] || fail "$(volumes)"
	has_snapshots web1@a
	close_all
}

# LVM has zeroed the start of the volume, and behind that is still what was there before
killed_recycled()
{
	local volumes words

	disk volumes volumes 32
	cp "$template" "$dir/model"
	prepare_create_volume
	command_create_volume
	ok lclone "${words[@]}"
	ok lclone close t1
	ok lvremove -qq -y ttvg/t1-delta
	{ STOP_AT=pwrite:1 LD_PRELOAD=$stop_library lclone "${words[@]}"; } >"$dir/out" 2>"$dir/err"
	[ $? = 137 ] || fail "it was not killed: $(cat "$dir/err")"
	ok lclone "${words[@]}"
	verify_create_volume
}
