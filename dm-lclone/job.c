// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a bio cannot do alone: copy-up, discard and write-zeroes.
 *
 * A job that takes a chunk away, or that writes below the guest's data, sets
 * BUSY in the exception, lets the first writes to it that are in flight end,
 * looks again, acts, publishes and clears BUSY.  All steps run in the worker.
 */
#include <linux/mempool.h>
#include <linux/slab.h>

#include "lclone.h"

/* Leaves that a discard works through before others get their turn */
#define DISCARD_LEAVES	16

#define FILL_PAGES	8	/* that a fill writes at a time */

struct lclone_job;

/* A place is filled: with data from elsewhere, and zeros behind them */
struct fill {
	struct lclone_source from;	/* what is left to be read; sectors 0: only zeros */
	struct block_device *bdev;	/* to where, what is left to be written */
	sector_t sector;
	u32 sectors;
	blk_opf_t opf;			/* flags of the writes */
	u32 now;			/* sectors of the write that is next, or under way */
	u32 nr_pages;			/* of the buffer */
	void (*done)(struct lclone_job *job);	/* worker; job->error is set */
	struct bio bio;
	struct bio_vec vec[FILL_PAGES];	/* the buffer, too */
};

struct lclone_job {
	struct lclone_task task;
	struct lclone_delta *delta;
	struct bio *bio;
	void (*step)(struct lclone_job *job);
	int error;
	struct lclone_leaf *leaf;	/* pinned */
	u32 slot;			/* copy-up: the chunk; discard: the first one */
	u32 sub;			/* copy-up: the subchunk */
	u32 sectors;			/* discard: from bio's position on, in this leaf */
	int ref;			/* inflight reference of an edge that is zeroed */
	union {
		struct fill fill;
		/* discard: the slots it made BUSY */
		DECLARE_BITMAP(busy, LCLONE_LEAF_EXCEPTIONS);
	};
};

/*
 * Takes over the pin of @leaf, if there is one.  NULL: no memory, the caller
 * parks the bio (WAIT_MEMORY).  A job is under way then, for the pool is empty.
 */
static struct lclone_job *job_alloc(struct lclone_delta *d, struct bio *bio,
				    struct lclone_leaf *leaf, u32 slot)
{
	struct lclone_job *job = mempool_alloc(&d->job_pool, GFP_NOWAIT | __GFP_NOWARN);

	if (!job)
		return NULL;
	memset(job, 0, sizeof(*job));
	job->delta = d;
	job->bio = bio;
	job->leaf = leaf;
	job->slot = slot;
	if (leaf) {
		lclone_leaf_pin_job(leaf);
		lclone_leaf_unpin(leaf);
	}
	return job;
}

static void job_free(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;

	if (job->leaf)
		lclone_leaf_unpin_job(job->leaf);
	mempool_free(job, &d->job_pool);
	lclone_unpark(d, WAIT_MEMORY);
}

static void job_step(struct lclone_task *task)
{
	struct lclone_job *job = container_of(task, struct lclone_job, task);

	job->step(job);
}

/* Any context: the job goes on with its step in the worker. */
static void job_ready(struct lclone_job *job)
{
	job->task.step = job_step;
	lclone_task_ready(job->delta, &job->task);
}

/* BUSY is set: @step runs when no write that missed it is in flight any more. */
static void job_quiesce(struct lclone_job *job, void (*step)(struct lclone_job *job))
{
	job->step = step;
	job->task.step = job_step;
	/* a first write pins the leaf; in a merge it may also be one to the base */
	job->task.quiet = job->delta->merge ? NULL : job->leaf;
	lclone_task_drain(job->delta, &job->task);
}

bool lclone_set_busy(struct lclone_leaf *leaf, u32 slot)
{
	u64 exc = READ_ONCE(leaf->exceptions[slot]);

	do {
		if (exc & LCLONE_EXC_BUSY)
			return false;
	} while (!try_cmpxchg64(&leaf->exceptions[slot], &exc, exc | LCLONE_EXC_BUSY));
	return true;
}

