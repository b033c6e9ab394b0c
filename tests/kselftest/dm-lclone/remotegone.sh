#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
. "${0%/*}/lib.sh"
. "${0%/*}/network.sh"
loses "what was written to clones, when their base's device is gone for good"

# Behind ctrl_loss_tmo the device is gone; the clone can be closed, and opened on a new one
nvme_gives_up_after_ctrl_loss_tmo() {
	need_nvme
	export_nvme "$(template 12m)"
	import_nvme ctrl_loss_tmo=2
	setup
	nvme_is_lost
	fails blkio check "$vm" 0 4k 1
	goes_on 8m
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
	need_nbd
	export_nbd "$(template 12m)"
	import_nbd -timeout 5
	setup
	nbd_is_lost
	fails blkio check "$vm" 0 4k 1
	goes_on 8m
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

run nvme_gives_up_after_ctrl_loss_tmo \
	nbd_reads_fail
