/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Jobs: work that a bio needs before it can go on or end, for copy-up, discard and
 * write-zeroes.
 */
#ifndef LCLONE_JOB_H
#define LCLONE_JOB_H

#include "lclone.h"
#include "source.h"

#define FILL_PAGES	8	/* a fill writes so many pages at a time */

struct lclone_job;

/**
 * struct lclone_fill - a place on a device is filled with data from elsewhere, then with zeros
 * @from: what is still to be read; with 0 sectors, the rest is zeros
 * @bdev: the device that is written to
 * @sector: the first sector that is still to be written
 * @sectors: number of sectors that are still to be written
 * @opf: flags of the writes
 * @now: number of sectors of the write that is next or under way
 * @over_at: where the data of the job's bio go, in bytes from @sector on
 * @over: those of its data that are still to be written in place of what is read; may be none
 * @nr_pages: number of pages in the buffer
 * @done: called at the end, in any context, with job->error set
 * @bio: for the I/O
 * @vec: of @bio; also holds the pages of the buffer
 */
struct lclone_fill {
	struct lclone_source from;
	struct block_device *bdev;
	sector_t sector;
	u32 sectors;
	blk_opf_t opf;
	u32 now;
	u32 over_at;
	struct bvec_iter over;
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
 * @step: what the worker calls next
 * @error: -errno, or 0
 * @leaf: the leaf that it changes, pinned, or NULL
 * @slot: of its entry: that of the copy-up, or the first one of a discard
 * @sub: the subchunk of a copy-up
 * @with_data: the copy-up writes the data of the bio as well
 * @sectors: how many sectors of the bio a discard works on, which lie in this leaf
 * @ref: epoch in which the write of an edge is counted as in flight
 * @fill: the place that it fills
 * @busy: the slots that a discard has made BUSY
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
	bool with_data;
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
 * @leaf: the leaf that it changes, whose pin is taken over; or NULL
 * @slot: of the entry in the leaf
 *
 * Worker only.  Return: the job, or NULL if there is no memory, and the caller has to park the
 * bio (WAIT_MEMORY).  The pool is empty then, so that another job is under way, whose end wakes it.
 */
struct lclone_job *lclone_job_alloc(struct lclone_delta *d, struct bio *bio,
				    struct lclone_leaf *leaf, u32 slot);

/**
 * lclone_job_free() - free a job and drop its pin
 * @job: the job; the caller still has to take care of its bio
 *
 * Any context.
 */
void lclone_job_free(struct lclone_job *job);

/**
 * lclone_job_ready() - let the worker go on with a job's step
 * @job: the job
 *
 * Any context.
 */
void lclone_job_ready(struct lclone_job *job);

/**
 * lclone_job_quiesce() - wait for writes that may not have seen the job's entries BUSY
 * @job: the job, which has made them BUSY
 * @step: called by the worker when no such write is in flight any more, maybe at once
 *
 * Worker only.
 */
void lclone_job_quiesce(struct lclone_job *job, void (*step)(struct lclone_job *job));

/**
 * lclone_job_leaf() - get a leaf whose entries are to be changed
 * @d: the delta
 * @bio: the bio that it is changed for
 * @index: of the leaf
 *
 * Worker only.  Return: the leaf, pinned and marked; or NULL, and the bio was ended or parked.
 */
struct lclone_leaf *lclone_job_leaf(struct lclone_delta *d, struct bio *bio, u64 index);

/**
 * lclone_job_end_busy() - clear BUSY of an entry, and let bios go on that wait for it
 * @d: the delta
 * @leaf: the leaf, pinned
 * @slot: of the entry
 *
 * Any context.
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
