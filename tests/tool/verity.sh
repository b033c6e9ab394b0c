# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# Tests of bases with a verity tree, for run, which has the tools that they are written with.  Those
# that take long are named in long.sh.

tests+=(
	verity_open "a template is sealed; its clones read it verified, by one device that goes with the last"
	verity_base "the base of a delta without tags is the one whose tree it has recorded, whatever looks like it"
	verity_rot "a bit that flips is an error exactly there, and verify says where, and whose it is"
)

needs_verity()
{
	# hashing takes its time in an emulated machine
	truncate -s 4M "$dir/template"
	modprobe dm-verity 2>/dev/null
	dmsetup targets | grep -q ^verity && return
	fail "this kernel has no dm-verity"
}

verified() { dmsetup ls --target verity | sed -n 's/\s.*(.*//p'; }

# The kernel removes it right after its last use
gone()
{
	for _ in {1..50}; do
		[ -n "$(verified)" ] || return 0
		sleep 0.1
	done
	fail "it is still there: $(verified)"
}

with_trees() { lvs --noheadings -o lv_name --sort lv_name ttvg | xargs; }

root_of() { lvs --noheadings -o lv_tags "$1" | grep -oE 'lclone.root=[0-9a-f]{64}' | cut -d= -f2; }

id_of() { lvs --noheadings -o lv_uuid "$1" | tr -d ' '; }

# flip VOLUME BYTE: changes a byte of a volume that is read-only
flip()
{
	local c

	c=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	ok lvchange -qq --permission rw "$1"
	# shellcheck disable=SC2059 # an octal number
	printf "\\$(printf %o $((c ^ 1)))" |
		dd of="$1" bs=1 seek="$2" count=1 conv=notrunc,fsync status=none || fail "flip"
	ok lvchange -qq --permission r "$1"
}

verity_open()
{
	needs_verity || return
	make_template 300
	[ "$(with_trees)" = "deb deb-verity" ] || fail "$(with_trees)"
	[ "$(blockdev --getro /dev/ttvg/deb-verity)" = 1 ] || fail "the tree can be written"
	ok lclone template list
	grep -q " 0  ttvg/deb, ttvg/deb-verity$" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone template list --json
	grep -q "\"verity\":\"/dev/ttvg/deb-verity\",\"root_hash\":\"$(root_of ttvg/deb-verity)\"" "$dir/out" ||
		fail "$(cat "$dir/out")"
	ok lclone create web1 web2 --from deb --verify
	[ "$(verified | wc -l)" = 1 ] || fail "$(verified)"
	same "$dir/template" /dev/mapper/web1 4194304
	[ "$(blockdev --getss /dev/mapper/web1)" = 512 ] || fail "other logical blocks"
	grep -qE '^web1\s.*\sverify$' "$LCLONE_TAB" || fail "$(cat "$LCLONE_TAB")"
	ok lclone dump /dev/ttvg/web1-delta
	grep -q "$(root_of ttvg/deb-verity)" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone list --noheadings -o name,base
	[ "$(xargs <"$dir/out")" = "web1 /dev/mapper/ttvg-deb web2 /dev/mapper/ttvg-deb" ] ||
		fail "$(cat "$dir/out")"
	ok lclone status --json web1
	grep -q '"base_verified": *"yes"' "$dir/out" || fail "$(cat "$dir/out")"
	# the table of a snapshot has the same base, and its delta the same root hash
	ok lclone snapshot web1 one
	ok lclone dump /dev/ttvg/web1-delta2
	grep -q "$(root_of ttvg/deb-verity)" "$dir/out" || fail "$(cat "$dir/out")"
	same "$dir/template" /dev/mapper/web1 4194304
	# who reads it like that is found as any other user of the base
	ok lvchange -qq --permission rw ttvg/deb
	ok lclone close web2
	refused 3 "is the base of other deltas, too, which would be lost: /dev/mapper/ttvg-web1--delta, /dev/mapper/ttvg-web1--delta2" \
		lclone merge --yes web2
	ok lvchange -qq --permission r ttvg/deb
	ok lclone open web2
	ok lclone close web1
	[ -n "$(verified)" ] || fail "it went with the first"
	ok lclone close web2
	[ -z "$(verified)" ] || fail "it is still there when close has returned"
	# by its name, and at boot, as its line says
	ok lclone open web1
	[ -n "$(verified)" ] || fail "it is not verified"
	ok lclone unit start web2
	ok lclone unit start web2
	ok lclone unit stop web2
	ok lclone close web1
	# a clone that was used without has the same blocks
	ok lclone open web1 /dev/ttvg/deb /dev/ttvg/web1-delta2
	ok lclone close web1
	ok lclone open web1 --verify
	ok lclone verify web1
	grep -q "all of its 4.0 MiB are as its verity tree says" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close web1
	# a flatten reads it verified, and what has no base has no root hash
	ok lclone open web2
	ok lclone flatten --yes web2
	same "$dir/template" /dev/mapper/web2 4194304
	ok lclone dump /dev/ttvg/web2-delta
	! grep -q "$(root_of ttvg/deb-verity)" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone close web2
	gone
	refused 1 "no base that could be verified" lclone create --verify --size 16M t1 - "$delta"
	ok lclone create t1 "$base" "$delta"
	ok lclone close t1
	refused 1 "has no verity tree" lclone open --verify t1 "$base" "$delta"
	refused 1 "has no verity tree" lclone verify "$base"
}

