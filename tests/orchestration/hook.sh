# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as check
#
# The hook for libvirt, for check: guests as the installed libvirt writes them, and a stand-in for
# lclone, which says what it was called with, and does with /dev/mapper what the tool does.

stand_in()
{
	mkdir -p bin
	cat >bin/lclone <<-'EOS'
	#!/bin/bash
	# The clones that there are, are in the file clones; one that is called broken does not open
	name=${*: -1}
	known() { grep -qx "$name" clones; }
	[ "$1" = list ] || echo "$*" >>calls
	case $1 in
	list)
		(cd /dev/mapper && for f in *; do ! grep -qx "$f" "$OLDPWD/clones" || echo "$f  "; done) ;;
	open)
		known || { echo "lclone open: there is no clone $name" >&2; exit 1; }
		[ "$name" != broken ] || { echo "lclone open: /dev/vg/broken: wrong base" >&2; exit 5; }
		touch "/dev/mapper/$name" ;;
	close)
		[ ! -e used ] || { echo "lclone close: $name is in use: it is open by qemu-nbd" >&2; exit 3; }
		rm "/dev/mapper/$name" ;;
	status)
		known || { echo "lclone status: there is no clone $name" >&2; exit 1; } ;;
	esac
	EOS
	chmod +x bin/lclone
}

# guest DISK...: guest.xml, of a guest with these /dev/mapper/DISKs, as libvirt writes it
guest()
{
	local i=0 name

	{
		echo "<domain type='test'><name>web</name><memory>4096</memory><os><type>hvm</type></os>"
		echo "<metadata><x:y xmlns:x='http://example.org/'><source dev='/dev/mapper/noted'/></x:y></metadata>"
		echo "<devices><disk type='file'><source file='/dev/mapper/file.img'/><target dev='hda'/></disk>"
		echo "<disk type='block' device='cdrom'><target dev='hdb' bus='ide'/></disk>"
		for name in "$@"; do
			i=$((i + 1))
			echo "<disk type='block' device='disk'><source index='$i' dev='/dev/mapper/$name'/>" \
				"<driver discard='unmap' type='raw' name='qemu'/><target dev='vd$(printf \\x$((60 + i)))'/></disk>"
		done
		echo "<disk type='block'><source dev='/dev/vg/plain'/><target dev='vdz'/></disk>"
		echo "<interface type='direct'><source dev='eth0' mode='bridge'/></interface></devices></domain>"
	} >define.xml
	virsh -q -c test:///default "define define.xml; dumpxml web" | sed -n '/<domain/,$p' >guest.xml
	grep -q '<source dev=./dev/vg/plain' guest.xml
}

# hook OPERATION PART: as libvirt calls it
hook()
{
	: >calls
	PATH=$PWD/bin:$PATH "$TOP/orchestration/libvirt-hook" web "$1" "$2" - <guest.xml >out 2>err
}

# fresh CLONE...: these there are, none is open
fresh()
{
	mount -t tmpfs none /dev/mapper
	printf '%s\n' "$@" >clones
	rm -f used
}

# called CALLS: these and no others, in this order, and nothing was printed for libvirt to parse
called() { [ "$(paste -sd, calls)" = "$1" ] && [ ! -s out ]; }

opens()
{
	fresh web1 web1-data other && guest web1 web1-data && hook prepare begin &&
		called "open web1,open web1-data" && [ ! -s err ] &&
		hook start begin && called "" && hook started begin && called "" &&
		hook stopped end && called "" && hook reconnect begin && called "" &&
		hook release end && called "close web1,close web1-data" && [ ! -s err ] &&
		[ -z "$(ls /dev/mapper)" ]
}

left_alone()
{
	fresh web1 && touch /dev/mapper/vg-lv && guest vg-lv && hook prepare begin && called "" &&
		hook release end && called "" && hook migrate begin && called "" && [ ! -s err ] || return
	# not there yet: whoever makes it comes behind us
	rm /dev/mapper/vg-lv && hook prepare begin && called "open vg-lv" && [ ! -s err ] || return
	guest && hook prepare begin && called "" && hook release end && called ""
}

open_already()
{
	fresh web1 && guest web1 && touch /dev/mapper/web1 && hook prepare begin && called "" &&
		hook release end && called "close web1"
}

one_fails()
{
	fresh web1 web2 broken && guest web1 web2 broken && ! hook prepare begin &&
		called "open web1,open web2,open broken,close web2,close web1" && [ "$(cat err)" = \
		"guest web: its disk broken cannot be opened: /dev/vg/broken: wrong base" ]
}

stays_open()
{
	fresh web1 && guest web1 && hook prepare begin && touch used && ! hook release end && [ "$(cat err)" = \
		"guest web: its disk web1 stays open: web1 is in use: it is open by qemu-nbd" ]
}

comes()
{
	fresh web1 && guest web1 && ! hook migrate begin && called "status web1" &&
		grep -q "^guest web: its disk web1 is a linked clone, .* Shut it off there, and start it here$" err &&
		[ "$(wc -l <err)" = 1 ] && touch /dev/mapper/web1 && hook migrate begin && called "" && [ ! -s err ]
}
