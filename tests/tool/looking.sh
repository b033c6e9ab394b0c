# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what shows clones side by side and as pictures, for run, which has the tools that they
# are written with.

tests+=(
	list_table "the table of clones has what they use, in the order that was asked for"
	list_all "list --all has what is not active, and names what it cannot look at"
	metrics "metrics have each clone, and a file of them is replaced as a whole"
	top_batch "top tells who writes and how much, and is held up by no clone that stands still or goes"
	top_terminal "top takes keys, a terminal that is made larger or goes away, and leaves it as it was"
	map_active "the picture of a clone is the same while it is used, suspended and closed"
)

terminal=$(cd "${BASH_SOURCE[0]%/*}" && pwd)/terminal

# lines TEXT: the output, with one space between its words, is this
lines()
{
	[ "$(tr -s ' ' <"$dir/out" | sed 's/ $//')" = "$1" ] || fail "$(cat "$dir/out")"
}

# value KEY: the first one of that in the JSON
value() { tr -d ' \n' <"$dir/out" | grep -oE "\"$1\":[^,}]*" | head -n 1 | sed 's/^[^:]*://'; }

list_table()
{
	local second used

	disk second second 32
	ok lclone create t1 "$base" "$delta"
	ok lclone create t2 "$base" "$second" --size 20M
	ok dd if="$dir/template" of=/dev/mapper/t2 bs=1M count=8 oflag=direct status=none
	ok lclone list --sort -written -o name,size,chain,state
	lines "NAME SIZE CHAIN STATE
t2 20.0 MiB 1 rw
t1 16.0 MiB 1 rw"
	ok lclone list --sort written --noheadings -o name
	lines "t1
t2"
	ok dmsetup suspend t2
	ok timeout 20 lclone list --noheadings -o name,state
	lines "t1 rw
t2 rw,SUSPENDED"
	ok timeout 20 lclone list --json
	grep -q '"suspended":true,' "$dir/out" || fail "$(cat "$dir/out")"
	ok dmsetup resume t2
	ok lclone status --json t2
	used=$(value used_bytes)
	[ "$used" -ge $((8 << 20)) ] || fail "$used bytes for 8 MiB"
	ok lclone list --json
	tr -d ' \n' <"$dir/out" | grep -qF "[{\"base\":\"$base\",\"clones\":[{\"name\":\"t1\",\"delta\":\"$delta\"," ||
		fail "$(cat "$dir/out")"
	tr -d ' \n' <"$dir/out" | grep -qF "\"active\":true,\"size_bytes\":$((20 << 20)),\"used_bytes\":$used," ||
		fail "$(cat "$dir/out")"
	refused 2 'no column "nome"' lclone list -o name,nome
	refused 2 "are for the table" lclone status -o name t1
	ok lclone status -v
	grep -q "^t1: rw, .* commits" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close t1
	ok lclone close t2
}

list_all()
{
	make_chain
	ok lclone list --all --noheadings -o name,base,delta,chain,state
	lines "t1 $base $new 2 rw
- $base $delta 1 sealed"
	ok lclone close t1
	ok lclone list --noheadings
	[ ! -s "$dir/out" ] || fail "$(cat "$dir/out")"
	ok lclone list --all --noheadings --sort chain -o name,base,delta,chain,state
	lines "- $base $delta 1 sealed
- $base $new 2 inactive"
	ok lclone list --all --json
	tr -d ' \n' <"$dir/out" | grep -qF '{"name":null,' || fail "$(cat "$dir/out")"
	# what lclonetab calls a clone has that name, and is missed where it is not
	printf '%s\n' "web1 $base $new" "web2 $base /dev/nowhere nofail" >"$dir/tab"
	ok env LCLONE_TAB="$dir/tab" lclone list --all --noheadings --sort chain -o name,delta,chain,state
	lines "web2 /dev/nowhere 0 missing
- $delta 1 sealed
web1 $new 2 inactive"
	ok env LCLONE_TAB="$dir/tab" lclone list --all --json
	tr -d ' \n' <"$dir/out" | grep -qF '{"name":"web1",' || fail "$(cat "$dir/out")"
	ok lclone open t1 "$base" "$new"
	ok lclone list --noheadings -o uuid
	grep -qE '^[0-9a-f]{8}-[0-9a-f-]{27}$' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close t1
}

