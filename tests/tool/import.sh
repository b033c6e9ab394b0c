# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of images that come in, with volumes of LVM, for run, which has the tools that they are
# written with.  Not for User Mode Linux, whose memory a process of several threads, qemu-nbd, breaks.

tests+=(
	imported "an overlay and a chain become clones of a template, and siblings share layers"
	import_refused "an overlay of another base, and what cannot be read, makes nothing"
	import_devices "an overlay comes to a device that is named, and opens with its content"
	killed_import "an import that is killed anywhere, and run again, has ended what it began"
)

# overlay NAME ON FORMAT K...: 4 KiB are written at so many KiB each
overlay()
{
	local name=$1 on=$2 format=$3 k words=()

	shift 3
	for k in "$@"; do
		words+=(-c "write -q -P $((k % 250 + 1)) ${k}k 4k")
	done
	ok qemu-img create -q -f qcow2 -b "$on" -F "$format" "$name"
	ok qemu-io -f qcow2 "${words[@]}" -c "write -q -z 1M 64k" "$name"
}

# has_all FILE CLONE: by qemu-img
has_all()
{
	ok qemu-img convert -f qcow2 -O raw "$1" "$dir/flat"
	same "$dir/flat" "/dev/mapper/$2"
}

imported()
{
	make_template 400
	cd "$dir" || return
	cp template deb.raw
	ok qemu-img convert -f raw -O qcow2 deb.raw deb.qcow2
	ok lclone import deb.qcow2 second --vg ttvg
	same template /dev/ttvg/second 16777216
	overlay web1.snap1 deb.raw raw 8 100 9000
	overlay web1.snap2 web1.snap1 qcow2 104 12000
	overlay web2.qcow2 web1.snap1 qcow2 16 2000
	overlay alone.qcow2 deb.raw raw 333

	ok lclone import --base deb --host alone.qcow2 alone
	has_all alone.qcow2 alone
	[ "$(xargs <"$LCLONE_TAB")" = "alone /dev/ttvg/deb /dev/ttvg/alone-delta host" ] ||
		fail "$(cat "$LCLONE_TAB")"
	refused 2 "is an overlay, too: with --chain" lclone import --base deb web1.snap2 web1
	ok lclone import --base deb --chain web1.snap2 web1
	has_all web1.snap2 web1
	ok lclone list --snapshots --noheadings -o snapshot
	grep -q "^web1@web1.snap1 *$" out || fail "$(cat out)"
	[ "$(volumes)" = "alone-delta deb second web1-delta web1-web1.snap1" ] || fail "$(volumes)"
	! lvs --noheadings -o lv_tags ttvg | grep lclone.new || fail "something is new"
	[ "$(blockdev --getro /dev/ttvg/web1-web1.snap1)" = 1 ] || fail "the layer can be written"

	# the sibling has the same layer; one of another content has its own
	ok lclone import --base deb --chain web2.qcow2 web2
	grep -q "/dev/ttvg/web1-web1.snap1: a layer with .*, which was there" out || fail "$(cat out)"
	has_all web2.qcow2 web2
	overlay other.qcow2 deb.raw raw 8 100 9004
	overlay web3.qcow2 other.qcow2 qcow2 16
	ok lclone import --json --base deb --chain web3.qcow2 web3
	grep -q '"state": "layer", .*"device": "/dev/ttvg/web3-other"' out || fail "$(cat out)"
	has_all web3.qcow2 web3
	[ "$(volumes)" = "alone-delta deb second web1-delta web1-web1.snap1 web2-delta web3-delta web3-other" ] ||
		fail "$(volumes)"

	# they are clones as any other
	dd if=template of=/dev/mapper/web2 bs=64k count=3 seek=9 oflag=direct status=none
	cp /dev/mapper/web2 model
	ok lclone close web2
	ok lclone open web2
	same model /dev/mapper/web2
	ok lclone create --from web1@web1.snap1 --delta-size 8M old
	has_all web1.snap1 old
	ok lclone remove --yes old
	# and back, as README.md has it
	ok lclone close web1
	ok lclone export --format qcow2 --chain --backing deb.qcow2 web1 back.qcow2
	ok qemu-img compare -q -f qcow2 -F qcow2 web1.snap2 back.qcow2
	ok qemu-img compare -q -f qcow2 -F qcow2 web1.snap1 back.1.qcow2
	ok lclone open web1
	has_all web1.snap2 web1
	refused 3 "web1 is a clone already" lclone import --base deb --chain web1.snap2 web1
	ok lclone remove --yes web1
	same model /dev/mapper/web2
	ok lclone remove --yes web3
	[ "$(volumes)" = "alone-delta deb second web1-web1.snap1 web2-delta" ] || fail "$(volumes)"
	cd /
}

