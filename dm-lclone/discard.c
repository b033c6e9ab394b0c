// SPDX-License-Identifier: GPL-2.0-only
/*
 * Discard and write-zeroes: frees chunks, and hides the data that lie below them.
 */
#include "discard.h"
#include "copyup.h"
#include "fill.h"

/* A discard works through so many leaves before other bios get their turn. */
#define DISCARD_LEAVES	16

static void discard_advance(struct bio *bio, u32 sectors)
{
	bio->bi_iter.bi_sector += sectors;
	bio->bi_iter.bi_size -= sectors << SECTOR_SHIFT;
}

/* Goes on with what is left of a bio; other bios have their turn before it. */
static void discard_rest(struct lclone_delta *d, struct bio *bio)
{
	if (bio_sectors(bio))
		lclone_defer(&d->queue, bio);
	else
		lclone_end_bio(bio, BLK_STS_OK);
}

/* Returns the subchunks of a chunk below which there may be data. */
static u32 below_mask(const struct lclone_delta *d, u64 chunk)
{
	sector_t start = lclone_chunk_start(&d->geo, chunk);

	if (!lclone_has_below(&d->below, start))
		return 0;
	if (d->below.chain)
		return LCLONE_MASK_ALL;
	return lclone_sub_mask(&d->geo, 0, min_t(u64, d->below.base_sectors - start,
						 lclone_chunk_len(&d->geo)));
}

/*
 * Returns what an exception becomes when the subchunks of @mask are to read as zeros.  If no
 * data are left in it, it has no phys any more.
 */
static u64 exc_zeroed(u64 exc, u32 mask, u32 below)
{
	u32 written = lclone_exc_written(exc) & ~mask;
	u32 zero = (lclone_exc_zero(exc) | mask) & below;

	return lclone_exc_make(written ? lclone_exc_phys(exc) : 0, written, zero);
}

/* The part of a discard that lies in one chunk, and how much is left of it in the leaf */
struct part {
	u64 chunk;
	u32 slot, offset, len, left;
};

static struct part part_first(const struct lclone_delta *d, sector_t sector, u32 sectors)
{
	struct part p = { .chunk = sector >> d->geo.chunk_shift, .left = sectors };

	p.slot = p.chunk % LCLONE_LEAF_EXCEPTIONS;
	p.offset = lclone_chunk_offset(&d->geo, sector);
	p.len = min(sectors, (1u << d->geo.chunk_shift) - p.offset);
	return p;
}

static void next_part(const struct lclone_delta *d, struct part *p)
{
	p->left -= p->len;
	p->chunk++;
	p->slot++;
	p->offset = 0;
	p->len = min(p->left, 1u << d->geo.chunk_shift);
}

/* Second pass: frees the chunks that the first pass has made BUSY; no first write uses them. */
static void discard_free(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	struct part p;

	for (p = part_first(d, bio->bi_iter.bi_sector, job->sectors); p.left; next_part(d, &p)) {
		u64 *entry = &job->leaf->exceptions[p.slot], exc = READ_ONCE(*entry), new;
		u32 mask = lclone_sub_mask(&d->geo, p.offset, p.len);

		if (!test_bit(p.slot, job->busy))
			continue;
		lclone_leaf_touch(job->leaf, p.slot);
		/*
		 * This comes first: a search that sees the new entry would take the chunk for
		 * free.  The phys does not change meanwhile, because the entry is BUSY.
		 */
		lclone_alloc_pending(&d->alloc, lclone_exc_phys(exc));
		do
			new = exc_zeroed(exc, mask, below_mask(d, p.chunk)) | LCLONE_EXC_DIRTY;
		while (!try_cmpxchg64(entry, &exc, new));
		if (!lclone_exc_phys(new))
			lclone_commit_free(&d->commit, lclone_exc_phys(exc));
	}
	discard_advance(bio, job->sectors);
	lclone_job_free(job);
	lclone_unpark(&d->queue, WAIT_BUSY);
	discard_rest(d, bio);
}

/*
 * First pass over one leaf: entries that keep their chunk are changed at once, the others are
 * made BUSY.  Stops at an entry that is BUSY already.
 */
