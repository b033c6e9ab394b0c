// SPDX-License-Identifier: GPL-2.0-only
/*
 * Group commit: makes the exceptions that changed durable with one write to the
 * log, and ends the flushes that wait for them.
 *
 * A round serves the flushes that wait when it starts, and covers every entry that is DIRTY
 * then.  It writes the log in steps of at most BIG_BLOCKS blocks; mostly there is one step.
 * A step flushes the device and then writes its blocks with FUA, so that data are durable
 * before the record that points to them.  One round or checkpoint is under way at a time:
 * whoever sets commit.busy owns the log.
 */
#include <linux/slab.h>

#include "commit.h"
#include "trace.h"

/* Blocks of one write: what there is always a buffer for, and with memory for a larger one */
#define LEAF_BLOCKS	2	/* room for the records of a whole leaf */
#define BIG_BLOCKS		16
/* A round over more leaves than this is left to a work, because a flush may be in map(). */
#define INLINE_LEAVES		32

static u32 log_left(const struct lclone_commit *c)
{
	return c->super->sb.log_pos + c->super->sb.log_blocks / 2 - c->log_tail;
}

/* Marking: the caller has pinned the leaf */

static void kick_timer(struct lclone_commit *c)
{
	queue_delayed_work(c->super->queue->wq, &c->timer, msecs_to_jiffies(c->interval));
}

bool lclone_commit_mark(struct lclone_commit *c, struct lclone_leaf *leaf)
{
	bool ok = true, full = false;

	if (likely(lclone_commit_marked(leaf)))
		return true;

	spin_lock_irq(&c->lock);
	if (!test_bit(LEAF_DIRTY, &leaf->flags)) {
		if (c->nr_dirty >= c->dirty_max) {
			ok = false;
		} else {
			c->nr_dirty++;
			list_add_tail(&leaf->dirty, &c->dirty);
			set_bit(LEAF_DIRTY, &leaf->flags);
		}
		full = c->nr_dirty >= c->dirty_soft;
	}
	if (ok && !test_bit(LEAF_UNCOMMITTED, &leaf->flags)) {
		WRITE_ONCE(c->clean, false);
		smp_wmb();	/* whoever sees the leaf marked must not see clean still set */
		list_add_tail(&leaf->uncommitted, &c->uncommitted);
		set_bit(LEAF_UNCOMMITTED, &leaf->flags);
	}
	spin_unlock_irq(&c->lock);

	if (full)
		lclone_commit_want_checkpoint(c);
	kick_timer(c);
	return ok;
}

void lclone_commit_replayed(struct lclone_commit *c, struct lclone_leaf *leaf)
{
	spin_lock_irq(&c->lock);
	if (!test_and_set_bit(LEAF_DIRTY, &leaf->flags)) {
		c->nr_dirty++;
		list_add_tail(&leaf->dirty, &c->dirty);
	}
	spin_unlock_irq(&c->lock);
}

/*
 * A mutator touches the group of an entry, publishes the entry and unpins the leaf, in this
 * order.  If the leaf is pinned here, a mutator may publish at any time: the groups count as
 * touched for the next round, too, and the leaf stays on the list.  If it is not pinned, then
 * either the mutator's group is among those that are returned, and the caller sees what was
 * published, or leaf->groups is not empty any more and the leaf stays on the list.
 */
unsigned long lclone_commit_take(struct lclone_commit *c, struct lclone_leaf *leaf)
{
	unsigned long groups = xchg(&leaf->groups, 0), i;
	bool pinned;

	spin_lock_irq(&c->lock);
	list_del_init(&leaf->uncommitted);
	clear_bit(LEAF_UNCOMMITTED, &leaf->flags);
	/* Either a mutator sees the flag cleared and marks the leaf again, or we see its pin. */
	smp_mb__after_atomic();
	pinned = atomic_read_acquire(&leaf->pins);	/* pairs with lclone_leaf_unpin() */
	if (pinned)
		for_each_set_bit(i, &groups, BITS_PER_LONG)
			set_bit(i, &leaf->groups);
	if (pinned || READ_ONCE(leaf->groups)) {
		set_bit(LEAF_UNCOMMITTED, &leaf->flags);
		list_add_tail(&leaf->uncommitted, &c->uncommitted);
		kick_timer(c);
	}
	spin_unlock_irq(&c->lock);
	return groups;
}

