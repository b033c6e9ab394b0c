# SPDX-License-Identifier: GPL-2.0-only
#
# story.sh: how the demo tells what it does.  Sourced, by bash.  A claim that does
# not hold ends the demo.

chapter() { printf '\n\033[1m%s\033[0m\n' "$*"; }
tell() { printf '    %s\n' "$*"; }
# What another program prints
quote() { sed 's/^/      | /'; }

# claim TEXT COMMAND...: say TEXT if COMMAND succeeds
claim()
{
	local text=$1

	shift
	if "$@" >/tmp/claim 2>&1; then
		printf '  \033[32mok\033[0m  %s\n' "$text"
	else
		printf '  \033[31mNO\033[0m  %s\n' "$text"
		quote </tmp/claim
		exit 1
	fi
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }
megabytes() { awk -v b="$1" 'BEGIN { printf "%.1f MiB", b / 1048576 }'; }
