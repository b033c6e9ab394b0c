// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker: an ordered list of phases, for what map() has to defer and for what waits.
 */
#include "lclone.h"

static void worker_read(struct lclone_delta *d, struct bio *bio)
{
	struct lclone_delta *missing;
	struct lclone_source s;
	struct bio *part;

	do {
		sector_t sector = bio->bi_iter.bi_sector;
		enum lclone_verdict verdict = lclone_map_read(d, bio, &s, &missing);

		if (verdict == LCLONE_NO_LEAF) {
			lclone_load_for(d, missing, bio);
			return;
		}
		part = bio;
		if (s.sectors < bio_sectors(bio)) {
			/* the part takes the mapping along, the rest is virtual again */
			part = bio_split(bio, s.sectors, GFP_NOIO, &d->bios);
			bio_chain(part, bio);
			bio->bi_iter.bi_sector = sector + s.sectors;
		}
		if (verdict == LCLONE_NOT_OURS) {
			zero_fill_bio(part);
			bio_endio(part);
		} else {
			submit_bio_noacct(part);
		}
	} while (part != bio);
}

/* The leaf could not be pinned: mostly the tree has none there yet. */
static void worker_new_leaf(struct lclone_delta *d, struct bio *bio, u64 index)
{
	enum lclone_space space;
	int err;

	if (!lclone_leaf_cached(d, index)) {
		lclone_leaf_load(d, index, bio);	/* evicted meanwhile */
		return;
	}
	err = lclone_new_leaf(d, index, &space);
	if (err)
		lclone_end_bio(bio, errno_to_blk_status(err));
	else if (space != LCLONE_SPACE_OK)
		lclone_no_space(d, bio, space);
	else
		lclone_defer(d, bio);
}

/* Nobody waits for it: an error comes up again when somebody does. */
static void worker_ahead(struct lclone_delta *d)
{
	u32 index = xchg(&d->leaf_ahead, 0);
	enum lclone_space space;

	/* once it stops, nobody waits for a load that has no bio */
	if (!index || READ_ONCE(d->mode) != LCLONE_RW || READ_ONCE(d->stopping))
		return;
	if (lclone_leaf_cached(d, index))
		lclone_new_leaf(d, index, &space);
	else
		lclone_leaf_load(d, index, NULL);
}

static void worker_write(struct lclone_delta *d, struct bio *bio)
{
	struct lclone_write w = { .whole = true };

	switch (lclone_map_write(d, bio, &w)) {
	case LCLONE_NO_LEAF:
		lclone_leaf_load(d, lclone_bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
		break;
	case LCLONE_NO_PIN:
		worker_new_leaf(d, bio, lclone_bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS);
		break;
	case LCLONE_BUSY:
		lclone_park(d, bio, WAIT_BUSY);
		break;
	case LCLONE_THROTTLED:
		lclone_throttle(d, bio);
		break;
	case LCLONE_NO_SPACE:
		lclone_no_space(d, bio, d->space);
		break;
	case LCLONE_PARTIAL:
		lclone_job_copyup(d, bio, lclone_bio_chunk(d, bio), w.partial);
		break;
	default:
		submit_bio_noacct(bio);
	}
}

void lclone_throttle(struct lclone_delta *d, struct bio *bio)
{
	lclone_park(d, bio, WAIT_CHECKPOINT);
	lclone_commit_want_checkpoint(d);
}

static void worker_bio(struct lclone_delta *d, struct bio *bio)
{
	if (d->is_layer)
		lclone_leaf_load(d, lclone_bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
	else if (op_is_write(bio_op(bio)) && READ_ONCE(d->mode) != LCLONE_RW)
		lclone_end_bio(bio, BLK_STS_IOERR);
	else if (bio_op(bio) == REQ_OP_READ)
		worker_read(d, bio);
	else if (bio_op(bio) == REQ_OP_WRITE)
		worker_write(d, bio);
	else
		lclone_job_discard(d, bio);
}

static void worker_deferred(struct lclone_delta *d)
{
	struct bio_list bios, mapped;
	struct bio *bio;

	spin_lock_irq(&d->lock);
	mapped = d->mapped;
	bio_list_init(&d->mapped);
	bios = d->deferred;
	bio_list_init(&d->deferred);
	spin_unlock_irq(&d->lock);

	while ((bio = bio_list_pop(&mapped)))
		submit_bio_noacct(bio);

	while ((bio = bio_list_pop(&bios))) {
		lclone_look(d);
		worker_bio(d, bio);
	}
}

static void worker_drained(struct lclone_delta *d)
{
	if (!lclone_drain_finish(d))
		return;
	spin_lock_irq(&d->lock);
	list_splice_tail_init(&d->draining, &d->ready);
	spin_unlock_irq(&d->lock);
	lclone_freed_drained(d);
	lclone_search_drained(d);
	lclone_space_came(d);
}

static void worker_drain(struct lclone_delta *d)
{
	bool search = false;

	if (d->drain_busy)
		return;
	lclone_commit_take_freed(d, &d->free_draining);
	list_splice_tail_init(&d->drain_next, &d->draining);
	/*
	 * Once it stops only for I/O that waits for it: without such I/O,
	 * postsuspend may not wait any more.
	 */
	if (!d->stopping || !bio_list_empty(&d->parked[WAIT_SPACE]))
		search = lclone_search_begin(d);
	if (search || !list_empty(&d->draining) || !list_empty(&d->free_draining))
		lclone_drain_start(d);
}

static void worker(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, worker);

	lclone_leaf_finish_loads(d);
	lclone_freed_finish(d);
	worker_drained(d);
	lclone_space_refill(d);
	worker_ahead(d);
	worker_deferred(d);
	lclone_task_run(d);
	worker_drain(d);
	wake_up(&d->idle);
}

void lclone_io_mark_freed(struct lclone_delta *d, unsigned long *used)
{
	lclone_extents_mark(&d->free_draining, used);
	spin_lock_irq(&d->lock);
	lclone_extents_mark(&d->discarding, used);
	lclone_extents_mark(&d->discarded, used);
	spin_unlock_irq(&d->lock);
}

bool lclone_io_idle(struct lclone_delta *d)
{
	return !lclone_commit_freeing(d) && !lclone_freed_pending(d) &&
	       list_empty_careful(&d->loads) &&
	       !READ_ONCE(d->drain_busy) && !lclone_commit_busy(d);
}

/* Life */

void lclone_io_stop(struct lclone_delta *d, bool noflush)
{
	d->noflush = noflush;
	WRITE_ONCE(d->stopping, true);
	lclone_unpark(d, WAIT_SPACE);
}

void lclone_io_start(struct lclone_delta *d)
{
	WRITE_ONCE(d->stopping, false);
	lclone_search_start(d);
	lclone_space_came(d);
}

void lclone_io_init(struct lclone_delta *d)
{
	lclone_queue_init(d);
	INIT_LIST_HEAD(&d->draining);
	INIT_LIST_HEAD(&d->drain_next);
	lclone_freed_init(d);
	lclone_space_init(d);
	INIT_WORK(&d->worker, worker);
}