void lclone_clear_busy(struct lclone_leaf *leaf, u32 slot)
{
	u64 exc = READ_ONCE(leaf->exceptions[slot]);

	while (!try_cmpxchg64(&leaf->exceptions[slot], &exc, exc & ~LCLONE_EXC_BUSY))
		;
}

static void clear_busy(struct lclone_delta *d, struct lclone_leaf *leaf, u32 slot)
{
	lclone_clear_busy(leaf, slot);
	lclone_unpark(d, WAIT_BUSY);
}

/* A leaf to change: pinned and marked, or NULL with the bio taken care of. */
static struct lclone_leaf *leaf_to_change(struct lclone_delta *d, struct bio *bio, u64 index)
{
	struct lclone_leaf *leaf = lclone_leaf_get(d, index, true);

	if (IS_ERR(leaf)) {
		lclone_end_bio(bio, errno_to_blk_status(PTR_ERR(leaf)));
		return NULL;
	}
	if (!lclone_commit_mark(d, leaf)) {
		lclone_leaf_unpin(leaf);
		lclone_throttle(d, bio);
		return NULL;
	}
	return leaf;
}

/*
 * Filling.  By a bio of the job's own, and into pages that are the job's, or, without
 * memory, the block of the delta's: clones lie on each other, and what one takes out of a
 * pool for all, another may need to let it go on.  All of it is charged to who sent the
 * bio that waits for it.
 */

static void fill_next(struct lclone_job *job);
static void fill_written(struct lclone_job *job);

static void fill_endio(struct bio *bio)
{
	struct lclone_job *job = container_of(bio, struct lclone_job, fill.bio);

	job->error = blk_status_to_errno(bio->bi_status);
	bio_uninit(bio);
	job_ready(job);
}

static void fill_init(struct lclone_job *job, struct block_device *bdev, sector_t sector,
		      blk_opf_t opf, u16 vecs)
{
	struct bio *bio = &job->fill.bio;

	bio_init(bio, bdev, job->fill.vec, vecs, opf);
	bio_clone_blkg_association(bio, job->bio);
	bio->bi_ioprio = job->bio->bi_ioprio;
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = fill_endio;
}

/* Reads or writes @sectors of the buffer, or writes as many zeros; then comes @step. */
static void fill_submit(struct lclone_job *job, struct block_device *bdev, sector_t sector,
			u32 sectors, blk_opf_t opf, void (*step)(struct lclone_job *job))
{
	struct fill *f = &job->fill;
	u32 bytes = sectors << SECTOR_SHIFT, i, n;

	fill_init(job, bdev, sector, opf, FILL_PAGES);
	for (i = 0; bytes; i++, bytes -= n) {
		n = min_t(u32, bytes, PAGE_SIZE);
		__bio_add_page(&f->bio, f->nr_pages ? f->vec[i].bv_page : ZERO_PAGE(0), n, 0);
	}
	job->step = step;
	submit_bio_noacct(&f->bio);
}

static void fill_write(struct lclone_job *job)
{
	struct fill *f = &job->fill;
	u32 read = min(f->now, f->from.sectors), n;

	if (job->error) {
		fill_next(job);
		return;
	}
	f->from.sector += read;
	f->from.sectors -= read;
	for (; read < f->now; read += n) {
		u32 pos = read << SECTOR_SHIFT;

		n = min_t(u32, f->now - read, (PAGE_SIZE - offset_in_page(pos)) >> SECTOR_SHIFT);
		memset(page_address(f->vec[pos / PAGE_SIZE].bv_page) + offset_in_page(pos), 0,
		       n << SECTOR_SHIFT);
	}
	fill_submit(job, f->bdev, f->sector, f->now, REQ_OP_WRITE | f->opf, fill_written);
}

static void fill_written(struct lclone_job *job)
{
	if (!job->error) {
		job->fill.sector += job->fill.now;
		job->fill.sectors -= job->fill.now;
	}
	fill_next(job);
}

static void fill_free(struct fill *f)
{
	while (f->nr_pages)
		__free_page(f->vec[--f->nr_pages].bv_page);
}

