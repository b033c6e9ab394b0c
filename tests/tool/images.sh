# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of images in formats of qemu, by the names of clones, for run, which has the tools that
# they are written with.

tests+=(
	exported "a snapshot of a clone in use, and a closed clone, go to images, by their names"
)

# is_image FORMAT FILE CONTENT: also with all that it lies on
is_image()
{
	ok qemu-img compare -q -f "$1" -F raw "$2" "$3"
}

# While what it was made of goes on; nobody writes to what is read
served_by_nbd()
{
	local server socket=$dir/nbd

	ok lclone create --from web1@monday --delta-size 8M web1-monday
	qemu-nbd --read-only --persistent --shared=4 --format=raw --socket="$socket" \
		/dev/mapper/web1-monday &
	server=$!
	for _ in {1..100}; do
		[ -S "$socket" ] && break
		sleep 0.1
	done
	puts_at 5
	is_image raw "nbd+unix:///?socket=$socket" "$dir/monday"
	! qemu-io -f raw -c "write 0 4k" "nbd+unix:///?socket=$socket" >/dev/null 2>&1 ||
		fail "a reader writes"
	kill $server
	wait $server
	ok lclone close web1-monday
	ok lclone remove --yes web1-monday
	rm -f "$socket"
}

exported()
{
	make_template 400
	ok lclone create web1 --from deb --size 20M --delta-size 24M
	puts_at 1 2 4500
	ok blkdiscard -z -o 65536 -l 65536 /dev/mapper/web1
	cp /dev/mapper/web1 "$dir/monday"
	ok lclone snapshot web1 monday
	puts_at 2 3
	cp /dev/mapper/web1 "$dir/now"

	# it goes on meanwhile; the image lies on what the template was made of
	refused 3 "web1 is active, and changes: take a snapshot, and export that" \
		lclone export --format qcow2 web1 "$dir/web1.qcow2"
	refused 1 "web1 has no snapshot tuesday" lclone export --format raw web1@tuesday "$dir/web1.raw"
	ok lclone export --format qcow2 --backing "$dir/template" web1@monday "$dir/monday.qcow2"
	grep -q "^$dir/monday.qcow2: web1@monday, what was changed, on template$" "$dir/out" ||
		fail "$(cat "$dir/out")"
	is_image qcow2 "$dir/monday.qcow2" "$dir/monday"
	ok lclone export --format vmdk web1@monday "$dir/monday.vmdk"
	is_image vmdk "$dir/monday.vmdk" "$dir/monday"
	served_by_nbd
	puts_at 7
	cp /dev/mapper/web1 "$dir/now"

	# all of its volumes are activated for that
	ok lclone close web1
	ok lvchange -qq -an ttvg
	ok lclone export --format raw web1 "$dir/web1.raw"
	same "$dir/now" "$dir/web1.raw"
	ok lclone export --format qcow2 --backing "$dir/monday.qcow2" --against web1@monday \
		web1 "$dir/later.qcow2"
	is_image qcow2 "$dir/later.qcow2" "$dir/now"
	ok lclone export --json --format qcow2 --backing /dev/ttvg/deb --chain web1 "$dir/web1.qcow2"
	grep -q "\"file\": \"$dir/web1.1.qcow2\", \"label\": \"web1@monday\", \"backing\": \"/dev/.*deb\"" \
		"$dir/out" || fail "$(cat "$dir/out")"
	is_image qcow2 "$dir/web1.qcow2" "$dir/now"
	is_image qcow2 "$dir/web1.1.qcow2" "$dir/monday"

	refused 3 "$dir/web1.qcow2 exists" lclone export --format vmdk web1 "$dir/web1.qcow2"
	head -c 16M /dev/zero >"$dir/zeros"
	refused 5 "wrong base" lclone export --format qcow2 --backing "$dir/zeros" web1 "$dir/new.qcow2"
	refused 2 "is no format that is written" lclone export --format vhd web1 "$dir/new.vhd"
	# a filesystem that is full keeps nothing of it
	ok mount -t tmpfs -o size=4M none "$dir/mnt"
	refused 5 "No space left on device" lclone export --format qcow2 web1 "$dir/mnt/web1.qcow2"
	refused 5 "No space left on device" lclone export --format raw web1 "$dir/mnt/web1.raw"
	[ -z "$(ls -A "$dir/mnt")" ] || fail "$(ls "$dir/mnt")"
	umount "$dir/mnt"
	ok lclone open web1
	same "$dir/now" /dev/mapper/web1
}
