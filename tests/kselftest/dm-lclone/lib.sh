# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by every test script. A test is a function. It runs in a shell of its
# own under "set -e", on devices that it makes itself; they are gone when it has
# ended. It also fails if the kernel complained meanwhile.
#
#	. "${0%/*}/lib.sh"
#	loses "what a user would lose if this failed"
#	it_does() { ...; }
#	run it_does ...
#
# An emulated machine needs a tenth of a second to start most programs: what the
# shell or our own small helpers can do is done there.

shopt -s inherit_errexit
export LC_ALL=C
cd "${0%/*}" || exit 1
PATH=$PWD:$PATH:/usr/sbin:/sbin
ME=${0##*/} ME=${ME%.sh}
P=lct$$				# prefix of our device-mapper names
T=				# our tmpfs: backing files, notes
SKIP=4
COMPLAINT='BUG:|WARNING:|Oops|general protection|Call Trace|blocked for more than|UBSAN:|KASAN'
COMPLAINT+='|possible circular locking|possible recursive locking|inconsistent lock state'
COMPLAINT+='|suspicious RCU usage|sleeping function called|scheduling while atomic'
COMPLAINT+='|soft lockup|unable to handle|refcount_t|self-detected stall'

# KTAP

skip_all() {
	echo "1..0 # SKIP $*"
	exit $SKIP
}

loses() {
	echo "KTAP version 1"
	echo "# without it a user loses: $*"
	[ $EUID = 0 ] || skip_all "not root"
	needs dmsetup blkio oracle kmsg
	[ -d /sys/module/dm_lclone ] || modprobe -q dm-lclone
	[[ $(dmsetup targets 2>/dev/null) =~ (^|$'\n')lclone\  ]] ||
		skip_all "no lclone target in this kernel"
	[ -e /dev/loop-control ] || modprobe -q loop || skip_all "no loop devices"
	# saves dmsetup a wait for nobody
	[ -e /run/udev/control ] || export DM_DISABLE_UDEV=1
}

# needs COMMAND...: skips the whole script
needs() {
	local c

	for c; do
		command -v "$c" >/dev/null || skip_all "no $c here"
	done
}

# In a test: skip it, fail it
skip() {
	echo "$*" >"$T/skip"
	exit $SKIP
}

fail() {
	echo "$*"
	exit 1
}

# is EXPECTED FOUND WHAT
is() {
	[ "$1" = "$2" ] || fail "$3: expected '$1', found '$2'"
}

# at_most LIMIT FOUND WHAT
at_most() {
	[ "$2" -le "$1" ] || fail "$3: at most $1 expected, found $2"
}

run() {
	local n=0 bad=0 t rc began start

	T=$(mktemp -d "${TMPDIR:-/tmp}/$P.XXXXXX") && mount -t tmpfs -o size=2g lclone-test "$T" ||
		skip_all "no tmpfs"
	# on a watchdog's SIGTERM too: print what there is, leave nothing behind
	trap 'sed "s/^/# /" "$T/out"; kill $(jobs -p); undo; finish; exit 1' TERM INT
	: >"$T/undo"
	echo "1..$#"
	for t; do
		n=$((n + 1))
		mark "$ME $t"
		began=$marker start=$SECONDS
		( set -eE
		  trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND"' ERR
		  "$t" ) >"$T/out" 2>&1 &
		wait $!
		rc=$?
		undo >>"$T/out" 2>&1 || rc=1
		if [[ $(kmsg "$began") =~ $COMPLAINT ]]; then
			echo "the kernel complained: ${BASH_REMATCH[0]}" >>"$T/out"
			rc=1
		fi
		[ $((SECONDS - start)) -lt 5 ] || echo "# $((SECONDS - start)) s: ${t//_/ }"
		case $rc in
		0) echo "ok $n ${t//_/ }" ;;
		"$SKIP") echo "ok $n ${t//_/ } # SKIP $(<"$T/skip")" ;;
		*)
			bad=$((bad + 1))
			sed 's/^/# /' "$T/out"
			kmsg "$began" | tail -n 30 | sed 's/^/# kernel: /'
			echo "not ok $n ${t//_/ }" ;;
		esac
	done
	finish
	[ $bad = 0 ]
	exit
}

finish() {
	umount "$T" && rmdir "$T"
}

# Kernel log: from a marker of ours on, the ring itself is left alone

mark() {
	marker="lclone-test $$ $RANDOM$RANDOM:"
	echo "$marker $*" >/dev/kmsg
}