static void discard_leaf(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	u32 done = 0;
	struct part p;

	for (p = part_first(d, bio->bi_iter.bi_sector, job->sectors); p.left; next_part(d, &p)) {
		u64 *entry = &job->leaf->exceptions[p.slot], exc = READ_ONCE(*entry), new;
		u32 mask = lclone_sub_mask(&d->geo, p.offset, p.len);

		lclone_leaf_touch(job->leaf, p.slot);
		do {
			if (exc & LCLONE_EXC_BUSY)
				goto stop;
			new = exc_zeroed(exc, mask, below_mask(d, p.chunk));
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
		lclone_job_free(job);
		lclone_park(&d->queue, bio, WAIT_BUSY);
	} else if (bitmap_empty(job->busy, LCLONE_LEAF_EXCEPTIONS)) {
		discard_advance(bio, done);
		lclone_job_free(job);
		discard_rest(d, bio);
	} else {
		lclone_job_quiesce(job, discard_free);
	}
}

/* The zeros for a part of a subchunk were written, or that has failed. */
static void edge_done(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct bio *bio = job->bio;
	int error = job->error;

	lclone_inflight_put(&d->drain, job->ref);
	if (!error)
		discard_advance(bio, job->sectors);
	lclone_job_free(job);
	if (error)
		lclone_end_bio(bio, errno_to_blk_status(error));
	else
		discard_rest(d, bio);
}

/*
 * Writes zeros to a part of one subchunk, after a copy-up if that is needed, and drops the pin
 * of the leaf.  Returns false if that part reads as zeros already.
 */
static bool zero_edge(struct lclone_delta *d, struct bio *bio, struct lclone_leaf *leaf,
		      struct part *p)
{
	u32 sub = p->offset >> d->geo.sub_shift;
	struct lclone_job *job;
	u64 exc;
	int ref;

	rcu_read_lock_sched();
	ref = lclone_inflight_get(&d->drain);
	exc = READ_ONCE(leaf->exceptions[p->slot]);
	rcu_read_unlock_sched();
	lclone_leaf_unpin(leaf);

	if (exc & LCLONE_EXC_BUSY) {
		lclone_inflight_put(&d->drain, ref);
		lclone_park(&d->queue, bio, WAIT_BUSY);
		return true;
	}
	if (!(lclone_exc_written(exc) & 1u << sub)) {
		lclone_inflight_put(&d->drain, ref);
		if (lclone_exc_zero(exc) & 1u << sub || !(below_mask(d, p->chunk) & 1u << sub))
			return false;
		lclone_copyup(d, bio, p->chunk, sub);
		return true;
	}
	job = lclone_job_alloc(d, bio, NULL, 0);
	if (!job) {
		lclone_inflight_put(&d->drain, ref);
		lclone_park(&d->queue, bio, WAIT_MEMORY);
		return true;
	}
	job->ref = ref;
	job->sectors = p->len;
	lclone_fill(job, d->dev.bdev,
		    lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + p->offset, p->len, NULL,
	     edge_done);
	return true;
}

/* Rounds a discard down to whole subchunks: parts of subchunks are left as they are. */
static void discard_round(struct lclone_delta *d, struct bio *bio)
{
	u32 head = -bio->bi_iter.bi_sector & ((1u << d->geo.sub_shift) - 1);

	discard_advance(bio, min(head, bio_sectors(bio)));
	bio->bi_iter.bi_size -= lclone_sub_offset(&d->geo, bio_sectors(bio)) << SECTOR_SHIFT;
}

/*
 * Returns how many sectors of the bio are worked on next: those in one leaf that are whole
 * subchunks, or the part of a subchunk with which the bio begins.
 */
static u32 part_in_leaf(struct lclone_delta *d, const struct bio *bio)
{
	u32 slot = (bio->bi_iter.bi_sector >> d->geo.chunk_shift) % LCLONE_LEAF_EXCEPTIONS;
	u64 room = ((u64)(LCLONE_LEAF_EXCEPTIONS - slot) << d->geo.chunk_shift) -
		   lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector);
	u32 len = min_t(u64, bio_sectors(bio), room);
	u32 in_sub = lclone_sub_offset(&d->geo, bio->bi_iter.bi_sector);

	if (in_sub || len < 1u << d->geo.sub_shift)
		return min(len, (1u << d->geo.sub_shift) - in_sub);
	return len - lclone_sub_offset(&d->geo, len);
}

/* Are the first @sectors of the bio a part of a subchunk, and not whole subchunks? */
static bool is_edge(const struct lclone_delta *d, const struct bio *bio, u32 sectors)
{
	return lclone_sub_offset(&d->geo, bio->bi_iter.bi_sector) ||
	       sectors < lclone_sub_len(&d->geo);
}

static void base_zeroed(struct lclone_job *job)
{
	struct bio *bio = job->bio;
	int error = job->error;

	lclone_job_free(job);
	lclone_end_bio(bio, errno_to_blk_status(error));
}

/*
 * During a merge a chunk without an entry is in the base, and gets no entry any more: a
 * discard, too, writes zeros to the base, because it has to read as zeros afterwards.  The bio
 * lies in one chunk.  Returns false if its leaf has to be loaded, or the chunk has an entry.
 */
