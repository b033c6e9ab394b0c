// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sweep: work on all chunks of a clone while it is in use, a merge or a flatten.
 *
 * It works in batches.  Entries are made BUSY, so that no first write to their chunks begins,
 * and I/O that is in flight ends.  Then the chunks are copied, the merge or flatten publishes
 * the result, and BUSY is cleared.  A few lanes do that side by side, so that one copies while
 * others wait.  The sweep is over when a pass over the table has found nothing to do.
 */
#include <linux/part_stat.h>
#include <linux/slab.h>

#include "sweep.h"
#include "copy.h"
#include "trace.h"

#define LANES			3
#define BATCH_SECTORS		8192U
#define BATCH_SECTORS_MAX	32768	/* if the user wants no limit */
#define HELD_UP			256	/* all lanes together make 1 / HELD_UP of the clone BUSY */
#define SCAN_LEAVES		8	/* leaves that are looked at in one turn of the worker */
#define RETRY			(HZ / 10)	/* until an unsuccessful lane looks again */

static void lane_idle(struct lclone_lane *l)
{
	WRITE_ONCE(l->active, false);
	wake_up(&l->sweep->delta->queue.idle);
}

/*
 * Stops a lane because the clone is being suspended.  If the suspend was undone meanwhile,
 * lclone_sweep_start() may have left the lane alone because it was active still: then it is
 * started again here.
 */
static void lane_stop(struct lclone_lane *l)
{
	struct lclone_delta *d = l->sweep->delta;

	lane_idle(l);
	smp_mb();	/* pairs with xchg() in lclone_sweep_start() */
	if (!READ_ONCE(d->queue.stopping))
		lclone_sweep_start(d);
}

static bool lane_is_alone(const struct lclone_lane *l)
{
	const struct lclone_sweep *s = l->sweep;
	const struct lclone_lane *other;

	for (other = s->lane; other < s->lane + LANES; other++)
		if (other != l && READ_ONCE(other->active))
			return false;
	return true;
}

/* The end of a batch */

static void lane_gather(struct lclone_lane *l);

static void lane_copied(struct lclone_lane *l)
{
	if (l->error)
		lclone_lane_failed(l);
	else
		l->sweep->ops->copied(l);
}

/* Clears BUSY in the entries of the batch, and drops its pins. */
static void lane_release(struct lclone_lane *l)
{
	struct lclone_delta *d = l->sweep->delta;
	u32 i;

	for (i = 0; i < l->nr; i++) {
		/*
		 * If metadata have failed the entry may still be on disk, though it is empty in
		 * RAM.  BUSY stays then, so that the guest writes nothing to the base that this
		 * entry would hide after a restart.
		 */
		if (!READ_ONCE(d->super.degraded))
			lclone_clear_busy(l->chunk[i].leaf, l->chunk[i].slot);
		lclone_leaf_unpin_job(l->chunk[i].leaf);
	}
	l->nr = 0;
	lclone_unpark(&d->queue, WAIT_BUSY);
}

static void sweep_over(struct lclone_sweep *s, enum lclone_sweep_state state)
{
	WRITE_ONCE(s->state, state);
	lclone_event_send(&s->delta->event);
}

void lclone_lane_failed(struct lclone_lane *l)
{
	struct lclone_sweep *s = l->sweep;

	lclone_assert_worker(&l->sweep->delta->queue);
	if (l->nr)
		trace_lclone_batch(&s->delta->dev, l->nr, l->sectors, l->error);
	lane_release(l);
	if (s->state == SWEEP_RUNS) {
		DMERR("%s: %s stopped: error %d", s->delta->dev.name, s->ops->name, l->error);
		sweep_over(s, SWEEP_FAILED);
	}
	lane_idle(l);
}

/* Returns how long a lane pauses after a batch, so that the guest can use the devices. */
static u64 pause_ns(const struct lclone_lane *l)
{
	u64 took = ktime_get_ns() - l->begun, sectors = l->sectors;
	const struct lclone_sweep *s = l->sweep;
	u32 rate = READ_ONCE(s->rate);

	if (READ_ONCE(s->idle_only))
		return 0;
	if (!READ_ONCE(s->limited))
		return took;
	if (!rate)
		return 0;
	/* the rate is that of all lanes together */
	return max_t(s64, div_u64(sectors * LANES * (NSEC_PER_SEC / 2), rate) - took, 0);
}

void lclone_lane_done(struct lclone_lane *l)
{
	struct lclone_sweep *s = l->sweep;

	lclone_assert_worker(&l->sweep->delta->queue);
	s->chunks += l->nr;
	s->sectors += l->sectors;
	trace_lclone_batch(&s->delta->dev, l->nr, l->sectors, 0);
	lane_release(l);
	if (READ_ONCE(s->delta->queue.stopping))
		lane_stop(l);		/* the suspend does not have to wait for a pause */
	else
		queue_delayed_work(s->delta->queue.wq, &l->pause, nsecs_to_jiffies(pause_ns(l)));
}

/* Gathering */

