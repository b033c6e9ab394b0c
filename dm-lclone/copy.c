// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies data for a sweep: one run after the other, through buffers that are allocated when
 * the sweep is made.
 *
 * kcopyd is not used: it allocates and clears a job of some KiB, and pages, for each copy, which
 * is as much work as the copy itself if that is one of 4 KiB.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "copy.h"

#define COPIES		16		/* how many are in flight at most */
#define COPY_SECTORS	512U		/* how many sectors one has at most */
#define SMALL_COPY	64		/* the same without a rate; then only one is in flight */
#define COPY_PAGES	((COPY_SECTORS << SECTOR_SHIFT) / PAGE_SIZE)

struct copy {
	struct list_head list;		/* its place in idle or ended */
	struct lclone_lane *lane;
	struct lclone_run run;		/* the part that is not written yet */
	u32 sectors;			/* how many sectors of the run are under way */
	void *buf;
	struct bio bio;
	struct bio_vec bvec[COPY_PAGES];
};

struct lclone_copier {
	const struct lclone_sweep *sweep;
	struct work_struct work;
	struct list_head idle;		/* only the work uses it */
	u32 flying;			/* copies in flight; only the work uses it */
	void *buf;
	spinlock_t lock;		/* protects ended and batches; interrupts off */
	struct list_head ended;
	struct list_head batches;	/* lanes, in the order in which they came */
	struct copy *copy;
};

/*
 * Makes a run of the next piece of the batch and of the pieces that follow it without a gap, in
 * the place they come from and in the place they go to.  Returns false if there is no piece.
 */
static bool copy_next_run(struct lclone_lane *l, struct lclone_run *run)
{
	const struct lclone_sweep_ops *ops = l->sweep->ops;
	struct lclone_run *ahead = &l->ahead;
	u32 n, max;

	if (!ahead->sectors && !ops->piece(l, ahead))
		return false;
	*run = *ahead;
	run->sectors = 0;
	if (!run->from_bdev)
		max = UINT_MAX >> SECTOR_SHIFT;
	else
		max = READ_ONCE(l->sweep->limited) ? COPY_SECTORS : SMALL_COPY;
	do {
		n = min(ahead->sectors, max - run->sectors);
		run->sectors += n;
		ahead->sectors -= n;
		ahead->from += n;
		ahead->to += n;
	} while (!ahead->sectors && ops->piece(l, ahead) && ahead->from_bdev == run->from_bdev &&
		 (!run->from_bdev || ahead->from == run->from + run->sectors) &&
		 ahead->to == run->to + run->sectors);
	l->sectors += run->sectors;
	return true;
}

static void lane_put(struct lclone_lane *l, int err)
{
	if (err)
		l->error = err;
	if (!--l->copies)
		lclone_lane_go(l, l->copied);
}

static void copy_endio(struct bio *bio)
{
	struct copy *c = container_of(bio, struct copy, bio);
	struct lclone_sweep *s = c->lane->sweep;
	struct lclone_copier *k = s->copier;
	unsigned long flags;

	spin_lock_irqsave(&k->lock, flags);
	list_add_tail(&c->list, &k->ended);
	/* The lock keeps the copier, which may be freed once the copy has ended. */
	queue_work(s->delta->queue.wq, &k->work);
	spin_unlock_irqrestore(&k->lock, flags);
}

/*
 * Sends the next I/O of a copy.  The bio is a part of struct copy.  A bio from a set that is
 * shared with file systems might have to wait for their I/O, and that may wait for the very
 * chunks that are copied.
 */
static void submit_copy(struct copy *c, enum req_op op)
{
	const struct lclone_delta *d = c->lane->sweep->delta;
	const struct lclone_run *r = &c->run;
	bool read = op == REQ_OP_READ;
	u32 bytes, pos, there;

	c->sectors = op == REQ_OP_WRITE_ZEROES ? r->sectors : min(r->sectors, COPY_SECTORS);
	bio_init(&c->bio, read ? r->from_bdev : r->to_bdev, c->bvec, COPY_PAGES, op);
	c->bio.bi_iter.bi_sector = read ? r->from : r->to;
	c->bio.bi_end_io = copy_endio;
	bytes = c->sectors << SECTOR_SHIFT;
	if (read && r->from_bdev == d->below.base && r->from + c->sectors > d->below.base_sectors) {
		/* The base may end within a block of the clone, and whole blocks are copied. */
		there = (d->below.base_sectors - r->from) << SECTOR_SHIFT;
		memset(c->buf + there, 0, bytes - there);
		bytes = there;
	}
	if (op == REQ_OP_WRITE_ZEROES)
		c->bio.bi_iter.bi_size = bytes;
	else
		for (pos = 0; pos < bytes; pos += PAGE_SIZE)
			__bio_add_page(&c->bio, r->from_bdev ? vmalloc_to_page(c->buf + pos) :
				       ZERO_PAGE(0), min_t(u32, bytes - pos, PAGE_SIZE), 0);
	submit_bio_noacct(&c->bio);
}