/* The log buffer had no room for all records: @groups are looked at again in this round. */
static void put_back_leaf(struct lclone_commit *c, struct lclone_leaf *leaf, unsigned long groups)
{
	unsigned long i;

	for_each_set_bit(i, &groups, BITS_PER_LONG)
		set_bit(i, &leaf->groups);
	spin_lock_irq(&c->lock);
	set_bit(LEAF_UNCOMMITTED, &leaf->flags);
	list_move(&leaf->uncommitted, &c->round);
	spin_unlock_irq(&c->lock);
}

/* Rounds */

static void __begin_round(struct lclone_commit *c)
{
	lockdep_assert_held(&c->lock);
	bio_list_merge(&c->serving, &c->waiters);
	bio_list_init(&c->waiters);
	list_splice_tail_init(&c->uncommitted, &c->round);
	list_splice_tail_init(&c->freed, &c->freeing);
	c->overdue = false;
}

static void begin_round(struct lclone_commit *c)
{
	spin_lock_irq(&c->lock);
	__begin_round(c);
	spin_unlock_irq(&c->lock);
}

void lclone_commit_begin_checkpoint(struct lclone_commit *c, struct list_head *leaves)
{
	spin_lock_irq(&c->lock);
	__begin_round(c);
	/* Under the same lock as the lists: leaves marked from now on may want another one. */
	WRITE_ONCE(c->want_checkpoint, false);
	list_splice_init(&c->dirty, leaves);
	spin_unlock_irq(&c->lock);
}

/* Does a round or a checkpoint have to follow the one that ends? */
static bool round_is_wanted(const struct lclone_commit *c)
{
	lockdep_assert_held(&c->lock);
	return !bio_list_empty(&c->waiters) || c->want_checkpoint || !list_empty(&c->freed) ||
	       (c->overdue && !list_empty(&c->uncommitted));
}

void lclone_commit_end(struct lclone_commit *c, blk_status_t status)
{
	struct bio_list served;
	unsigned long flags;
	struct bio *bio;

	spin_lock_irqsave(&c->lock, flags);
	served = c->serving;
	bio_list_init(&c->serving);
	if (!status)
		list_splice_tail_init(&c->freeing, &c->free);
	if (!list_empty(&c->free))
		lclone_wake(c->super->queue);
	if (round_is_wanted(c)) {
		queue_work(c->super->queue->wq, &c->work);
	} else {
		WRITE_ONCE(c->busy, false);
		/* After a failed commit never again: nobody can make durable what it has lost. */
		if (!READ_ONCE(c->super->degraded) && list_empty(&c->uncommitted) &&
		    list_empty(&c->round))
			smp_store_release(&c->clean, true);	/* for lclone_commit_clean() */
		if (wq_has_sleeper(&c->super->queue->idle))
			wake_up(&c->super->queue->idle);
	}
	spin_unlock_irqrestore(&c->lock, flags);

	while ((bio = bio_list_pop(&served))) {
		bio->bi_status = status;
		bio_endio(bio);
	}
}

/* A step has ended: goes on with the next step, or ends the round.  Any context. */
static void commit_step_done(struct lclone_commit *c, blk_status_t status)
{
	if (c->big) {
		free_pages((unsigned long)c->big, get_order(BIG_BLOCKS * LCLONE_BLOCK_SIZE));
		c->big = NULL;
	}
	if (c->nr_blocks)
		trace_lclone_commit(c->super->dev, c->next_commit, c->nr_blocks,
				    blk_status_to_errno(status));
	if (unlikely(status)) {
		lclone_metadata_failed(c->super, "write the log", blk_status_to_errno(status));
	} else if (c->nr_blocks) {
		c->log_tail += c->nr_blocks;
		c->next_commit++;
		c->commits++;
	}
	if (likely(status || list_empty(&c->round)))
		lclone_commit_end(c, status);
	else
		queue_work(c->super->queue->wq, &c->work);
}

static void log_write_endio(struct bio *bio)
{
	struct lclone_commit *c = bio->bi_private;
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	commit_step_done(c, status);
}

