#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "the clone, or an I/O, when the delta is full"

# A clone of 8 MiB on a delta that has room for less than 1 MiB of it
setup() {
	base=$(template 8m)
	delta=$(loop 3m)
	clone "$@"
}

# A writer that needs more than there is, and waits
fill() {
	background blkio write "$vm" 0 8m 2 bs=64k
	writer=$job
	within 20 is_status vm full "full"
	sleep 0.5
	! ended $writer || fail "the writer did not wait: $(cat "$T/job")"
}

grow() {
	blkio resize "$delta" "$(backing "$delta")" 32m
	message vm grow
}

writes_wait_until_the_delta_grows() {
	setup
	fill
	grow
	wait $writer
	is_status vm full - || fail "status still says full"
	for pass in live again; do
		blkio check "$vm" 0 8m 2
		[ $pass = again ] || { close vm; clone; }
	done
}

growth_is_noticed_on_resume_too() {
	setup
	fill
	blkio resize "$delta" "$(backing "$delta")" 32m
	timeout 20 dmsetup suspend --noflush --nolockfs "$P-vm"
	dmsetup resume "$P-vm"
	wait $writer
	blkio check "$vm" 0 8m 2
}

reads_and_overwrites_go_on_meanwhile() {
	setup
	blkio write "$vm" 7m 64k 3
	fill
	timeout 10 blkio check "$vm" 4m 3m 1
	timeout 10 blkio check "$vm" 0 256k 2
	timeout 10 blkio write "$vm" 7m 64k 4
	timeout 10 blkio check "$vm" 7m 64k 4
	timeout 10 blkio fsync "$vm"
	is rw "$(status vm mode)" "mode"
	grow
	wait $writer
	blkio check "$vm" 0 8m 2
}

a_full_delta_keeps_all_it_acknowledged() {
	setup error_if_no_space
	! blkio write "$vm" 0 8m 2 bs=64k 2>"$T/error" || fail "8 MiB fitted into 3"
	grep -q "No space left" "$T/error" || fail "not ENOSPC: $(cat "$T/error")"
	# how far it came; the rest is the base's
	n=0
	while blkio check "$vm" $((n * 64))k 64k 2 2>/dev/null; do
		n=$((n + 1))
	done
	[ $n -ge 4 ] || fail "only $n chunks of a delta of 3 MiB were usable"
	blkio check "$vm" $((n * 64))k $((8192 - n * 64))k 1
	blkio write "$vm" 0 64k 3
	blkio fsync "$vm"
	close vm
	clone error_if_no_space
	blkio check "$vm" 0 64k 3
	blkio check "$vm" 64k $(((n - 1) * 64))k 2
	blkio check "$vm" $((n * 64))k $((8192 - n * 64))k 1
	# space given back is space
	blkio discard "$vm" 0 128k
	message vm commit
	blkio write "$vm" 6m 64k 4
	blkio check "$vm" 6m 64k 4
}

no_space_timeout_ends_the_wait() {
	setup no_space_timeout 2
	before=$SECONDS
	! timeout 60 blkio write "$vm" 0 8m 2 bs=64k 2>"$T/error" || fail "8 MiB fitted into 3"
	grep -q "No space left" "$T/error" || fail "not ENOSPC: $(cat "$T/error")"
	took=$((SECONDS - before))
	[ $took -ge 1 ] || fail "did not wait"
	at_most 30 $took "seconds until ENOSPC"
	blkio resize "$delta" "$(backing "$delta")" 32m
	message vm grow
	blkio write "$vm" 0 8m 3
	blkio check "$vm" 0 8m 3
}

a_suspend_without_flush_does_not_wait_for_the_queue() {
	setup no_space_timeout 0
	fill
	timeout 20 dmsetup suspend --noflush --nolockfs "$P-vm" || fail "suspend hangs"
	blkio resize "$delta" "$(backing "$delta")" 32m
	dmsetup resume "$P-vm"
	wait $writer
	blkio check "$vm" 0 8m 2
}

