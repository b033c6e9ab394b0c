// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker: an ordered list of phases.  It handles bios that map() has deferred, and whatever
 * waits for something else to end.
 */
#include "worker.h"
#include "basecache.h"
#include "copyup.h"
#include "discard.h"
#include "map.h"
#include "miss.h"
#include "part.h"

#define TURN_PARTS	64	/* so many parts of a bio before other bios get their turn */

/* Returns the index of the leaf of a bio's first chunk. */
static u64 bio_leaf(const struct lclone_delta *d, const struct bio *bio)
{
	return lclone_bio_chunk(&d->geo, bio) / LCLONE_LEAF_EXCEPTIONS;
}

/*
 * Sends the first @sectors of a bio, which are mapped.  Returns true if there are more: the bio
 * is what is left then, as it came.  If there is no memory for a part, the bio is parked.
 */
static bool worker_send(struct lclone_delta *d, struct bio *bio, u32 sectors, sector_t sector,
			blk_opf_t opf)
{
	bool more = sectors < bio_sectors(bio), cut = more || lclone_is_cut(bio);
	struct bio *part = bio;

	if (cut) {
		part = lclone_part(d, bio, sectors);
		if (!part) {
			lclone_unmap(d, bio, sector, opf);
			lclone_park(&d->queue, bio, WAIT_MEMORY);
			return false;
		}
		bio->bi_iter.bi_sector = sector + sectors;
		bio->bi_opf = opf;
	}
	if (bio_op(part) == REQ_OP_READ && lclone_is_cached(&d->below, part->bi_bdev))
		lclone_base_cache_read(d->below.cached, part);
	else
		submit_bio_noacct(part);
	if (cut && !more)
		bio_endio(bio);		/* it ends with the last of its parts */
	return more;
}

/*
 * Ends the first @sectors of a read, which are zeros.  Returns as worker_send() does; what is left
 * is not counted as in flight, for it may have to wait.
 */
static bool worker_zeros(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	struct bvec_iter rest = bio->bi_iter;

	bio_advance_iter(bio, &rest, sectors << SECTOR_SHIFT);
	bio->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	zero_fill_bio(bio);
	bio->bi_iter = rest;
	if (rest.bi_size) {
		lclone_io_uncount(&d->drain, bio);
		return true;
	}
	bio_endio(bio);
	return false;
}

static void worker_read(struct lclone_delta *d, struct bio *bio)
{
	struct lclone_delta *missing;
	struct lclone_source s;
	u32 parts = 0;
	bool more;

	do {
		sector_t sector = bio->bi_iter.bi_sector;
		enum lclone_verdict verdict = lclone_map_read(d, bio, &s, &missing);

		if (verdict == LCLONE_NO_LEAF) {
			lclone_load_for(d, missing, bio);
			return;
		}
		if (verdict == LCLONE_NOT_OURS)
			more = worker_zeros(d, bio, s.sectors);
		else
			more = worker_send(d, bio, s.sectors, sector, bio->bi_opf);
	} while (more && ++parts < TURN_PARTS);
	if (more)
		lclone_defer(&d->queue, bio);
}

/*
 * Handles a leaf that could not be pinned, mostly because the tree has none there yet.  Returns
 * true if there is one now: the bio has to go on at once, before another one that needs memory
 * evicts it.
 */
static bool worker_new_leaf(struct lclone_delta *d, struct bio *bio, u64 index)
{
	enum lclone_room room;
	int err;

	if (!lclone_leaf_cached(&d->cache, index)) {
		lclone_leaf_load(&d->cache, index, bio);	/* it was evicted */
		return false;
	}
	err = lclone_leaf_make(&d->cache, index, &room);
	if (err == -EAGAIN)
		lclone_park(&d->queue, bio, WAIT_MEMORY);
	else if (err)
		lclone_end_bio(bio, errno_to_blk_status(err));
	else if (room != LCLONE_ROOM_OK)
		lclone_no_space(&d->space, bio, room);
	else
		return true;
	return false;
}

/*
 * Makes or loads the leaf that a large write is about to reach.  Errors are ignored: the write
 * that needs the leaf meets them again.
 */
static void worker_ahead(struct lclone_delta *d)
{
	u32 index = xchg(&d->leaf_ahead, 0);
	enum lclone_room room;

	/* A suspend does not wait for a load without a bio: it begins none after "stopping". */
	if (!index || READ_ONCE(d->super.mode) != LCLONE_RW || READ_ONCE(d->queue.stopping))
		return;
	if (lclone_leaf_cached(&d->cache, index))
		lclone_leaf_make(&d->cache, index, &room);
	else
		lclone_leaf_load(&d->cache, index, NULL);
}

