#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
loses "a clone that two hosts write to, because nothing says that the other has it open"

A=host-a/0123456789abcdef/11111111
AGAIN=renamed/0123456789abcdef/22222222
B=host-b.example/fedcba9876543210/33333333

setup() {
	base=$(template 4m)
	delta=$(loop 16m)
	size=8192
}

# note DEVICE: what its superblock says, "" if nobody has it
note() {
	newest "$1" 264 64 | sed 's/\(00\)*$//; s/../\\x&/g' | xargs -0 printf '%b'
}

# since DEVICE: in seconds
since() {
	echo $((16#$(newest "$1" 456 8 | sed 's/\(..\)\(..\)\(..\)\(..\)0*$/\4\3\2\1/')))
}

# A superblock without a note is the one that older modules know.
no_note() {
	is "" "$(note "$1")" "owner"
	is 0000000000000000 "$(newest "$1" 24 8)" "ro_compat"
	is 0 "$(newest "$1" 456 56 | tr -d '0' | wc -c)" "bytes that are not zero behind sealed_at"
}

# A's delta as the host's death leaves it: a copy of one that is in use
left_by_a() {
	setup
	clone owner $A
	blkio write "$vm" 1m 64k 2
	message vm commit
	blkio copy "$delta" "$T/copy"
	left=$(attach "$T/copy")
	close vm
}

# keeps REGEX ARGUMENT...: a table of the copy is refused, and nothing is written
keeps() {
	local hash

	hash=$(blkio hash "$left")
	refused "$1" create other $size "$base" "$left" "${@:2}"
	is "$hash" "$(blkio hash "$left")" "hash of the delta"
}

a_note_is_there_from_before_the_first_write_until_the_end() {
	setup
	before=$(date +%s)
	dmsetup create "$P-vm" --notable
	on_exit "remove_if_there vm"
	dmsetup load "$P-vm" --table "$(line $size "$base" "$delta" owner $A)"
	no_note "$delta"
	dmsetup resume "$P-vm"
	is $A "$(note "$delta")" "owner"
	is 0100000000000000 "$(newest "$delta" 24 8)" "ro_compat"
	at=$(since "$delta")
	[ "$at" -ge "$before" ] && [ "$at" -le "$(date +%s)" ] || fail "since $at, not $before"
	table=$(dmsetup table "$P-vm")
	is "2 owner $A" "$(cut -d' ' -f6- <<<"$table")" "features"

	dmsetup suspend "$P-vm"
	is $A "$(note "$delta")" "owner of what is suspended"
	dmsetup resume "$P-vm"
	dmsetup load "$P-vm" --table "$table"
	dmsetup resume "$P-vm"
	blkio write /dev/mapper/$P-vm 1m 64k 2
	message vm checkpoint
	is $A "$(note "$delta")" "owner after a reload"
	is "$at" "$(since "$delta")" "time after a reload"
	close vm
	no_note "$delta"
	clone
	no_note "$delta"
	blkio check "$vm" 1m 64k 2
}

another_host_is_refused_by_name_and_time() {
	left_by_a
	why="host $A has it open for writing since 20[0-9-]*t[0-9:]* utc, and has not closed it"
	keeps "$why" owner $B
	keeps "$why" owner $B read_only
	# a table that does not say which host this is
	keeps "$why"
	keeps "$why" read_only
	keeps "repeated" owner $B owner $B takeover
	is $A "$(note "$left")" "owner"
}

the_same_host_opens_what_its_crash_has_left() {
	left_by_a
	create other $size "$base" "$left" owner $AGAIN read_only
	blkio check /dev/mapper/$P-other 1m 64k 2
	close other
	is $A "$(note "$left")" "owner of what was read"
	create other $size "$base" "$left" owner $AGAIN
	is $AGAIN "$(note "$left")" "owner"
	blkio check /dev/mapper/$P-other 1m 64k 2
	close other
	no_note "$left"
}

takeover_overrides() {
	left_by_a
	create other $size "$base" "$left" takeover read_only
	blkio check /dev/mapper/$P-other 1m 64k 2
	close other
	is $A "$(note "$left")" "owner of what was read"
	create other $size "$base" "$left" takeover owner $B
	is "3 takeover owner $B" "$(dmsetup table "$P-other" | cut -d' ' -f6-)" "features"
	is $B "$(note "$left")" "owner"
	close other
	no_note "$left"
}

takeover_without_owner_leaves_no_note() {
	left_by_a
	create other $size "$base" "$left" takeover
	no_note "$left"
	blkio check /dev/mapper/$P-other 1m 64k 2
}

# The host from which it was taken over is not dead: at the latest, it sees so when it resumes.
what_another_has_written_is_not_resumed() {
	setup
	clone owner $A
	blkio write "$vm" 1m 64k 2
	dmsetup suspend "$P-vm"
	blkio copy "$delta" "$T/copy"
	left=$(attach "$T/copy")
	create other $size "$base" "$left" takeover owner $B
	blkio write /dev/mapper/$P-other 1m 64k 3
	message other commit
	cp "$(backing "$left")" "$(backing "$delta")"
	hash=$(blkio hash "$delta")
	refused "somebody else has written to it" dmsetup resume "$P-vm"
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
	close other
}

# nor does what was suspended clear the note of who has it now, when it is closed
what_another_has_taken_over_is_not_touched_at_the_end() {
	setup
	clone owner $A
	dmsetup suspend "$P-vm"
	blkio copy "$delta" "$T/copy"
	left=$(attach "$T/copy")
	create other $size "$base" "$left" takeover owner $B
	cp "$(backing "$left")" "$(backing "$delta")"
	hash=$(blkio hash "$delta")
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
	close other
}

# anew COPY: vm's delta is meanwhile formatted, and used, by B
anew() {
	other=$(attach "$1")
	create other $size "$base" "$other" owner $B
	blkio write /dev/mapper/$P-other 1m 64k 3
	message other commit
	cp "$1" "$(backing "$delta")"
	hash=$(blkio hash "$delta")
	close other
}

# ... nor what was made anew meanwhile, or holds something else, however old what it says is
what_was_made_anew_is_not_touched() {
	setup
	clone owner $A
	for i in 1 2 3; do	# superblocks with higher numbers
		blkio write "$vm" 1m 64k 2
		message vm checkpoint
	done
	dmsetup suspend "$P-vm"
	truncate -s 16m "$T/anew"
	anew "$T/anew"
	refused "somebody else has written to it" dmsetup resume "$P-vm"
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
	# a file system
	delta=$(loop 16m)
	clone owner $A
	dmsetup suspend "$P-vm"
	blkio write "$delta" 0 16m 9
	hash=$(blkio hash "$delta")
	refused "somebody else has written to it" dmsetup resume "$P-vm"
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of what it holds now"
}

# ... and no layer is made of what another host has taken over
what_another_has_taken_over_is_not_sealed() {
	setup
	clone owner $A
	top=$(loop 16m)
	dmsetup suspend "$P-vm"
	dmsetup load "$P-vm" --table "$(line $size "$base" "$top" parent "$delta" owner $A)"
	blkio copy "$delta" "$T/copy"
	left=$(attach "$T/copy")
	create other $size "$base" "$left" takeover owner $B
	cp "$(backing "$left")" "$(backing "$delta")"
	hash=$(blkio hash "$delta")
	refused "somebody else has written to it" dmsetup resume "$P-vm"
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
	close other
}

# A format is not taken back from somebody who has used it
what_was_never_resumed_here_may_be_used_elsewhere() {
	setup
	dmsetup create "$P-vm" --notable
	on_exit "remove_if_there vm"
	dmsetup load "$P-vm" --table "$(line $size "$base" "$delta" owner $A)"
	blkio copy "$delta" "$T/used"
	anew "$T/used"
	refused "somebody else has written to it" dmsetup resume "$P-vm"
	close vm
	is "$hash" "$(blkio hash "$delta")" "hash of the delta"
}

a_layer_has_no_note() {
	setup
	clone owner $A
	blkio write "$vm" 1m 64k 2
	top=$(loop 16m)
	reload vm $size "$base" "$top" parent "$delta" owner $A
	no_note "$delta"
	is $A "$(note "$top")" "owner"
	# a table that does not want a note has none from then on
	reload vm $size "$base" "$top" parent "$delta"
	no_note "$top"
	blkio check "$vm" 1m 64k 2
}

a_note_of_another_form_is_refused() {
	setup
	long=0123456789012345678901234567890123456789
	for bad in a "/0123456789abcdef/11111111" "a/0123456789abcde/11111111" "$long/${A#*/}" \
		"a/0123456789ABCDEF/11111111" "$A/" "$(printf 'a\033')/${A#*/}" "ä/${A#*/}"; do
		refused "owner must be" create vm $size "$base" "$delta" owner "$bad"
	done
	refused "without its value" create vm $size "$base" "$delta" owner
	blank=$(loop 16m)
	is "$(blkio hash "$blank")" "$(blkio hash "$delta")" "hash of a delta that is not formatted"
	# on the disk it is damage
	clone owner $A
	close vm
	for slot in 0 65536; do
		blkio sb "$delta" $slot 24 8 1
	done
	refused "superblock|damaged" create vm $size "$base" "$delta" owner $A takeover
}

run a_note_is_there_from_before_the_first_write_until_the_end \
	another_host_is_refused_by_name_and_time \
	the_same_host_opens_what_its_crash_has_left \
	takeover_overrides \
	takeover_without_owner_leaves_no_note \
	what_another_has_written_is_not_resumed \
	what_another_has_taken_over_is_not_touched_at_the_end \
	what_was_made_anew_is_not_touched \
	what_another_has_taken_over_is_not_sealed \
	what_was_never_resumed_here_may_be_used_elsewhere \
	a_layer_has_no_note \
	a_note_of_another_form_is_refused
