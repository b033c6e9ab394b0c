# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of commands that are given a clone's name, or a snapshot's, and only read, for run and with
# what host.sh has.

tests+=(
	named_reads "what only reads takes a clone's name, active or not, and a snapshot's, as it takes a path"
	named_status "status tells of clones that are not active, and of snapshots, what is known"
)

# plain PATH NAME: what names a device as either is the same; a picture has the word as the disk's name
plain() { sed "s|$1|WHAT|g;s|$2|WHAT|g"; }

# reads WORD PATH NAME: each command says of both the same
reads()
{
	local words

	for words in "check" "check --json" "dump" "dump --json" "diff" "diff --json" "map --json" "repair"; do
		# shellcheck disable=SC2086 # words
		ok lclone $words "$1"	# which activates its volumes
		plain "$2" "$3" <"$dir/out" | sed "s|\"name\": *\"$1\"|\"name\": \"WHAT\"|" >"$dir/got"
		# shellcheck disable=SC2086 # words
		ok lclone $words "$2"
		plain "$2" "$3" <"$dir/out" >"$dir/want"
		cmp "$dir/want" "$dir/got" || fail "$words: $(cat "$dir/got") and not $(cat "$dir/want")"
	done
}

named_reads()
{
	make_template 300
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	cp /dev/mapper/web1 "$dir/one"
	ok lclone snapshot web1 one --delta-size 24M
	puts_at 2 3
	ok lclone snapshot web1 two --delta-size 24M
	puts_at 4
	cp /dev/mapper/web1 "$dir/model"
	for _ in active inactive; do
		reads web1@one /dev/ttvg/web1-delta /dev/mapper/ttvg-web1--delta
		reads web1@two /dev/ttvg/web1-delta2 /dev/mapper/ttvg-web1--delta2
		ok lclone diff --against web1@one web1
		[ "$(xargs <"$dir/out")" = "data 8192 8192 data 16384 4096" ] || fail "$(cat "$dir/out")"
		ok lclone diff --against web1@one web1@two
		[ "$(xargs <"$dir/out")" = "data 8192 8192" ] || fail "$(cat "$dir/out")"
		ok lclone measure web1@two
		ok lclone merge --to "$dir/image" web1@one
		same "$dir/one" "$dir/image"
		rm "$dir/image"
		refused 1 "web1 has no snapshot three; it lies on web1@two, web1@one" lclone check web1@three
		refused 1 "web7" lclone map web7
		if lclone status --json web1 | grep -q inactive; then
			reads web1 /dev/ttvg/web1-delta3 /dev/mapper/ttvg-web1--delta3
			break
		fi
		ok lclone dump web1
		grep -q '^  label  *web1$' "$dir/out" || fail "$(cat "$dir/out")"
		ok lclone check web1
		same "$dir/model" /dev/mapper/web1
		ok lclone close web1
		# tags alone lead to them
		rm "$LCLONE_TAB"
		ok lvchange -qq -an ttvg
	done
	refused 3 "" lclone merge --yes --into-base web1@one
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	close_all
}

named_status()
{
	make_template 200
	ok lclone create web1 --from deb --delta-size 24M
	puts_at 1 2
	ok lclone snapshot web1 one --delta-size 24M
	ok lclone status web1@one web1
	grep -qx "web1@one: sealed, .* MiB of 24.0 MiB in use (.* %)" "$dir/out" || fail "$(cat "$dir/out")"
	grep -qx "web1: rw, .* MiB in use (.* %)" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close web1
	ok lvchange -qq -an ttvg
	ok lclone status web1
	grep -qx "web1: inactive, .* MiB of 24.0 MiB in use (.* %)" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone status --json web1 web1@one
	tr -d ' \n' <"$dir/out" | grep -q '^\[{"name":"web1","mode":"inactive","size_bytes":16777216,.*"name":"web1@one","mode":"sealed",.*"version":1' ||
		fail "$(cat "$dir/out")"
	refused 1 "there is no clone web7" lclone status web7
	refused 1 "web1 has no snapshot two" lclone status web1@two
}