/* As many as can be had at once. False: none. */
static bool fill_alloc(struct fill *f)
{
	u32 want = min_t(u32, DIV_ROUND_UP(f->sectors << SECTOR_SHIFT, PAGE_SIZE), FILL_PAGES);

	while (f->nr_pages < want) {
		struct page *page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);

		if (!page)
			break;
		f->vec[f->nr_pages++].bv_page = page;
	}
	return f->nr_pages;
}

/* One block of it, without memory. */
static int fill_block(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct fill *f = &job->fill;
	u32 n = min(f->sectors, LCLONE_BLOCK_SECTORS), read = min(n, f->from.sectors);
	int err = 0;

	if (read)
		err = lclone_read_sectors(f->from.bdev, f->from.sector, d->bounce, read);
	if (err)
		return err;
	memset(d->bounce + (read << SECTOR_SHIFT), 0, (n - read) << SECTOR_SHIFT);
	fill_init(job, f->bdev, f->sector, REQ_OP_WRITE | f->opf, 1);
	__bio_add_page(&f->bio, virt_to_page(d->bounce), n << SECTOR_SHIFT,
		       offset_in_page(d->bounce));
	err = submit_bio_wait(&f->bio);
	bio_uninit(&f->bio);
	f->from.sector += read;
	f->from.sectors -= read;
	f->sector += n;
	f->sectors -= n;
	return err;
}

static void fill_blocks(struct lclone_job *job)
{
	mutex_lock(&job->delta->tree_lock);
	while (job->fill.sectors && !job->error)
		job->error = fill_block(job);
	mutex_unlock(&job->delta->tree_lock);
	job->fill.done(job);
}

static void fill_next(struct lclone_job *job)
{
	struct fill *f = &job->fill;

	if (job->error || !f->sectors) {
		fill_free(f);
		f->done(job);
		return;
	}
	if (f->from.sectors && !f->nr_pages && !fill_alloc(f)) {
		fill_blocks(job);
		return;
	}
	f->now = min_t(u32, f->sectors, (f->nr_pages ?: FILL_PAGES) * (PAGE_SIZE >> SECTOR_SHIFT));
	if (f->from.sectors)
		fill_submit(job, f->from.bdev, f->from.sector, min(f->now, f->from.sectors),
			    REQ_OP_READ, fill_write);
	else if (f->nr_pages)
		fill_write(job);
	else	/* not REQ_OP_WRITE_ZEROES: some devices claim it and fail it */
		fill_submit(job, f->bdev, f->sector, f->now, REQ_OP_WRITE | f->opf, fill_written);
}

/* Fills @sectors at @sector of @bdev from @from (NULL: with zeros), then calls @done. */
static void fill(struct lclone_job *job, struct block_device *bdev, sector_t sector, u32 sectors,
		 const struct lclone_source *from, void (*done)(struct lclone_job *job))
{
	struct fill *f = &job->fill;

	f->from.sectors = 0;
	if (from)
		f->from = *from;
	f->from.sectors = f->from.bdev ? min(f->from.sectors, sectors) : 0;
	f->bdev = bdev;
	f->sector = sector;
	f->sectors = sectors;
	f->done = done;
	fill_next(job);
}

/* Copy-up */

static void copyup_done(struct lclone_job *job)
{
	u64 mask = 1ull << job->sub, *entry = &job->leaf->exceptions[job->slot];
	u64 exc = READ_ONCE(*entry), new;
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	int error = job->error;

	if (!error) {
		lclone_leaf_touch(job->leaf, job->slot);
		do
			new = (exc | mask << LCLONE_WRITTEN_SHIFT | LCLONE_EXC_DIRTY) &
			      ~(mask << LCLONE_ZERO_SHIFT);
		while (!try_cmpxchg64(entry, &exc, new));
	}
	clear_busy(d, job->leaf, job->slot);
	job_free(job);
	if (error)
		lclone_end_bio(bio, errno_to_blk_status(error));
	else
		lclone_defer(d, bio);
}

