/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills a place on a device, for a job.
 */
#ifndef LCLONE_FILL_H
#define LCLONE_FILL_H

#include "job.h"

/**
 * lclone_fill() - fill a place
 * @job: the job; its fill.opf has the flags of the writes, its fill.over and over_at what is
 *	written in place of those data, in the same writes
 * @bdev: the device
 * @sector: the first sector there
 * @sectors: how many
 * @from: where data come from; zeros fill the rest, or all if it is NULL
 * @done: called at the end, in any context
 *
 * Worker only.
 */
void lclone_fill(struct lclone_job *job, struct block_device *bdev, sector_t sector, u32 sectors,
		 const struct lclone_source *from, void (*done)(struct lclone_job *job));

/**
 * lclone_fill_zeros() - write zeros to the sectors of the job's bio
 * @job: the job
 * @bdev: the device, whose command for zeros is used if it has one
 * @flags: of the writes: REQ_FUA, REQ_NOUNMAP
 * @done: called at the end, in any context
 *
 * Worker only.
 */
void lclone_fill_zeros(struct lclone_job *job, struct block_device *bdev, blk_opf_t flags,
		       void (*done)(struct lclone_job *job));

#endif /* LCLONE_FILL_H */
