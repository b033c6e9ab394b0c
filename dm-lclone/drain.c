// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-flight I/O to the delta.
 *
 * I/O is counted per CPU, in one of two epochs.  To wait for all I/O that may
 * have seen the table as it was, the other epoch is made the current one: who
 * joins that sees what the table is now.  After a grace period nobody joins the
 * old epoch, so that the sum of its counts only falls: once it reads zero it is.
 */
#include "lclone.h"

int lclone_drain_init(struct lclone_delta *d)
{
	d->inflight = alloc_percpu(struct lclone_inflight);
	return d->inflight ? 0 : -ENOMEM;
}

void lclone_drain_destroy(struct lclone_delta *d)
{
	free_percpu(d->inflight);
}

static void drain_ready(struct rcu_head *head)
{
	struct lclone_delta *d = container_of(head, struct lclone_delta, drain_rcu);
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	smp_store_release(&d->drain_ready, true);	/* pairs with lclone_drain_finish() */
	queue_work(d->wq, &d->worker);	/* under the lock: once the drain has ended @d may go */
	spin_unlock_irqrestore(&d->lock, flags);
}

static void flip(struct lclone_delta *d)
{
	WRITE_ONCE(d->drain_kick, true);
	smp_store_release(&d->epoch, !d->epoch);	/* pairs with lclone_inflight_get() */
	call_rcu_hurry(&d->drain_rcu, drain_ready);
}

static void drain_flip(struct rcu_head *head)
{
	flip(container_of(head, struct lclone_delta, drain_rcu));
}

/*
 * I/O looks the leaf up before it joins an epoch.  If that one was evicted since, and
 * what changed is the one loaded in its place, the new epoch shows nothing: first
 * all must have joined who may have such a leaf, in the old epoch.
 */
void lclone_drain_start(struct lclone_delta *d)
{
	d->drain_busy = true;
	d->drain_ready = false;
	if (xchg(&d->evicted, false))
		call_rcu_hurry(&d->drain_rcu, drain_flip);
	else
		flip(d);
}

bool lclone_drain_finish(struct lclone_delta *d)
{
	long sum = 0;
	int cpu;

	/* pairs with drain_ready(): what was counted before is seen by the sum */
	if (!d->drain_busy || !smp_load_acquire(&d->drain_ready))
		return false;
	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(d->inflight, cpu)->count[!d->epoch]);
	if (sum)
		return false;		/* the last one to end queues the worker */
	smp_mb();	/* what the I/O did is before what is done now */
	/* drain_ready() has let go of @d */
	spin_lock_irq(&d->lock);
	spin_unlock_irq(&d->lock);
	WRITE_ONCE(d->drain_kick, false);
	d->drain_busy = false;
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

void lclone_task_drain(struct lclone_delta *d, struct lclone_task *task)
{
	if (is_quiet(task))
		lclone_task_ready(d, task);
	else
		list_add_tail(&task->list, &d->drain_next);
}

/* A drain takes a while: those whose leaf is quiet now need not wait for it. */
static void take_quiet(struct list_head *waiting, struct list_head *ready)
{
	struct lclone_task *task, *next;

	list_for_each_entry_safe(task, next, waiting, list)
		if (is_quiet(task))
			list_move_tail(&task->list, ready);
}

void lclone_task_run(struct lclone_delta *d)
{
	struct lclone_task *task, *next;
	LIST_HEAD(ready);

	spin_lock_irq(&d->lock);
	list_splice_init(&d->ready, &ready);
	spin_unlock_irq(&d->lock);
	take_quiet(&d->draining, &ready);
	take_quiet(&d->drain_next, &ready);
	list_for_each_entry_safe(task, next, &ready, list) {
		lclone_look(d);
		task->step(task);
	}
}
