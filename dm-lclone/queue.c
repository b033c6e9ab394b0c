// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the worker has to do: bios that map() could not finish, bios that wait for
 * something, and tasks that are ready to go on.
 */
#include "queue.h"

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

void lclone_defer_mapped(struct lclone_queue *q, struct bio *bio)
{
	unsigned long flags;

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&q->lock, flags);
	bio_list_add(&q->mapped, bio);
	lclone_wake(q);		/* under the lock, as above */
	spin_unlock_irqrestore(&q->lock, flags);
}

void lclone_end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
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
	for (i = 0; i < NR_WAITS; i++)
		bio_list_init(&q->parked[i]);
	INIT_LIST_HEAD(&q->ready);
	INIT_WORK(&q->work, work);
}
