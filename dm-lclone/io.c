// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bio path, in the order it runs: map, end_io, and the worker for what map
 * has to defer.
 *
 * map looks up, remaps, or defers: it never sleeps, takes no global lock and
 * allocates nothing but chunks.  A bio is cut only where its source changes; one
 * that is deferred is cut to one chunk first.  Under rcu_read_lock_sched() it only
 * looks: bio_set_dev() takes locks, which sleep on a real-time kernel.
 */
#include <linux/slab.h>

#include "lclone.h"

/* So many chunks before the end of a leaf a large write has the next one made. */
#define LEAF_AHEAD	64

/* What became of a bio */
enum verdict {
	REMAPPED,		/* device and sector are set */
	NOT_OURS,		/* the bio has ended, or belongs to somebody else now */
	NO_LEAF,		/* not in RAM */
	NO_PIN,			/* the tree has no leaf yet, or it is being evicted */
	BUSY,
	THROTTLED,		/* too many dirty leaves */
	NO_SPACE,
	PARTIAL,		/* a subchunk has to be copied up first */
};

static u64 bio_chunk(const struct lclone_delta *d, const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> d->chunk_shift;
}

static u32 chunk_sectors(const struct lclone_delta *d)
{
	return 1u << d->chunk_shift;
}

static void remap_delta(struct lclone_delta *d, struct bio *bio, u32 phys, u32 offset)
{
	bio_set_dev(bio, d->bdev);
	bio->bi_iter.bi_sector = ((sector_t)phys << d->chunk_shift) + offset;
}

/* Reads */

/*
 * The source of the beginning of @bio, as far as it goes, at most the length of
 * @bio.  @exc is the exception of its first chunk, in @slot of @leaf.  Returns NULL,
 * or the delta whose leaf is not in RAM.
 */
static struct lclone_delta *read_run(struct lclone_delta *d, const struct bio *bio,
				     const struct lclone_leaf *leaf, u32 slot, u64 exc,
				     struct lclone_source *s)
{
	u32 want = bio_sectors(bio), offset = lclone_chunk_offset(d, bio->bi_iter.bi_sector);
	u64 chunk = bio_chunk(d, bio);
	struct lclone_delta *missing;
	struct lclone_source next;

	missing = lclone_source(d, chunk, exc, offset, s);
	if (missing)
		return missing;
	/* while it reaches the end of a chunk, the next one may go on with it */
	while (s->sectors < want && !lclone_chunk_offset(d, offset + s->sectors) &&
	       ++slot < LCLONE_LEAF_EXCEPTIONS) {
		exc = READ_ONCE(leaf->exceptions[slot]);
		if (op_is_write(bio_op(bio)) && exc & LCLONE_EXC_BUSY)
			break;
		if (lclone_source(d, ++chunk, exc, 0, &next) || next.bdev != s->bdev ||
		    (s->bdev && next.sector != s->sector + s->sectors))
			break;
		s->sectors += next.sectors;
	}
	s->sectors = min(s->sectors, want);
	return NULL;
}

/*
 * NO_LEAF: of *@missing; else @s is what the verdict holds for.  The count of I/O
 * in flight to the delta is taken before the exception that counts is loaded.
 */
static enum verdict map_read(struct lclone_delta *d, struct bio *bio, struct lclone_source *s,
			     struct lclone_delta **missing)
{
	u64 chunk = bio_chunk(d, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS;
	struct lclone_leaf *leaf;

	*missing = d;
	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index);
	if (likely(leaf)) {
		if (!lclone_io_state(bio))
			lclone_io_count(d, bio);
		*missing = read_run(d, bio, leaf, slot, READ_ONCE(leaf->exceptions[slot]), s);
	}
	rcu_read_unlock_sched();
	if (unlikely(*missing))
		return NO_LEAF;
	if (!s->bdev)
		return NOT_OURS;
	bio_set_dev(bio, s->bdev);
	bio->bi_iter.bi_sector = s->sector;
	return REMAPPED;
}

/* Writes */

/* Sectors from @offset on, of @want, whose entries are empty. */
static u32 empty_run(const struct lclone_delta *d, const struct lclone_leaf *leaf, u32 slot,
		     u32 offset, u32 want)
{
	u32 run = 0;

	for (; run < want && slot < LCLONE_LEAF_EXCEPTIONS; slot++, offset = 0) {
		if (READ_ONCE(leaf->exceptions[slot]))
			break;
		run += chunk_sectors(d) - offset;
	}
	return min(run, want);
}

struct write {
	bool whole;		/* in: the bio can't be cut */
	u32 run;		/* sectors that the verdict holds for */
	bool first;		/* some of them for the first time */
	bool dirty;		/* or with a mapping that is not durable */
	u32 partial;		/* PARTIAL: the subchunk */
	u32 spare_phys, spare;	/* chunks taken and not used yet */
};

