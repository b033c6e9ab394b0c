# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh: what the scripts beside it share.  Sourced, by bash.

. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"

CRASH=$TOP/tests/crash
PROGRAMS=$CACHE/crash/$(cat "$CRASH"/{*.[ch],Makefile} "$TOP"/tools/lib/{,*/}*.[ch] \
			"$TOP"/dm-lclone/{format.c,lclone_format.h} | hash_stdin)
SCENARIOS=(mixed hot wide full tight large plain through short merge online flatten)

build_programs()
{
	cached "$PROGRAMS" make -s -C "$CRASH" O="$PROGRAMS.new"
	make -s -C "$TOP/tools"
}

# Which of the stock kernels runs a scenario: they take turns.
kernel_of()
{
	case $1 in
	mixed|full|tight|plain|online) echo 6.12 ;;
	*) echo 6.1 ;;
	esac
}
