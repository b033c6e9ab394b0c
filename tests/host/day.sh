# SPDX-License-Identifier: GPL-2.0-only
#
# day.sh: a host's day as README.md tells it, command by command, with a look at what each has
# made.  Sourced by guest.

template=/dev/vg/debian12

# on_a_terminal COMMAND: somebody answers who says yes, and leaves what shows something for ever
on_a_terminal()
{
	local answer=y

	[[ $1 != *"lclone top"* ]] || answer=q
	(cd /root && SHELL=/bin/bash script -qec "$1" /dev/null <<<"$answer")
}

sum() { cksum <"$1"; }

unchanged() { [ "$(sum "$template")" = "$before" ]; }

# all_there NAME...: and in lclonetab
all_there()
{
	local name

	for name in "$@"; do
		[ -b "/dev/mapper/$name" ] && grep -q "^$name	" /etc/lclonetab || return
	done
}

gone() { [ ! -e "/dev/mapper/$1" ] && ! grep "^$1	" /etc/lclonetab; }

# after COMMAND: what there is now
after()
{
	case $1 in
	"lclone template add "*) before=$(sum "$template") ;;
	"lclone create web1 "*)
		holds "... a disk of 40 GiB" [ "$(blockdev --getsize64 /dev/mapper/web1)" = $((40 << 30)) ]
		holds "... from which a guest starts, writes to it, and is shut down" starts web1 1
		holds "... and the template has not changed" unchanged
		;;
	"lclone create ci-"*) holds "... all of them, in lclonetab" all_there "${names[@]}" ;;
	"lclone close web1 "*) holds "... with what the guest had written" count_is web1 1 ;;
	"lclone snapshot web1 "*) holds "... and the guest goes on" starts web1 2 ;;
	"lclone create web2 --from web1@"*) holds "... from which another guest starts" starts web2 2 ;;
	"lclone revert web1 "*) holds "... which is as it was then" count_is web1 1 ;;
	"lclone flatten web2") holds "... and it has what it had" count_is web2 2 ;;
	"lclone remove web1@"*) holds "... and web1 has what it had" count_is web1 1 ;;
	"lclone remove web1") holds "... there is no web1" gone web1 ;;
	"systemctl enable "*)
		holds "... and nothing fails" has_started
		;;
	esac
}

# a_day COMMANDS
a_day()
{
	local lines line names start

	mapfile -t lines <<<"$1"
	for line in "${lines[@]}"; do
		line=$(sed 's/ *#.*//' <<<"$line")
		names=()
		case $line in
		"lclone create ci-"*) eval "names=($(sed 's/.* create \(.*\) --from.*/\1/' <<<"$line"))" ;;
		esac
		start=$EPOCHREALTIME
		holds "README.md: $line" on_a_terminal "$line"
		[ $failed = 1 ] || [ ${#names[@]} = 0 ] ||
			figure "$line" "$start" "$EPOCHREALTIME" ${#names[@]}
		after "$line"
	done
	holds "after all that the template has not changed" unchanged
}

# active: all clones that there are
active() { lclone list --json | grep -o '"name":"[^"]*"' | sort; }

as_it_was() { active | diff /root/active -; }
