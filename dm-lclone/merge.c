// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge of a delta into its base while the clone is in use.
 *
 * In batches: entries are made BUSY, so that nobody writes to their chunks; what
 * is in flight ends; what the entries name is copied to the base, which is then
 * flushed; the entries become empty; once that is committed BUSY goes, and the
 * chunks are free.  Whatever is lost in a crash: an entry that is still there
 * names what the base has too, or will get again.
 *
 * A guest's write goes to the base if its entry is empty, which by the above is
 * durable.  So entries only vanish, and the merge ends however busy the guest is.
 */
#include <linux/slab.h>

#include "lclone.h"

#define LANES		3		/* batches under way: one copies while others wait */
#define BATCH		128		/* chunks of a batch at most, ... */
#define BATCH_SECTORS	8192		/* ... and how much of them */
#define SCAN_LEAVES	64		/* looked through before others get their turn */
#define RETRY		(HZ / 10)	/* when too many leaves are dirty */

struct merge_chunk {
	struct lclone_leaf *leaf;	/* pinned for each of its chunks */
	u32 slot;
};

enum merge_state { MERGE_RUNS, MERGE_DONE, MERGE_FAILED };

/* One batch after the other */
struct lane {
	struct lclone_task task;
	struct lclone_merge *merge;
	struct delayed_work pause;
	struct work_struct zero_work;
	bool active;			/* a batch is under way, or will be */
	int error;
	u32 nr;
	struct merge_chunk chunk[BATCH];
	atomic_t copies;		/* in flight, and one for who starts them */
	struct bio bio;
	u64 begun;			/* ns */
	atomic_long_t sectors;
};

/* Worker only but for what status and messages use */
struct lclone_merge {
	struct lclone_delta *delta;
	enum merge_state state;
	bool found;			/* any exception in this pass */
	u32 index, slot;		/* where the pass goes on */
	u64 chunks, sectors;		/* merged */
	bool limited;			/* by rate, not by the time that batches take */
	u32 rate;			/* KiB/s, 0: no limit */
	struct lane *lane;		/* LANES of them */
};

static struct lane *to_lane(struct lclone_task *task)
{
	return container_of(task, struct lane, task);
}

static u64 *entry_of(const struct merge_chunk *chunk)
{
	return &chunk->leaf->exceptions[chunk->slot];
}

/* Goes on with @step in the worker. Any context. */
static void lane_go(struct lane *l, void (*step)(struct lclone_task *task))
{
	l->task.step = step;
	lclone_task_ready(l->merge->delta, &l->task);
}

static void lane_idle(struct lane *l)
{
	WRITE_ONCE(l->active, false);
	wake_up(&l->merge->delta->idle);
}

static bool alone(const struct lane *l)
{
	const struct lane *other;

	for (other = l->merge->lane; other < l->merge->lane + LANES; other++)
		if (other != l && other->active)
			return false;
	return true;
}

static void merge_done(struct lane *l)
{
	struct lclone_delta *d = l->merge->delta;

	WRITE_ONCE(l->merge->state, MERGE_DONE);
	DMINFO("%s: merged into the base", d->name);
	lclone_event(d);
	lane_idle(l);
}

/* A batch, from its end */

static void lane_gather(struct lclone_task *task);

/* Drops what the batch holds. */
static void lane_release(struct lane *l)
{
	u32 i;

	for (i = 0; i < l->nr; i++) {
		lclone_clear_busy(l->chunk[i].leaf, l->chunk[i].slot);
		lclone_leaf_unpin_job(l->chunk[i].leaf);
	}
	l->nr = 0;
	lclone_unpark(l->merge->delta, WAIT_BUSY);
}

/* The batch is left as it was; the other lanes end theirs. */
static void lane_failed(struct lane *l)
{
	struct lclone_delta *d = l->merge->delta;

	lane_release(l);
	if (l->merge->state == MERGE_RUNS) {
		WRITE_ONCE(l->merge->state, MERGE_FAILED);
		DMERR("%s: the merge into the base stopped: error %d", d->name, l->error);
		lclone_event(d);
	}
	lane_idle(l);
}

