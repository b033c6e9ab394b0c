# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh: guests that start from clones of what `bootable` has made: what they do is in
# sector.S.  Sourced, by bash, in a machine that has QEMU.

# guest NAME [OPTION]...: as the guide says it (Documentation/dm-lclone.rst, QEMU)
guest()
{
	timeout 600 qemu-system-x86_64 -accel tcg -m 16 -nodefaults -no-user-config -display none \
		-drive "file=/dev/mapper/$1,format=raw,if=virtio,cache=none,aio=native,discard=unmap" \
		"${@:2}"
}

# count_is NAME N: how often a guest has started from this clone
count_is()
{
	[ "$(od -An -tu2 -j 512 -N 2 "/dev/mapper/$1" | xargs)" = "$2" ]
}

# has_written NAME: all that it should
has_written()
{
	local n

	for n in $(seq 40); do
		dd if="/dev/mapper/$1" bs=32k skip=$((n * 2)) count=1 status=none
	done | tr -cd g | wc -c >/run/written
	[ "$(cat /run/written)" = $((40 * 32768)) ]
}

# starts NAME N: a guest, and it is the Nth time
starts()
{
	guest "$1" -serial file:/run/serial && grep "guest: written" /run/serial &&
		count_is "$1" "$2" && has_written "$1"
}