/* How many chunks from @slot on does the bio want? Those that it covers from the start. */
static u32 chunks_wanted(struct lclone_delta *d, const struct bio *bio,
			 const struct lclone_leaf *leaf, u32 slot, u32 done)
{
	u32 left = bio_sectors(bio) - done, n = 0;

	do {
		u64 exc = READ_ONCE(leaf->exceptions[slot + n]);

		if (lclone_exc_phys(exc) || exc & LCLONE_EXC_BUSY)
			break;
		n++;
		left -= min(left, chunk_sectors(d));
	} while (left && slot + n < LCLONE_LEAF_EXCEPTIONS);
	return max(n, 1u);
}

/* Gives the chunk of @slot a place; @after: it must be this phys. */
static enum verdict place(struct lclone_delta *d, const struct bio *bio, struct lclone_leaf *leaf,
			  u32 slot, u32 done, u32 after, struct write *w, u64 *exc)
{
	u64 new;

	do {
		if (*exc & LCLONE_EXC_BUSY)
			return BUSY;
		if (lclone_exc_phys(*exc))
			return REMAPPED;
		if (!w->spare) {
			u32 want = chunks_wanted(d, bio, leaf, slot, done);

			w->spare = lclone_alloc_chunks(d, want, &w->spare_phys);
			if (!w->spare)
				return NO_SPACE;
		}
		if (after && w->spare_phys != after)
			return REMAPPED;	/* with phys 0: not contiguous */
		new = *exc | w->spare_phys;
	} while (!try_cmpxchg64(&leaf->exceptions[slot], exc, new));
	*exc = new;
	w->spare_phys++;
	w->spare--;
	return REMAPPED;
}

/*
 * One chunk's part of a write: @len sectors from @offset.  Returns REMAPPED with
 * *@len cut to what may be written (0: none of it).
 */
static enum verdict write_chunk(struct lclone_delta *d, const struct bio *bio,
				struct lclone_leaf *leaf, u32 slot, u32 offset, u32 *len,
				u32 done, u32 after, struct write *w, u64 *exc)
{
	u32 mask = lclone_sub_mask(d, offset, *len), missing = mask & ~lclone_exc_written(*exc);
	u32 head = offset >> d->sub_shift, tail = (offset + *len) >> d->sub_shift;
	enum verdict verdict;

	if (*exc & LCLONE_EXC_BUSY)
		return BUSY;
	if (!missing) {
		w->dirty |= !!(*exc & LCLONE_EXC_DIRTY);
		return REMAPPED;
	}
	if (lclone_sub_offset(d, offset) && missing & 1u << head) {
		w->partial = head;
		*len = min(*len, ((head + 1) << d->sub_shift) - offset);
		return PARTIAL;
	}
	if (lclone_sub_offset(d, offset + *len) && missing & 1u << tail) {
		if (tail == head || w->whole) {
			w->partial = tail;
			return PARTIAL;
		}
		/* up to there it is an ordinary first write */
		*len = (tail << d->sub_shift) - offset;
	}
	verdict = place(d, bio, leaf, slot, done, after, w, exc);
	w->first |= verdict == REMAPPED;
	return verdict;
}

static enum verdict write_run(struct lclone_delta *d, const struct bio *bio,
			      struct lclone_leaf *leaf, u32 slot, struct write *w, u32 *phys)
{
	u32 offset = lclone_chunk_offset(d, bio->bi_iter.bi_sector), want = bio_sectors(bio);
	u32 last = 0;

	while (w->run < want && slot < LCLONE_LEAF_EXCEPTIONS) {
		u32 len = min(want - w->run, chunk_sectors(d) - offset), full = len;
		u64 exc = READ_ONCE(leaf->exceptions[slot]);
		enum verdict verdict;

		if (d->merge && !exc) {
			if (!last)
				return BUSY;	/* emptied just now: the worker sees that */
			break;			/* from here on it goes to the base */
		}
		verdict = write_chunk(d, bio, leaf, slot, offset, &len, w->run,
				      last ? last + 1 : 0, w, &exc);
		if (verdict != REMAPPED) {
			if (!last)
				w->run = len;
			return last ? REMAPPED : verdict;
		}
		if (last && lclone_exc_phys(exc) != last + 1)
			break;
		if (!last)
			*phys = lclone_exc_phys(exc);
		last = lclone_exc_phys(exc);
		w->run += len;
		if (len < full)
			break;
		offset = 0;
		slot++;
	}
	return REMAPPED;
}

/*
 * A write to subchunks that are all valid, at least to the end of the first
 * chunk: nothing changes in the table.  Returns its length, 0 if it is none.
 */
static u32 map_overwrite(struct lclone_delta *d, struct bio *bio,
			 const struct lclone_leaf *leaf, u32 slot, u32 *phys)
{
	u32 offset = lclone_chunk_offset(d, bio->bi_iter.bi_sector);
	u32 first = min(bio_sectors(bio), chunk_sectors(d) - offset);
	u32 mask = lclone_sub_mask(d, offset, first), run = first;
	u64 exc = READ_ONCE(leaf->exceptions[slot]);
	struct lclone_source s;

	if (mask & ~lclone_exc_written(exc) || exc & LCLONE_EXC_BUSY)
		return 0;
	lclone_io_count(d, bio);
	exc = READ_ONCE(leaf->exceptions[slot]);
	if (unlikely(mask & ~lclone_exc_written(exc) || exc & LCLONE_EXC_BUSY)) {
		lclone_io_uncount(d, bio);
		return 0;
	}
	if (run < bio_sectors(bio)) {
		read_run(d, bio, leaf, slot, exc, &s);	/* the first chunk is in the delta */
		run = s.sectors;
	}
	if (unlikely(bio->bi_opf & REQ_FUA) &&
	    (exc & LCLONE_EXC_DIRTY || run > first || !lclone_commit_idle(d))) {
		lclone_io_set(bio, lclone_io_state(bio) | IO_NEEDS_COMMIT);
		bio->bi_opf &= ~REQ_FUA;
	}
	*phys = lclone_exc_phys(exc);
	return run;
}