static void copyup_start(struct lclone_job *job)
{
	u64 *entry = &job->leaf->exceptions[job->slot], exc = READ_ONCE(*entry);
	struct lclone_source from = job->fill.from;
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	u32 phys = lclone_exc_phys(exc);

	if (lclone_exc_written(exc) & 1u << job->sub) {
		/* a first write of the whole came before */
		clear_busy(d, job->leaf, job->slot);
		job_free(job);
		lclone_defer(d, bio);
		return;
	}
	if (!phys) {
		if (!lclone_alloc_chunks(d, 1, &phys)) {
			clear_busy(d, job->leaf, job->slot);
			job_free(job);
			lclone_no_space(d, bio, d->space);
			return;
		}
		while (!try_cmpxchg64(entry, &exc, exc | phys))
			;
	}
	fill(job, d->bdev, lclone_chunk_start(d, phys) + (job->sub << d->sub_shift),
	     1u << d->sub_shift, lclone_exc_zero(exc) & 1u << job->sub ? NULL : &from, copyup_done);
}

void lclone_job_copyup(struct lclone_delta *d, struct bio *bio, u64 chunk, u32 sub)
{
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS;
	struct lclone_delta *missing;
	struct lclone_source from;
	struct lclone_leaf *leaf;
	struct lclone_job *job;

	/* what lies below does not change, so that it may be looked up before BUSY is set */
	rcu_read_lock_sched();
	missing = lclone_source(d, chunk, 0, sub << d->sub_shift, &from);
	rcu_read_unlock_sched();
	if (missing) {
		lclone_load_for(d, missing, bio);
		return;
	}
	leaf = leaf_to_change(d, bio, chunk / LCLONE_LEAF_EXCEPTIONS);
	if (!leaf)
		return;
	job = job_alloc(d, bio, leaf, slot);
	if (!job) {
		lclone_leaf_unpin(leaf);
		lclone_park(d, bio, WAIT_MEMORY);
		return;
	}
	if (!lclone_set_busy(leaf, slot)) {
		job_free(job);
		lclone_park(d, bio, WAIT_BUSY);
		return;
	}
	job->sub = sub;
	job->fill.from = from;
	job_quiesce(job, copyup_start);
}

/* Discard and write-zeroes */

static void discard_advance(struct bio *bio, u32 sectors)
{
	bio->bi_iter.bi_sector += sectors;
	bio->bi_iter.bi_size -= sectors << SECTOR_SHIFT;
}

/* The subchunks of a chunk that something lies below of */
static u32 below_mask(const struct lclone_delta *d, u64 chunk)
{
	sector_t start = lclone_chunk_start(d, chunk);

	if (!lclone_has_below(d, start))
		return 0;
	if (d->chain)
		return LCLONE_MASK_ALL;
	return lclone_sub_mask(d, 0, min_t(u64, d->base_sectors - start, 1u << d->chunk_shift));
}

/* The exception once the subchunks of @mask read as zeros; phys goes with the last data. */
static u64 zeroed(u64 exc, u32 mask, u32 below)
{
	u32 written = lclone_exc_written(exc) & ~mask;
	u32 zero = (lclone_exc_zero(exc) | mask) & below;

	return lclone_exc_make(written ? lclone_exc_phys(exc) : 0, written, zero);
}

/* Steps through the chunks of one leaf's part of a discard. */
struct part {
	u64 chunk;
	u32 slot, offset, len, left;
};

static struct part part_first(const struct lclone_delta *d, sector_t sector, u32 sectors)
{
	struct part p = { .chunk = sector >> d->chunk_shift, .left = sectors };

	p.slot = p.chunk % LCLONE_LEAF_EXCEPTIONS;
	p.offset = lclone_chunk_offset(d, sector);
	p.len = min(sectors, (1u << d->chunk_shift) - p.offset);
	return p;
}

static void part_next(const struct lclone_delta *d, struct part *p)
{
	p->left -= p->len;
	p->chunk++;
	p->slot++;
	p->offset = 0;
	p->len = min(p->left, 1u << d->chunk_shift);
}

