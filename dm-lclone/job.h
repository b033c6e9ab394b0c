/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Jobs: what a bio cannot do alone, copy-up, discard and write-zeroes.  Worker only, but
 * for lclone_job_ready().
 */
#ifndef LCLONE_JOB_H
#define LCLONE_JOB_H

#include "lclone.h"
#include "source.h"

#define FILL_PAGES	8	/* that a fill writes at a time */

struct lclone_job;

/**
 * struct lclone_fill - a place is filled: with data from elsewhere, and zeros behind them
 * @from: what is left to be read; sectors 0: only zeros
 * @bdev: the device that is written to
 * @sector: what is left to be written
 * @sectors: their number
 * @opf: flags of the writes
 * @now: sectors of the write that is next, or under way
 * @nr_pages: of the buffer
 * @done: worker; job->error is set
 * @bio: for the I/O
 * @vec: the buffer, too
 */
struct lclone_fill {
	struct lclone_source from;
	struct block_device *bdev;
	sector_t sector;
	u32 sectors;
	blk_opf_t opf;
	u32 now;
	u32 nr_pages;
	void (*done)(struct lclone_job *job);
	struct bio bio;
	struct bio_vec vec[FILL_PAGES];
};

/**
 * struct lclone_job - a job
 * @task: its place in the worker's lists
 * @delta: the delta
 * @bio: the bio that it is done for
 * @step: what comes next
 * @error: -errno, or 0
 * @leaf: pinned, or NULL
 * @slot: copy-up: the chunk; discard: the first one
 * @sub: copy-up: the subchunk
 * @sectors: discard: from the bio's position on, in this leaf
 * @ref: inflight reference of an edge that is zeroed
 * @fill: a place that it fills
 * @busy: discard: the slots it made BUSY
 */
struct lclone_job {
	struct lclone_task task;
	struct lclone_delta *delta;
	struct bio *bio;
	void (*step)(struct lclone_job *job);
	int error;
	struct lclone_leaf *leaf;
	u32 slot;
	u32 sub;
	u32 sectors;
	int ref;
	union {
		struct lclone_fill fill;
		DECLARE_BITMAP(busy, LCLONE_LEAF_EXCEPTIONS);
	};
};

/**
 * lclone_job_alloc() - make a job
 * @d: the delta
 * @bio: the bio that it is done for
 * @leaf: its pin is taken over; or NULL
 * @slot: in the leaf
 *
 * Return: the job, or NULL: no memory, the caller parks the bio (WAIT_MEMORY).  A job is under
 * way then, for the pool is empty.
 */
struct lclone_job *lclone_job_alloc(struct lclone_delta *d, struct bio *bio,
				    struct lclone_leaf *leaf, u32 slot);

/**
 * lclone_job_free() - a job has ended
 * @job: the job, whose pin goes; its bio is the caller's
 */
void lclone_job_free(struct lclone_job *job);

/**
 * lclone_job_ready() - go on with a job's step in the worker
 * @job: the job
 *
 * Any context.
 */
void lclone_job_ready(struct lclone_job *job);

/**
 * lclone_job_quiesce() - let the writes end that have missed BUSY
 * @job: the job, which has set it
 * @step: runs when none is in flight any more
 */
void lclone_job_quiesce(struct lclone_job *job, void (*step)(struct lclone_job *job));

/**
 * lclone_job_leaf() - a leaf to change
 * @d: the delta
 * @bio: the bio that it is changed for
 * @index: of the leaf
 *
 * Return: the leaf, pinned and marked, or NULL with the bio taken care of.
 */
struct lclone_leaf *lclone_job_leaf(struct lclone_delta *d, struct bio *bio, u64 index);

/**
 * lclone_job_end_busy() - an entry is BUSY no more
 * @d: the delta
 * @leaf: the leaf, pinned
 * @slot: of the entry
 *
 * Wakes who waits for it.
 */
void lclone_job_end_busy(struct lclone_delta *d, struct lclone_leaf *leaf, u32 slot);

/**
 * lclone_job_pool_init() - make the pool of jobs
 * @d: the delta
 *
 * Return: 0 or -ENOMEM.
 */
int lclone_job_pool_init(struct lclone_delta *d);

#endif /* LCLONE_JOB_H */
