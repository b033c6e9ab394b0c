// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy-up: before a part of a subchunk is written for the first time, the subchunk is filled
 * with the data that lie below it.
 */
#include "copyup.h"
#include "fill.h"
#include "miss.h"

static void copyup_done(struct lclone_job *job)
{
	u64 mask = 1ull << job->sub, *entry = &job->leaf->exceptions[job->slot];
	u64 exc = READ_ONCE(*entry), new;
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	int error = job->error;

	if (!error) {
		lclone_leaf_touch(job->leaf, job->slot);
		do
			new = (exc | mask << LCLONE_WRITTEN_SHIFT | LCLONE_EXC_DIRTY) &
			      ~(mask << LCLONE_ZERO_SHIFT);
		while (!try_cmpxchg64(entry, &exc, new));
	}
	lclone_job_end_busy(d, job->leaf, job->slot);
	lclone_job_free(job);
	if (error)
		lclone_end_bio(bio, errno_to_blk_status(error));
	else
		lclone_defer(&d->queue, bio);
}

static void copyup_start(struct lclone_job *job)
{
	u64 *entry = &job->leaf->exceptions[job->slot], exc = READ_ONCE(*entry);
	struct lclone_source from = job->fill.from;
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	u32 phys = lclone_exc_phys(exc);

	if (lclone_exc_written(exc) & 1u << job->sub) {
		/* A first write of the whole subchunk has been made meanwhile. */
		lclone_job_end_busy(d, job->leaf, job->slot);
		lclone_job_free(job);
		lclone_defer(&d->queue, bio);
		return;
	}
	if (!phys) {
		if (!lclone_alloc_chunks(&d->alloc, 1, &phys)) {
			lclone_job_end_busy(d, job->leaf, job->slot);
			lclone_job_free(job);
			lclone_no_space(&d->space, bio, d->space.found);
			return;
		}
		while (!try_cmpxchg64(entry, &exc, exc | phys))
			;
	}
	lclone_fill(job, d->dev.bdev,
		    lclone_chunk_start(&d->geo, phys) + (job->sub << d->geo.sub_shift),
		    lclone_sub_len(&d->geo), lclone_exc_zero(exc) & 1u << job->sub ? NULL : &from,
		    copyup_done);
}

void lclone_copyup(struct lclone_delta *d, struct bio *bio, u64 chunk, u32 sub)
{
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS;
	struct lclone_delta *missing;
	struct lclone_source from;
	struct lclone_leaf *leaf;
	struct lclone_job *job;

	lclone_assert_worker(&d->queue);
	/* The source is below the delta and does not change: it is looked up before BUSY is set. */
	rcu_read_lock_sched();
	missing = lclone_source(d, chunk, 0, sub << d->geo.sub_shift, &from);
	rcu_read_unlock_sched();
	if (missing) {
		lclone_load_for(d, missing, bio);
		return;
	}
	leaf = lclone_job_leaf(d, bio, chunk / LCLONE_LEAF_EXCEPTIONS);
	if (!leaf)
		return;
	job = lclone_job_alloc(d, bio, leaf, slot);
	if (!job) {
		lclone_leaf_unpin(leaf);
		lclone_park(&d->queue, bio, WAIT_MEMORY);
		return;
	}
	if (!lclone_set_busy(leaf, slot)) {
		lclone_job_free(job);
		lclone_park(&d->queue, bio, WAIT_BUSY);
		return;
	}
	job->sub = sub;
	job->fill.from = from;
	lclone_job_quiesce(job, copyup_start);
}