/* Second pass: the chunks that may go, with nobody writing to them for the first time. */
static void discard_free(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	struct part p;

	for (p = part_first(d, bio->bi_iter.bi_sector, job->sectors); p.left; part_next(d, &p)) {
		u64 *entry = &job->leaf->exceptions[p.slot], exc = READ_ONCE(*entry), new;
		u32 mask = lclone_sub_mask(d, p.offset, p.len);

		if (!test_bit(p.slot, job->busy))
			continue;
		lclone_leaf_touch(job->leaf, p.slot);
		/* before a search may look at the entry without it; BUSY, it keeps its phys */
		lclone_alloc_pending(d, lclone_exc_phys(exc));
		do
			new = zeroed(exc, mask, below_mask(d, p.chunk)) | LCLONE_EXC_DIRTY;
		while (!try_cmpxchg64(entry, &exc, new));
		if (!lclone_exc_phys(new))
			lclone_commit_free(d, lclone_exc_phys(exc));
	}
	discard_advance(bio, job->sectors);
	job_free(job);
	lclone_unpark(d, WAIT_BUSY);
	lclone_defer(d, bio);
}

/*
 * First pass over one leaf: what keeps its chunk changes at once, the others are
 * made BUSY.  Stops at a chunk that is BUSY for another.
 */
static void discard_leaf(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	u32 done = 0;
	struct part p;

	for (p = part_first(d, bio->bi_iter.bi_sector, job->sectors); p.left; part_next(d, &p)) {
		u64 *entry = &job->leaf->exceptions[p.slot], exc = READ_ONCE(*entry), new;
		u32 mask = lclone_sub_mask(d, p.offset, p.len);

		lclone_leaf_touch(job->leaf, p.slot);
		do {
			if (exc & LCLONE_EXC_BUSY)
				goto stop;
			new = zeroed(exc, mask, below_mask(d, p.chunk));
			if (lclone_exc_phys(exc) && !lclone_exc_phys(new))
				new = exc | LCLONE_EXC_BUSY;
			else if (new != (exc & ~LCLONE_SPARE_MASK))
				new |= LCLONE_EXC_DIRTY;
			else
				new = exc;
		} while (!try_cmpxchg64(entry, &exc, new));
		if (new & LCLONE_EXC_BUSY)
			__set_bit(p.slot, job->busy);
		done += p.len;
	}
stop:
	job->sectors = done;
	if (!done) {
		job_free(job);
		lclone_park(d, bio, WAIT_BUSY);
	} else if (bitmap_empty(job->busy, LCLONE_LEAF_EXCEPTIONS)) {
		discard_advance(bio, done);
		job_free(job);
		lclone_defer(d, bio);
	} else {
		job_quiesce(job, discard_free);
	}
}

/* A part of a subchunk is zeroed by writing. */
static void edge_done(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	int error = job->error;

	lclone_inflight_put(d, job->ref);
	if (!error)
		discard_advance(bio, job->sectors);
	job_free(job);
	if (error)
		lclone_end_bio(bio, errno_to_blk_status(error));
	else
		lclone_defer(d, bio);
}

/* Drops the pin. Returns false if nothing is to be written: it reads as zeros already. */
static bool zero_edge(struct lclone_delta *d, struct bio *bio, struct lclone_leaf *leaf,
		      struct part *p)
{
	u32 sub = p->offset >> d->sub_shift;
	struct lclone_job *job;
	u64 exc;
	int ref;

	rcu_read_lock_sched();
	ref = lclone_inflight_get(d);
	exc = READ_ONCE(leaf->exceptions[p->slot]);
	rcu_read_unlock_sched();
	lclone_leaf_unpin(leaf);