static bool zero_to_base(struct lclone_delta *d, struct bio *bio)
{
	u64 chunk = bio->bi_iter.bi_sector >> d->geo.chunk_shift;
	struct lclone_leaf *leaf;
	struct lclone_job *job;
	bool empty;
	int ref;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, chunk / LCLONE_LEAF_EXCEPTIONS);
	ref = lclone_inflight_get(&d->drain);
	empty = leaf && !READ_ONCE(leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS]);
	rcu_read_unlock_sched();
	job = empty ? lclone_job_alloc(d, bio, NULL, 0) : NULL;
	if (!job) {
		lclone_inflight_put(&d->drain, ref);
		if (empty)
			lclone_park(&d->queue, bio, WAIT_MEMORY);
		return empty;
	}
	/* It is counted as in flight, so that a copy-up waits for it as for a write to the base. */
	lclone_io_set(bio, IO_COUNTED | ref << 1);
	lclone_fill_zeros(job, d->below.base, bio->bi_opf & (REQ_FUA | REQ_NOUNMAP), base_zeroed);
	return true;
}

/*
 * Would a discard of these parts of a leaf change no entry, because they read as zeros already
 * and have no chunk to be freed?  An entry that is BUSY may change.
 */
static bool is_discarded(const struct lclone_delta *d, const struct lclone_leaf *leaf,
			 struct part p)
{
	for (; p.left; next_part(d, &p)) {
		u64 exc = READ_ONCE(leaf->exceptions[p.slot]) & ~LCLONE_EXC_DIRTY;
		u32 mask = lclone_sub_mask(&d->geo, p.offset, p.len);

		if (exc != exc_zeroed(exc, mask, below_mask(d, p.chunk)))
			return false;
	}
	return true;
}

/*
 * Does a discard of the first @sectors of the bio, in one leaf, change nothing?  The caller
 * keeps the leaf from going.
 */
static bool changes_nothing(const struct lclone_delta *d, const struct bio *bio,
			    const struct lclone_leaf *leaf, const struct part *p, u32 sectors)
{
	if (leaf == &lclone_empty_leaf && !lclone_has_below(&d->below, bio->bi_iter.bi_sector))
		return true;
	return !is_edge(d, bio, sectors) && is_discarded(d, leaf, *p);
}

void lclone_discard(struct lclone_delta *d, struct bio *bio)
{
	int n;

	lclone_assert_worker(&d->queue);
	if (bio_op(bio) == REQ_OP_DISCARD)
		discard_round(d, bio);
	if (d->below.merge && bio_sectors(bio) && zero_to_base(d, bio))
		return;

	for (n = 0; n < DISCARD_LEAVES && bio_sectors(bio); n++) {
		u64 index = (bio->bi_iter.bi_sector >> d->geo.chunk_shift) / LCLONE_LEAF_EXCEPTIONS;
		u32 sectors = part_in_leaf(d, bio);
		struct part p = part_first(d, bio->bi_iter.bi_sector, sectors);
		struct lclone_leaf *leaf;
		struct lclone_job *job;
		bool same;

		rcu_read_lock_sched();
		leaf = lclone_leaf_lookup(&d->cache, index);
		same = leaf && changes_nothing(d, bio, leaf, &p, sectors);
		rcu_read_unlock_sched();
		if (!leaf) {
			lclone_leaf_load(&d->cache, index, bio);
			return;
		}
		if (same) {
			discard_advance(bio, sectors);	/* the leaf stays clean */
			continue;
		}
		if (leaf == &lclone_empty_leaf) {
			enum lclone_room space;
			int err = lclone_leaf_make(&d->cache, index, &space);

			if (err == -EAGAIN) {
				lclone_park(&d->queue, bio, WAIT_MEMORY);
				return;
			}
			if (err) {
				lclone_end_bio(bio, errno_to_blk_status(err));
				return;
			}
			if (space != LCLONE_ROOM_OK && bio_op(bio) == REQ_OP_WRITE_ZEROES) {
				lclone_no_space(&d->space, bio, space);
				return;
			}
			if (space != LCLONE_ROOM_OK) {
				/* A discard is only a hint: it does not wait for space. */
				discard_advance(bio, sectors);
				continue;
			}
		}
		leaf = lclone_job_leaf(d, bio, index);
		if (!leaf)
			return;
		if (is_edge(d, bio, sectors)) {
			if (zero_edge(d, bio, leaf, &p))
				return;
			discard_advance(bio, sectors);
			continue;
		}
		job = lclone_job_alloc(d, bio, leaf, p.slot);
		if (!job) {
			lclone_leaf_unpin(leaf);
			lclone_park(&d->queue, bio, WAIT_MEMORY);
			return;
		}
		job->sectors = sectors;
		discard_leaf(job);
		return;
	}
	discard_rest(d, bio);
}
