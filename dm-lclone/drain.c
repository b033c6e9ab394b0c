// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-flight I/O to the delta.
 *
 * I/O is counted per CPU, in one of two epochs.  A drain waits for all I/O that may have seen
 * the table as it was.  It makes the other epoch the current one: I/O that joins that epoch
 * sees the table as it is now.  After a grace period no I/O joins the old epoch any more, so
 * that the sum of its counts can only fall, and once it reads zero all that I/O has ended.
 */
#include "drain.h"
#include "leaf.h"
#include "trace.h"

int lclone_drain_init(struct lclone_drain *drain)
{
	INIT_LIST_HEAD(&drain->waiting);
	INIT_LIST_HEAD(&drain->next);
	drain->inflight = alloc_percpu(struct lclone_inflight);
	return drain->inflight ? 0 : -ENOMEM;
}

void lclone_drain_exit(struct lclone_drain *drain)
{
	free_percpu(drain->inflight);
}

static void drain_ready(struct rcu_head *head)
{
	struct lclone_drain *drain = container_of(head, struct lclone_drain, rcu);
	unsigned long flags;

	spin_lock_irqsave(&drain->queue->lock, flags);
	smp_store_release(&drain->ready, true);	/* pairs with lclone_drain_finish() */
	/* The lock keeps the delta, which may be destroyed once the drain has ended. */
	lclone_wake(drain->queue);
	spin_unlock_irqrestore(&drain->queue->lock, flags);
}

static void flip_epoch(struct lclone_drain *drain)
{
	WRITE_ONCE(drain->kick, true);
	/* pairs with lclone_inflight_get() */
	smp_store_release(&drain->epoch, !drain->epoch);
	call_rcu_hurry(&drain->rcu, drain_ready);
}

static void drain_flip(struct rcu_head *head)
{
	flip_epoch(container_of(head, struct lclone_drain, rcu));
}

/*
 * I/O looks a leaf up before it joins an epoch.  If the leaf was evicted in between, and it is
 * the leaf loaded in its place that was changed, I/O in the new epoch would not see the change.
 * So after an eviction a grace period comes first: then all I/O that found the evicted leaf has
 * joined the old epoch, and is waited for.
 */
void lclone_drain_start(struct lclone_drain *drain)
{
	lclone_assert_worker(drain->queue);
	list_splice_tail_init(&drain->next, &drain->waiting);
	trace_lclone_drain(drain->dev, true);
	drain->busy = true;
	drain->ready = false;
	if (xchg(&drain->evicted, false))
		call_rcu_hurry(&drain->rcu, drain_flip);
	else
		flip_epoch(drain);
}

bool lclone_drain_finish(struct lclone_drain *drain)
{
	long sum = 0;
	int cpu;

	lclone_assert_worker(drain->queue);
	/* Pairs with drain_ready(): the sum has all that was counted before the grace period. */
	if (!drain->busy || !smp_load_acquire(&drain->ready))
		return false;
	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(drain->inflight, cpu)->count[!drain->epoch]);
	if (sum)
		return false;		/* the I/O that ends last queues the worker */
	smp_mb();	/* what the I/O has published is seen by what follows */
	/* Once we have the lock, drain_ready() does not use the delta any more. */
	spin_lock_irq(&drain->queue->lock);
	list_splice_tail_init(&drain->waiting, &drain->queue->ready);
	spin_unlock_irq(&drain->queue->lock);
	WRITE_ONCE(drain->kick, false);
	drain->busy = false;
	trace_lclone_drain(drain->dev, false);
	return true;
}

/* Tasks */

/*
 * Returns true if no first write to the task's leaf is in flight, so that it need not wait for
 * a drain: a write that pins the leaf later sees the entries that are BUSY by now.  Pins of jobs
 * do not count, because jobs leave entries alone that others have made BUSY.
 */
static bool task_is_quiet(const struct lclone_task *task)
{
	if (!task->quiet)
		return false;
	smp_mb();	/* pairs with lclone_leaf_pin() */
	/* What those writes have published is seen from here on: pairs with lclone_leaf_unpin() */
	return !(atomic_read_acquire(&task->quiet->pins) & (LCLONE_PIN_JOB - 1));
}

bool lclone_task_drain(struct lclone_drain *drain, struct lclone_task *task)
{
	lclone_assert_worker(drain->queue);
	if (task_is_quiet(task))
		return true;
	list_add_tail(&task->list, &drain->next);
	return false;
}

/* Makes tasks ready whose leaf is quiet by now: they need not wait for the end of the drain. */
static void take_quiet_tasks(struct list_head *waiting, struct list_head *ready)
{
	struct lclone_task *task, *next;

	list_for_each_entry_safe(task, next, waiting, list)
		if (task_is_quiet(task))
			list_move_tail(&task->list, ready);
}

void lclone_task_run(struct lclone_drain *drain)
{
	struct lclone_task *task, *next;
	LIST_HEAD(ready);

	lclone_assert_worker(drain->queue);
	spin_lock_irq(&drain->queue->lock);
	list_splice_init(&drain->queue->ready, &ready);
	spin_unlock_irq(&drain->queue->lock);
	take_quiet_tasks(&drain->waiting, &ready);
	take_quiet_tasks(&drain->next, &ready);
	list_for_each_entry_safe(task, next, &ready, list) {
		lclone_look(drain->queue);
		task->step(task);
	}
}