	if (exc & LCLONE_EXC_BUSY) {
		lclone_inflight_put(d, ref);
		lclone_park(d, bio, WAIT_BUSY);
		return true;
	}
	if (!(lclone_exc_written(exc) & 1u << sub)) {
		lclone_inflight_put(d, ref);
		if (lclone_exc_zero(exc) & 1u << sub || !(below_mask(d, p->chunk) & 1u << sub))
			return false;
		lclone_job_copyup(d, bio, p->chunk, sub);
		return true;
	}
	job = job_alloc(d, bio, NULL, 0);
	if (!job) {
		lclone_inflight_put(d, ref);
		lclone_park(d, bio, WAIT_MEMORY);
		return true;
	}
	job->ref = ref;
	job->sectors = p->len;
	fill(job, d->bdev, lclone_chunk_start(d, lclone_exc_phys(exc)) + p->offset, p->len, NULL,
	     edge_done);
	return true;
}

/* A discard leaves out what it covers of a subchunk in part. */
static void discard_round(struct lclone_delta *d, struct bio *bio)
{
	u32 head = -bio->bi_iter.bi_sector & ((1u << d->sub_shift) - 1);

	discard_advance(bio, min(head, bio_sectors(bio)));
	bio->bi_iter.bi_size -= lclone_sub_offset(d, bio_sectors(bio)) << SECTOR_SHIFT;
}

/* The part of the bio that lies in one leaf, without an edge unless it starts with one. */
static u32 part_in_leaf(struct lclone_delta *d, const struct bio *bio)
{
	u32 slot = (bio->bi_iter.bi_sector >> d->chunk_shift) % LCLONE_LEAF_EXCEPTIONS;
	u64 room = ((u64)(LCLONE_LEAF_EXCEPTIONS - slot) << d->chunk_shift) -
		   lclone_chunk_offset(d, bio->bi_iter.bi_sector);
	u32 len = min_t(u64, bio_sectors(bio), room);
	u32 in_sub = lclone_sub_offset(d, bio->bi_iter.bi_sector);

	if (in_sub || len < 1u << d->sub_shift)
		return min(len, (1u << d->sub_shift) - in_sub);
	return len - lclone_sub_offset(d, len);
}

/* Not whole subchunks, but a part of one */
static bool is_edge(const struct lclone_delta *d, const struct bio *bio, u32 sectors)
{
	return lclone_sub_offset(d, bio->bi_iter.bi_sector) || sectors < 1u << d->sub_shift;
}

static void base_zeroed(struct lclone_job *job)
{
	struct bio *bio = job->bio;
	int error = job->error;

	job_free(job);
	lclone_end_bio(bio, errno_to_blk_status(error));
}

/* The base's command for zeros has ended, or failed: some devices claim it and fail it. */
static void base_command_ended(struct lclone_job *job)
{
	if (!job->error)
		job->fill.sectors = 0;
	job->error = 0;
	fill_next(job);
}

/* Zeros to where the bio points to in the base, by a command where it has one. */
static void zero_base(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct fill *f = &job->fill;
	struct bio *bio = job->bio;

	f->opf = bio->bi_opf & REQ_FUA;
	if (!bdev_write_zeroes_sectors(d->base)) {
		fill(job, d->base, bio->bi_iter.bi_sector, bio_sectors(bio), NULL, base_zeroed);
		return;
	}
	f->bdev = d->base;
	f->sector = bio->bi_iter.bi_sector;
	f->sectors = bio_sectors(bio);
	f->done = base_zeroed;
	fill_init(job, f->bdev, f->sector,
		  REQ_OP_WRITE_ZEROES | (bio->bi_opf & (REQ_FUA | REQ_NOUNMAP)), 0);
	f->bio.bi_iter.bi_size = bio->bi_iter.bi_size;
	job->step = base_command_ended;
	submit_bio_noacct(&f->bio);
}

/*
 * During a merge what the delta knows nothing of is the base's, and no exception is made:
 * a discard writes zeros there, too, for it is to read as zeros afterwards.  The bio is of
 * one chunk.  False if the delta, or a leaf, has to be looked at.
 */