a_suspend_with_flush_does_not_wait_for_the_queue() {
	setup no_space_timeout 0
	fill
	timeout 30 dmsetup suspend --nolockfs "$P-vm" || fail "suspend hangs"
	blkio resize "$delta" "$(backing "$delta")" 32m
	dmsetup resume "$P-vm"
	# failed by the suspend, or held and done by now: the disk works on
	within 20 ended $writer
	blkio write "$vm" 0 8m 3
	blkio check "$vm" 0 8m 3
}

# What was discarded is found by a search, once in each activation
a_suspend_waits_for_the_search_for_free_chunks() {
	base=$(loop 8m)
	delta=$(loop 24m)
	oracle base "$base" -s 4
	oracle new "$T/model" -s 4 -n 16384 -b 16384
	for i in 1 2 3 4 5 6; do
		clone
		background oracle run "$vm" -m "$T/model" -o 1500 -t 4
		until ended $job; do
			dmsetup suspend --nolockfs "$P-vm"
			dmsetup resume "$P-vm"
		done
		wait $job || fail "$(<"$T/job")"
		oracle verify "$vm" -m "$T/model"
		close vm
	done
}

# event WHAT: one came since event_from
event_from() {
	was=$(events vm)
	dmsetup wait "$P-vm" "$was" >/dev/null 2>&1 &
	waiter=$!
	on_exit "kill $waiter 2>/dev/null || true"
}

event() {
	within 10 ended $waiter
	[ "$(events vm)" -gt "$was" ] || fail "no event at $1"
}

events_tell_of_low_water_full_and_room_again() {
	setup low_water_mark 6
	event_from
	blkio write "$vm" 0 64k 2
	sleep 0.5
	! ended $waiter || fail "an event with room left"
	total=$(status vm total)
	n=1
	while [ $((total - $(status vm used))) -ge 6 ]; do
		[ $n -lt 128 ] || fail "used chunks do not grow"
		background blkio write "$vm" $((n * 64))k 64k 2
		n=$((n + 1))
		sleep 0.1
	done
	event "low water"
	event_from
	fill
	event "full"
	event_from
	grow
	event "room again"
	wait $writer
}

no_event() {
	sleep 0.5
	is "$was" "$(events vm)" "events: $1"
}

low_water_mark_is_set_by_a_message_too() {
	setup
	blkio write "$vm" 0 64k 2
	total=$(status vm total)
	event_from
	message vm low_water_mark 6
	no_event "there is room left"
	message vm low_water_mark "$total"
	event "a mark that there is less than"
	event_from
	message vm low_water_mark $((total + 1))
	no_event "it was said already"
	grow
	no_event "there is room again"
	message vm low_water_mark 1073741823
	event "low water after a growth"
	event_from
	message vm low_water_mark 0
	no_event "no mark"
	message vm low_water_mark 1073741823
	event "a mark behind none"
	for value in x 1073741824 "1 2" ""; do
		# shellcheck disable=SC2086 # words
		refused "unknown message, or wrong arguments" message vm low_water_mark $value
	done
	# the table is what was loaded, and counts again after the next resume
	! dmsetup table "$P-vm" | grep low_water_mark || fail "the message is in the table"
	event_from
	dmsetup suspend "$P-vm"
	dmsetup resume "$P-vm"
	blkio write "$vm" 64k 64k 2
	no_event "the table has no mark"
}

run writes_wait_until_the_delta_grows \
	growth_is_noticed_on_resume_too \
	reads_and_overwrites_go_on_meanwhile \
	a_full_delta_keeps_all_it_acknowledged \
	no_space_timeout_ends_the_wait \
	a_suspend_without_flush_does_not_wait_for_the_queue \
	a_suspend_with_flush_does_not_wait_for_the_queue \
	a_suspend_waits_for_the_search_for_free_chunks \
	events_tell_of_low_water_full_and_room_again \
	low_water_mark_is_set_by_a_message_too