/*
 * The subchunks that a write covers whole.  One that it covers in part was valid
 * in map; if a discard has come since, the write must not bring its rest back.
 */
static u32 whole_subchunks(struct lclone_delta *d, u32 slot, u32 offset, u32 sectors)
{
	u32 first = (offset + (1u << d->sub_shift) - 1) >> d->sub_shift;
	u32 end = (offset + sectors) >> d->sub_shift;

	return (slot * LCLONE_SUBCHUNKS + first) << IO_SUBCHUNK_SHIFT |
	       (end - first) << IO_SUBS_SHIFT;
}

/*
 * During a merge what the delta knows nothing of is written to the base.  Returns
 * how much of the bio that is.  Counted, so that a copy-up can wait for it.
 */
static u32 map_to_base(struct lclone_delta *d, struct bio *bio, const struct lclone_leaf *leaf,
		       u32 slot)
{
	u32 offset = lclone_chunk_offset(d, bio->bi_iter.bi_sector), run;

	lclone_io_count(d, bio);
	run = empty_run(d, leaf, slot, offset, bio_sectors(bio));
	if (!run)
		lclone_io_uncount(d, bio);
	return run;
}

/*
 * A large first write gets near the end of a leaf: should it go on there, the
 * next one is made before.
 */
static void look_ahead(struct lclone_delta *d, u32 index, u32 slot)
{
	struct lclone_leaf *leaf;

	if (slot < LCLONE_LEAF_EXCEPTIONS - LEAF_AHEAD || index == d->last_leaf)
		return;
	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index + 1);
	rcu_read_unlock_sched();
	if (leaf && leaf != &lclone_empty_leaf)
		return;
	WRITE_ONCE(d->leaf_ahead, index + 1);
	queue_work(d->wq, &d->worker);
}

/* A first write pins the leaf until end_io has published it. */
static enum verdict map_write(struct lclone_delta *d, struct bio *bio, struct write *w)
{
	u64 chunk = bio_chunk(d, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS, phys = 0;
	sector_t sector = bio->bi_iter.bi_sector;
	struct lclone_leaf *leaf;
	enum verdict verdict;
	bool to_base;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index);
	if (unlikely(!leaf)) {
		rcu_read_unlock_sched();
		return NO_LEAF;
	}
	w->run = d->merge ? map_to_base(d, bio, leaf, slot) : 0;
	to_base = w->run;
	if (!w->run)
		w->run = map_overwrite(d, bio, leaf, slot, &phys);
	if (w->run) {
		rcu_read_unlock_sched();
		if (to_base)
			bio_set_dev(bio, d->base);
		else
			remap_delta(d, bio, phys, lclone_chunk_offset(d, sector));
		return REMAPPED;
	}
	if (!lclone_leaf_pin(leaf)) {
		rcu_read_unlock_sched();
		return NO_PIN;
	}
	lclone_io_count(d, bio);
	rcu_read_unlock_sched();

	if (lclone_commit_mark(d, leaf))
		verdict = write_run(d, bio, leaf, slot, w, &phys);
	else
		verdict = THROTTLED;
	if (unlikely(w->spare))
		lclone_alloc_giveback(d, w->spare_phys, w->spare);

	if (unlikely(verdict != REMAPPED)) {
		lclone_leaf_unpin(leaf);
		lclone_io_uncount(d, bio);
		return verdict;
	}
	if (w->first) {
		lclone_io_set(bio, lclone_io_state(bio) | IO_FIRST | index << IO_INDEX_SHIFT |
			      whole_subchunks(d, slot, lclone_chunk_offset(d, sector), w->run));
		if (w->run > chunk_sectors(d))
			look_ahead(d, index, slot);
	} else {
		lclone_leaf_unpin(leaf);
	}
	if (bio->bi_opf & REQ_FUA && (w->first || w->dirty || !lclone_commit_idle(d))) {
		/* the commit's flush makes the data durable, too */
		lclone_io_set(bio, lclone_io_state(bio) | IO_NEEDS_COMMIT);
		bio->bi_opf &= ~REQ_FUA;
	}
	remap_delta(d, bio, phys, lclone_chunk_offset(d, sector));
	return REMAPPED;
}

/* Map */

/*
 * Cuts the bio, unless it is NOWAIT: then it was ended and false is returned, for
 * its parts could end in different ways (as in the block layer's bio_split_rw()).
 * A polled one is cut all the same: its user would see the error, see lclone_map().
 */