static void worker_write(struct lclone_delta *d, struct bio *bio)
{
	enum lclone_verdict verdict;
	struct lclone_write w;
	u32 parts = 0;
	bool more;

	do {
		sector_t sector = bio->bi_iter.bi_sector;
		blk_opf_t opf = bio->bi_opf;

		w = (struct lclone_write){};
		verdict = lclone_map_write(d, bio, &w);
		if (verdict == LCLONE_REMAPPED)
			more = worker_send(d, bio, w.run, sector, opf);
		else
			more = verdict == LCLONE_NO_PIN &&
			       worker_new_leaf(d, bio, bio_leaf(d, bio));
	} while (more && (verdict == LCLONE_NO_PIN || ++parts < TURN_PARTS));

	switch (verdict) {
	case LCLONE_NO_LEAF:
		lclone_leaf_load(&d->cache, bio_leaf(d, bio), bio);
		break;
	case LCLONE_BUSY:
		lclone_park(&d->queue, bio, WAIT_BUSY);
		break;
	case LCLONE_THROTTLED:
		lclone_commit_throttle(&d->commit, bio);
		break;
	case LCLONE_NO_SPACE:
		lclone_no_space(&d->space, bio, d->space.found);
		break;
	case LCLONE_PARTIAL:
		lclone_copyup(d, bio, lclone_bio_chunk(&d->geo, bio), w.partial);
		break;
	default:	/* all of it was sent, or what is left was parked, or waits its turn */
		if (more)
			lclone_defer(&d->queue, bio);
	}
}

static void worker_bio(struct lclone_delta *d, struct bio *bio)
{
	if (d->owner.is_layer)
		lclone_leaf_load(&d->cache, bio_leaf(d, bio), bio);
	else if (op_is_write(bio_op(bio)) && READ_ONCE(d->super.mode) != LCLONE_RW)
		lclone_end_bio(bio, BLK_STS_IOERR);
	else if (bio_op(bio) == REQ_OP_READ)
		worker_read(d, bio);
	else if (bio_op(bio) == REQ_OP_WRITE)
		worker_write(d, bio);
	else
		lclone_discard(d, bio);
}

static void worker_deferred(struct lclone_delta *d)
{
	struct bio_list bios, mapped;
	struct bio *bio;

	spin_lock_irq(&d->queue.lock);
	mapped = d->queue.mapped;
	bio_list_init(&d->queue.mapped);
	bios = d->queue.deferred;
	bio_list_init(&d->queue.deferred);
	spin_unlock_irq(&d->queue.lock);

	while ((bio = bio_list_pop(&mapped)))
		submit_bio_noacct(bio);

	while ((bio = bio_list_pop(&bios))) {
		lclone_look(&d->queue);
		worker_bio(d, bio);
	}
}

static void worker_drained(struct lclone_delta *d)
{
	if (!lclone_drain_finish(&d->drain))
		return;
	lclone_freed_drained(&d->freed);
	lclone_search_drained(&d->search);
	lclone_space_came(&d->alloc);
}

static void worker_drain(struct lclone_delta *d)
{
	bool search = false;

	if (d->drain.busy)
		return;
	lclone_commit_take_freed(&d->commit, &d->freed.draining);
	/*
	 * During a suspend a search begins only if bios wait for it.  Without such bios
	 * postsuspend may have ended its waiting, and the search would go on after it.
	 */
	if (!d->queue.stopping || !bio_list_empty(&d->queue.parked[WAIT_SPACE]))
		search = lclone_search_begin(&d->search);
	if (search || !list_empty(&d->drain.next) || !list_empty(&d->freed.draining))
		lclone_drain_start(&d->drain);
}

void lclone_worker(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, queue.work);

	lclone_leaf_finish_loads(&d->cache);
	lclone_freed_finish(&d->freed);
	worker_drained(d);
	lclone_space_refill(&d->space);
	worker_ahead(d);
	worker_deferred(d);
	lclone_task_run(&d->drain);
	lclone_end_pass(&d->queue);
	worker_drain(d);
	wake_up(&d->queue.idle);
}

bool lclone_worker_idle(struct lclone_delta *d)
{
	return !lclone_commit_freeing(&d->commit) && !lclone_freed_pending(&d->freed) &&
	       list_empty_careful(&d->cache.loads) &&
	       !READ_ONCE(d->drain.busy) && !lclone_commit_busy(&d->commit);
}

/* Life */

void lclone_worker_stop(struct lclone_delta *d, bool noflush)
{
	d->queue.noflush = noflush;
	WRITE_ONCE(d->queue.stopping, true);
	lclone_unpark(&d->queue, WAIT_SPACE);
}

void lclone_worker_start(struct lclone_delta *d)
{
	WRITE_ONCE(d->queue.stopping, false);
	lclone_search_start(&d->search);
	lclone_space_came(&d->alloc);
}
