# SPDX-License-Identifier: GPL-2.0-only
#
# apt.sh: packages from this machine's apt sources, whatever those have today.  Sourced.
#
# Lists may be old, a mirror in the middle of its own update, a kernel half published:
# who takes something tries it with the lists that are there, then with new ones, and
# then says in a sentence what is missing.

export DEBIAN_FRONTEND=noninteractive

# renew_lists: what could not be had now often can a moment later; what somebody else's
# source lacks is no reason to give up.
renew_lists()
{
	local try

	for try in 1 2 3; do
		! apt-get update -qq -o APT::Update::Error-Mode=any >&2 || return 0
		sleep "$try"
	done
	echo "${0##*/}: apt-get update failed, going on with what it could fetch" >&2
}

# with_new_lists COMMAND...: COMMAND, and if it fails once more with new lists
with_new_lists()
{
	"$@" || { renew_lists; "$@"; }
}

# newer_than_lists FILE: apt's lists have not changed since
newer_than_lists()
{
	local lists

	eval "$(apt-config shell lists Dir::State::lists/d)"
	[ "$1" -nt "$lists" ]
}

# newer_than_sources FILE: nor have its sources
newer_than_sources()
{
	local list parts

	eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
	newer_than_lists "$1" && [ -z "$(find "$list" "$parts" -newer "$1" 2>/dev/null)" ]
}

# without_candidate PACKAGE...: print those that apt could not install today
without_candidate()
{
	comm -23 <(printf '%s\n' "$@" | sort -u) \
		 <(LC_ALL=C apt-cache policy "$@" 2>/dev/null |
		   awk '/^[^ ]/ { name = substr($0, 1, length($0) - 1) }
			/^  Candidate: [0-9]/ { print name }' | sort -u)
}

# not_to_be_had WHAT PACKAGE...: end with a sentence that says why
not_to_be_had()
{
	local missing

	missing=$(without_candidate "${@:2}" | grep -v '^?' | paste -sd ' ')
	if [ -n "$missing" ]; then
		die "cannot fetch $1: the apt sources of this machine lack $missing"
	fi
	die "cannot fetch $1: apt knows it, but could not get it, see above"
}

# download PACKAGE...: none at all are those of a release that the lists have no more
download()
{
	[ $# -gt 0 ] &&
		apt-get download -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@"
}

# get_packages WHAT PACKAGE[=VERSION]...: into the working directory
get_packages()
{
	with_new_lists download "${@:2}" >&2 || not_to_be_had "${@%%=*}"
}

# get_closure WHAT PACKAGE...: into debs/ of the working directory, with all that an empty
# machine would need with them
get_closure()
{
	mkdir -p debs/partial
	: >debs/status
	with_new_lists apt-get -qq -y --download-only -o Dir::State::status="$PWD/debs/status" \
		-o Dir::Cache::archives="$PWD/debs/" -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Debug::NoLocking=true \
		install "${@:2}" >&2 || not_to_be_had "$@"
}

# find_archive CODENAME: where this machine has that suite of Debian from: sets entry, a file
# and a line or paragraph in there, and uri
find_archive()
{
	known_archive() { apt-get indextargets --format '$(SOURCESENTRY) $(REPO_URI)' \
		"Created-By: Packages" "Origin: Debian" "Codename: $1" "Component: main" |
		head -n 1 | grep .; }
	read -r entry uri < <(with_new_lists known_archive "$1") ||
		die "apt has no source of Debian's suite $1 on this machine"
}

# source_entry CODENAME SUITE...: this machine's entry for the first, with other suites instead
source_entry()
{
	local entry uri codename=$1

	shift
	find_archive "$codename"
	case $entry in
	*.sources:*)
		awk -v uri="${uri%/}" -v codename="$codename" -v suites="$*" -v RS= -F'\n' '
		{
			entry = "Types: deb\nSuites: " suites "\nComponents: main\n"
			ours = there = 0
			for (i = 1; i <= NF; i++) {
				if ($i ~ /^#/)
					continue
				if ($i !~ /^[ \t]/)
					field = tolower(substr($i, 1, index($i, ":") - 1))
				ours = ours || field == "uris" && index($i "/", uri "/")
				there = there || field == "suites" && index($i " ", codename " ")
				if (field !~ /^(types|suites|components|enabled)$/)
					entry = entry $i "\n"
			}
			if (ours && there && !done++)
				printf "%s", entry
		}' "${entry%:*}"
		;;
	*)
		uri=$(sed -nE "${entry##*:}s/^\s*(deb(\s+\[[^]]*\])?\s+\S+)\s.*/\1/p" "${entry%:*}")
		printf '%s main\n' "${@/#/$uri }"
		;;
	esac
}

# use_suites SUITE...: from here on apt looks at these suites of Debian only, and not at what
# is installed.  $foreign may be one more architecture.  This machine's own sources and lists
# stay what they are.
use_suites()
{
	local entry dir known foreign=${foreign:-}

	[ "${suites:-}" != "$*" ] || return 0
	# apt takes seconds to say it
	known=$CACHE/apt/entry-$(hash_stdin <<<"$*")
	if ! newer_than_sources "$known"; then
		entry=$(source_entry "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$@")
		mkdir -p "$CACHE/apt"
		echo "$entry" >"$known.$$"
		mv "$known.$$" "$known"
	fi
	entry=$(cat "$known")
	dir=$CACHE/apt/$(hash_stdin <<<"$entry $foreign")
	cached "$dir" describe_suites
	if ! newer_than_lists "$dir/renewed"; then
		(
			flock 9
			export APT_CONFIG=$dir/apt.conf
			renew_lists
			touch "$dir/renewed"
		) 9>"$dir.lock"
	fi
	export APT_CONFIG=$dir/apt.conf
	suites=$*
}

describe_suites()
{
	mkdir -p "$dir.new"/{sources,lists/partial,archives/partial}
	: >"$dir.new/status"
	case $entry in
	deb*) echo "$entry" >"$dir.new/sources/debian.list" ;;
	*) echo "$entry" >"$dir.new/sources/debian.sources" ;;
	esac
	cat >"$dir.new/apt.conf" <<-CONF
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$dir/sources";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::State::lists "$dir/lists";
	Dir::State::status "$dir/status";
	Dir::Cache "$dir";
	APT::Default-Release "";
	APT::Sandbox::User "root";
	CONF
	[ -z "$foreign" ] || echo "APT::Architectures { \"$(dpkg --print-architecture)\"; \"$foreign\"; };" \
		>>"$dir.new/apt.conf"
}
