/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-flight I/O to the delta, counted per CPU in two epochs, and tasks that wait until it ends.
 */
#ifndef LCLONE_DRAIN_H
#define LCLONE_DRAIN_H

#include <linux/percpu.h>
#include <linux/rcupdate.h>

#include "dev.h"
#include "io.h"
#include "queue.h"

/*
 * I/O that has begun on this CPU, less I/O that has ended on it, by epoch.  One count may be
 * negative, because I/O may end on another CPU; only the sum over all CPUs has a meaning.
 */
struct lclone_inflight {
	long count[2];
};

/**
 * struct lclone_drain - the drain of a delta
 * @inflight: the counts
 * @epoch: index of the count that new I/O is counted in
 * @kick: I/O that ends queues the worker, which then looks at the sum
 * @busy: a drain is under way; worker only
 * @ready: nobody joins the old epoch any more
 * @evicted: a leaf was evicted since the last drain began; set under cache.lock
 * @rcu: the grace period of the drain under way
 * @waiting: tasks that wait for the drain under way; worker only
 * @next: tasks that wait for the next drain; worker only
 * @queue: the delta's queue
 * @dev: the delta's device, for traces
 */
struct lclone_drain {
	struct lclone_inflight __percpu *inflight;
	int epoch;
	bool kick;
	bool busy;
	bool ready;
	int evicted;
	struct rcu_head rcu;
	struct list_head waiting;
	struct list_head next;
	struct lclone_queue *queue;
	const struct lclone_dev *dev;
};

/**
 * lclone_inflight_get() - count I/O that begins
 * @drain: the drain
 *
 * Called under rcu_read_lock_sched(), before the entry that is used is loaded.  The count is
 * dropped, in any context, after an entry was published and before a bio is parked.  No lock
 * may be taken under rcu_read_lock_sched(); the count alone keeps the chunk that was found,
 * so that the bio can be remapped after it.
 *
 * Return: the epoch, for lclone_inflight_put().
 */
static inline int lclone_inflight_get(struct lclone_drain *drain)
{
	/* I/O that joins the new epoch sees all entries that were changed before the drain. */
	int epoch = smp_load_acquire(&drain->epoch);

	this_cpu_inc(drain->inflight->count[epoch]);
	return epoch;
}

/**
 * lclone_inflight_put() - count I/O that has ended
 * @drain: the drain
 * @epoch: which lclone_inflight_get() returned
 */
static inline void lclone_inflight_put(struct lclone_drain *drain, int epoch)
{
	smp_wmb();	/* what was published comes first; pairs with lclone_drain_finish() */
	this_cpu_dec(drain->inflight->count[epoch]);
	/*
	 * If "kick" is not seen here, the drain has its grace period still ahead, and looks at
	 * the sum after it, which then has this.
	 */
	if (unlikely(READ_ONCE(drain->kick)))
		lclone_wake(drain->queue);
}

/**
 * lclone_io_count() - count a bio as in flight
 * @drain: the drain
 * @bio: the bio
 *
 * Under rcu_read_lock_sched(), before the exception is loaded by which it is remapped.
 */
static inline void lclone_io_count(struct lclone_drain *drain, struct bio *bio)
{
	lclone_io_set(bio, IO_COUNTED | lclone_inflight_get(drain) << 1);
}

/**
 * lclone_io_uncount() - count a bio as ended
 * @drain: the drain
 * @bio: the bio
 */
static inline void lclone_io_uncount(struct lclone_drain *drain, struct bio *bio)
{
	lclone_inflight_put(drain, (lclone_io_state(bio) & IO_EPOCH) >> 1);
	lclone_io_set(bio, 0);
}

/**
 * lclone_drain_start() - start to wait for all I/O that may have seen the table as it was
 * @drain: the drain, of which none is under way
 *
 * Worker only.  The worker is queued when that I/O has ended.
 */
void lclone_drain_start(struct lclone_drain *drain);

/**
 * lclone_drain_finish() - look whether the drain under way is over, and end it
 * @drain: the drain
 *
 * Worker only.  Return: true if the drain was ended; its tasks are ready to run then.
 */
bool lclone_drain_finish(struct lclone_drain *drain);

/**
 * lclone_task_drain() - let a task go on after a drain
 * @drain: the drain
 * @task: goes on when all I/O has ended that may not have seen the entries that are BUSY now
 *
 * Worker only.  Return: true if there is none, so that the caller goes on with the task.
 */
bool __must_check lclone_task_drain(struct lclone_drain *drain, struct lclone_task *task);

/**
 * lclone_task_run() - go on with the tasks that are ready
 * @drain: the drain
 *
 * Worker only.
 */
void lclone_task_run(struct lclone_drain *drain);

/**
 * lclone_drain_init() - make a drain
 * @drain: zeroed by the caller, but for its pointers to other parts
 *
 * Return: 0 or -ENOMEM; lclone_drain_exit() is called in both cases.
 */
int lclone_drain_init(struct lclone_drain *drain);

/**
 * lclone_drain_exit() - free what lclone_drain_init() made
 * @drain: the drain
 */
void lclone_drain_exit(struct lclone_drain *drain);

#endif /* LCLONE_DRAIN_H */
