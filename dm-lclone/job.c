// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: work that a bio needs before it can go on or end, for copy-up, discard and
 * write-zeroes.
 *
 * A job that takes a chunk away, or that fills a subchunk, makes the entry BUSY, waits for the
 * first writes to it that are in flight, looks at it again, acts, publishes and clears BUSY.
 * All steps run in the worker; what ends with a write may end where that does.
 */
#include <linux/mempool.h>

#include "job.h"

struct lclone_job *lclone_job_alloc(struct lclone_delta *d, struct bio *bio,
				    struct lclone_leaf *leaf, u32 slot)
{
	struct lclone_job *job = mempool_alloc(&d->job_pool, GFP_NOWAIT | __GFP_NOWARN);

	lclone_assert_worker(&d->queue);
	if (!job)
		return NULL;
	/* The bio and its pages are set when they are used. */
	BUILD_BUG_ON(offsetofend(struct lclone_job, busy) > offsetof(struct lclone_job, fill.bio));
	memset(job, 0, offsetof(struct lclone_job, fill.bio));
	job->delta = d;
	job->bio = bio;
	job->leaf = leaf;
	job->slot = slot;
	if (leaf) {
		lclone_leaf_pin_job(leaf);
		lclone_leaf_unpin(leaf);
	}
	return job;
}

void lclone_job_free(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;

	if (job->leaf)
		lclone_leaf_unpin_job(job->leaf);
	mempool_free(job, &d->job_pool);
	lclone_unpark(&d->queue, WAIT_MEMORY);
}

static void job_step(struct lclone_task *task)
{
	struct lclone_job *job = container_of(task, struct lclone_job, task);

	job->step(job);
}

void lclone_job_ready(struct lclone_job *job)
{
	job->task.step = job_step;
	lclone_task_ready(&job->delta->queue, &job->task);
}

void lclone_job_quiesce(struct lclone_job *job, void (*step)(struct lclone_job *job))
{
	job->step = step;
	job->task.step = job_step;
	/* First writes pin the leaf, but in a merge a write to the base does not. */
	job->task.quiet = job->delta->below.merge ? NULL : job->leaf;
	if (lclone_task_drain(&job->delta->drain, &job->task))
		step(job);
}

void lclone_job_end_busy(struct lclone_delta *d, struct lclone_leaf *leaf, u32 slot)
{
	lclone_clear_busy(leaf, slot);
	lclone_unpark(&d->queue, WAIT_BUSY);
}

struct lclone_leaf *lclone_job_leaf(struct lclone_delta *d, struct bio *bio, u64 index)
{
	struct lclone_leaf *leaf = lclone_leaf_get(&d->cache, index, true,
						   LCLONE_WORKER_GFP);

	if (leaf == ERR_PTR(-EAGAIN)) {
		lclone_park(&d->queue, bio, WAIT_MEMORY);
		return NULL;
	}
	if (IS_ERR(leaf)) {
		lclone_end_bio(bio, errno_to_blk_status(PTR_ERR(leaf)));
		return NULL;
	}
	if (!lclone_commit_mark(&d->commit, leaf)) {
		lclone_leaf_unpin(leaf);
		lclone_commit_throttle(&d->commit, bio);
		return NULL;
	}
	return leaf;
}

int lclone_job_pool_init(struct lclone_delta *d)
{
	return mempool_init_kmalloc_pool(&d->job_pool, 1, sizeof(struct lclone_job));
}
