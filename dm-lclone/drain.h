/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-flight I/O to the delta, counted per CPU in two epochs, and tasks that wait for its end.
 */
#ifndef LCLONE_DRAIN_H
#define LCLONE_DRAIN_H

#include <linux/percpu.h>
#include <linux/rcupdate.h>

#include "dev.h"
#include "io.h"
#include "queue.h"

/* In-flight I/O to the delta that this CPU has seen begin less end, by epoch */
struct lclone_inflight {
	long count[2];
};

/**
 * struct lclone_drain - the drain of a delta
 * @inflight: the counts
 * @epoch: index of the count that new I/O is in
 * @kick: who ends queues the worker
 * @busy: worker only: a drain is under way
 * @ready: nobody joins the old epoch any more
 * @evicted: a leaf was, since the last drain began; set under cache.lock
 * @rcu: the grace period of the drain under way
 * @waiting: worker only: tasks for the drain under way
 * @next: worker only: tasks for the next one
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
 * Under rcu_read_lock_sched(), before the entry is loaded for use; the count is dropped, in
 * any context, after publishing and before parking.  No lock is taken under
 * rcu_read_lock_sched(): what is found is safe by the count, so that the bio is remapped
 * behind it.
 *
 * Return: the epoch, for lclone_inflight_put().
 */
static inline int lclone_inflight_get(struct lclone_drain *drain)
{
	/* in the new epoch what was changed before a drain is seen by what follows */
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
	smp_wmb();	/* published before; pairs with the barrier in lclone_drain_finish() */
	this_cpu_dec(drain->inflight->count[epoch]);
	/* a drain that is not seen here has its grace period, a barrier on every CPU, ahead */
	if (unlikely(READ_ONCE(drain->kick)))
		lclone_wake(drain->queue);
}

/**
 * lclone_io_count() - a bio is in flight
 * @drain: the drain
 * @bio: the bio
 *
 * Under rcu_read_lock_sched(), before the exception that counts is loaded.
 */
static inline void lclone_io_count(struct lclone_drain *drain, struct bio *bio)
{
	lclone_io_set(bio, IO_COUNTED | lclone_inflight_get(drain) << 1);
}

/**
 * lclone_io_uncount() - a bio is in flight no more
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
 * Worker only.  The worker is queued when that is over.
 */
void lclone_drain_start(struct lclone_drain *drain);

/**
 * lclone_drain_finish() - look whether the drain under way is over
 * @drain: the drain
 *
 * Worker only.  Return: true, once, when it is; the tasks that waited for it are ready then.
 */
bool lclone_drain_finish(struct lclone_drain *drain);

/**
 * lclone_task_drain() - let a task go on behind a drain
 * @drain: the drain
 * @task: goes on when all I/O that may have missed what is BUSY now has ended
 *
 * Worker only.
 */
void lclone_task_drain(struct lclone_drain *drain, struct lclone_task *task);

/**
 * lclone_task_run() - go on with the tasks that are ready
 * @drain: the drain
 *
 * Worker only.
 */
void lclone_task_run(struct lclone_drain *drain);

/**
 * lclone_drain_init() - make a drain
 * @drain: zeroed, but for its pointers to other parts
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
