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

# has_candidate PACKAGE...: apt could install each of them
has_candidate()
{
	[ "$(apt-cache policy "$@" | grep -c '^  Candidate: [0-9]')" = $# ]
}

# Headers may be published hours or days before the image that belongs to them
newest_kernel()
{
	local version=${1%-rt} flavour='' name

	[ "$version" = "$1" ] || flavour=-rt
	apt-cache pkgnames "linux-headers-$version." |
	sed -nE "s/^linux-headers-(${version/./\\.}\.[0-9][^-]*(-[0-9]+)?$flavour-amd64)\$/\1/p" |
	sort -rV |
	while read -r name; do
		if has_candidate "linux-image-$name" "linux-headers-$name"; then
			echo "$name"
			break
		fi
		echo "Linux $name is not all there yet: taking the next older one" >&2
	done
}

# release 6.1|6.12|6.1-rt|6.12-rt: the full name of the newest such stock kernel that apt knows.
# apt takes a second to say it and is only asked when its lists have changed.
release()
{
	local known=$CACHE/kernel/release-$1 name

	case $1 in
	6.1|6.12|6.1-rt|6.12-rt) ;;
	*) die "no kernel '$1': 6.1 or 6.12, or one of these with -rt" ;;
	esac
	if [ ! "$known" -nt /var/lib/apt/lists ]; then
		name=$(newest_kernel "$1")
		[ -n "$name" ] || { apt-get update -qq >&2; name=$(newest_kernel "$1"); }
		[ -n "$name" ] || die "apt knows no Linux $1 on this machine: Debian 12 has it" \
			"in the suite bookworm-security, which has to be among its sources"
		mkdir -p "$CACHE/kernel"
		echo "$name" >"$known.$$"
		mv "$known.$$" "$known"
	fi
	cat "$known"
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
