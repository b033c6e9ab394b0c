// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks that a durable commit has freed, until they are the allocator's.
 *
 * After its drain nobody reads or writes such a chunk any more, and no table that could come
 * back after a crash names it.  It is discarded on the device, if that is wanted, and then
 * given to the allocator.
 *
 * Discards may take long, so that a work of their own sends them.  The work only moves chunks
 * from one list to the next; the worker gives them to the allocator.  So a chunk is in one of
 * the lists whenever the worker begins a scan, which then does not take it for free.
 */
#include <linux/slab.h>

#include "freed.h"

/*
 * Errors do no harm: a discard is only a hint.  The bio is on the stack and not of a shared
 * set, for the reason that copy.c gives for its bios.
 */
static void discard_extent(struct lclone_freed *f, const struct lclone_extent *e)
{
	u64 sector = lclone_chunk_start(f->geo, e->start);
	u64 left = lclone_chunk_start(f->geo, e->len);
	struct bio bio;
	u32 n;

	for (; left; left -= n, sector += n) {
		n = min_t(u64, left, rounddown(UINT_MAX >> SECTOR_SHIFT, lclone_chunk_len(f->geo)));
		bio_init(&bio, f->super->dev->bdev, NULL, 0, REQ_OP_DISCARD);
		bio.bi_iter.bi_sector = sector;
		bio.bi_iter.bi_size = n << SECTOR_SHIFT;
		submit_bio_wait(&bio);
		bio_uninit(&bio);
	}
}

static struct lclone_extent *first_to_discard(struct lclone_freed *f)
{
	struct lclone_extent *e;

	spin_lock(&f->lock);
	e = list_first_entry_or_null(&f->discarding, struct lclone_extent, list);
	spin_unlock(&f->lock);
	return e;
}

static void freed_discard_work(struct work_struct *work)
{
	struct lclone_freed *f = container_of(work, struct lclone_freed, work);
	struct lclone_extent *e;

	while ((e = first_to_discard(f))) {
		discard_extent(f, e);
		spin_lock(&f->lock);
		list_move_tail(&e->list, &f->discarded);
		spin_unlock(&f->lock);
		lclone_wake(f->super->queue);
	}
}

static void give_to_allocator(struct lclone_freed *f, struct list_head *list)
{
	struct lclone_extent *e, *next;

	list_for_each_entry_safe(e, next, list, list) {
		lclone_alloc_free(f->alloc, e->start, e->len);
		list_del(&e->list);
		kfree(e);
	}
}

void lclone_freed_drained(struct lclone_freed *f)
{
	lclone_assert_worker(f->super->queue);
	if (list_empty(&f->draining))
		return;
	if (!f->passdown || !bdev_max_discard_sectors(f->super->dev->bdev)) {
		give_to_allocator(f, &f->draining);
		return;
	}
	spin_lock(&f->lock);
	list_splice_tail_init(&f->draining, &f->discarding);
	spin_unlock(&f->lock);
	queue_work(f->super->queue->wq, &f->work);
}

void lclone_freed_finish(struct lclone_freed *f)
{
	LIST_HEAD(discarded);

	lclone_assert_worker(f->super->queue);
	if (list_empty_careful(&f->discarded))
		return;
	spin_lock(&f->lock);
	list_splice_init(&f->discarded, &discarded);
	spin_unlock(&f->lock);
	give_to_allocator(f, &discarded);
	lclone_space_came(f->alloc);
}

bool lclone_freed_pending(struct lclone_freed *f)
{
	bool pending;

	spin_lock(&f->lock);
	pending = !list_empty(&f->draining) || !list_empty(&f->discarding) ||
		  !list_empty(&f->discarded);
	spin_unlock(&f->lock);
	return pending;
}

void lclone_freed_mark(struct lclone_freed *f, unsigned long *used)
{
	lclone_extents_mark(&f->draining, used);
	spin_lock(&f->lock);
	lclone_extents_mark(&f->discarding, used);
	lclone_extents_mark(&f->discarded, used);
	spin_unlock(&f->lock);
}

void lclone_freed_init(struct lclone_freed *f)
{
	spin_lock_init(&f->lock);
	INIT_LIST_HEAD(&f->draining);
	INIT_LIST_HEAD(&f->discarding);
	INIT_LIST_HEAD(&f->discarded);
	INIT_WORK(&f->work, freed_discard_work);
}