static bool cut(struct bio *bio, u32 sectors)
{
	if (likely(sectors == bio_sectors(bio)))
		return true;
	if (bio->bi_opf & REQ_NOWAIT && !(bio->bi_opf & REQ_POLLED)) {
		bio_wouldblock_error(bio);
		return false;
	}
	dm_accept_partial_bio(bio, sectors);
	return true;
}

/*
 * dm core's clones belong to the cgroup of who sets their device first: that must not be
 * the worker.
 */
static int map_to_worker(struct lclone_delta *d, struct bio *bio)
{
	bio_associate_blkg(bio);
	lclone_defer(d, bio);
	return DM_MAPIO_SUBMITTED;
}

static int map_defer(struct lclone_delta *d, struct bio *bio)
{
	u32 left = chunk_sectors(d) - lclone_chunk_offset(d, bio->bi_iter.bi_sector);

	return cut(bio, min(left, bio_sectors(bio))) ? map_to_worker(d, bio) :
						       DM_MAPIO_SUBMITTED;
}

/*
 * The beginning of a polled bio is sent by the worker, no longer polled: there are more
 * of them than its user has asked for, and who polls may not wait here for a request that
 * only polling would set free.
 */
static int map_polled_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	unsigned long flags;

	dm_accept_partial_bio(bio, sectors);
	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&d->lock, flags);
	bio_list_add(&d->mapped, bio);
	queue_work(d->wq, &d->worker);	/* under the lock: with the bio @d may go */
	spin_unlock_irqrestore(&d->lock, flags);
	return DM_MAPIO_SUBMITTED;
}

/* The first @sectors of the bio are mapped. */
static int map_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	if (unlikely(bio->bi_opf & REQ_POLLED && sectors < bio_sectors(bio)))
		return map_polled_part(d, bio, sectors);
	return cut(bio, sectors) ? DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED;
}

static int map_read_bio(struct lclone_delta *d, struct bio *bio)
{
	struct lclone_delta *missing;
	struct lclone_source s;
	enum verdict verdict;

	verdict = map_read(d, bio, &s, &missing);
	if (unlikely(verdict == NO_LEAF))
		return map_defer(d, bio);
	if (verdict == REMAPPED)
		return map_part(d, bio, s.sectors);
	if (likely(cut(bio, s.sectors))) {
		zero_fill_bio(bio);
		bio_endio(bio);
	}
	return DM_MAPIO_SUBMITTED;
}

static int map_write_bio(struct lclone_delta *d, struct bio *bio)
{
	struct write w = {};

	if (unlikely(READ_ONCE(d->mode) != LCLONE_RW))
		return DM_MAPIO_KILL;
	if (map_write(d, bio, &w) == REMAPPED)
		return map_part(d, bio, w.run);
	if (unlikely(w.run && !cut(bio, w.run)))
		return DM_MAPIO_SUBMITTED;
	return map_defer(d, bio);
}

static int map_flush(struct lclone_delta *d, struct bio *bio)
{
	if (unlikely(dm_bio_get_target_bio_nr(bio))) {
		bio_set_dev(bio, d->base);
		return DM_MAPIO_REMAPPED;
	}
	if (likely(lclone_commit_clean(d))) {
		/* metadata failed, though no commit did: nobody is to rely on this delta */
		if (unlikely(READ_ONCE(d->mode) != LCLONE_RW && d->activated))
			return DM_MAPIO_KILL;
		bio_set_dev(bio, d->bdev);
		return DM_MAPIO_REMAPPED;
	}
	lclone_commit_join(d, bio, false);
	return DM_MAPIO_SUBMITTED;
}

/* Discard and write-zeroes: the worker looks at what they meet. */
static int map_zero(struct lclone_delta *d, struct bio *bio)
{
	if (READ_ONCE(d->mode) != LCLONE_RW)
		return DM_MAPIO_KILL;
	if (bio->bi_opf & REQ_FUA)
		lclone_io_set(bio, IO_NEEDS_COMMIT);
	if (unlikely(d->merge))
		return map_defer(d, bio);	/* cut: the next chunk may be the base's */
	return map_to_worker(d, bio);
}

/* What is not simple. It looks again. */
static noinline int map_any(struct lclone_delta *d, struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return map_read_bio(d, bio);
	case REQ_OP_WRITE:
		if (!bio_sectors(bio))
			return map_flush(d, bio);
		return map_write_bio(d, bio);
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		return map_zero(d, bio);
	default:
		return DM_MAPIO_KILL;
	}
}

/*
 * All that @mask wants is in the delta: returns the chunk, and counts the bio; 0: not all.
 * Under rcu_read_lock_sched().
 */
static __always_inline u32 map_simple_delta(struct lclone_delta *d, struct bio *bio,
					    const u64 *entry, u32 mask)
{
	u64 busy = (u64)op_is_write(bio_op(bio)) * LCLONE_EXC_BUSY, exc;

	lclone_io_count(d, bio);
	exc = READ_ONCE(*entry);		/* the one that counts */
	if (unlikely(mask & ~lclone_exc_written(exc) || exc & busy)) {
		lclone_io_uncount(d, bio);
		return 0;
	}
	return lclone_exc_phys(exc);
}