/*
 * Returns how many sectors one batch may have, for which writes have to wait.  If the user gave
 * no limit, all lanes together make at most 1 / HELD_UP of the clone BUSY, so that few of the
 * guest's writes have to wait.  With a small rate a batch takes a quarter of a second.
 */
static u32 batch_sectors(const struct lclone_sweep *s)
{
	u32 rate = READ_ONCE(s->rate);

	if (!READ_ONCE(s->limited))
		return min_t(u64, s->delta->super.sb.virtual_sectors / (HELD_UP * LANES),
			     BATCH_SECTORS);
	return rate ? min(rate / 2, BATCH_SECTORS) : BATCH_SECTORS_MAX;
}

bool lclone_lane_full(const struct lclone_lane *l)
{
	return l->nr == LCLONE_BATCH || (l->nr && l->gathered >= batch_sectors(l->sweep));
}

bool lclone_lane_take(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot, u32 sectors)
{
	struct lclone_sweep *s = l->sweep;

	lclone_assert_worker(&l->sweep->delta->queue);
	s->found = true;
	if (!lclone_set_busy(leaf, slot))
		return false;
	s->taken = true;
	lclone_leaf_pin_job(leaf);
	l->chunk[l->nr++] = (struct lclone_swept){ .leaf = leaf, .slot = slot };
	l->gathered += sectors;
	return true;
}

static void sweep_begin_pass(struct lclone_sweep *s)
{
	s->found = false;
	s->taken = false;
	s->index = 0;
	s->slot = 0;
}

static void lane_pause(struct lclone_lane *l)
{
	queue_delayed_work(l->sweep->delta->queue.wq, &l->pause, RETRY);
}

/* Ends a pass; called by the last lane that was still active. */
static void sweep_end_pass(struct lclone_lane *l)
{
	struct lclone_sweep *s = l->sweep;
	bool found = s->found, taken = s->taken;

	if (!found) {
		DMINFO("%s: %s is complete", s->delta->dev.name, s->ops->name);
		sweep_over(s, SWEEP_DONE);
		lane_idle(l);
		return;
	}
	sweep_begin_pass(s);
	if (taken) {
		lclone_sweep_start(s->delta);
		lclone_lane_go(l, lane_gather);
	} else {
		lane_pause(l);		/* copy-ups and discards have made BUSY what is left */
	}
}

/* Gathers chunks for a batch.  Returns 0, or the error of ops->gather(). */
static int lane_gather_leaves(struct lclone_lane *l)
{
	struct lclone_sweep *s = l->sweep;
	struct lclone_delta *d = s->delta;
	int n, err = 1;

	for (n = 0; err > 0 && n < SCAN_LEAVES && s->index <= d->geo.last_leaf; n++) {
		struct lclone_leaf *leaf = lclone_leaf_get(&d->cache, s->index, false,
							   LCLONE_WORKER_GFP);

		if (IS_ERR(leaf))
			return PTR_ERR(leaf);
		err = s->ops->gather(l, &leaf);
		if (leaf != &lclone_empty_leaf)
			lclone_leaf_unpin(leaf);
		if (err > 0) {
			s->index++;
			s->slot = 0;
		}
	}
	return min(err, 0);
}

/* Does the guest use the clone, or did it a short while ago? */
static bool guest_is_active(struct lclone_sweep *s)
{
	unsigned long ios = part_stat_read_accum(s->guest, ios), in_flight = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		in_flight += part_stat_local_read_cpu(s->guest, in_flight[READ], cpu) +
			     part_stat_local_read_cpu(s->guest, in_flight[WRITE], cpu);
	if (in_flight || ios != s->guest_ios) {
		s->guest_ios = ios;
		s->guest_seen = jiffies;
	}
	return time_before(jiffies, s->guest_seen + RETRY);
}

static void lane_gather(struct lclone_lane *l)
{
	struct lclone_sweep *s = l->sweep;
	struct lclone_delta *d = s->delta;

	lclone_assert_worker(&l->sweep->delta->queue);
	if (READ_ONCE(d->queue.stopping) || READ_ONCE(d->super.mode) != LCLONE_RW ||
	    s->state != SWEEP_RUNS) {
		lane_stop(l);
		return;
	}
	if (READ_ONCE(s->idle_only) && guest_is_active(s)) {
		lane_pause(l);
		return;
	}
	l->begun = ktime_get_ns();
	l->gathered = 0;
	l->error = lane_gather_leaves(l);
	if (l->error == -EINPROGRESS)
		return;
	if (l->nr) {
		l->error = 0;		/* the next gathering will meet the error again */
		l->step = lclone_copy_batch;
		l->task.quiet = NULL;
		if (lclone_task_drain(&d->drain, &l->task))
			lclone_task_ready(&d->queue, &l->task);
	} else if (l->error && l->error != -EAGAIN) {
		lclone_lane_failed(l);
	} else if (l->error) {
		lclone_commit_want_checkpoint(&d->commit);
		lane_pause(l);
	} else if (s->index <= d->geo.last_leaf) {
		lclone_lane_go(l, lane_gather);
	} else if (!lane_is_alone(l)) {
		lane_idle(l);		/* the last active lane ends the pass */
	} else {
		sweep_end_pass(l);
	}
}