# LVM, too, may say something
makes_nothing()
{
	local want=$1 text=$2 rc=0

	shift 2
	lclone import "$@" >"$dir/out" 2>"$dir/err" || rc=$?
	[ $rc = "$want" ] || fail "status $rc, not $want: $(cat "$dir/err")"
	tail -n 1 "$dir/err" | grep -q "$text" || fail "\"$text\" is not in: $(cat "$dir/err")"
	[ "$(volumes)" = deb ] || fail "$(volumes)"
}

import_refused()
{
	make_template 100
	cd "$dir" || return
	cp template deb.raw
	overlay a.qcow2 deb.raw raw 8
	overlay b.qcow2 a.qcow2 qcow2 80
	refused 2 "lies on another image: make a template" lclone import b.qcow2 new --vg ttvg
	refused 1 "there is no template other" lclone import --base other a.qcow2 new
	refused 2 "lies on no other image" lclone import --base deb deb.raw new
	refused 2 "LVM takes letters" lclone import --base deb a.qcow2 a@b
	refused 2 "--to needs one file" lclone import --base deb --to "$delta" a.qcow2 new
	refused 2 "--parent, --label and --force go with --to" lclone import --base deb --force a.qcow2 new
	refused 2 "needs a base" lclone import --chain a.qcow2 new --vg ttvg
	# the layer is made, and the delta cannot be
	makes_nothing 5 "is too small" --base deb --chain --delta-size 4M --chunk-size 2M b.qcow2 new
	LCLONE_TAB=$dir/nowhere/tab makes_nothing 1 "nowhere/tab" --base deb --chain b.qcow2 new
	printf x | dd of=deb.raw bs=1 seek=5000000 conv=notrunc status=none
	makes_nothing 5 "differ at byte 5000000" --base deb --chain b.qcow2 new
	mkdir bin
	ln -sf /usr/bin/* /usr/sbin/* /lclone/tools/lclone bin
	rm bin/qemu-nbd
	PATH=$dir/bin makes_nothing 1 "qemu-nbd, which is not installed" --base deb a.qcow2 new
	cd /
}

import_devices()
{
	cd "$dir" || return
	cp template deb.raw
	overlay a.qcow2 deb.raw raw 8 777
	ok lclone import --base "$base" --to "$delta" a.qcow2
	ok lclone open t1 "$base" "$delta"
	has_all a.qcow2 t1
	refused 3 "" lclone import --base "$base" --to "$delta" a.qcow2
	ok lclone close t1
	refused 4 "" lclone import --base "$base" --to "$delta" a.qcow2
	ok lclone import --force --base "$base" --to "$delta" a.qcow2
	ok lclone check --base "$base" "$delta"
	cd /
}

# Killed anywhere: see killed.sh

killed_import()		{ killed_everywhere import; }

# An overlay, and one on that, of which the model is what qemu-img makes
make_images()
{
	[ ! -e "$dir/b.qcow2" ] || return 0
	cp "$dir/model" "$dir/raw"
	ok qemu-img create -q -f qcow2 -b raw -F raw "$dir/a.qcow2"
	ok qemu-io -f qcow2 -c "write -q -P 1 64k 200k" -c "write -q -z 1M 64k" "$dir/a.qcow2"
	ok qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 "$dir/b.qcow2"
	ok qemu-io -f qcow2 -c "write -q -P 2 160k 8k" "$dir/b.qcow2"
}

prepare_import()
{
	make_images
	ok qemu-img convert -f qcow2 -O raw "$dir/a.qcow2" "$dir/model"
}
command_import()	{ words=(import --base "$base" --to "$delta" "$dir/a.qcow2"); }
verify_import()		{ opens "$delta"; }

prepare_import_chain()
{
	export LCLONE_TAB=$dir/lclonetab
	make_images
	ok qemu-img convert -f qcow2 -O raw "$dir/b.qcow2" "$dir/model"
	[ -n "$has_vg" ] || make_vg "$volumes"
	lvremove -qq -y -S 'lv_name=~^t1' ttvg >/dev/null 2>&1
	rm -f "$LCLONE_TAB"
	lvs ttvg/deb >/dev/null 2>&1 || ok lclone template add deb "$base" --vg ttvg
}
command_import_chain()	{ words=(import --base deb --chain --delta-size 8M "$dir/b.qcow2" t1); }
verify_import_chain()
{
	[ "$(xargs <"$LCLONE_TAB")" = "t1 /dev/ttvg/deb /dev/ttvg/t1-delta parent=/dev/ttvg/t1-a" ] ||
		fail "$(cat "$LCLONE_TAB")"
	is_model
	! lvs --noheadings -o lv_tags ttvg | grep lclone.new || fail "something is new"
	[ "$(volumes)" = "deb t1-a t1-delta" ] || fail "$(volumes)"
	ok lclone close t1
	ok lclone open t1
	is_model
}