/*
 * The most common I/O: within a chunk, a read of one source or a write that
 * changes nothing in the table.  False: it takes a closer look.
 */
static __always_inline bool map_simple(struct lclone_delta *d, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	u32 offset = lclone_chunk_offset(d, sector), len = bio_sectors(bio), mask;
	u64 chunk = bio_chunk(d, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	struct block_device *below = NULL;
	struct lclone_leaf *leaf;
	u32 phys = 0;
	u64 exc;

	if (!len || offset + len > chunk_sectors(d))
		return false;
	mask = lclone_sub_mask(d, offset, len);

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index);
	if (likely(leaf)) {
		u64 *entry = &leaf->exceptions[chunk - index * LCLONE_LEAF_EXCEPTIONS];

		exc = READ_ONCE(*entry);
		if (!(mask & ~lclone_exc_written(exc)))
			phys = map_simple_delta(d, bio, entry, mask);
		else if (bio_op(bio) == REQ_OP_READ &&
			 !((lclone_exc_written(exc) | lclone_exc_zero(exc)) & mask))
			below = likely(sector + len <= d->plain_sectors) ? d->base :
				d->chain ? lclone_chain_find(d, bio, chunk, offset, mask) : NULL;
	}
	rcu_read_unlock_sched();

	if (phys)
		remap_delta(d, bio, phys, offset);
	else if (likely(below))
		bio_set_dev(bio, below);
	return phys || below;
}

/*
 * The most common first write: whole subchunks of one chunk, of a leaf that the
 * commit knows of.  False: it takes a closer look.
 */
static noinline bool map_simple_first(struct lclone_delta *d, struct bio *bio)
{
	u32 offset = lclone_chunk_offset(d, bio->bi_iter.bi_sector), len = bio_sectors(bio), phys;
	u64 chunk = bio_chunk(d, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS, exc, *entry;
	u32 slot = chunk - index * LCLONE_LEAF_EXCEPTIONS;
	struct lclone_leaf *leaf;

	if (!len || lclone_sub_offset(d, offset | len) || offset + len > chunk_sectors(d))
		return false;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, index);
	if (unlikely(!leaf || !lclone_leaf_pin(leaf))) {
		rcu_read_unlock_sched();
		return false;
	}
	lclone_io_count(d, bio);
	rcu_read_unlock_sched();

	entry = &leaf->exceptions[slot];
	exc = READ_ONCE(*entry);
	if (unlikely(exc & LCLONE_EXC_BUSY || !lclone_commit_marked(leaf)))
		goto undo;
	phys = lclone_exc_phys(exc);
	if (!phys) {
		if (unlikely(!lclone_alloc_chunks(d, 1, &phys)))
			goto undo;
		if (unlikely(!try_cmpxchg64(entry, &exc, exc | phys))) {
			lclone_alloc_giveback(d, phys, 1);
			goto undo;
		}
	}
	lclone_io_set(bio, lclone_io_state(bio) | IO_FIRST | index << IO_INDEX_SHIFT |
		      whole_subchunks(d, slot, offset, len));
	remap_delta(d, bio, phys, offset);
	return true;
undo:
	lclone_leaf_unpin(leaf);
	lclone_io_uncount(d, bio);
	return false;
}

static __always_inline bool may_be_simple(const struct lclone_delta *d, const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_READ ||
	       (bio_op(bio) == REQ_OP_WRITE && !(bio->bi_opf & REQ_FUA) &&
		READ_ONCE(d->mode) == LCLONE_RW);
}

int lclone_map(struct dm_target *ti, struct bio *bio)
{
	struct lclone_delta *d = ((struct lclone *)ti->private)->delta;

	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	/*
	 * dm core sends polled bios that ended with EAGAIN again, from a worker, no longer
	 * polled but NOWAIT: another EAGAIN would be their user's.
	 */
	if (unlikely(bio->bi_opf & REQ_NOWAIT && current->flags & PF_WQ_WORKER))
		bio->bi_opf &= ~REQ_NOWAIT;

	if (likely(may_be_simple(d, bio)) &&
	    (likely(map_simple(d, bio)) ||
	     (op_is_write(bio_op(bio)) && !d->merge && map_simple_first(d, bio))))
		return DM_MAPIO_REMAPPED;
	return map_any(d, bio);
}

/* End */

/* The data are there: now they may be found. DIRTY goes with written, in one step. */
static void publish(struct lclone_leaf *leaf, u32 first, u32 left)
{
	u32 slot = first / LCLONE_SUBCHUNKS, sub = first % LCLONE_SUBCHUNKS;

	for (; left; slot++, sub = 0) {
		u32 n = min(left, LCLONE_SUBCHUNKS - sub);
		u64 mask = ((1u << n) - 1) << sub;
		u64 *entry = &leaf->exceptions[slot], exc = READ_ONCE(*entry), new;

		lclone_leaf_touch(leaf, slot);
		do {
			if (!(mask & ~lclone_exc_written(exc)))
				break;
			new = (exc | mask << LCLONE_WRITTEN_SHIFT | LCLONE_EXC_DIRTY) &
			      ~(mask << LCLONE_ZERO_SHIFT);
		} while (!try_cmpxchg64(entry, &exc, new));
		left -= n;
	}
}