verity_base()
{
	needs_verity || return
	make_template 300
	ok lclone create web1 --from deb
	printf hello | dd of=/dev/mapper/web1 bs=512 seek=7 conv=notrunc,fsync status=none
	cp /dev/mapper/web1 "$dir/model"
	ok lclone close web1
	ok lclone template add deb2 "$dir/template" --vg ttvg
	ok lvchange -qq -ay ttvg/deb ttvg/deb2
	ok lvchange -qq --deltag lclone.from=deb ttvg/web1-delta
	: >"$LCLONE_TAB"
	# what is alike has a tree that is alike, and is one of two
	refused 5 "may be any of" lclone open web1
	ok lvchange -qq --deltag "lclone.root=$(root_of ttvg/deb2-verity)" ttvg/deb2-verity
	ok lclone open web1
	same "$dir/model" /dev/mapper/web1
	table_of web1 | grep -q " $(dmsetup info -c --noheadings -o major,minor --separator : ttvg-deb) " ||
		fail "$(dmsetup table web1)"
	ok lclone close web1
	# without the tree that it is known by it is one of two again
	ok lvchange -qq --deltag "lclone.root=$(root_of ttvg/deb-verity)" ttvg/deb-verity
	refused 5 "may be any of" lclone open web1
}

verity_rot()
{
	needs_verity || return
	make_template 300
	ok lclone create web1 web2 web3 --from deb --verify
	# the second writes over it, and the third has a snapshot from before that
	dd if="$template" of=/dev/mapper/web2 bs=64k count=2 seek=5 oflag=direct status=none
	ok lclone snapshot web3 one
	dd if="$template" of=/dev/mapper/web3 bs=64k count=2 seek=5 oflag=direct status=none
	ok lclone close web1
	# where the fingerprint does not look
	flip /dev/ttvg/deb $((5 * 65536 + 5000))
	flip /dev/ttvg/deb 3150851
	ok lclone open web1
	dd if=/dev/mapper/web1 bs=512 skip=649 count=1 iflag=direct status=none >"$dir/out" 2>&1 &&
		fail "what has rotten is read"
	ok dd if=/dev/mapper/web1 of="$dir/part" bs=512 skip=648 count=1 iflag=direct status=none
	ok cmp -n 512 "$dir/part" <(tail -c +$((648 * 512 + 1)) "$template")
	ok dd if=/dev/mapper/web1 of="$dir/part" bs=512 skip=650 count=5504 iflag=direct status=none
	ok cmp "$dir/part" <(tail -c +$((650 * 512 + 1)) "$template" | head -c $((5504 * 512)))
	dd if=/dev/mapper/web1 of=/dev/null bs=512 skip=6154 count=1 iflag=direct status=none 2>/dev/null &&
		fail "what has rotten behind that is read"
	ok dd if=/dev/mapper/web2 of="$dir/part" bs=64k skip=5 count=1 iflag=direct status=none
	ok lclone status web1
	grep -q "its base is not what its verity tree says: \"lclone verify web1\"" "$dir/out" ||
		fail "$(cat "$dir/out")"
	refused_rot lclone verify deb
	refused_rot lclone verify web1
	lclone verify --json /dev/ttvg/deb >"$dir/out" 2>"$dir/err"
	[ $? = 6 ] || fail "$(cat "$dir/out" "$dir/err")"
	grep -qE '"rotten":\[\{"start":332288,"bytes":512,"read_by":\["web1","web3@one"\],' "$dir/out" ||
		fail "$(cat "$dir/out")"
	[ "$(verified | wc -l)" = 1 ] || fail "$(verified)"
}