# metric TEXT: a line of them
metric() { grep -qxF -- "$1" "$2" || fail "not there: $1: $(cat "$2")"; }

metrics()
{
	local new second

	disk new new 32		# room for a flatten
	disk second second 16
	ok lclone metrics
	metric "lclone_clones 0" "$dir/out"
	ok lclone create t1 "$base" "$delta"
	ok lclone create t2 "$base" "$second"
	ok lclone snapshot t1 --to "$new"
	ok dd if="$dir/template" of=/dev/mapper/t1 bs=1M count=4 conv=fsync status=none
	ok dmsetup suspend t2
	echo old >"$dir/file"
	ok timeout 20 lclone metrics --output "$dir/file"
	metric 'lclone_clones 2' "$dir/file"
	metric "lclone_base_clones{base=\"$base\"} 2" "$dir/file"
	metric "lclone_info{name=\"t1\",base=\"$base\",delta=\"$new\"} 1" "$dir/file"
	metric "lclone_size_bytes{name=\"t1\"} $((16 << 20))" "$dir/file"
	metric 'lclone_chain_depth{name="t1"} 2' "$dir/file"
	metric 'lclone_mode{name="t1",mode="rw"} 1' "$dir/file"
	metric 'lclone_suspended{name="t1"} 0' "$dir/file"
	metric 'lclone_suspended{name="t2"} 1' "$dir/file"
	metric 'lclone_full{name="t2"} 0' "$dir/file"
	grep -qE '^lclone_commits_total\{name="t1"\} [1-9]' "$dir/file" || fail "$(cat "$dir/file")"
	[ "$(stat -c %a "$dir/file")" = 644 ] || fail "$(stat "$dir/file")"
	[ -z "$(find "$dir" -name '.file.*')" ] || fail "$(ls -a "$dir")"
	refused 3 "not a file" lclone metrics --output /dev/null
	ok dmsetup resume t2
	ok lclone status --json t1
	metric "lclone_delta_size_bytes{name=\"t1\"} $(value total_bytes)" "$dir/file"
	ok lclone flatten t1
	ok lclone metrics
	! grep '^lclone_sweep_running{name="t1"' "$dir/out" | grep -v ' 0$' || fail "$(cat "$dir/out")"
	ok lclone close t1
	ok lclone close t2
}