static bool zero_to_base(struct lclone_delta *d, struct bio *bio)
{
	u64 chunk = bio->bi_iter.bi_sector >> d->chunk_shift;
	struct lclone_leaf *leaf;
	struct lclone_job *job;
	bool empty;
	int ref;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, chunk / LCLONE_LEAF_EXCEPTIONS);
	ref = lclone_inflight_get(d);
	empty = leaf && !READ_ONCE(leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS]);
	rcu_read_unlock_sched();
	job = empty ? job_alloc(d, bio, NULL, 0) : NULL;
	if (!job) {
		lclone_inflight_put(d, ref);
		if (empty)
			lclone_park(d, bio, WAIT_MEMORY);
		return empty;
	}
	/* a copy-up waits for it, as for a write to the base */
	lclone_io_set(bio, IO_COUNTED | ref << 1);
	zero_base(job);
	return true;
}

/*
 * This part of one leaf reads as zeros already, and keeps no chunk for it: no entry
 * would change.  One that is BUSY may.
 */
static bool is_discarded(struct lclone_delta *d, const struct bio *bio, u64 index, u32 sectors)
{
	struct part p = part_first(d, bio->bi_iter.bi_sector, sectors);
	struct lclone_leaf *leaf;
	bool same = true;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index);
	for (; leaf && same && p.left; part_next(d, &p)) {
		u64 exc = READ_ONCE(leaf->exceptions[p.slot]) & ~LCLONE_EXC_DIRTY;
		u32 mask = lclone_sub_mask(d, p.offset, p.len);

		same = exc == zeroed(exc, mask, below_mask(d, p.chunk));
	}
	rcu_read_unlock_sched();
	return leaf && same;
}

void lclone_job_discard(struct lclone_delta *d, struct bio *bio)
{
	int n;

	if (bio_op(bio) == REQ_OP_DISCARD)
		discard_round(d, bio);
	if (d->merge && bio_sectors(bio) && zero_to_base(d, bio))
		return;

	for (n = 0; n < DISCARD_LEAVES && bio_sectors(bio); n++) {
		u64 index = (bio->bi_iter.bi_sector >> d->chunk_shift) / LCLONE_LEAF_EXCEPTIONS;
		u32 sectors = part_in_leaf(d, bio);
		struct part p = part_first(d, bio->bi_iter.bi_sector, sectors);
		struct lclone_leaf *leaf;
		struct lclone_job *job;

		rcu_read_lock_sched();
		leaf = lclone_leaf_lookup(d, index);
		rcu_read_unlock_sched();
		if (!leaf) {
			lclone_leaf_load(d, index, bio);
			return;
		}
		if (leaf == &lclone_empty_leaf && !lclone_has_below(d, bio->bi_iter.bi_sector)) {
			discard_advance(bio, sectors);	/* nothing there, nothing below */
			continue;
		}
		if (!is_edge(d, bio, sectors) && is_discarded(d, bio, index, sectors)) {
			discard_advance(bio, sectors);	/* no leaf becomes dirty for it */
			continue;
		}
		if (leaf == &lclone_empty_leaf) {
			enum lclone_space space = lclone_alloc_new_leaf(d);

			if (space != LCLONE_SPACE_OK && bio_op(bio) == REQ_OP_WRITE_ZEROES) {
				lclone_no_space(d, bio, space);
				return;
			}
			if (space != LCLONE_SPACE_OK) {
				/* a hint: not worth the reserve */
				discard_advance(bio, sectors);
				continue;
			}
		}
		leaf = leaf_to_change(d, bio, index);
		if (!leaf)
			return;
		if (is_edge(d, bio, sectors)) {
			if (zero_edge(d, bio, leaf, &p))
				return;
			discard_advance(bio, sectors);
			continue;
		}
		job = job_alloc(d, bio, leaf, p.slot);
		if (!job) {
			lclone_leaf_unpin(leaf);
			lclone_park(d, bio, WAIT_MEMORY);
			return;
		}
		job->sectors = sectors;
		discard_leaf(job);
		return;
	}
	if (bio_sectors(bio))
		lclone_defer(d, bio);
	else
		lclone_end_bio(bio, BLK_STS_OK);
}

int lclone_job_pool_init(struct lclone_delta *d)
{
	return mempool_init_kmalloc_pool(&d->job_pool, 1, sizeof(struct lclone_job));
}
