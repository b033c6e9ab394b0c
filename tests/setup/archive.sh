# SPDX-License-Identifier: GPL-2.0-only
#
# archive.sh: a made-up Debian archive in a directory, and an apt that knows nothing else.
# Sourced by check; $dir is a directory for all of it.

# package SUITE NAME [DEPENDS]: its files are those in $dir/files
package()
{
	local root=$dir/package

	rm -rf "$root"
	mkdir -p "$dir/archive/pool/$1" "$dir/files"
	mv "$dir/files" "$root"
	mkdir "$root/DEBIAN"
	cat >"$root/DEBIAN/control" <<-CONTROL
	Package: $2
	Version: 1
	Architecture: amd64
	Maintainer: nobody <nobody@example.org>
	Description: made up
	${3:+Depends: $3}
	CONTROL
	sed -i '/^$/d' "$root/DEBIAN/control"
	dpkg-deb -Znone --build "$root" "$dir/archive/pool/$1/$2.deb" >/dev/null
}

# publish SUITE...: what was made with `package` since `nothing`
publish()
{
	local suite packages=main/binary-amd64/Packages dist

	for suite; do
		dist=$dir/archive/dists/$suite
		mkdir -p "$dir/archive/pool/$suite" "$dist/${packages%/*}"
		(cd "$dir/archive" && dpkg-scanpackages -m "pool/$suite" 2>/dev/null) >"$dist/$packages"
		cat >"$dist/Release" <<-RELEASE
		Origin: Debian
		Suite: $suite
		Codename: $suite
		Date: $(LC_ALL=C date -Ru)
		Architectures: amd64
		Components: main
		SHA256:
		 $(sha256sum <"$dist/$packages" | cut -d ' ' -f 1) $(stat -c %s "$dist/$packages") $packages
		RELEASE
	done
}

# nothing: the archive is empty, and apt has never heard of it
nothing()
{
	rm -rf "$dir/archive" "$dir/apt" "$dir/cache" "$dir/files"
	mkdir -p "$dir"/archive "$dir"/apt/{sources,lists/partial,archives/partial}
	: >"$dir/apt/status"
	cat >"$dir/apt/sources/a.list" <<-LIST
	# a comment
	deb [trusted=yes] file:$dir/archive bookworm main
	LIST
	cat >"$dir/apt/conf" <<-CONF
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$dir/apt/sources";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::State::lists "$dir/apt/lists";
	Dir::State::status "$dir/apt/status";
	Dir::Cache "$dir/apt";
	APT::Sandbox::User "root";
	CONF
	export APT_CONFIG=$dir/apt/conf XDG_CACHE_HOME=$dir/cache
}

# kernel SUITE RELEASE [PART...]: its packages without those parts
kernel()
{
	local suite=$1 release=$2 part common=${2%-amd64}-common kbuild=linux-kbuild-${2%-amd64}

	for part in image headers common kbuild; do
		[[ " ${*:3} " != *" $part "* ]] || continue
		case $part in
		image) image_files "$release"; package "$suite" "linux-image-$release" ;;
		headers)
			mkdir -p "$dir/files/usr/src/linux-headers-$release"
			echo "include /usr/src/x" >"$dir/files/usr/src/linux-headers-$release/Makefile"
			package "$suite" "linux-headers-$release" "linux-headers-$common, $kbuild"
			;;
		common) package "$suite" "linux-headers-$common" ;;
		kbuild) package "$suite" "$kbuild" ;;
		esac
	done
}

# A bzImage: the places of its header that say where the compressed kernel is
image_files()
{
	local boot=$dir/files/boot/vmlinuz-$1 modules=$dir/files/lib/modules/$1

	mkdir -p "${boot%/*}" "$modules"
	ln -s /nowhere "$modules/build"
	ln -s /nowhere "$modules/source"
	echo "the kernel $1" | xz >"$dir/payload"
	number() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x00\\x00"; }
	{
		head -c $((0x248)) /dev/zero
		number 512
		number $(($(stat -c %s "$dir/payload") + 4))
		head -c $((1024 - 0x250)) /dev/zero
		cat "$dir/payload"
	} >"$boot"
}
