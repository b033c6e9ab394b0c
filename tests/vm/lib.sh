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
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dm-lclone

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

. "$VM_DIR/apt.sh"

# kernel_packages RELEASE: the packages of a stock kernel and of the headers for it.  In
# angle brackets apt has those that it does not know.
kernel_packages()
{
	local all="linux-image-$1 linux-headers-$1"

	{
		printf '%s\n' $all
		apt-cache depends $all |
			sed -nE 's/^ *(Pre)?Depends: <?(linux-(binary|modules|base|headers|kbuild)-[0-9][^>]*)>?$/\2/p'
	} | sort -u
}

# newest_kernel PATTERN: the newest release like this of which all packages can be had.
# Headers may be published hours or days before the image that belongs to them.
newest_kernel()
{
	local name lacks packages

	apt-cache pkgnames linux-headers- | sed -nE "s/^linux-headers-($1)\$/\1/p" | sort -rV |
	while read -r name; do
		mapfile -t packages < <(kernel_packages "$name")
		lacks=$(without_candidate "${packages[@]}")
		if [ -z "$lacks" ]; then
			echo "$name"
			break
		fi
		echo "Linux $name is not all there, without" $lacks": looking for an older one" >&2
	done
}

# for_kernel 6.1|6.12|newest, or that with -rt: apt looks where that kernel is from
for_kernel()
{
	case ${1%-rt} in
	6.1 | 6.12) ;;
	newest) use_suites trixie trixie-backports ;;
	*) die "no kernel '$1': 6.1, 6.12 or newest, or one of these with -rt" ;;
	esac
}

# release 6.1|6.12|newest, or that with -rt: the full name of the newest such stock kernel
# that can be had.
# apt takes a second to say it and is only asked when its lists have changed.
release()
(
	known=$CACHE/kernel/release-$1 number=${1%-rt} flavour=''
	number=${number/./\\.}\\.
	[ "${1%-rt}" = "$1" ] || flavour=-rt
	for_kernel "$1"
	if ! newer_than_lists "$known"; then
		[ "${1%-rt}" != newest ] || number='[0-9.]+'
		find_kernel() { newest_kernel "${number}[0-9.]*(-[0-9]+)?(\+deb[0-9]+)?$flavour-amd64" | grep .; }
		name=$(with_new_lists find_kernel) || die "there is no Linux $1 with image and headers" \
			"in the apt sources of this machine: Debian's main archive and" \
			"bookworm-security have it"
		mkdir -p "$CACHE/kernel"
		echo "$name" >"$known.$$"
		mv "$known.$$" "$known"
	fi
	cat "$known"
)

# with_ccache DIR COMMAND...: the command has a compiler that goes by ccache, as tests/ccache.mk has
# it, where that is installed, and so has the kbuild of Debian's headers; the sources are below DIR
with_ccache()
{
	local dir=$1

	shift
	! command -v ccache >/dev/null ||
		set -- env CC="ccache cc" CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$dir" \
			CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=1G DEBIAN_KERNEL_USE_CCACHE=1 "$@"
	"$@"
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

# overlay DIR ON: mount on ON what is in DIR; what is changed there is in memory, and gone
# when it is unmounted.  For a mount namespace of its own.
overlay()
{
	mount -t tmpfs overlay "$2"
	mkdir "$2"/{changed,work,root}
	mount -t overlay -o "lowerdir=$1,upperdir=$2/changed,workdir=$2/work" overlay "$2/root"
	mount --move "$2/root" "$2"
}
