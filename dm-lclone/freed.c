// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last part of a freed chunk's way: nobody reads or writes it any more, and no table
 * that could come back names it.  It is discarded on the device, if that is wanted, and
 * goes to the allocator.
 *
 * A device may take its time for a discard, so that is a work of its own.  It only moves
 * extents from one list to the next: in the worker's eyes they are on one of them until
 * it gives them to the allocator itself, so that no scan takes them for free before.
 */
#include <linux/slab.h>

#include "lclone.h"

/* Only a hint. By a bio of its own, for the reason of the copier's (copy.c). */
static void discard_extent(struct lclone_delta *d, const struct lclone_extent *e)
{
	u64 sector = lclone_chunk_start(d, e->start), left = lclone_chunk_start(d, e->len);
	struct bio bio;
	u32 n;

	for (; left; left -= n, sector += n) {
		n = min_t(u64, left, rounddown(UINT_MAX >> SECTOR_SHIFT, d->sb.chunk_sectors));
		bio_init(&bio, d->bdev, NULL, 0, REQ_OP_DISCARD);
		bio.bi_iter.bi_sector = sector;
		bio.bi_iter.bi_size = n << SECTOR_SHIFT;
		submit_bio_wait(&bio);
		bio_uninit(&bio);
	}
}

static struct lclone_extent *first_to_discard(struct lclone_delta *d)
{
	struct lclone_extent *e;

	spin_lock_irq(&d->lock);
	e = list_first_entry_or_null(&d->discarding, struct lclone_extent, list);
	spin_unlock_irq(&d->lock);
	return e;
}

static void discard_work(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, discard_work);
	struct lclone_extent *e;

	while ((e = first_to_discard(d))) {
		discard_extent(d, e);
		spin_lock_irq(&d->lock);
		list_move_tail(&e->list, &d->discarded);
		spin_unlock_irq(&d->lock);
		queue_work(d->wq, &d->worker);
	}
}

static void give_to_allocator(struct lclone_delta *d, struct list_head *list)
{
	struct lclone_extent *e, *next;

	list_for_each_entry_safe(e, next, list, list) {
		lclone_alloc_free(d, e->start, e->len);
		list_del(&e->list);
		kfree(e);
	}
}

void lclone_freed_drained(struct lclone_delta *d)
{
	if (list_empty(&d->free_draining))
		return;
	if (!d->discard_passdown || !bdev_max_discard_sectors(d->bdev)) {
		give_to_allocator(d, &d->free_draining);
		return;
	}
	spin_lock_irq(&d->lock);
	list_splice_tail_init(&d->free_draining, &d->discarding);
	spin_unlock_irq(&d->lock);
	queue_work(d->wq, &d->discard_work);
}

void lclone_freed_finish(struct lclone_delta *d)
{
	LIST_HEAD(discarded);

	if (list_empty_careful(&d->discarded))
		return;
	spin_lock_irq(&d->lock);
	list_splice_init(&d->discarded, &discarded);
	spin_unlock_irq(&d->lock);
	give_to_allocator(d, &discarded);
	lclone_space_came(d);
}

bool lclone_freed_pending(struct lclone_delta *d)
{
	bool pending;

	spin_lock_irq(&d->lock);
	pending = !list_empty(&d->free_draining) || !list_empty(&d->discarding) ||
		  !list_empty(&d->discarded);
	spin_unlock_irq(&d->lock);
	return pending;
}

void lclone_freed_init(struct lclone_delta *d)
{
	INIT_LIST_HEAD(&d->free_draining);
	INIT_LIST_HEAD(&d->discarding);
	INIT_LIST_HEAD(&d->discarded);
	INIT_WORK(&d->discard_work, discard_work);
}
