# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh: what the scripts beside it share.  Sourced, by bash.
#
# The cache holds everything that is downloaded or built for a virtual machine,
# each entry in a directory named after its inputs, so that none is ever stale:
# removing the whole cache only costs time.

shopt -s inherit_errexit

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$VM_DIR/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/dm-lclone

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# hash_stdin: a name for what is read
hash_stdin()
{
	sha256sum | cut -c1-16
}

# release 6.1|6.12: the full name of that stock kernel, as its headers here have it
release()
{
	local dirs

	case $1 in
	6.1|6.12) ;;
	*) die "no kernel '$1': 6.1 or 6.12" ;;
	esac
	mapfile -t dirs < <(printf '%s\n' /lib/modules/"$1".[0-9]*-amd64/build |
			    grep -Ev -- '-(rt|cloud)-amd64/' | sort -V)
	[ -e "${dirs[-1]}/Makefile" ] ||
		die "the headers of Linux $1 are not installed; run tests/vm/deps"
	basename "$(dirname "${dirs[-1]}")"
}

# cached DIR COMMAND...: unless DIR is there, let COMMAND fill the new directory
# DIR.new and then give it that name.  Serialised: two virtual machines may
# start at once.
cached()
{
	local dir=$1

	shift
	[ ! -d "$dir" ] || return 0
	mkdir -p "${dir%/*}"
	(
		flock 9
		[ ! -d "$dir" ] || exit 0
		rm -rf "$dir.new"
		mkdir "$dir.new"
		"$@"
		mv "$dir.new" "$dir"
	) 9>"$dir.lock"
}
