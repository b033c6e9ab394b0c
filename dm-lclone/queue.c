// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the worker has to do: bios that map() could not finish, bios that wait for
 * something, and tasks that are ready to go on.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include "queue.h"

#define PLUG_BIOS	32	/* so many are handed over before the plug ends, as of requests */

/* The bios that a submitter's plug holds for a queue */
struct defer_plug {
	struct blk_plug_cb cb;
	struct bio_list bios;
	unsigned int nr;
};

/* Deferred bios */

void lclone_defer(struct lclone_queue *q, struct bio *bio)
{
	unsigned long flags;

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&q->lock, flags);
	bio_list_add(&q->deferred, bio);
	lclone_wake(q);		/* under the lock: after the bio the delta may be destroyed */
	spin_unlock_irqrestore(&q->lock, flags);
}

static void defer_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct defer_plug *plug = container_of(cb, struct defer_plug, cb);
	struct lclone_queue *q = cb->data;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	bio_list_merge(&q->deferred, &plug->bios);
	lclone_wake(q);		/* under the lock, as above; until here the bios keep the delta */
	spin_unlock_irqrestore(&q->lock, flags);
	kfree(plug);
}

void lclone_defer_plugged(struct lclone_queue *q, struct bio *bio)
{
	struct blk_plug_cb *cb = blk_check_plugged(defer_unplug, q, sizeof(struct defer_plug));
	struct defer_plug *plug = container_of(cb, struct defer_plug, cb);

	if (!cb) {
		lclone_defer(q, bio);
		return;
	}
	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	bio_list_add(&plug->bios, bio);
	if (++plug->nr == PLUG_BIOS) {
		list_del(&cb->list);
		defer_unplug(cb, false);
	}
}

void lclone_defer_mapped(struct lclone_queue *q, struct bio *bio)
{
	unsigned long flags;

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&q->lock, flags);
	bio_list_add(&q->mapped, bio);
	lclone_wake(q);		/* under the lock, as above */
	spin_unlock_irqrestore(&q->lock, flags);
}

/* A part of the bio may have failed before, or fail now. */
static void set_status(struct bio *bio, blk_status_t status)
{
	if (status)
		WRITE_ONCE(bio->bi_status, status);
}

void lclone_end_bio(struct bio *bio, blk_status_t status)
{
	set_status(bio, status);
	bio_endio(bio);
}

void lclone_end_bio_of_pass(struct lclone_queue *q, struct bio *bio, blk_status_t status)
{
	if (current_work() != &q->work) {
		lclone_end_bio(bio, status);
		return;
	}
	set_status(bio, status);
	bio_list_add(&q->ended, bio);
}

void lclone_end_pass(struct lclone_queue *q)
{
	struct bio *bio;

	lclone_assert_worker(q);
	while ((bio = bio_list_pop(&q->ended)))
		bio_endio(bio);
}

/* Bios that wait */

static void defer_list(struct lclone_queue *q, struct bio_list *bios)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	bio_list_merge(&q->deferred, bios);
	spin_unlock_irqrestore(&q->lock, flags);
	bio_list_init(bios);
	lclone_wake(q);
}

void lclone_unpark(struct lclone_queue *q, enum lclone_wait wait)
{
	struct bio_list bios;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	q->wakeups[wait]++;
	bios = q->parked[wait];
	bio_list_init(&q->parked[wait]);
	spin_unlock_irqrestore(&q->lock, flags);
	if (!bio_list_empty(&bios))
		defer_list(q, &bios);
}

void lclone_look(struct lclone_queue *q)
{
	lclone_assert_worker(q);
	spin_lock_irq(&q->lock);
	memcpy(q->seen, q->wakeups, sizeof(q->seen));
	spin_unlock_irq(&q->lock);
}

void lclone_park(struct lclone_queue *q, struct bio *bio, enum lclone_wait wait)
{
	bool again;

	lclone_assert_worker(q);
	spin_lock_irq(&q->lock);
	again = q->seen[wait] != q->wakeups[wait];
	bio_list_add(again ? &q->deferred : &q->parked[wait], bio);
	spin_unlock_irq(&q->lock);
	if (again)
		lclone_wake(q);
}

/* Tasks */

void lclone_task_ready(struct lclone_queue *q, struct lclone_task *task)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	list_add_tail(&task->list, &q->ready);
	lclone_wake(q);		/* under the lock: after the task the delta may be destroyed */
	spin_unlock_irqrestore(&q->lock, flags);
}

void lclone_queue_init(struct lclone_queue *q, work_func_t work)
{
	int i;

	spin_lock_init(&q->lock);
	init_waitqueue_head(&q->idle);
	bio_list_init(&q->deferred);
	bio_list_init(&q->mapped);
	bio_list_init(&q->ended);
	for (i = 0; i < NR_WAITS; i++)
		bio_list_init(&q->parked[i]);
	INIT_LIST_HEAD(&q->ready);
	INIT_WORK(&q->work, work);
}
