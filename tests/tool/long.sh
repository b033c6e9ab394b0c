# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests that take long, for run and with what host.sh, import.sh and verity.sh have, where some of
# them are: make check-tool runs them.

tests+=(
	deploy_many "of 200 clones the 117th cannot be made: none is, or all others, and it is said which"
	deploy_killed "the making of many clones that is killed at any time ends when it is run again"
	killed_import_chain "an import of a chain that is killed anywhere, and run again, has ended what it began"
	verity_hostile "a tree that is missing, too short, or of another base verifies nothing"
	verity_seal "a base in use is sealed; one that was merged into, or removed, has no tree any more"
	verity_anew "a base that is made anew under the name of another has a tree of its own"
	verity_stopped "what is killed while it seals, opens or verifies leaves nothing in the way"
)

# As deploy and deploy_going, but with as many as a host has
deploy_many()
{
	local -x LVM_SYSTEM_DIR=$dir/lvm
	local name

	# copies of its metadata, and a look at each clone, would be most of LVM's work
	cp -r /etc/lvm "$dir"
	cat >>"$dir/lvm/lvm.conf" <<-CONF
	backup { backup = 0 archive = 0 }
	devices { global_filter = [ "a|^/dev/loop|", "r|.*|" ] }
	CONF
	make_template 1800
	ok lvcreate -qq -y --size 8M --name ci-117-delta ttvg
	makes_none 1 "lvcreate failed for ci-117: nothing was made" ci-{001..200} --delta-size 8M
	[ "$(volumes)" = "ci-117-delta deb" ] || fail "$(volumes)"
	[ ! -s "$LCLONE_TAB" ] || fail "$(cat "$LCLONE_TAB")"
	makes_none 1 "1 of 200 clones could not be made: ci-117$" ci-{001..200} --delta-size 8M \
		--keep-going
	grep -qx "ci-117: its volume could not be made" "$dir/err" || fail "$(cat "$dir/err")"
	[ "$(wc -l <"$dir/out")" = 199 ] || fail "$(tail -n 1 "$dir/out")"
	[ "$(wc -l <"$LCLONE_TAB")" = 199 ] || fail "$(wc -l "$LCLONE_TAB")"
	[ "$(dmsetup ls --target lclone | wc -l)" = 199 ] || fail "$(dmsetup ls | wc -l)"
	same "$dir/template" /dev/mapper/ci-200
	! lvs --noheadings -o lv_tags ttvg | grep lclone.new || fail "some are new"
	for name in $(dmsetup ls --target lclone | awk '{ print $1 }'); do
		ok dmsetup remove "$name"
	done
	ok vgremove -qq --yes ttvg
	# shellcheck disable=SC2034 # it is for cleanup
	has_vg=
}

# all_made NAME...: and nothing else has become another one; then they are gone
all_made()
{
	local name

	[ "$(awk '{ print $1 }' "$LCLONE_TAB" | sort | xargs)" = "$* mine" ] || fail "$(cat "$LCLONE_TAB")"
	[ "$(volumes)" = "$(printf '%s\n' deb foreign mine-delta "${@/%/-delta}" | sort | xargs)" ] ||
		fail "$(volumes)"
	! lvs --noheadings -o lv_tags ttvg | grep lclone.new || fail "some are new"
	same "$dir/model" /dev/mapper/mine
	same "$dir/foreign" /dev/ttvg/foreign
	for name; do
		same "$dir/template" "/dev/mapper/$name" 16777216
		ok lclone close "$name"
		ok lclone check "/dev/ttvg/$name-delta"
		ok lvremove -qq -y "ttvg/$name-delta"
	done
	sed -i '/^mine	/!d' "$LCLONE_TAB"
}

# kill_after SECONDS WHOM: the run in the background: itself, it and what it has started, or LVM,
# too; unless it has succeeded till then
kill_after()
{
	sleep "$1"
	case $2 in
	one) kill -KILL $! ;;
	all) kill -KILL -- -$! ;;
	lvm) pkill -KILL -x "lvm|lvcreate"; kill -KILL $! ;;
	esac 2>/dev/null
	wait $! 2>/dev/null
}

# With LCLONE_KILLED=all ten times as often
deploy_killed()
{
	local names=(many{01..08}) words start took n whom when rounds=2

	[ "${LCLONE_KILLED:-}" != all ] || rounds=20
	make_template 200
	words=(create --from deb --delta-size 8M "${names[@]}")
	ok lclone create mine --from deb --delta-size 8M
	printf hello | dd of=/dev/mapper/mine bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/mine "$dir/model"
	ok lvcreate -qq -y --size 4M --name foreign ttvg
	head -c 4M "$dir/template" | tee "$dir/foreign" >/dev/ttvg/foreign
	start=$EPOCHREALTIME
	ok lclone "${words[@]}"
	took=$(awk "BEGIN { print $EPOCHREALTIME - $start }")
	all_made "${names[@]}"
	for ((n = 0; n < rounds; n++)); do
		for whom in one all lvm; do
			when=$(awk -v r="$RANDOM" "BEGIN { print $took * ($n + r / 32768) / $rounds }")
			setsid lclone "${words[@]}" >"$dir/out" 2>"$dir/err" &
			kill_after "$when" $whom || lclone "${words[@]}" >"$dir/out" 2>"$dir/err" ||
				fail "$whom killed after $when s of $took: $(cat "$dir/err")"
			[ -z "$failed" ] || return
			all_made "${names[@]}"
		done
	done
	close_all
}

killed_import_chain()	{ killed_everywhere import_chain; }