/* Writes the records of this step, after the flush or where the device needs none. */
static void write_log(struct lclone_commit *c)
{
	struct lclone_log_disk *log = c->big ?: c->log;

	bio_init(&c->bio, c->super->dev->bdev, &c->bvec, 1,
		 REQ_OP_WRITE | REQ_FUA | REQ_META | REQ_SYNC | REQ_IDLE);
	c->bio.bi_end_io = log_write_endio;
	c->bio.bi_private = c;
	c->bio.bi_iter.bi_sector = (c->super->sb.log_start + c->log_tail) * LCLONE_BLOCK_SECTORS;
	__bio_add_page(&c->bio, virt_to_page(log), c->nr_blocks * LCLONE_BLOCK_SIZE,
		       offset_in_page(log));
	submit_bio_noacct(&c->bio);
}

static void log_write_work(struct work_struct *work)
{
	write_log(container_of(work, struct lclone_commit, log_work));
}

static void log_flush_endio(struct bio *bio)
{
	struct lclone_commit *c = bio->bi_private;
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	if (!status && c->nr_blocks)
		queue_work(c->super->queue->wq, &c->log_work);
	else
		commit_step_done(c, status);
}

/*
 * Makes records of the DIRTY entries of one group, behind the @n records that are there.
 * Returns the new number of records, or -ENOSPC if there is no room for another one.
 */
static int collect_group(struct lclone_leaf *leaf, u32 group, struct lclone_log_disk *log, int n,
			 int max)
{
	u64 first = (u64)leaf->index * LCLONE_LEAF_EXCEPTIONS;
	u32 slot = group * LCLONE_GROUP, end = slot + LCLONE_GROUP;

	for (; slot < end; slot++) {
		u64 exc = READ_ONCE(leaf->exceptions[slot]);

		if (!(exc & LCLONE_EXC_DIRTY))
			continue;
		if (n == max)
			return -ENOSPC;
		while (!try_cmpxchg64(&leaf->exceptions[slot], &exc, exc & ~LCLONE_EXC_DIRTY))
			;
		lclone_record_pack(&log[n / LCLONE_LOG_RECORDS].records[n % LCLONE_LOG_RECORDS],
				   first + slot, exc);
		n++;
	}
	return n;
}

/* Returns the number of records.  Leaves whose records did not fit stay in the round. */
static int collect_records(struct lclone_commit *c, struct lclone_log_disk *log, int max)
{
	int n = 0;

	while (!list_empty(&c->round)) {
		struct lclone_leaf *leaf = list_first_entry(&c->round, struct lclone_leaf,
							    uncommitted);
		unsigned long groups = lclone_commit_take(c, leaf);

		while (groups) {
			int more = collect_group(leaf, __ffs(groups), log, n, max);

			if (more < 0) {
				put_back_leaf(c, leaf, groups);
				return max;
			}
			n = more;
			groups &= groups - 1;
		}
	}
	return n;
}

static void seal_log(struct lclone_commit *c, struct lclone_log_disk *log, u32 n)
{
	struct lclone_log head = {
		.incarnation = c->super->sb.incarnation,
		.checkpoint = c->super->sb.checkpoint,
		.commit = c->next_commit,
		.blocks = DIV_ROUND_UP(n, LCLONE_LOG_RECORDS),
	};

	for (; head.index < head.blocks; head.index++) {
		struct lclone_log_disk *block = &log[head.index];

		head.count = min_t(u32, n, LCLONE_LOG_RECORDS);
		n -= head.count;
		memset(&block->records[head.count], 0,
		       (LCLONE_LOG_RECORDS - head.count) * sizeof(block->records[0]));
		lclone_log_seal(block, c->super->sb.uuid, &head);
	}
}

/* Returns a buffer that is large enough for one leaf, or larger if there is memory at once. */
static struct lclone_log_disk *log_buffer(struct lclone_commit *c, u32 *blocks)
{
	if (!list_empty(&c->round) && !list_is_singular(&c->round))
		c->big = (void *)__get_free_pages(GFP_NOWAIT | __GFP_NOWARN,
						  get_order(BIG_BLOCKS * LCLONE_BLOCK_SIZE));
	*blocks = c->big ? BIG_BLOCKS : LEAF_BLOCKS;
	return c->big ?: c->log;
}

