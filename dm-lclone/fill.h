/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filling of a place, by a job.  Worker only.
 */
#ifndef LCLONE_FILL_H
#define LCLONE_FILL_H

#include "job.h"

/**
 * lclone_fill() - fill a place
 * @job: the job; its fill.opf has the flags of the writes
 * @bdev: the device
 * @sector: where on it
 * @sectors: how many
 * @from: with what, and zeros behind it; NULL: with zeros
 * @done: called then, in the worker
 */
void lclone_fill(struct lclone_job *job, struct block_device *bdev, sector_t sector, u32 sectors,
		 const struct lclone_source *from, void (*done)(struct lclone_job *job));

/**
 * lclone_fill_zeros() - write zeros to where the job's bio points to
 * @job: the job
 * @bdev: on this device, by a command where it has one
 * @flags: of the writes: REQ_FUA, REQ_NOUNMAP
 * @done: called then, in the worker
 */
void lclone_fill_zeros(struct lclone_job *job, struct block_device *bdev, blk_opf_t flags,
		       void (*done)(struct lclone_job *job));

#endif /* LCLONE_FILL_H */