map_active()
{
	local active

	make_chain
	put /dev/mapper/t1 1234 7 3
	ok fallocate --zero-range -o 1048576 -l 131072 /dev/mapper/t1
	ok lclone map --json t1
	[ "$(value size_bytes)" = $((16 << 20)) ] || fail "$(cat "$dir/out")"
	[ "$(value merge_bytes)" = $((7 * 4096)) ] || fail "$(cat "$dir/out")"
	tr -d ' \n' <"$dir/out" | grep -qF "{\"kind\":\"base\",\"device\":\"$base\"," ||
		fail "$(cat "$dir/out")"
	sed 's/"name": *"[^"]*"//; s/{[^{]*"kind": *"base"[^}]*}//' "$dir/out" >"$dir/active"
	active=$(cat "$dir/active")
	ok lclone map t1
	grep -q '^# delta *28.0 KiB ' "$dir/out" || fail "$(cat "$dir/out")"
	grep -q '^1 layer 1 ' "$dir/out" || fail "$(cat "$dir/out")"
	! grep -q "$(printf '\033')" "$dir/out" || fail "colours in a file"
	ok lclone map --svg "$dir/svg" /dev/mapper/t1
	grep -q '^<title>t1: ' "$dir/svg" || fail "no title"
	ok dmsetup suspend t1
	ok timeout 60 lclone map --json t1
	[ "$(sed 's/"name": *"[^"]*"//; s/{[^{]*"kind": *"base"[^}]*}//' "$dir/out")" = "$active" ] ||
		fail "suspended: $(cat "$dir/out")"
	ok dmsetup resume t1
	ok lclone map --json "$new"		# its delta's name does as well
	[ "$(value merge_bytes)" = $((7 * 4096)) ] || fail "$(cat "$dir/out")"
	ok lclone close t1
	ok lclone map --json "$new"
	[ "$(sed 's/"name": *"[^"]*"//; s/{[^{]*"kind": *"base"[^}]*}//' "$dir/out")" = "$active" ] ||
		fail "closed: $(cat "$dir/out")"
	ok lclone map --json t1			# found by its label
	[ "$(sed 's/"name": *"[^"]*"//; s/{[^{]*"kind": *"base"[^}]*}//' "$dir/out")" = "$active" ] ||
		fail "by its label: $(cat "$dir/out")"
	refused 1 "no active clone t2" lclone map t2
	echo "t1 $base $new parent=$delta" >"$dir/tab"
	ok env LCLONE_TAB="$dir/tab" lclone map --json t1
	[ "$(sed 's/"name": *"[^"]*"//; s/{[^{]*"kind": *"base"[^}]*}//' "$dir/out")" = "$active" ] ||
		fail "by its name: $(cat "$dir/out")"
	refused 4 "" lclone map "$base"
}

# sum COLUMN: of the lines of t1, in whole numbers
sum_of() { awk -v column="$1" '$1 == "t1" { sum += $column } END { printf "%d", sum }' "$dir/out"; }

top_batch()
{
	local second writer

	disk second second 16
	ok lclone create t1 "$base" "$delta"
	ok lclone create t2 "$base" "$second"
	while [ ! -e "$dir/stop" ]; do
		dd if="$dir/template" of=/dev/mapper/t1 bs=64k count=64 oflag=direct status=none
	done &
	writer=$!
	ok lclone top --batch -n 3 -d 2 -o name,writes,reads,write,busy,state
	[ "$(grep -c '^t1 .* rw$' "$dir/out")" = 3 ] || fail "$(cat "$dir/out")"
	[ "$(grep -c '^t2  *0  *0  *0 KiB  *0 rw$' "$dir/out")" = 3 ] || fail "$(cat "$dir/out")"
	[ "$(grep -c '^NAME  *W/s  *R/s  *WRITE/s  *BUSY% STATE$' "$dir/out")" = 3 ] ||
		fail "$(cat "$dir/out")"
	[ "$(grep -c ' 2 clones, ' "$dir/out")" = 3 ] || fail "$(cat "$dir/out")"
	[ "$(sum_of 2)" -gt 0 ] && [ "$(sum_of 3)" = 0 ] || fail "$(cat "$dir/out")"
	touch "$dir/stop"
	wait $writer
	# one stands still with a write on its way, another one goes
	ok dmsetup suspend t1
	dd if="$dir/template" of=/dev/mapper/t1 bs=64k count=1 oflag=direct status=none &
	writer=$!
	(sleep 3; lclone close t2) &
	ok timeout 60 lclone top --batch --count 4 --delay 2 --noheadings -o name,state
	[ "$(grep -c '^t1  *rw,SUSPENDED$' "$dir/out")" = 4 ] || fail "$(cat "$dir/out")"
	grep -q '^t2  *rw' "$dir/out" || fail "$(cat "$dir/out")"
	tail -n 3 "$dir/out" | grep -q ' 1 clone, ' || fail "$(cat "$dir/out")"
	ok dmsetup resume t1
	wait $writer
	refused 2 "needs a terminal" lclone top
	refused 2 "0.1 or more" lclone top --delay 0
	refused 2 "1 or more" lclone top -n 0
	refused 2 'no column "x"' lclone top --sort x
	ok lclone close t1
}

top_terminal()
{
	local esc

	esc=$(printf '\033')
	ok lclone create t1 "$base" "$delta"
	ok "$terminal" '>>r<+q' lclone top
	grep -q "by name; " "$dir/out" || fail "$(cat -v "$dir/out")"
	grep -q "by reads, the largest first; " "$dir/out" || fail "$(cat -v "$dir/out")"
	grep -q "by read; " "$dir/out" || fail "$(cat -v "$dir/out")"
	# a frame is drawn over the one before: the screen is cleared once
	[ "$(grep -o "${esc}\\[H${esc}\\[J" "$dir/out" | wc -l)" = 1 ] || fail "$(cat -v "$dir/out")"
	[ "$(tail -c 19 "$dir/out")" = "${esc}[?7h${esc}[?25h${esc}[?1049l" ] ||
		fail "$(tail -c 60 "$dir/out" | cat -v)"
	ok "$terminal" '' lclone top -n 2 -d 0.2
	timeout 60 "$terminal" 'r-' lclone top >"$dir/out" 2>&1 || fail "$? without a terminal"
	ok lclone close t1
}