static void begin_copy(struct copy *c)
{
	if (c->run.from_bdev)
		submit_copy(c, REQ_OP_READ);
	else
		submit_copy(c, bdev_write_zeroes_sectors(c->run.to_bdev) ? REQ_OP_WRITE_ZEROES :
		       REQ_OP_WRITE);
}

/* Sends the next I/O of a copy.  Returns false if the copy has ended. */
static bool go_on_copying(struct copy *c, enum req_op op, int err)
{
	/* Some devices have WRITE_ZEROES and fail it: then zeros are written. */
	if (err && op != REQ_OP_WRITE_ZEROES)
		return false;
	if (!err && op != REQ_OP_READ) {
		c->run.to += c->sectors;
		c->run.sectors -= c->sectors;
	}
	if (!c->run.sectors)
		return false;
	submit_copy(c, REQ_OP_WRITE);
	return true;
}

static void copy_ended(struct lclone_copier *k, struct copy *c)
{
	int err = blk_status_to_errno(c->bio.bi_status);
	enum req_op op = bio_op(&c->bio);

	bio_uninit(&c->bio);
	if (go_on_copying(c, op, err))
		return;
	k->flying--;
	list_add(&c->list, &k->idle);
	lane_put(c->lane, err);
}

/* Returns the lane whose batch is copied next, or NULL. */
static struct lclone_lane *copier_first_batch(struct lclone_copier *k)
{
	struct lclone_lane *l;

	spin_lock_irq(&k->lock);
	l = list_first_entry_or_null(&k->batches, struct lclone_lane, batch);
	spin_unlock_irq(&k->lock);
	return l;
}

static void copier_end_batch(struct lclone_copier *k, struct lclone_lane *l)
{
	spin_lock_irq(&k->lock);
	list_del(&l->batch);
	spin_unlock_irq(&k->lock);
	lane_put(l, 0);
}

static u32 max_flying(const struct lclone_sweep *s)
{
	return READ_ONCE(s->limited) ? COPIES : 1;
}

static void begin_copies(struct lclone_copier *k)
{
	struct lclone_lane *l;
	struct copy *c;

	while (k->flying < max_flying(k->sweep) && (l = copier_first_batch(k))) {
		c = list_first_entry(&k->idle, struct copy, list);
		if (l->error || !copy_next_run(l, &c->run)) {
			copier_end_batch(k, l);
			continue;
		}
		list_del(&c->list);
		k->flying++;
		l->copies++;
		c->lane = l;
		begin_copy(c);
	}
}

static void copier_work(struct work_struct *work)
{
	struct lclone_copier *k = container_of(work, struct lclone_copier, work);
	struct copy *c, *next;
	struct blk_plug plug;
	LIST_HEAD(ended);

	spin_lock_irq(&k->lock);
	list_splice_init(&k->ended, &ended);
	spin_unlock_irq(&k->lock);

	blk_start_plug(&plug);
	list_for_each_entry_safe(c, next, &ended, list)
		copy_ended(k, c);
	begin_copies(k);
	blk_finish_plug(&plug);
}

void lclone_copy_batch(struct lclone_lane *l)
{
	struct lclone_copier *k = l->sweep->copier;

	l->at = 0;
	l->offset = 0;
	l->ahead.sectors = 0;
	l->sectors = 0;
	l->copies = 1;
	spin_lock_irq(&k->lock);
	list_add_tail(&l->batch, &k->batches);
	spin_unlock_irq(&k->lock);
	queue_work(l->sweep->delta->queue.wq, &k->work);
}

/* Life */

void lclone_copier_destroy(struct lclone_copier *k)
{
	if (!k)
		return;
	vfree(k->buf);
	kvfree(k->copy);
	kfree(k);
}

struct lclone_copier *lclone_copier_create(const struct lclone_sweep *s)
{
	struct lclone_copier *k = kzalloc(sizeof(*k), GFP_NOIO);
	u32 i;

	if (!k)
		return NULL;
	k->copy = kvcalloc(COPIES, sizeof(*k->copy), GFP_NOIO);
	k->buf = __vmalloc(COPIES * COPY_PAGES * PAGE_SIZE, GFP_NOIO);
	if (!k->copy || !k->buf) {
		lclone_copier_destroy(k);
		return NULL;
	}
	k->sweep = s;
	spin_lock_init(&k->lock);
	INIT_WORK(&k->work, copier_work);
	INIT_LIST_HEAD(&k->idle);
	INIT_LIST_HEAD(&k->ended);
	INIT_LIST_HEAD(&k->batches);
	for (i = 0; i < COPIES; i++) {
		k->copy[i].buf = k->buf + i * COPY_PAGES * PAGE_SIZE;
		list_add_tail(&k->copy[i].list, &k->idle);
	}
	return k;
}