/* The leaf is pinned: it is where it was. */
static void end_first(struct lclone_delta *d, u64 state, blk_status_t error)
{
	struct lclone_leaf *leaf;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(d, state >> IO_INDEX_SHIFT);
	rcu_read_unlock_sched();
	if (likely(!error))
		publish(leaf, (u32)state >> IO_SUBCHUNK_SHIFT,
			state >> IO_SUBS_SHIFT & ((1u << IO_SUBS_BITS) - 1));
	lclone_leaf_unpin(leaf);
}

static noinline int end_any(struct lclone_delta *d, struct bio *bio, blk_status_t *error)
{
	u64 state = lclone_io_state(bio);

	if (state & IO_FIRST)
		end_first(d, state, *error);
	if (state & IO_COUNTED)
		lclone_io_uncount(d, bio);
	lclone_io_set(bio, 0);
	if (unlikely(state & IO_NEEDS_COMMIT) && !*error) {
		lclone_commit_join(d, bio, true);	/* the commit ends the bio once more */
		return DM_ENDIO_INCOMPLETE;
	}
	return DM_ENDIO_DONE;
}

int lclone_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct lclone_delta *d = ((struct lclone *)ti->private)->delta;
	u64 state = lclone_io_state(bio);

	if (unlikely(state > IO_COUNT_MASK))
		return end_any(d, bio, error);
	if (state)
		lclone_inflight_put(d, state >> 1);
	return DM_ENDIO_DONE;
}

/* Deferred */

void lclone_defer(struct lclone_delta *d, struct bio *bio)
{
	unsigned long flags;

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&d->lock, flags);
	bio_list_add(&d->deferred, bio);
	queue_work(d->wq, &d->worker);	/* under the lock: with the bio @d may go */
	spin_unlock_irqrestore(&d->lock, flags);
}

void lclone_defer_back(struct lclone_delta *d, struct bio *bio)
{
	u64 state = lclone_io_state(bio);

	if (d->is_layer) {
		d = (struct lclone_delta *)(state & ~IO_FLAGS);
		lclone_io_set(bio, state & IO_FLAGS);
	}
	lclone_defer(d, bio);
}

void lclone_load_for(struct lclone_delta *d, struct lclone_delta *missing, struct bio *bio)
{
	if (missing == d) {
		lclone_leaf_load(d, bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
		return;
	}
	lclone_io_set(bio, lclone_io_state(bio) | (u64)d);
	lclone_defer(missing, bio);
}

void lclone_defer_list(struct lclone_delta *d, struct bio_list *bios)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	bio_list_merge(&d->deferred, bios);
	spin_unlock_irqrestore(&d->lock, flags);
	bio_list_init(bios);
	queue_work(d->wq, &d->worker);
}

void lclone_unpark(struct lclone_delta *d, enum lclone_wait wait)
{
	struct bio_list bios;
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->wakeups[wait]++;
	bios = d->parked[wait];
	bio_list_init(&d->parked[wait]);
	spin_unlock_irqrestore(&d->lock, flags);
	if (!bio_list_empty(&bios))
		lclone_defer_list(d, &bios);
}

void lclone_end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

void lclone_look(struct lclone_delta *d)
{
	spin_lock_irq(&d->lock);
	memcpy(d->seen, d->wakeups, sizeof(d->seen));
	spin_unlock_irq(&d->lock);
}

void lclone_park(struct lclone_delta *d, struct bio *bio, enum lclone_wait wait)
{
	bool again;

	spin_lock_irq(&d->lock);
	again = d->seen[wait] != d->wakeups[wait];
	bio_list_add(again ? &d->deferred : &d->parked[wait], bio);
	spin_unlock_irq(&d->lock);
	if (again)
		queue_work(d->wq, &d->worker);
}

/* Out of space */

static void enter_full(struct lclone_delta *d)
{
	WRITE_ONCE(d->full, true);
	d->space_expired = false;
	DMWARN("%s: the delta is full", d->name);
	lclone_event(d);
	if (!d->error_if_no_space && d->no_space_timeout) {
		unsigned long left = (unsigned long)d->no_space_timeout * HZ;

		WRITE_ONCE(d->space_deadline, jiffies + left);
		queue_delayed_work(d->wq, &d->space_timer, left);
	}
}

static void leave_full(struct lclone_delta *d)
{
	if (!d->full)
		return;
	d->full = false;
	d->space_expired = false;
	cancel_delayed_work(&d->space_timer);
	DMINFO("%s: the delta has space again", d->name);
	lclone_event(d);
}

static void check_low_water(struct lclone_delta *d)
{
	bool below = d->low_water_mark && lclone_alloc_available(d) < d->low_water_mark;

	if (below && !d->below_low_water) {
		DMWARN("%s: fewer than %u free chunks left", d->name, d->low_water_mark);
		lclone_event(d);
	}
	d->below_low_water = below;
}

