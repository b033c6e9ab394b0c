#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
. "${0%/*}/network.sh"
loses "what was written to clones, when their base's device is gone for good"

# Behind ctrl_loss_tmo the device is gone; the clone can be closed, and opened on a new one
nvme_gives_up_after_ctrl_loss_tmo() {
	clone_on_nvme ctrl_loss_tmo=2
	nvme_is_lost
	goes_on_without
	close vm
	nvme_is_there
	base=
	import_nvme ctrl_loss_tmo=2
	clone
	all_there
	blkio check "$vm" 8m 64k 3
}

# nbd-client has the kernel fail what is asked for while there is no connection
nbd_reads_fail() {
	clone_on_nbd -timeout 5
	nbd_is_lost
	goes_on_without
	fails blkio write "$vm" 2m 2k 3
	goes_on 9m
	close vm
	nbd_is_there
	nbd-client -d $base >/dev/null
	nbd-client 127.0.0.1 $base -timeout 5 >"$T/nbd" 2>&1
	clone
	all_there
	blkio check "$vm" 9m 64k 3
}

# Who administers the host ends the session below the clone
iscsi_ends() {
	clone_on_iscsi 1
	node --logout
	goes_on_without
	close vm
	node --login
	within 10 iscsi_appears
	clone
	all_there
	blkio check "$vm" 8m 64k 3
}

run nvme_gives_up_after_ctrl_loss_tmo \
	iscsi_ends \
	nbd_reads_fail