/* How long the guest has the devices for itself */
static u64 pause_ns(const struct lane *l)
{
	u64 took = ktime_get_ns() - l->begun, sectors = atomic_long_read(&l->sectors);
	const struct lclone_merge *m = l->merge;

	if (!m->limited)
		return took;
	if (!m->rate)
		return 0;
	/* all lanes together */
	return max_t(s64, div_u64(sectors * LANES * (NSEC_PER_SEC / 2), m->rate) - took, 0);
}

static void lane_committed(struct lclone_task *task)
{
	struct lane *l = to_lane(task);

	l->error = blk_status_to_errno(l->bio.bi_status);
	bio_uninit(&l->bio);
	if (l->error) {
		lane_failed(l);
		return;
	}
	l->merge->chunks += l->nr;
	l->merge->sectors += atomic_long_read(&l->sectors);
	lane_release(l);
	if (READ_ONCE(l->merge->delta->stopping))
		lane_idle(l);		/* a pause would have to be waited for */
	else
		queue_delayed_work(l->merge->delta->wq, &l->pause, nsecs_to_jiffies(pause_ns(l)));
}

static void lane_committed_endio(struct bio *bio)
{
	lane_go(container_of(bio, struct lane, bio), lane_committed);
}

/* The base has it all, durably. BUSY stays until the table has forgotten it, durably. */
static void lane_publish(struct lclone_task *task)
{
	struct lane *l = to_lane(task);
	struct lclone_delta *d = l->merge->delta;
	u32 i;

	l->error = blk_status_to_errno(l->bio.bi_status);
	bio_uninit(&l->bio);
	if (l->error) {
		lane_failed(l);
		return;
	}
	for (i = 0; i < l->nr; i++) {
		u64 *entry = entry_of(&l->chunk[i]), exc = READ_ONCE(*entry);

		lclone_leaf_touch(l->chunk[i].leaf, l->chunk[i].slot);
		while (!try_cmpxchg64(entry, &exc, LCLONE_EXC_BUSY | LCLONE_EXC_DIRTY))
			;
		if (lclone_exc_phys(exc))
			lclone_commit_free(d, lclone_exc_phys(exc));
	}
	bio_init(&l->bio, d->bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	l->bio.bi_end_io = lane_committed_endio;
	lclone_commit_join(d, &l->bio, true);
}

static void lane_flush_endio(struct bio *bio)
{
	lane_go(container_of(bio, struct lane, bio), lane_publish);
}

static void lane_flush(struct lclone_task *task)
{
	struct lane *l = to_lane(task);

	if (l->error) {
		lane_failed(l);
		return;
	}
	bio_init(&l->bio, l->merge->delta->base, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	l->bio.bi_end_io = lane_flush_endio;
	submit_bio_noacct(&l->bio);
}

/* Copies */

static void copy_put(struct lane *l, int err)
{
	if (err)
		WRITE_ONCE(l->error, err);
	if (atomic_dec_and_test(&l->copies))
		lane_go(l, lane_flush);
}

static void copied(int read_err, unsigned long write_err, void *context)
{
	copy_put(context, read_err || write_err ? -EIO : 0);
}

/* What goes to the base in one piece */
struct extent {
	struct dm_io_region from, to;
};

static int submit_copy(struct lane *l, struct extent *e)
{
	e->from.count = e->to.count;
	atomic_inc(&l->copies);
	dm_kcopyd_copy(lclone_kcopyd, &e->from, 1, &e->to, 0, copied, l);
	return 0;
}

/* Not by kcopyd: some devices claim REQ_OP_WRITE_ZEROES and fail it. */
static int submit_zeroes(struct lane *l, struct extent *e)
{
	return blkdev_issue_zeroout(e->to.bdev, e->to.sector, e->to.count, GFP_NOIO, 0);
}

/* Calls @submit for each extent of the subchunks that @bits finds in an exception. */
static int for_each_extent(struct lane *l, u32 (*bits)(u64 exc),
			   int (*submit)(struct lane *l, struct extent *e))
{
	struct lclone_delta *d = l->merge->delta;
	struct extent e = { .from.bdev = d->bdev, .to.bdev = d->base };
	int err = 0;
	u32 i, sub;

	for (i = 0; i < l->nr; i++) {
		struct merge_chunk *chunk = &l->chunk[i];
		u64 n = (u64)chunk->leaf->index * LCLONE_LEAF_EXCEPTIONS + chunk->slot;
		u64 exc = READ_ONCE(*entry_of(chunk));

		for (sub = 0; sub < LCLONE_SUBCHUNKS; sub++) {
			u32 offset = sub << d->sub_shift, len = 1u << d->sub_shift;
			sector_t from = lclone_chunk_start(d, lclone_exc_phys(exc)) + offset;
			sector_t to = lclone_chunk_start(d, n) + offset;

			if (!(bits(exc) & 1u << sub) || to >= d->sb.virtual_sectors)
				continue;
			if (e.to.count && (e.to.sector + e.to.count != to ||
					   (lclone_exc_phys(exc) &&
					    e.from.sector + e.to.count != from))) {
				err = err ?: submit(l, &e);
				e.to.count = 0;
			}
			if (!e.to.count) {
				e.from.sector = from;
				e.to.sector = to;
			}
			e.to.count += min_t(u64, len, d->sb.virtual_sectors - to);
			atomic_long_add(len, &l->sectors);
		}
	}
	return e.to.count ? err ?: submit(l, &e) : err;
}

static void zero_work(struct work_struct *work)
{
	struct lane *l = container_of(work, struct lane, zero_work);

	copy_put(l, for_each_extent(l, lclone_exc_zero, submit_zeroes));
}

/* Drained: nobody changes the chunks or their entries any more. */
static void lane_copy(struct lclone_task *task)
{
	struct lane *l = to_lane(task);

	atomic_long_set(&l->sectors, 0);
	l->error = 0;
	atomic_set(&l->copies, 2);
	queue_work(l->merge->delta->wq, &l->zero_work);
	copy_put(l, for_each_extent(l, lclone_exc_written, submit_copy));
}

/* Gathering */

/* Takes what is in a leaf from m->slot on. Returns whether the batch is full. */
static bool gather_leaf(struct lane *l, struct lclone_leaf *leaf, u32 *sectors)
{
	struct lclone_merge *m = l->merge;

	for (; m->slot < LCLONE_LEAF_EXCEPTIONS; m->slot++) {
		u64 exc = READ_ONCE(leaf->exceptions[m->slot]);

		if (!(exc & ~LCLONE_SPARE_MASK))
			continue;
		if (l->nr == BATCH || *sectors >= BATCH_SECTORS)
			return true;
		m->found = true;
		if (!lclone_set_busy(leaf, m->slot))
			continue;	/* the next pass sees it again */
		lclone_leaf_pin_job(leaf);
		l->chunk[l->nr].leaf = leaf;
		l->chunk[l->nr++].slot = m->slot;
		*sectors += hweight32(lclone_exc_written(exc)) << m->delta->sub_shift;
	}
	return false;
}

static bool has_exceptions(const struct lclone_leaf *leaf, u32 slot)
{
	for (; slot < LCLONE_LEAF_EXCEPTIONS; slot++)
		if (READ_ONCE(leaf->exceptions[slot]) & ~LCLONE_SPARE_MASK)
			return true;
	return false;
}

/* Returns 0, -EAGAIN (too many leaves are dirty) or another error. */
static int gather(struct lane *l)
{
	struct lclone_merge *m = l->merge;
	struct lclone_delta *d = m->delta;
	struct lclone_leaf *leaf;
	u32 n, sectors = 0;

	for (n = 0; n < SCAN_LEAVES && m->index <= d->last_leaf; n++) {
		bool full = false;

		leaf = lclone_leaf_get(d, m->index, false);
		if (IS_ERR(leaf))
			return PTR_ERR(leaf);
		if (leaf != &lclone_empty_leaf) {
			bool any = has_exceptions(leaf, m->slot), marked = any && lclone_commit_mark(d, leaf);

			if (marked)
				full = gather_leaf(l, leaf, &sectors);
			lclone_leaf_unpin(leaf);
			if (any && !marked)
				return -EAGAIN;
		}
		if (full)
			return 0;
		m->index++;
		m->slot = 0;
	}
	return 0;
}

static void lane_gather(struct lclone_task *task)
{
	struct lane *l = to_lane(task);
	struct lclone_merge *m = l->merge;
	struct lclone_delta *d = m->delta;

	if (READ_ONCE(d->stopping) || READ_ONCE(d->mode) != LCLONE_RW || m->state != MERGE_RUNS) {
		lane_idle(l);
		return;
	}
	l->begun = ktime_get_ns();
	l->error = gather(l);
	if (l->error && l->error != -EAGAIN) {
		lane_failed(l);
	} else if (l->nr) {
		l->task.step = lane_copy;
		l->task.quiet = NULL;
		lclone_task_drain(d, &l->task);
	} else if (l->error) {
		lclone_commit_want_checkpoint(d);
		queue_delayed_work(d->wq, &l->pause, RETRY);
	} else if (m->index <= d->last_leaf) {
		lane_go(l, lane_gather);
	} else if (!alone(l)) {
		lane_idle(l);		/* the last one looks whether there is more */
	} else if (m->found) {
		m->found = false;
		m->index = 0;
		m->slot = 0;
		lclone_merge_start(d);
		lane_go(l, lane_gather);
	} else {
		merge_done(l);
	}
}

/* Life */

static void pause_over(struct work_struct *work)
{
	lane_go(container_of(to_delayed_work(work), struct lane, pause), lane_gather);
}

static struct lclone_merge *merge_create(struct lclone_delta *d)
{
	struct lclone_merge *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct lane *l = kcalloc(LANES, sizeof(*l), GFP_KERNEL);

	if (!m || !l) {
		kfree(l);
		kfree(m);
		return NULL;
	}
	m->delta = d;
	m->lane = l;
	for (; l < m->lane + LANES; l++) {
		l->merge = m;
		INIT_DELAYED_WORK(&l->pause, pause_over);
		INIT_WORK(&l->zero_work, zero_work);
	}
	return m;
}

void lclone_merge_exit(struct lclone_delta *d)
{
	if (d->merge)
		kfree(d->merge->lane);
	kfree(d->merge);
	d->merge = NULL;
}

int lclone_merge_set(struct lclone_delta *d, bool merge)
{
	struct lclone_merge *m = d->merge;

	if (!merge) {
		lclone_merge_exit(d);
		return 0;
	}
	if (!m)
		m = merge_create(d);
	if (!m)
		return -ENOMEM;
	m->state = MERGE_RUNS;
	m->found = false;
	m->index = 0;
	m->slot = 0;
	d->merge = m;
	return 0;
}

void lclone_merge_start(struct lclone_delta *d)
{
	struct lclone_merge *m = d->merge;
	struct lane *l;

	if (!m || m->state != MERGE_RUNS || READ_ONCE(d->mode) != LCLONE_RW)
		return;
	for (l = m->lane; l < m->lane + LANES; l++) {
		if (l->active)
			continue;
		l->active = true;
		lane_go(l, lane_gather);
	}
}

static bool is_idle(const struct lclone_merge *m)
{
	u32 i;

	for (i = 0; i < LANES; i++)
		if (READ_ONCE(m->lane[i].active))
			return false;
	return true;
}

void lclone_merge_stop(struct lclone_delta *d)
{
	struct lclone_merge *m = d->merge;
	struct lane *l;

	if (!m)
		return;
	for (l = m->lane; l < m->lane + LANES; l++)
		if (cancel_delayed_work_sync(&l->pause))
			lane_idle(l);	/* a pause need not be waited for */
	wait_event(d->idle, is_idle(m));
}

int lclone_merge_rate(struct lclone_delta *d, const char *arg)
{
	struct lclone_merge *m = d->merge;
	u32 rate = 0;

	if (!m) {
		DMERR("%s: message merge_rate: no merge is under way", d->name);
		return -EINVAL;
	}
	if (strcmp(arg, "auto") && kstrtou32(arg, 10, &rate)) {
		DMERR("%s: message merge_rate: a number of KiB/s, or auto", d->name);
		return -EINVAL;
	}
	WRITE_ONCE(m->rate, rate);
	WRITE_ONCE(m->limited, strcmp(arg, "auto"));
	return 0;
}

unsigned int lclone_merge_status(struct lclone_delta *d, char *result, unsigned int maxlen)
{
	static const char * const names[] = {
		[MERGE_RUNS] = "merging", [MERGE_DONE] = "merged", [MERGE_FAILED] = "merge_failed",
	};
	const struct lclone_merge *m = d->merge;
	unsigned int sz = 0;

	if (m)
		DMEMIT(" %s %llu %llu %u/%u", names[READ_ONCE(m->state)], READ_ONCE(m->chunks),
		       READ_ONCE(m->sectors), READ_ONCE(m->index), d->last_leaf + 1);
	return sz;
}