/* The clone is being suspended. */
static void give_back(struct lclone_delta *d, struct bio *bio)
{
	lclone_end_bio(bio, d->noflush ? BLK_STS_DM_REQUEUE : BLK_STS_NOSPC);
}

void lclone_no_space(struct lclone_delta *d, struct bio *bio, enum lclone_space space)
{
	switch (space) {
	case LCLONE_SPACE_OK:
		lclone_defer(d, bio);	/* others were faster */
		return;
	case LCLONE_SPACE_SCAN:
		d->space = space;
		if (d->stopping && d->noflush) {
			give_back(d, bio);
			return;
		}
		break;			/* a suspend that flushes waits for the scan */
	case LCLONE_SPACE_NONE:
		if (lclone_commit_freeing(d) || lclone_freed_pending(d))
			break;
		if (READ_ONCE(d->alloc.new_leaves)) {
			/* once written they need less of the reserve */
			lclone_park(d, bio, WAIT_SPACE);
			lclone_commit_want_checkpoint(d);
			return;
		}
		if (!d->full) {
			/* tried once more: a chunk may have been given back unseen */
			enter_full(d);
			lclone_defer(d, bio);
			return;
		}
		if (d->error_if_no_space || d->space_expired) {
			lclone_end_bio(bio, BLK_STS_NOSPC);
			return;
		}
		if (d->stopping) {
			give_back(d, bio);
			return;
		}
	}
	lclone_park(d, bio, WAIT_SPACE);
}

static void space_timeout(struct work_struct *work)
{
	struct lclone_delta *d = container_of(to_delayed_work(work), struct lclone_delta,
					      space_timer);
	long left = READ_ONCE(d->space_deadline) - jiffies;

	if (left > 0) {			/* a timer is good for some days only */
		queue_delayed_work(d->wq, &d->space_timer, left);
		return;
	}
	DMWARN("%s: no space came within %u s, writes that need it fail", d->name,
	       d->no_space_timeout);
	d->space_expired = true;
	lclone_unpark(d, WAIT_SPACE);
}

/* Worker */

static void worker_read(struct lclone_delta *d, struct bio *bio)
{
	struct lclone_delta *missing;
	struct lclone_source s;
	struct bio *part;

	do {
		sector_t sector = bio->bi_iter.bi_sector;
		enum verdict verdict = map_read(d, bio, &s, &missing);

		if (verdict == NO_LEAF) {
			lclone_load_for(d, missing, bio);
			return;
		}
		part = bio;
		if (s.sectors < bio_sectors(bio)) {
			/* the part takes the mapping along, the rest is virtual again */
			part = bio_split(bio, s.sectors, GFP_NOIO, &d->bios);
			bio_chain(part, bio);
			bio->bi_iter.bi_sector = sector + s.sectors;
		}
		if (verdict == NOT_OURS) {
			zero_fill_bio(part);
			bio_endio(part);
		} else {
			submit_bio_noacct(part);
		}
	} while (part != bio);
}

int lclone_new_leaf(struct lclone_delta *d, u64 index, enum lclone_space *space)
{
	struct lclone_leaf *leaf = lclone_leaf_get(d, index, false);

	*space = LCLONE_SPACE_OK;
	if (leaf == &lclone_empty_leaf) {
		*space = lclone_alloc_new_leaf(d);
		if (*space != LCLONE_SPACE_OK)
			return 0;
		leaf = lclone_leaf_get(d, index, true);
	}
	if (IS_ERR(leaf))
		return PTR_ERR(leaf);
	lclone_leaf_unpin(leaf);
	return 0;
}

/* The leaf could not be pinned: mostly the tree has none there yet. */
static void worker_new_leaf(struct lclone_delta *d, struct bio *bio, u64 index)
{
	enum lclone_space space;
	int err;

	if (!lclone_leaf_cached(d, index)) {
		lclone_leaf_load(d, index, bio);	/* evicted meanwhile */
		return;
	}
	err = lclone_new_leaf(d, index, &space);
	if (err)
		lclone_end_bio(bio, errno_to_blk_status(err));
	else if (space != LCLONE_SPACE_OK)
		lclone_no_space(d, bio, space);
	else
		lclone_defer(d, bio);
}

/* Nobody waits for it: an error comes up again when somebody does. */
static void worker_ahead(struct lclone_delta *d)
{
	u32 index = xchg(&d->leaf_ahead, 0);
	enum lclone_space space;

	/* once it stops, nobody waits for a load that has no bio */
	if (!index || READ_ONCE(d->mode) != LCLONE_RW || READ_ONCE(d->stopping))
		return;
	if (lclone_leaf_cached(d, index))
		lclone_new_leaf(d, index, &space);
	else
		lclone_leaf_load(d, index, NULL);
}

