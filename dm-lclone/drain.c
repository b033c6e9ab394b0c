// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-flight I/O to the delta.
 *
 * I/O is counted per CPU, in one of two epochs.  To wait for all I/O that may
 * have seen the table as it was, the other epoch is made the current one: who
 * joins that sees what the table is now.  After a grace period nobody joins the
 * old epoch, so that the sum of its counts only falls: once it reads zero it is.
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
	/* under the lock: once the drain has ended the delta may go */
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
 * I/O looks the leaf up before it joins an epoch.  If that one was evicted since, and
 * what changed is the one loaded in its place, the new epoch shows nothing: first
 * all must have joined who may have such a leaf, in the old epoch.
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
	/* pairs with drain_ready(): what was counted before is seen by the sum */
	if (!drain->busy || !smp_load_acquire(&drain->ready))
		return false;
	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(drain->inflight, cpu)->count[!drain->epoch]);
	if (sum)
		return false;		/* the last one to end queues the worker */
	smp_mb();	/* what the I/O did is before what is done now */
	/* with the lock, drain_ready() has let go of the delta */
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
 * No first write to the leaf is in flight: who is not seen here sees what was
 * made BUSY before the call.  Other jobs keep off what is BUSY by themselves.
 */
static bool is_quiet(const struct lclone_task *task)
{
	if (!task->quiet)
		return false;
	smp_mb();	/* pairs with lclone_leaf_pin() */
	/* what they have published is seen behind this: pairs with lclone_leaf_unpin() */
	return !(atomic_read_acquire(&task->quiet->pins) & (LCLONE_PIN_JOB - 1));
}

void lclone_task_drain(struct lclone_drain *drain, struct lclone_task *task)
{
	lclone_assert_worker(drain->queue);
	if (is_quiet(task))
		lclone_task_ready(drain->queue, task);
	else
		list_add_tail(&task->list, &drain->next);
}

/* A drain takes a while: those whose leaf is quiet now need not wait for it. */
static void take_quiet(struct list_head *waiting, struct list_head *ready)
{
	struct lclone_task *task, *next;

	list_for_each_entry_safe(task, next, waiting, list)
		if (is_quiet(task))
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
	take_quiet(&drain->waiting, &ready);
	take_quiet(&drain->next, &ready);
	list_for_each_entry_safe(task, next, &ready, list) {
		lclone_look(drain->queue);
		task->step(task);
	}
}
