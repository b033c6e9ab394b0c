# SPDX-License-Identifier: GPL-2.0-only
#
# tree.sh: the kernel source that the scripts beside it put the module into, and building
# it there.  Sourced, by bash, behind tests/vm/lib.sh.

llvm=-19	# Linux 7 wants LLVM 17 or newer, Debian 12 has 16 and 19
driver=drivers/md/dm-lclone
# The smallest kernel that has device mapper, with what checks locks and lists.  Only the
# driver is built of it: that what it uses is exported, the module for this kernel shows.
options=(
	64BIT SMP MODULES BLOCK BLK_DEV MD BLK_DEV_DM PRINTK BUG DEBUG_KERNEL DEBUG_LIST PROVE_LOCKING
	DEBUG_ATOMIC_SLEEP SYSFS PROC_FS
)

# make_tree [DIR]: source becomes DIR, or the newest source that Debian has, and tree a copy
# of it, made of hard links, with the module.  What was built there of the kernel itself, in
# built-*, is used again.  It is this script's alone until that ends.
make_tree()
{
	local work

	source=${1:-$("$TOP/scripts/kernel-source")}
	source=$(cd "$source" && pwd)
	version=$(make -s -C "$source" kernelversion)
	work=$CACHE/in-tree/$version-$(hash_stdin <<<"$source")
	mkdir -p "$work"
	exec 9>"$work/lock"
	flock 9

	tree=$work/tree built=$work/built logs=$work/logs
	rm -rf "$tree" "$logs"
	mkdir "$logs"
	cp -al "$source/." "$tree"
	"$TOP/scripts/into-tree" "$tree"
}

# kernel gcc|clang MAKE-ARGUMENT...
kernel()
{
	local compiler=()

	[ "$1" = gcc ] || compiler=(LLVM="$llvm")
	make -s -C "$tree" O="$built-$1" -j "$(nproc)" "${compiler[@]}" "${@:2}"
}

# configure gcc|clang m|y: and what any build needs
configure()
{
	local o config=$built-$1/.config

	mkdir -p "$built-$1"
	kernel "$1" tinyconfig
	for o in "${options[@]}"; do
		"$tree/scripts/config" --file "$config" -e "$o"
	done
	"$tree/scripts/config" --file "$config" --set-val DM_LCLONE "$2"
	kernel "$1" olddefconfig
	grep -qx "CONFIG_DM_LCLONE=$2" "$config" || { echo "CONFIG_DM_LCLONE=$2 is not to be had"; return 1; }
	kernel "$1" prepare modules_prepare
}

# build gcc|clang MAKE-ARGUMENT...: parts of the driver anew, without a warning that names it
build()
{
	local out

	rm -rf "$built-$1/$driver"
	out=$(kernel "$@" 2>&1) || { echo "$out"; return 1; }
	! grep -A 20 -E "$driver.*(warning|error|info):|sparse" <<<"$out" || return 1
	[ -e "$built-$1/$driver/format.o" ]
}

selftests()
{
	make -s -C "$tree/tools/testing/selftests" TARGETS=dm-lclone OUTPUT="$built-selftests" \
		install INSTALL_PATH="$built-selftests/installed" &&
		grep '^dm-lclone:basic.sh$' "$built-selftests/installed/kselftest-list.txt" &&
		[ -x "$built-selftests/installed/dm-lclone/blkio" ]
}
