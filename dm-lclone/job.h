/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_JOB_H
#define LCLONE_JOB_H

#include "lclone.h"

#define FILL_PAGES	8	/* that a fill writes at a time */

struct lclone_job;

/* A place is filled: with data from elsewhere, and zeros behind them */
struct fill {
	struct lclone_source from;	/* what is left to be read; sectors 0: only zeros */
	struct block_device *bdev;	/* to where, what is left to be written */
	sector_t sector;
	u32 sectors;
	blk_opf_t opf;			/* flags of the writes */
	u32 now;			/* sectors of the write that is next, or under way */
	u32 nr_pages;			/* of the buffer */
	void (*done)(struct lclone_job *job);	/* worker; job->error is set */
	struct bio bio;
	struct bio_vec vec[FILL_PAGES];	/* the buffer, too */
};

struct lclone_job {
	struct lclone_task task;
	struct lclone_delta *delta;
	struct bio *bio;
	void (*step)(struct lclone_job *job);
	int error;
	struct lclone_leaf *leaf;	/* pinned */
	u32 slot;			/* copy-up: the chunk; discard: the first one */
	u32 sub;			/* copy-up: the subchunk */
	u32 sectors;			/* discard: from bio's position on, in this leaf */
	int ref;			/* inflight reference of an edge that is zeroed */
	union {
		struct fill fill;
		/* discard: the slots it made BUSY */
		DECLARE_BITMAP(busy, LCLONE_LEAF_EXCEPTIONS);
	};
};

struct lclone_job *lclone_job_alloc(struct lclone_delta *d, struct bio *bio,
				    struct lclone_leaf *leaf, u32 slot);
void lclone_job_free(struct lclone_job *job);
void lclone_job_ready(struct lclone_job *job);
void lclone_job_quiesce(struct lclone_job *job, void (*step)(struct lclone_job *job));
struct lclone_leaf *lclone_job_leaf(struct lclone_delta *d, struct bio *bio, u64 index);
void lclone_job_end_busy(struct lclone_delta *d, struct lclone_leaf *leaf, u32 slot);
void lclone_fill(struct lclone_job *job, struct block_device *bdev, sector_t sector, u32 sectors,
		 const struct lclone_source *from, void (*done)(struct lclone_job *job));
void lclone_fill_zeros(struct lclone_job *job, struct block_device *bdev, blk_opf_t flags,
		       void (*done)(struct lclone_job *job));

#endif
