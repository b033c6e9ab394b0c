# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # as run
#
# The nightly backup of the guide, with its own script, for run and with what host.sh has.

tests+=(
	nightly "the guide's script sends each night, and two at once after one that has failed"
)

guide=$(cd "${BASH_SOURCE[0]%/*}/../../Documentation" && pwd)/dm-lclone.rst

# The script, and what it calls beside lclone: the other host keeps the streams as files
make_nightly()
{
	mkdir "$dir/bin"
	sed -n '/^  #!\/bin\/bash$/,/^  done$/s/^  //p' "$guide" >"$dir/bin/nightly"
	printf '#!/bin/bash\necho "$*" >>%s/virsh\n' "$dir" >"$dir/bin/virsh"
	printf '#!/bin/bash\necho "$NIGHT"\n' >"$dir/bin/date"
	cat >"$dir/bin/ssh" <<END
#!/bin/bash
[ "\$2" != lvcreate ] || exit 0
[ "\$1 \$2 \$3" = "backup lclone receive" ] || exit 9
[ "\$NIGHT" != "\$FAILS" ] || { head -c 100000 >/dev/null; exit 255; }
cat >"$dir/\${!###*/}"
END
	chmod +x "$dir"/bin/*
}

# night DATE [FAILS]
night()
{
	NIGHT=$1 FAILS=${2:-} PATH=$dir/bin:$PATH "$dir/bin/nightly" >"$dir/out" 2>&1
}

nightly()
{
	local day

	make_template 600
	ok lclone create web1 --from deb
	puts_at 1 2
	ok lclone snapshot web1 2026-11-28
	lclone send web1@2026-11-28 >"$dir/web1-2026-11-28" 2>"$dir/err" || fail "$(cat "$dir/err")"
	make_nightly
	puts_at 3
	night 2026-11-29 || fail "$(cat "$dir/out")"
	has_snapshots web1@2026-11-29
	puts_at 4
	ok lclone snapshot web1 before-upgrade
	puts_at 5
	! night 2026-11-30 2026-11-30 || fail "the backup was not there"
	puts_at 6
	night 2026-12-01 || fail "$(cat "$dir/out")"
	ok lclone list --snapshots --noheadings -o snapshot
	[ "$(sort "$dir/out" | xargs)" = "web1@2026-12-01 web1@before-upgrade" ] || fail "$(cat "$dir/out")"
	puts_at 7
	ok blkdiscard --zeroout --offset 1M --length 1M /dev/mapper/web1
	cp /dev/mapper/web1 "$dir/model"
	night 2026-12-02 || fail "$(cat "$dir/out")"
	[ "$(sort "$dir/virsh" | uniq -c | xargs)" = "4 domfsfreeze web1 4 domfsthaw web1" ] ||
		fail "$(cat "$dir/virsh")"
	puts_at 8
	# the host is lost; what the backup has becomes the guest's disk
	close_all
	ok lclone remove --yes web1
	for day in 2026-11-28 2026-11-29 2026-12-01 2026-12-02; do
		ok lvcreate -qq -y -L 24M -n "web1-$day" ttvg
		ok lclone receive --label "web1@$day" "ttvg/web1-$day" <"$dir/web1-$day"
	done
	ok lclone create --parent ttvg/web1-2026-12-02 --vg ttvg web1 -
	same "$dir/model" /dev/mapper/web1
}