void lclone_lane_again(struct lclone_lane *l)
{
	lclone_lane_go(l, lane_gather);
}

/* Life */

static void lane_pause_over(struct work_struct *work)
{
	lclone_lane_again(container_of(to_delayed_work(work), struct lclone_lane, pause));
}

void lclone_sweep_destroy(struct lclone_sweep *s)
{
	if (!s)
		return;
	lclone_copier_destroy(s->copier);
	kvfree(s->lane);
	kfree(s);
}

struct lclone_sweep *lclone_sweep_create(struct lclone_delta *d,
					 const struct lclone_sweep_ops *ops)
{
	struct lclone_sweep *s = kzalloc(sizeof(*s), GFP_NOIO);
	struct lclone_lane *l;

	if (!s)
		return NULL;
	s->delta = d;
	s->ops = ops;
	s->copier = lclone_copier_create(s);
	s->lane = kvcalloc(LANES, sizeof(*l), GFP_NOIO);
	if (!s->copier || !s->lane) {
		lclone_sweep_destroy(s);
		return NULL;
	}
	for (l = s->lane; l < s->lane + LANES; l++) {
		lclone_lane_init(l, s);
		l->copied = lane_copied;
		INIT_DELAYED_WORK(&l->pause, lane_pause_over);
	}
	return s;
}

void lclone_sweep_exit(struct lclone_delta *d)
{
	lclone_sweep_destroy(d->sweep);
	d->sweep = NULL;
}

void lclone_sweep_set(struct lclone *t, const struct lclone_sweep_ops *ops)
{
	struct lclone_delta *d = t->delta;

	if (d->sweep && d->sweep->ops != ops)
		lclone_sweep_exit(d);
	if (d->sweep)
		lclone_sweep_destroy(t->sweep);
	else
		d->sweep = t->sweep;
	t->sweep = NULL;
	if (!d->sweep)
		return;
	d->sweep->state = SWEEP_RUNS;
	d->sweep->guest = dm_disk(dm_table_get_md(t->ti->table))->part0;
	sweep_begin_pass(d->sweep);
}

void lclone_sweep_start(struct lclone_delta *d)
{
	struct lclone_sweep *s = d->sweep;
	struct lclone_lane *l;

	if (!s || s->state != SWEEP_RUNS || READ_ONCE(d->super.mode) != LCLONE_RW)
		return;
	for (l = s->lane; l < s->lane + LANES; l++)
		if (!xchg(&l->active, true))
			lclone_lane_again(l);
}

static bool lanes_are_idle(const struct lclone_sweep *s)
{
	u32 i;

	for (i = 0; i < LANES; i++)
		if (READ_ONCE(s->lane[i].active))
			return false;
	return true;
}

void lclone_sweep_stop(struct lclone_delta *d)
{
	struct lclone_sweep *s = d->sweep;
	struct lclone_lane *l;

	if (!s)
		return;
	flush_work(&d->queue.work);	/* the worker's next pass sees "stopping" */
	for (l = s->lane; l < s->lane + LANES; l++)
		if (cancel_delayed_work_sync(&l->pause))
			lane_idle(l);	/* it was pausing, and has no batch under way */
	wait_event(d->queue.idle, lanes_are_idle(s));
}

int lclone_sweep_rate(struct lclone_delta *d, const char *arg)
{
	bool limited = strcmp(arg, "auto") && strcmp(arg, "idle");
	struct lclone_sweep *s = d->sweep;
	struct lclone_lane *l;
	u32 rate = 0;

	if (!s) {
		DMERR("%s: message merge_rate: no merge is under way", d->dev.name);
		return -EINVAL;
	}
	if (limited && kstrtou32(arg, 10, &rate)) {
		DMERR("%s: message merge_rate: a number of KiB/s, auto or idle", d->dev.name);
		return -EINVAL;
	}
	WRITE_ONCE(s->rate, rate);
	WRITE_ONCE(s->limited, limited);
	WRITE_ONCE(s->idle_only, !strcmp(arg, "idle"));
	/* lanes that pause by the old rate look again at once */
	for (l = s->lane; l < s->lane + LANES; l++)
		if (cancel_delayed_work(&l->pause))
			queue_delayed_work(d->queue.wq, &l->pause, 0);
	return 0;
}

unsigned int lclone_sweep_status(struct lclone_delta *d, char *result, unsigned int maxlen)
{
	const struct lclone_sweep *s = d->sweep;
	enum lclone_sweep_state state = READ_ONCE(s->state);
	unsigned int sz = 0;

	if (state == SWEEP_RUNS && READ_ONCE(d->super.degraded))
		state = SWEEP_FAILED;	/* the lanes stop without changing the state */
	DMEMIT(" %s %llu %llu %u/%u", s->ops->states[state], READ_ONCE(s->chunks),
	       READ_ONCE(s->sectors), READ_ONCE(s->index), d->geo.last_leaf + 1);
	return sz;
}
