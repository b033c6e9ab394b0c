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

# fio in two parts of a clone: what is settled, and what is always written and verified
part()
{
	fio --name="$2" --filename="/dev/mapper/$1" --rw=randwrite --bs=4k --size=12M --direct=1 \
		--verify=crc32c --verify_fatal=1 "${@:3}" --output="/tmp/$1.$2" || {
		quote <"/tmp/$1.$2"
		return 1
	}
}
settle() { part "$1" settled --ioengine=io_uring --iodepth=16 --do_verify=0 --end_fsync=1; }
settled() { part "$1" settled --ioengine=io_uring --iodepth=16 --verify_only; }
busy() { part "$1" busy --offset=16M --verify_backlog=64 --rate_iops=200 --time_based --runtime="$2"; }
