# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of images in formats of qemu, by the names of clones, for run, which has the tools that
# they are written with.

tests+=(
	exported "a snapshot of a clone in use goes to an image, by its name"
)

# is_image FORMAT FILE CONTENT: also with all that it lies on
is_image()
{
	ok qemu-img compare -q -f "$1" -F raw "$2" "$3"
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
	same "$dir/now" /dev/mapper/web1
}
