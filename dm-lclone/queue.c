// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the worker has to do: bios that map() could not finish, bios that wait for
 * something, and tasks that are ready to go on.
 */
#include "lclone.h"

/* Deferred bios */

void lclone_defer(struct lclone_delta *d, struct bio *bio)
{
	unsigned long flags;

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&d->lock, flags);
	bio_list_add(&d->deferred, bio);
	queue_work(d->wq, &d->worker);	/* under the lock: with the bio @d may go */
	spin_unlock_irqrestore(&d->lock, flags);
}

void lclone_defer_list(struct lclone_delta *d, struct bio_list *bios)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	bio_list_merge(&d->deferred, bios);
	spin_unlock_irqrestore(&d->lock, flags);
	bio_list_init(bios);
	queue_work(d->wq, &d->worker);
}

void lclone_end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

/* Waiting bios */

void lclone_unpark(struct lclone_delta *d, enum lclone_wait wait)
{
	struct bio_list bios;
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->wakeups[wait]++;
	bios = d->parked[wait];
	bio_list_init(&d->parked[wait]);
	spin_unlock_irqrestore(&d->lock, flags);
	if (!bio_list_empty(&bios))
		lclone_defer_list(d, &bios);
}

void lclone_look(struct lclone_delta *d)
{
	spin_lock_irq(&d->lock);
	memcpy(d->seen, d->wakeups, sizeof(d->seen));
	spin_unlock_irq(&d->lock);
}

void lclone_park(struct lclone_delta *d, struct bio *bio, enum lclone_wait wait)
{
	bool again;

	spin_lock_irq(&d->lock);
	again = d->seen[wait] != d->wakeups[wait];
	bio_list_add(again ? &d->deferred : &d->parked[wait], bio);
	spin_unlock_irq(&d->lock);
	if (again)
		queue_work(d->wq, &d->worker);
}

/* Tasks */

void lclone_task_ready(struct lclone_delta *d, struct lclone_task *task)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	list_add_tail(&task->list, &d->ready);
	queue_work(d->wq, &d->worker);	/* under the lock: with the task @d may go */
	spin_unlock_irqrestore(&d->lock, flags);
}

void lclone_queue_init(struct lclone_delta *d)
{
	int i;

	spin_lock_init(&d->lock);
	init_waitqueue_head(&d->idle);
	bio_list_init(&d->deferred);
	bio_list_init(&d->mapped);
	for (i = 0; i < NR_WAITS; i++)
		bio_list_init(&d->parked[i]);
	INIT_LIST_HEAD(&d->ready);
}