/*
 * Starts one step of the round: a flush, then a write.  May not sleep.
 *
 * If the device has a write cache, the flush is a bio of its own: device-mapper devices, LVs
 * among them, lose the error of a flush that comes with data.
 */
static void commit_step(struct lclone_commit *c)
{
	struct lclone_log_disk *log;
	u32 blocks, n;

	if (c->want_checkpoint || !log_left(c)) {
		queue_work(c->super->queue->wq, c->checkpoint);
		return;
	}
	log = log_buffer(c, &blocks);
	n = collect_records(c, log, min(blocks, log_left(c)) * LCLONE_LOG_RECORDS);
	c->nr_blocks = DIV_ROUND_UP(n, LCLONE_LOG_RECORDS);
	if (n)
		seal_log(c, log, n);
	if (n && !bdev_write_cache(c->super->dev->bdev)) {
		write_log(c);
		return;
	}
	bio_init(&c->bio, c->super->dev->bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	c->bio.bi_end_io = log_flush_endio;
	c->bio.bi_private = c;
	submit_bio_noacct(&c->bio);
}

/* Goes on with the round under way, or starts one.  Whoever queues it has set busy. */
static void commit_work(struct work_struct *work)
{
	struct lclone_commit *c = container_of(work, struct lclone_commit, work);

	if (READ_ONCE(c->super->mode) != LCLONE_RW) {
		begin_round(c);
		WRITE_ONCE(c->want_checkpoint, false);
		lclone_commit_end(c, BLK_STS_IOERR);
		return;
	}
	if (list_empty(&c->round))
		begin_round(c);
	commit_step(c);
}

static bool __join_round(struct lclone_commit *c)
{
	bool start = !c->busy;

	lockdep_assert_held(&c->lock);
	WRITE_ONCE(c->clean, false);
	WRITE_ONCE(c->busy, true);
	return start;
}

/*
 * Lets the bio, if there is one, wait for the next round.  Returns true if the caller has to
 * start that round: then the busy flag belongs to the caller.
 */
static bool join_round(struct lclone_commit *c, struct bio *bio, bool checkpoint)
{
	unsigned long flags;
	bool start;

	spin_lock_irqsave(&c->lock, flags);
	if (bio)
		bio_list_add(&c->waiters, bio);
	if (checkpoint)
		c->want_checkpoint = true;
	start = __join_round(c);
	spin_unlock_irqrestore(&c->lock, flags);
	return start;
}

bool lclone_commit_busy(struct lclone_commit *c)
{
	bool busy;

	spin_lock_irq(&c->lock);
	busy = c->busy;
	spin_unlock_irq(&c->lock);
	return busy;
}

static void commit_timer(struct work_struct *work)
{
	struct lclone_commit *c = container_of(to_delayed_work(work), struct lclone_commit, timer);
	bool start = false;

	spin_lock_irq(&c->lock);
	if (!list_empty(&c->uncommitted)) {
		/* The round under way may not cover these leaves: another one has to follow. */
		c->overdue = true;
		start = __join_round(c);
	}
	spin_unlock_irq(&c->lock);
	if (start)
		queue_work(c->super->queue->wq, &c->work);
}

static bool list_is_short(struct list_head *list, u32 max)
{
	struct list_head *pos;

	list_for_each(pos, list)
		if (!max--)
			return false;
	return true;
}

void lclone_commit_join(struct lclone_commit *c, struct bio *bio, bool atomic)
{
	if (!join_round(c, bio, false))
		return;
	if (atomic || READ_ONCE(c->super->mode) != LCLONE_RW) {
		queue_work(c->super->queue->wq, &c->work);
		return;
	}
	begin_round(c);
	if (list_is_short(&c->round, INLINE_LEAVES))
		commit_step(c);
	else
		queue_work(c->super->queue->wq, &c->work);
}

void lclone_commit_want_checkpoint(struct lclone_commit *c)
{
	if (!READ_ONCE(c->want_checkpoint) && join_round(c, NULL, true))
		queue_work(c->super->queue->wq, &c->work);
}

void lclone_commit_throttle(struct lclone_commit *c, struct bio *bio)
{
	lclone_park(c->super->queue, bio, WAIT_CHECKPOINT);
	lclone_commit_want_checkpoint(c);
}

static void commit_sync_endio(struct bio *bio)
{
	complete(bio->bi_private);
}

int lclone_commit_sync(struct lclone_commit *c, bool checkpoint)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct bio bio;
	int err;

	bio_init(&bio, c->super->dev->bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	bio.bi_private = &done;
	bio.bi_end_io = commit_sync_endio;
	if (join_round(c, &bio, checkpoint))
		queue_work(c->super->queue->wq, &c->work);
	wait_for_completion(&done);
	err = blk_status_to_errno(bio.bi_status);
	bio_uninit(&bio);
	return err;
}

/* Freed chunks */

void lclone_commit_free(struct lclone_commit *c, u32 phys)
{
	/* Can't fail: a search takes a chunk for free that is in no list. */
	struct lclone_extent *e = lclone_extent_alloc();

	lclone_assert_worker(c->super->queue);
	spin_lock_irq(&c->lock);
	e = lclone_extent_append(&c->freed, e, phys, 1);
	spin_unlock_irq(&c->lock);
	kfree(e);
}

bool lclone_commit_freeing(struct lclone_commit *c)
{
	bool freed, all;

	spin_lock_irq(&c->lock);
	freed = !list_empty(&c->freed);
	all = freed || !list_empty(&c->freeing) || !list_empty(&c->free);
	spin_unlock_irq(&c->lock);
	if (freed && join_round(c, NULL, false))
		queue_work(c->super->queue->wq, &c->work);
	return all && READ_ONCE(c->super->mode) == LCLONE_RW;
}

void lclone_commit_take_freed(struct lclone_commit *c, struct list_head *list)
{
	lclone_assert_worker(c->super->queue);
	spin_lock_irq(&c->lock);
	list_splice_tail_init(&c->free, list);
	spin_unlock_irq(&c->lock);
}

void lclone_commit_mark_freed(struct lclone_commit *c, unsigned long *used)
{
	lclone_assert_worker(c->super->queue);
	spin_lock_irq(&c->lock);
	lclone_extents_mark(&c->freed, used);
	lclone_extents_mark(&c->freeing, used);
	lclone_extents_mark(&c->free, used);
	spin_unlock_irq(&c->lock);
}

void lclone_commit_set_limits(struct lclone_commit *c)
{
	const struct lclone_sb *sb = &c->super->sb;
	u64 leaves = DIV_ROUND_UP(lclone_chunks(sb->virtual_sectors, sb->chunk_sectors),
				  LCLONE_LEAF_EXCEPTIONS);

	spin_lock_irq(&c->lock);
	c->dirty_max = lclone_dirty_max(sb);
	/* If all leaves may be dirty at a time, no writer ever waits for a checkpoint. */
	c->dirty_soft = c->dirty_max < leaves ? c->dirty_max - c->dirty_max / 4 : U32_MAX;
	spin_unlock_irq(&c->lock);
}

int lclone_commit_init(struct lclone_commit *c)
{
	spin_lock_init(&c->lock);
	c->clean = true;
	INIT_LIST_HEAD(&c->uncommitted);
	INIT_LIST_HEAD(&c->round);
	INIT_LIST_HEAD(&c->dirty);
	INIT_LIST_HEAD(&c->freed);
	INIT_LIST_HEAD(&c->freeing);
	INIT_LIST_HEAD(&c->free);
	bio_list_init(&c->waiters);
	bio_list_init(&c->serving);
	INIT_WORK(&c->work, commit_work);
	INIT_WORK(&c->log_work, log_write_work);
	INIT_DELAYED_WORK(&c->timer, commit_timer);
	c->log = (void *)__get_free_pages(GFP_KERNEL,
					  get_order(LEAF_BLOCKS * LCLONE_BLOCK_SIZE));
	return c->log ? 0 : -ENOMEM;
}

void lclone_commit_exit(struct lclone_commit *c)
{
	lclone_extents_free(&c->freed);
	lclone_extents_free(&c->freeing);
	lclone_extents_free(&c->free);
	free_pages((unsigned long)c->log, get_order(LEAF_BLOCKS * LCLONE_BLOCK_SIZE));
}