# What is read of the 650th sector
refused_rot()
{
	"$@" >"$dir/out" 2>"$dir/err"
	[ $? = 6 ] || fail "$(cat "$dir/out" "$dir/err")"
	cat >"$dir/expect" <<-TEXT
	/dev/ttvg/deb: 1024 bytes in 2 ranges are not as its verity tree says, or cannot be read
	from byte 332288 on, 512 bytes: read by web1, web3@one
	from byte 3150848 on, 512 bytes: read by web1, web2, web3@one, web3
	TEXT
	# of an active clone, the name that its table gives
	sed -i 's|^/dev/mapper/ttvg-deb:|/dev/ttvg/deb:|' "$dir/out"
	command diff "$dir/expect" "$dir/out" >"$dir/diff" || fail "$(cat "$dir/diff")"
}

verity_hostile()
{
	local root of

	needs_verity || return
	make_template 300
	of=lclone.of=$(id_of ttvg/deb)
	ok lclone create web1 --from deb --verify
	ok lclone close web1
	root=$(root_of ttvg/deb-verity)
	# of another base, of the same size
	dd if="$template" bs=1M count=3 status=none >"$dir/other"
	head -c 1M /dev/urandom >>"$dir/other"
	ok lclone template add other "$dir/other" --vg ttvg
	ok lvrename -qq ttvg deb-verity old
	ok lvchange -qq --deltag "$of" ttvg/old
	refused 1 "has no verity tree any more, of which the root hash was $root" lclone open web1
	ok lvchange -qq --deltag "lclone.of=$(id_of ttvg/other)" --addtag "$of" ttvg/other-verity
	refused 5 "it is another's, or of a base that was changed" lclone open web1
	refused 5 "it is another's, or of a base that was changed" lclone verify web1
	# ... that says that it is ours
	ok lvchange -qq --deltag "lclone.root=$(root_of ttvg/other-verity)" --addtag "lclone.root=$root" \
		ttvg/other-verity
	refused 5 "is as the verity tree on /dev/ttvg/other-verity says" lclone open web1
	refused 6 "whose root hash the delta has recorded: the base was changed, or" lclone verify web1
	refused 5 "says: the base was changed, or the tree is another's or damaged (if" lclone verify deb
	ok lvremove -qq --yes ttvg/other-verity
	# of another size, and what is no tree
	ok lvcreate -qq -y --size 4M --name short ttvg
	dd if=/dev/ttvg/old of=/dev/ttvg/short bs=1M conv=fsync status=none 2>/dev/null
	ok lvchange -qq --addtag lclone.verity --addtag "$of" --addtag "lclone.root=$root" ttvg/short
	printf '\0\0\0\0\1\0\0\0' | dd of=/dev/ttvg/short bs=1 seek=72 conv=notrunc,fsync status=none
	refused 5 "holds the verity tree of a base of" lclone open web1
	dd if=/dev/zero of=/dev/ttvg/short bs=4k count=1 conv=notrunc,fsync status=none
	refused 4 "holds no verity tree" lclone open web1
	ok lvremove -qq --yes ttvg/short
	gone
	# the tree rots: what it has hashes of cannot be read, which is no other's data
	ok lvchange -qq --addtag "$of" ttvg/old
	flip /dev/ttvg/old $((40 * 4096))
	ok lclone open web1
	lclone verify web1 >"$dir/out" 2>"$dir/err"
	[ $? = 6 ] || fail "$(cat "$dir/out" "$dir/err")"
	ok lclone close web1
	gone
	# made anew it is the same
	ok lvremove -qq --yes ttvg/old
	ok lclone seal-base deb
	[ "$(root_of ttvg/deb-verity)" = "$root" ] || fail "it is another"
	ok lclone open web1
	ok lclone verify web1
	ok lclone close web1
}

verity_seal()
{
	needs_verity || return
	make_template 300
	ok lvremove -qq --yes ttvg/deb-verity
	ok lclone create web1 --from deb
	refused 1 "no place beside it for a verity tree" lclone seal-base "$base"
	ok lclone seal-base /dev/ttvg/deb
	grep -q "^ttvg/deb: sealed, its verity tree is on ttvg/deb-verity" "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone seal-base deb
	grep -q "^ttvg/deb: sealed before" "$dir/out" || fail "$(cat "$dir/out")"
	# a delta from before has no root hash, and takes the tree's; a rebase records it
	ok lclone close web1
	ok lclone open --verify web1
	refused 3 "verifies its base" lclone merge --yes web1
	ok lclone close web1
	ok lclone rebase --base /dev/ttvg/deb web1
	ok lclone dump /dev/ttvg/web1-delta
	grep -q "$(root_of ttvg/deb-verity)" "$dir/out" || fail "$(cat "$dir/out")"
	# its line says so, but a merge opens it without
	sed -i '/^web1/s/$/ verify/' "$LCLONE_TAB"
	ok lclone open web1
	[ -n "$(verified)" ] || fail "it is not verified"
	dd if="$template" of=/dev/mapper/web1 bs=1M count=1 seek=2 oflag=direct status=none
	ok lclone close web1
	ok lvchange -qq --permission rw ttvg/deb
	# one that is stopped has changed the base: no delta claims that it is what it was
	ok lclone open web1 /dev/ttvg/deb /dev/ttvg/web1-delta
	ok lclone merge --yes --rate 1 --detach web1
	grep -q "^/dev/ttvg/deb-verity: removed: the base, whose verity tree it had, is another now" "$dir/out" ||
		fail "$(cat "$dir/out")"
	refused 3 "is being merged into" lclone seal-base deb
	ok lclone merge --stop web1
	ok lclone close web1
	refused 3 "may be half merged" lclone seal-base deb
	refused 4 "it can be no base" lclone seal-base /dev/ttvg/web1-delta
	ok lclone dump /dev/ttvg/web1-delta
	! grep -qE '[0-9a-f]{64}' "$dir/out" || fail "$(cat "$dir/out")"
	ok lclone merge --yes web1
	[ "$(with_trees)" = deb ] || fail "$(with_trees)"
	ok lclone seal-base deb
	ok lclone template remove --yes deb
	[ -z "$(with_trees)" ] || fail "$(with_trees)"
}

