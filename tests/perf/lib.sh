# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh: the devices compared and how they are measured.  Sourced, by bash, as
# root: by `guest` in a virtual machine, by `run` on a real host.
#
# Callers set
#   MEDIUM		a name for the kind of device below, for the results
#   BASE DELTA META	block devices; all but BASE's content is overwritten.
#			META is for dm-thin's metadata only
#   SECTORS		size of the clone
#
# A result is a line of five fields: medium, target, workload, metric, value.

PERF_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRACING=/sys/kernel/debug/tracing
NAME=lclone-perf

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

result()
{
	printf '%s\t%s\t%s\t%s\t%s\n' "$MEDIUM" "$@"
}

# --- targets: each a way to present BASE as a disk that can be written

wipe()	# DEV KIB: zero its beginning
{
	dd if=/dev/zero of="$1" bs=1K count="$2" oflag=direct conv=notrunc status=none
}

make_target()	# TARGET: sets DEV
{
	local chunk

	DEV=/dev/mapper/$NAME
	case $1 in
	raw)
		DEV=$DELTA
		;;
	base)
		DEV=$BASE
		;;
	linear)
		dmsetup create $NAME --table "0 $SECTORS linear $DELTA 0"
		;;
	snap*)
		wipe "$DELTA" 64
		dmsetup create $NAME \
			--table "0 $SECTORS snapshot $BASE $DELTA P $((${1#snap} * 2))"
		;;
	thin*)
		wipe "$META" 64
		dmsetup create $NAME-pool --table "0 $(blockdev --getsz "$DELTA") \
			thin-pool $META $DELTA $((${1#thin} * 2)) 0"
		dmsetup message $NAME-pool 0 create_thin 0
		dmsetup create $NAME --table "0 $SECTORS thin /dev/mapper/$NAME-pool 0 $BASE"
		;;
	qcow2*)
		DEV=$DELTA
		wipe "$DELTA" 1024
		qemu-img create -q -f qcow2 -F raw -b "$BASE" \
			-o "extended_l2=$([ "$1" = qcow2 ] && echo off || echo on)" \
			"$DEV" $((SECTORS * 512))
		;;
	lclone*)
		chunk=${1#lclone}
		wipe "$DELTA" 128
		dmsetup create $NAME --table "0 $SECTORS lclone $BASE $DELTA \
			2 chunk_size $((chunk * 2))"
		;;
	*)
		die "unknown target $1"
		;;
	esac
}

# workloads TARGET IOS: the random ones, in the order in which they make sense
workloads()
{
	measure "$1" read_unmapped randread "$2"
	measure "$1" write_first randwrite "$2"
	measure "$1" write_over randwrite "$2"
	measure "$1" read_mapped randread "$2"
}

# medians: of the results read, several for each target and workload; and of the
# ratios to dm-linear of the same round
medians()
{
	awk -F'\t' '
		function median(list,   n, v, i, j, t)
		{
			n = split(list, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
					t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
				}
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		{
			k = $1 FS $2 FS $3
			if (!(k in all)) { order[++n] = k; linear[k] = $1 FS "linear" FS $3 }
			all[k] = all[k] " " $5
			value[k, ++rounds[k]] = $5
		}
		END {
			for (i = 1; i <= n; i++) {
				k = order[i]
				printf "%s\tiops\t%.0f\n", k, median(all[k])
				if (k == linear[k]) continue
				ratios = ""
				for (r = 1; r <= rounds[k]; r++)
					ratios = ratios " " value[k, r] / value[linear[k], r]
				printf "%s\tratio\t%.4f\n", k, median(ratios)
			}
		}'
}

drop_target()
{
	local dm

	for dm in $NAME $NAME-pool; do
		if [ -e /dev/mapper/$dm ]; then
			dmsetup remove --retry $dm
		fi
	done
}

# --- what a job costs

# fio's own clock counts milliseconds.  It calls getrusage() when a job starts
# and when it ends, so that a probe there gives microseconds, and costs nothing
# in between.  Where the kernel's tracing is not to be had, fio's clock is used.
span_init()
{
	[ -w $TRACING/kprobe_events ] || return 0
	echo 'p:lclone_perf getrusage' >$TRACING/kprobe_events
	echo 'comm == "fio"' >$TRACING/events/kprobes/lclone_perf/filter
	echo 1 >$TRACING/events/kprobes/lclone_perf/enable
	SPAN=1
}

span()	# OUTPUT-OF-FIO: the time that the job took, in us
{
	if [ -n "${SPAN:-}" ]; then
		awk '/lclone_perf: / {
			for (i = 1; i < NF && $i != "lclone_perf:"; i++) ;
			t = $(i - 1) + 0
			if (!first) first = t
		}
		END { printf "%.0f\n", (t - first) * 1e6 }' $TRACING/trace
		echo >$TRACING/trace
	else
		awk -F';' '{ t = $9 > $50 ? $9 : $50; if ($191 > t) t = $191
			     printf "%.0f\n", t * 1000 }' "$1"
	fi
}

# iostat DEV: reads, bytes read, writes, bytes written, discards, flushes so far
iostat()
{
	local s

	read -r -a s <"/sys/dev/block/$(stat -Lc %Hr:%Lr "$1")/stat"
	echo "${s[0]} $((s[2] * 512)) ${s[4]} $((s[6] * 512)) ${s[11]} ${s[15]}"
}

# measure TARGET WORKLOAD JOB IOS: run a job on DEV, JOBS times at once, with IOS I/Os
# each, and give its rate.  With COUNT set, also what the devices below had to do
# for it, all of it made durable.
measure()
{
	local out base=0 delta meta us n

	out=$(mktemp)
	if [ -n "${COUNT:-}" ]; then
		base=$(iostat "$BASE") delta=$(iostat "$DELTA") meta=$(iostat "$META")
	fi
	DEV=$DEV SIZE=$((SECTORS * 512)) IOS=$4 JOBS=${JOBS:-1} \
		fio --output-format=terse --output="$out" "$PERF_DIR/jobs/$3.fio" ||
		die "$1: $2: fio failed: $(cat "$out")"
	us=$(span "$out")
	result "$1" "$2" iops "$(awk -v n=$(($4 * ${JOBS:-1})) -v us="$us" \
		'BEGIN { printf "%.0f", n * 1e6 / us }')"
	rm "$out"
	[ -n "${COUNT:-}" ] || return 0

	result "$1" "$2" ios $(($4 * ${JOBS:-1}))
	sync "$DEV"
	n=$(echo "$base $delta $meta $(iostat "$BASE") $(iostat "$DELTA") $(iostat "$META")" |
		awk '{ for (i = 1; i <= 18; i++) d[i] = $(i + 18) - $i
		       print d[2], d[8] + d[14], d[9] + d[15], d[10] + d[16], d[11] }')
	set -- "$1" "$2" $n
	result "$1" "$2" base_bytes_read "$3"
	result "$1" "$2" delta_bytes_read "$4"
	result "$1" "$2" delta_writes "$5"
	result "$1" "$2" delta_bytes_written "$6"
	result "$1" "$2" delta_discards "$7"
}
