# SPDX-License-Identifier: GPL-2.0-only
#
# full.sh: a guest that fills the delta of its disk.  Sourced by guest.

from='' to='' qemu_pid=''

# hears TEXT: of what QEMU says, until that comes
hears()
{
	local line

	while read -r -t 300 line <&"$from"; do
		echo "$line"
		[[ $line != *"$1"* ]] || return 0
	done
	return 1
}

qmp() { echo "{\"execute\":\"$1\"}" >&"$to"; }

# lcloned is there
small_guest()
{
	lclone create small --from debian12 --delta-size 4M && starts small 1 &&
		[ "$(blockdev --getsize64 /dev/vg/small-delta)" -gt $((4 << 20)) ] &&
		lclone remove --yes small
}

# A delta in which there is no room for what the guest writes
full_guest()
{
	lclone create full --from debian12 --delta-size 4M --error-if-no-space || return
	coproc qemu { guest full -serial file:/run/serial -qmp stdio; }
	# bash forgets them as soon as it has ended
	exec {from}<&"${qemu[0]}" {to}>&"${qemu[1]}"
	qemu_pid=$qemu_PID
	qmp qmp_capabilities && hears '"nospace": true' && hears '"STOP"' &&
		qmp query-status && hears '"status": "io-error"'
}

goes_on()
{
	lvextend -qq -L +4M vg/full-delta && lclone resize full && qmp cont && hears '"SHUTDOWN"' &&
		wait "$qemu_pid" && grep "guest: written" /run/serial && has_written full && count_is full 1 &&
		lclone remove --yes full
}
