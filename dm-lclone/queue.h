/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue of a delta: what its worker has to do.
 *
 * - Deferred bios: the worker looks at each of them again.
 * - Parked bios wait for something.  Whoever makes that happen calls lclone_unpark() after the
 *   change.  The worker calls lclone_look() before it looks at a bio, and lclone_park() lets
 *   the bio wait only if nobody has called lclone_unpark() since.
 * - Ready tasks: the worker calls their step.
 *
 * A bio or a task that was handed over may end at once, and the delta may be destroyed after
 * the last one.  So the worker is queued under the lock, which is also taken before a delta
 * is destroyed.
 */
#ifndef LCLONE_QUEUE_H
#define LCLONE_QUEUE_H

#include <linux/bio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct lclone_leaf;

/**
 * struct lclone_task - what the worker goes on with when it is ready
 * @list: its place in a list of the queue or of the drain
 * @quiet: if not NULL, the task need not wait for a drain while no first write to this leaf
 *	is in flight
 * @step: called by the worker
 */
struct lclone_task {
	struct list_head list;
	struct lclone_leaf *quiet;
	void (*step)(struct lclone_task *task);
};

/* Why a parked bio waits */
enum lclone_wait {
	WAIT_BUSY,			/* until an entry is not BUSY any more */
	WAIT_SPACE,			/* until a chunk is free */
	WAIT_CHECKPOINT,		/* too many leaves are dirty */
	WAIT_MEMORY,			/* a pool is empty: until something comes back to it */
	NR_WAITS,
};

/**
 * struct lclone_queue - what the worker of a delta has to do
 * @wq: runs the worker and all other works of the delta but the event
 * @work: the worker
 * @lock: protects all lists and @wakeups; interrupts off
 * @deferred: bios that the worker looks at again
 * @mapped: bios that the worker only has to send
 * @ended: bios that end with the worker's pass; worker only
 * @parked: bios that wait, by what they wait for
 * @wakeups: how often lclone_unpark() was called
 * @seen: @wakeups as they were before the worker looked at the present bio; worker only
 * @ready: tasks that may go on
 * @idle: woken when a pass of the worker, a commit or a lane has ended
 * @stopping: the clone is being suspended, so that bios do not wait for space any more
 * @noflush: such bios are given back to dm core to be sent again; they do not fail
 */
struct lclone_queue {
	struct workqueue_struct *wq;
	struct work_struct work;
	spinlock_t lock;	/* see above */
	struct bio_list deferred;
	struct bio_list mapped;
	struct bio_list ended;
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
 * lclone_assert_worker() - warn if the caller is not the worker
 * @q: the queue
 *
 * Only kernels that check locks (CONFIG_PROVE_LOCKING) look.
 */
static inline void lclone_assert_worker(const struct lclone_queue *q)
{
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		WARN_ON_ONCE(current_work() != &q->work);
}

/**
 * lclone_defer() - give a bio to the worker
 * @q: the queue
 * @bio: the bio; loses NOWAIT and POLLED, because it waits from here on
 *
 * Any context.
 */
void lclone_defer(struct lclone_queue *q, struct bio *bio);

/**
 * lclone_defer_plugged() - give a bio to the worker, together with those that come with it
 * @q: the queue
 * @bio: the bio; as for lclone_defer()
 *
 * Process context.  If the submitter has a plug the bio stays there until that ends, has some
 * more, or the submitter sleeps, so that the worker is woken once for many bios.
 */
void lclone_defer_plugged(struct lclone_queue *q, struct bio *bio);

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
 * @status: what it ends with, unless a part of it has failed
 *
 * Any context.
 */
void lclone_end_bio(struct bio *bio, blk_status_t status);

/**
 * lclone_end_bio_of_pass() - end a bio; if this is the worker, at the end of its pass
 * @q: the queue
 * @bio: the bio
 * @status: what it ends with, unless a part of it has failed
 *
 * Any context.  Whoever waits for many bios is woken once for those that end at once.
 */
void lclone_end_bio_of_pass(struct lclone_queue *q, struct bio *bio, blk_status_t status);

/**
 * lclone_end_pass() - end the bios that end with the worker's pass
 * @q: the queue
 *
 * Worker only.
 */
void lclone_end_pass(struct lclone_queue *q);

/**
 * lclone_unpark() - let all bios go on that wait for something
 * @q: the queue
 * @wait: what they wait for
 *
 * Any context; called after the change that they wait for.
 */
void lclone_unpark(struct lclone_queue *q, enum lclone_wait wait);

/**
 * lclone_look() - note the wakeups so far, before the worker looks at a bio
 * @q: the queue
 *
 * Worker only.  lclone_park() then knows of each wakeup that the look may have missed.
 */
void lclone_look(struct lclone_queue *q);

/**
 * lclone_park() - let a bio wait
 * @q: the queue
 * @bio: the bio
 * @wait: what it waits for
 *
 * Worker only, after lclone_look().  If there was a wakeup since, the bio is deferred instead,
 * so that the worker looks at it again.
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