verity_anew()
{
	local old

	needs_verity || return
	make_template 300
	old=$(root_of ttvg/deb-verity)
	head -c 4M /dev/urandom >"$dir/other"
	# another is called so now, and the template, renamed, keeps its tree
	ok lvrename -qq ttvg deb moved
	ok lvcreate -qq -y --size 4M --name deb ttvg
	dd if="$dir/other" of=/dev/ttvg/deb bs=1M conv=fsync status=none
	ok lclone seal-base /dev/ttvg/deb
	grep -q "^ttvg/deb: sealed, its verity tree is on ttvg/deb-verity2" "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(root_of ttvg/deb-verity)" = "$old" ] || fail "the tree of the other is gone"
	ok lclone verify deb
	ok lclone verify /dev/ttvg/deb
	ok lvremove -qq --yes ttvg/moved ttvg/deb ttvg/deb-verity2
	# removed by hand, the tree is left; what is made anew has none of it
	ok lvcreate -qq -y --size 4M --name deb ttvg
	dd if="$dir/other" of=/dev/ttvg/deb bs=1M conv=fsync status=none
	refused 1 "has no verity tree" lclone verify /dev/ttvg/deb
	ok lclone seal-base /dev/ttvg/deb
	grep -q "^ttvg/deb: sealed, its verity tree is on ttvg/deb-verity," "$dir/out" || fail "$(cat "$dir/out")"
	[ "$(root_of ttvg/deb-verity)" != "$old" ] || fail "it has the old root hash"
	ok lclone verify /dev/ttvg/deb
	ok lvremove -qq --yes ttvg/deb
	ok lclone template add deb "$dir/template" --vg ttvg
	[ "$(root_of ttvg/deb-verity)" = "$old" ] || fail "it is not its own"
	[ "$(with_trees)" = "deb deb-verity" ] || fail "$(with_trees)"
	ok lclone verify deb
}

verity_stopped()
{
	local at rc killed=0

	needs_verity || return
	make_template 300
	ok lclone create web1 --from deb
	ok lclone close web1
	for at in 1 2; do
		ok lvremove -qq --yes ttvg/deb-verity
		rc=0
		# the volume is there, and the tree is not; and the tree is, without a tag
		{ STOP_AT=fsync:$at LD_PRELOAD=$stop_library lclone seal-base deb >"$dir/out" 2>"$dir/err"; } \
			2>/dev/null || rc=$?
		[ $rc = 137 ] || break
		refused 1 "has no verity tree" lclone open --verify web1
		ok lclone seal-base deb
		[ "$(with_trees)" = "deb deb-verity web1-delta" ] || fail "$(with_trees)"
	done
	[ $at = 2 ] || fail "it was not killed: $rc"
	ok lclone open --verify web1
	ok lclone close web1
	for at in 1 2 3 4 5 6 7 8 9; do
		{ STOP_AT=ioctl:$at LD_PRELOAD=$stop_library lclone open --verify web1 >"$dir/out" 2>"$dir/err"; } \
			2>/dev/null
		[ $? != 137 ] || killed=$((killed + 1))
		{ STOP_AT=ioctl:$at LD_PRELOAD=$stop_library lclone verify deb >"$dir/out" 2>"$dir/err"; } \
			2>/dev/null
		[ $? != 137 ] || killed=$((killed + 1))
		ok lclone open --verify web1
		same "$dir/template" /dev/mapper/web1 4194304
		ok lclone close web1
		gone
	done
	[ $killed -gt 0 ] || fail "it was never killed"
}