static void worker_write(struct lclone_delta *d, struct bio *bio)
{
	struct write w = { .whole = true };

	switch (map_write(d, bio, &w)) {
	case NO_LEAF:
		lclone_leaf_load(d, bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
		break;
	case NO_PIN:
		worker_new_leaf(d, bio, bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS);
		break;
	case BUSY:
		lclone_park(d, bio, WAIT_BUSY);
		break;
	case THROTTLED:
		lclone_throttle(d, bio);
		break;
	case NO_SPACE:
		lclone_no_space(d, bio, d->space);
		break;
	case PARTIAL:
		lclone_job_copyup(d, bio, bio_chunk(d, bio), w.partial);
		break;
	default:
		submit_bio_noacct(bio);
	}
}

void lclone_throttle(struct lclone_delta *d, struct bio *bio)
{
	lclone_park(d, bio, WAIT_CHECKPOINT);
	lclone_commit_want_checkpoint(d);
}

static void worker_bio(struct lclone_delta *d, struct bio *bio)
{
	if (d->is_layer)
		lclone_leaf_load(d, bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
	else if (op_is_write(bio_op(bio)) && READ_ONCE(d->mode) != LCLONE_RW)
		lclone_end_bio(bio, BLK_STS_IOERR);
	else if (bio_op(bio) == REQ_OP_READ)
		worker_read(d, bio);
	else if (bio_op(bio) == REQ_OP_WRITE)
		worker_write(d, bio);
	else
		lclone_job_discard(d, bio);
}

static void worker_deferred(struct lclone_delta *d)
{
	struct bio_list bios, mapped;
	struct bio *bio;

	spin_lock_irq(&d->lock);
	mapped = d->mapped;
	bio_list_init(&d->mapped);
	bios = d->deferred;
	bio_list_init(&d->deferred);
	spin_unlock_irq(&d->lock);

	while ((bio = bio_list_pop(&mapped)))
		submit_bio_noacct(bio);

	while ((bio = bio_list_pop(&bios))) {
		lclone_look(d);
		worker_bio(d, bio);
	}
}

void lclone_space_came(struct lclone_delta *d)
{
	WRITE_ONCE(d->space_came, true);
	queue_work(d->wq, &d->worker);
}

static void worker_space(struct lclone_delta *d)
{
	d->space = LCLONE_SPACE_NONE;
	if (READ_ONCE(d->mode) != LCLONE_RW)
		return;
	d->space = lclone_alloc_refill(d);
	check_low_water(d);
	if (!xchg(&d->space_came, false))
		return;
	if (d->space == LCLONE_SPACE_OK)
		leave_full(d);
	lclone_unpark(d, WAIT_SPACE);
}

static void worker_drained(struct lclone_delta *d)
{
	if (!lclone_drain_finish(d))
		return;
	spin_lock_irq(&d->lock);
	list_splice_tail_init(&d->draining, &d->ready);
	spin_unlock_irq(&d->lock);
	lclone_freed_drained(d);
	lclone_search_drained(d);
	lclone_space_came(d);
}

static void worker_drain(struct lclone_delta *d)
{
	bool search = false;

	if (d->drain_busy)
		return;
	lclone_commit_take_freed(d, &d->free_draining);
	list_splice_tail_init(&d->drain_next, &d->draining);
	/*
	 * Once it stops only for I/O that waits for it: without such I/O,
	 * postsuspend may not wait any more.
	 */
	if (!d->stopping || !bio_list_empty(&d->parked[WAIT_SPACE]))
		search = lclone_search_begin(d);
	if (search || !list_empty(&d->draining) || !list_empty(&d->free_draining))
		lclone_drain_start(d);
}

static void worker(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, worker);

	lclone_leaf_finish_loads(d);
	lclone_freed_finish(d);
	worker_drained(d);
	worker_space(d);
	worker_ahead(d);
	worker_deferred(d);
	lclone_task_run(d);
	worker_drain(d);
	wake_up(&d->idle);
}

void lclone_io_mark_freed(struct lclone_delta *d, unsigned long *used)
{
	lclone_extents_mark(&d->free_draining, used);
	spin_lock_irq(&d->lock);
	lclone_extents_mark(&d->discarding, used);
	lclone_extents_mark(&d->discarded, used);
	spin_unlock_irq(&d->lock);
}

bool lclone_io_idle(struct lclone_delta *d)
{
	return !lclone_commit_freeing(d) && !lclone_freed_pending(d) &&
	       list_empty_careful(&d->loads) &&
	       !READ_ONCE(d->drain_busy) && !lclone_commit_busy(d);
}

/* Life */

void lclone_io_stop(struct lclone_delta *d, bool noflush)
{
	d->noflush = noflush;
	WRITE_ONCE(d->stopping, true);
	lclone_unpark(d, WAIT_SPACE);
}

void lclone_io_start(struct lclone_delta *d)
{
	WRITE_ONCE(d->stopping, false);
	lclone_search_start(d);
	lclone_space_came(d);
}

void lclone_io_init(struct lclone_delta *d)
{
	int i;

	spin_lock_init(&d->lock);
	init_waitqueue_head(&d->idle);
	bio_list_init(&d->deferred);
	bio_list_init(&d->mapped);
	for (i = 0; i < NR_WAITS; i++)
		bio_list_init(&d->parked[i]);
	INIT_LIST_HEAD(&d->ready);
	INIT_LIST_HEAD(&d->draining);
	INIT_LIST_HEAD(&d->drain_next);
	lclone_freed_init(d);
	INIT_WORK(&d->worker, worker);
	INIT_DELAYED_WORK(&d->space_timer, space_timeout);
}
