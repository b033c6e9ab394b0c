/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue of a delta: what its worker has to do.
 *
 * - Deferred bios: the worker looks at each of them again.
 * - Parked bios wait for something.  Who makes that happen calls lclone_unpark() after the
 *   change.  The worker calls lclone_look() before it looks at a bio, and lclone_park()
 *   lets the bio wait only if nobody has called lclone_unpark() since.
 * - Ready tasks: the worker calls their step.
 *
 * Once a bio or a task is handed over the delta may go: the worker is queued under the
 * lock, which whoever waits for the end of the delta takes.
 */
#ifndef LCLONE_QUEUE_H
#define LCLONE_QUEUE_H

#include <linux/bio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct lclone_leaf;

/**
 * struct lclone_task - what the worker goes on with when it is ready
 * @list: one list of the queue or of the drain
 * @quiet: a drain is waited for unless no first write to this leaf is in flight; or NULL
 * @step: called by the worker
 */
struct lclone_task {
	struct list_head list;
	struct lclone_leaf *quiet;
	void (*step)(struct lclone_task *task);
};

/* Why a parked bio waits */
enum lclone_wait {
	WAIT_BUSY,			/* for a BUSY exception */
	WAIT_SPACE,			/* for a free chunk */
	WAIT_CHECKPOINT,		/* too many dirty leaves */
	WAIT_MEMORY,			/* for a job or a load to end, the pools are empty */
	NR_WAITS,
};

/**
 * struct lclone_queue - what the worker of a delta has to do
 * @wq: of the worker and of all works of the delta but the event
 * @work: the worker
 * @lock: all lists and @wakeups; irqs off
 * @deferred: bios that the worker looks at again
 * @mapped: bios that it only has to send
 * @parked: bios that wait
 * @wakeups: count lclone_unpark()
 * @seen: worker only: @wakeups before it looked at the bio
 * @ready: tasks that may go on
 * @idle: woken when a pass of the worker, a commit or a lane has ended
 * @stopping: the clone is being suspended: bios that wait for space are given back
 * @noflush: they are queued again and not failed
 */
struct lclone_queue {
	struct workqueue_struct *wq;
	struct work_struct work;
	spinlock_t lock;	/* see above */
	struct bio_list deferred;
	struct bio_list mapped;
	struct bio_list parked[NR_WAITS];
	unsigned int wakeups[NR_WAITS];
	unsigned int seen[NR_WAITS];
	struct list_head ready;
	wait_queue_head_t idle;
	bool stopping;
	bool noflush;
};

/**
 * lclone_wake() - let the worker run
 * @q: the queue
 *
 * Any context.
 */
static inline void lclone_wake(struct lclone_queue *q)
{
	queue_work(q->wq, &q->work);
}

/**
 * lclone_assert_worker() - the caller is the worker
 * @q: the queue
 *
 * Looked at by kernels that look at locks, too.
 */
static inline void lclone_assert_worker(const struct lclone_queue *q)
{
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		WARN_ON_ONCE(current_work() != &q->work);
}

/**
 * lclone_defer() - give a bio to the worker
 * @q: the queue
 * @bio: the bio, which may not be asked not to wait any more
 *
 * Any context.
 */
void lclone_defer(struct lclone_queue *q, struct bio *bio);

/**
 * lclone_defer_mapped() - give a bio to the worker that it only has to send
 * @q: the queue
 * @bio: the bio, mapped
 *
 * Any context.
 */
void lclone_defer_mapped(struct lclone_queue *q, struct bio *bio);

/**
 * lclone_end_bio() - end a bio
 * @bio: the bio
 * @status: what it ends with
 *
 * Any context.
 */
void lclone_end_bio(struct bio *bio, blk_status_t status);

/**
 * lclone_unpark() - let all bios go on that wait for something
 * @q: the queue
 * @wait: for what
 *
 * Any context; after the change.
 */
void lclone_unpark(struct lclone_queue *q, enum lclone_wait wait);

/**
 * lclone_look() - the worker is about to look at a bio
 * @q: the queue
 *
 * Worker only.
 */
void lclone_look(struct lclone_queue *q);

/**
 * lclone_park() - let a bio wait
 * @q: the queue
 * @bio: the bio
 * @wait: for what
 *
 * Worker only, behind lclone_look(): the bio is deferred if there was a wakeup since.
 */
void lclone_park(struct lclone_queue *q, struct bio *bio, enum lclone_wait wait);

/**
 * lclone_task_ready() - let the worker go on with a task
 * @q: the queue
 * @task: the task, in no list
 *
 * Any context.
 */
void lclone_task_ready(struct lclone_queue *q, struct lclone_task *task);

/**
 * lclone_queue_init() - make a queue
 * @q: the queue, zeroed
 * @work: the worker
 */
void lclone_queue_init(struct lclone_queue *q, work_func_t work);

#endif /* LCLONE_QUEUE_H */
