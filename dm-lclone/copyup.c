// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy-up: when a part of a subchunk is written for the first time, the rest of the subchunk is
 * filled with the data that lie below it.
 *
 * What is read from below gets the data of the bio laid over it, and is written as a whole: a
 * first write like any other.  A bio that does not lie in the subchunk, or has no data, is
 * looked at again when the subchunk is there.
 *
 * The base is read by a bio, also where guests read it through its page cache: the worker must
 * not wait for a page.  What is there no more, because the device is smaller for a while, is an
 * error of that bio, and nothing is written.
 */
#include "copyup.h"
#include "fill.h"
#include "miss.h"

/* Flags of a guest's write that hold for a write in its place */
#define COPYUP_FLAGS	(REQ_SYNC | REQ_IDLE | REQ_META | REQ_PRIO | REQ_BACKGROUND)

static void copyup_done(struct lclone_job *job)
{
	u64 mask = 1ull << job->sub, *entry = &job->leaf->exceptions[job->slot];
	u64 exc = READ_ONCE(*entry), new;
	struct lclone_delta *d = job->delta;
	bool with_data = job->with_data;
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
	if (!error && !with_data) {
		lclone_defer(&d->queue, bio);
		return;
	}
	if (bio->bi_opf & REQ_FUA)
		lclone_io_set(bio, IO_NEEDS_COMMIT);	/* for lclone_end_io() */
	lclone_end_bio_of_pass(&d->queue, bio, errno_to_blk_status(error));
}

/* Lets the job write the data of its bio, too, if they lie in the subchunk. */
static void copyup_take_data(struct lclone_job *job)
{
	struct lclone_geometry *geo = &job->delta->geo;
	struct bio *bio = job->bio;
	u32 offset = lclone_chunk_offset(geo, bio->bi_iter.bi_sector);
	u32 in_sub = lclone_sub_offset(geo, offset);

	job->with_data = bio_op(bio) == REQ_OP_WRITE && offset >> geo->sub_shift == job->sub &&
			 in_sub + bio_sectors(bio) <= lclone_sub_len(geo);
	if (!job->with_data)
		return;
	job->fill.opf = bio->bi_opf & COPYUP_FLAGS;
	job->fill.over = bio->bi_iter;
	job->fill.over_at = in_sub << SECTOR_SHIFT;
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
	copyup_take_data(job);
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