# said REGEX: the target said so since the last mark
said() {
	local log

	log=$(kmsg "$marker")
	[[ ${log,,} =~ device-mapper:[^$'\n']*\ lclone:\ [^$'\n']*(${1,,}) ]] ||
		fail "no sentence about '$1' in the kernel log: $log"
}

# sentences REGEX: how many there are since the last mark
sentences() {
	kmsg "$marker" | grep -c "lclone: .*$1" || true
}

# Devices

on_exit() {
	echo "$*" >>"$T/undo"
}

# Last made, first removed. What cannot be removed fails the test.
undo() {
	local rc=0 lines i

	mapfile -t lines <"$T/undo"
	: >"$T/undo"
	for ((i = ${#lines[@]} - 1; i >= 0; i--)); do
		eval "${lines[i]}" || { echo "left behind: ${lines[i]}"; rc=1; }
	done
	return $rc
}

# background COMMAND...: its number is in $job, its output in $T/job
background() {
	"$@" >"$T/job" 2>&1 &
	job=$!
	on_exit "kill $job 2>/dev/null || true"
}

# within SECONDS COMMAND...: until it succeeds
within() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within the time: $*"
		sleep 0.1
	done
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

# loop SIZE [BLOCK_SIZE]: a loop device on a sparse file
loop() {
	attach "$T/loop.$BASHPID.$RANDOM" "$@"
}

# attach FILE [SIZE [BLOCK_SIZE]]
attach() {
	local dev

	dev=$(blkio attach "$@")
	echo "$1" >"$T/backing.${dev##*/}"
	on_exit "blkio detach $dev"
	echo "$dev"
}

# backing DEV: its file
backing() {
	echo "$(<"$T/backing.${1##*/}")"
}

# template SIZE: a base filled with the pattern of seed 1
template() {
	local dev

	dev=$(loop "$1")
	blkio write "$dev" 0 $(($(blkio size "$dev") * 512)) 1
	echo "$dev"
}

need_null() {
	modprobe -q null_blk nr_devices=0 || true
	[ -d /sys/kernel/config/nullb ] || mount -t configfs none /sys/kernel/config 2>/dev/null ||
		true
	[ -d /sys/kernel/config/nullb ] || skip "no null_blk with configfs"
}

# null MIB [attribute=value...]: a memory-backed null_blk, which counts exactly what reaches it;
# only after need_null
null() {
	local dir attr name index

	name=$P$RANDOM
	dir=/sys/kernel/config/nullb/$name
	mkdir "$dir"
	on_exit "rmdir $dir"
	for attr in memory_backed=1 queue_mode=2 irqmode=0 "size=$1" "${@:2}"; do
		echo "${attr#*=}" >"$dir/${attr%%=*}"
	done
	echo 1 >"$dir/power"
	on_exit "echo 0 >$dir/power"
	# newer kernels take the directory's name
	read -r index <"$dir/index"
	[ -b "/dev/$name" ] || name=nullb$index
	echo "/dev/$name"
}

# need_target NAME: of device-mapper
need_target() {
	modprobe -q "dm-$1" || true
	dmsetup targets | grep -q "^$1 " || skip "no $1 target"
}

# milliseconds COMMAND...: $took is how many
milliseconds() {
	local from=${EPOCHREALTIME/./}

	"$@"
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# quick MS COMMAND...: it takes no longer
quick() {
	milliseconds "${@:2}"
	echo "$took ms: ${*:2}"
	[ $took -le "$1" ] || fail "it took $took ms, not $1 at most: ${*:2}"
}

# A disk that can be told to fail

# sick DEV: $delta, a device on top of DEV that works at first
sick() {
	disk=$1
	disk_size=$(blkio size "$disk")
	on_exit "remove_if_there disk"
	dmsetup create "$P-disk" --table "0 $disk_size linear $disk 0"
	delta=/dev/mapper/$P-disk
}

# becomes AREA...: these parts of it, in ascending order, are something else from now on: each
# FROM+LENGTH in sectors fails all I/O, or FROM+LENGTH:TARGET, with % for device and offset
becomes() {
	local area from len target at=0 table=

	for area in "$@" "$disk_size+0"; do
		IFS=+: read -r from len target <<<"$area"
		[ "$from" -le $at ] || table+="$at $((from - at)) linear $disk $at"$'\n'
		[ "$len" = 0 ] || table+="$from $len ${target:-error}"$'\n'
		table=${table//\%/$disk $from}
		at=$((from + len))
	done
	dmsetup suspend --noflush --nolockfs "$P-disk"
	dmsetup load "$P-disk" --table "$table"
	dmsetup resume "$P-disk"
}

# works: all of it
works() {
	becomes
}

# I/O counts of whole disks, see Documentation/block/stat.rst

declare -A stat_from

count_from() {
	local dev

	for dev; do
		read -r stat_from["$dev"] <"/sys/block/${dev##*/}/stat"
	done
}

# counted DEV reads|read|writes|written|flushes...: since count_from; read and written in sectors
counted() {
	local dev=$1 stat_then now what out=
	local -A field=([reads]=0 [read]=2 [writes]=4 [written]=6 [flushes]=15)

	read -ra stat_then <<<"${stat_from["$dev"]}"
	read -ra now <"/sys/block/${dev##*/}/stat"
	for what in "${@:2}"; do
		out+=" $((now[${field[$what]}] - stat_then[${field[$what]}]))"
	done
	echo "${out# }"
}

# writes_to DEV: writes and discards, ever
writes_to() {
	local now

	read -ra now <"/sys/block/${1##*/}/stat"
	echo $((now[4] + now[11]))
}

# newest DEVICE OFFSET BYTES: of its superblock, in hexadecimal
newest() {
	local slot seq at=0 most=-1

	for slot in 0 65536; do
		seq=$(dd if="$(backing "$1")" bs=8 skip=$((slot / 8 + 7)) count=1 status=none |
			od -An -tu8)
		[ "$seq" -le "$most" ] || { most=$seq at=$slot; }
	done
	dd if="$(backing "$1")" bs=1 skip=$((at + $2)) count="$3" status=none |
		od -An -v -tx1 | tr -d ' \n'
}

# Clones

# line SECTORS BASE DELTA [feature argument...]
line() {
	local rest="${*:4}"

	echo "0 $1 lclone $2 $3${rest:+ $(($# - 3)) $rest}"
}

# create NAME SECTORS BASE DELTA [feature argument...]
create() {
	create_line "$1" "$(line "${@:2}")"
}

create_line() {
	on_exit "remove_if_there $1"
	dmsetup create "$P-$1" --table "$2"
}

# clone [feature argument...]: the usual case, vm over $base and $delta, at the size of the base
clone() {
	create vm "$(blkio size "$base")" "$base" "$delta" "$@"
	vm=/dev/mapper/$P-vm
}

# reload NAME SECTORS BASE DELTA [feature argument...]: load, suspend, resume
reload() {
	dmsetup load "$P-$1" --table "$(line "${@:2}")" &&
		dmsetup resume "$P-$1"
}

close() {
	dmsetup remove "$P-$1"
}

remove_if_there() {
	[ -e "/dev/mapper/$P-$1" ] || return 0
	timeout 20 dmsetup remove "$P-$1" && return 0
	timeout 20 dmsetup remove --force "$P-$1"
	return 1
}

message() {
	dmsetup message "$P-$1" 0 "${@:2}"
}

# limit NAME: of vm's queue
limit() {
	echo "$(<"/sys/block/$(dmsetup info -c --noheadings -o blkdevname "$P-vm")/queue/$1")"
}

# status NAME FIELD
status() {
	local f

	read -ra f <<<"$(dmsetup status "$P-$1")"
	case $2 in
	mode) echo "${f[3]}" ;;
	chunk) echo "${f[4]}" ;;
	used) echo "${f[5]%/*}" ;;
	total) echo "${f[5]#*/}" ;;
	leaves) echo "${f[6]}" ;;
	dirty) echo "${f[7]}" ;;
	commits) echo "${f[8]}" ;;
	checkpoints) echo "${f[9]}" ;;
	check) echo "${f[10]}" ;;
	full) echo "${f[11]}" ;;
	# of a merge or a flatten
	sweep) echo "${f[12]}" ;;
	swept) echo "${f[13]}" ;;
	esac
}

is_status() {
	[ "$(status "$1" "$2")" = "$3" ]
}

events() {
	dmsetup info -c --noheadings -o events "$P-$1"
}

# refused REGEX COMMAND...: it fails, and a sentence of the kernel log says why
refused() {
	local why=$1

	shift
	mark "must be refused: $*"
	if "$@" >"$T/refused" 2>&1; then
		fail "not refused: $*"
	fi
	said "$why"
}
