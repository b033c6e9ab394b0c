// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bio path, in the order it runs: map and end_io.
 *
 * map looks up, remaps, or defers: it never sleeps, takes no global lock and allocates
 * nothing but chunks.  A bio is cut only where its source changes; a bio that is deferred is
 * cut to one chunk first, but for those that the worker cuts.  Under rcu_read_lock_sched() the
 * functions only read: bio_set_dev() is called behind it because it takes locks, which sleep
 * on a real-time kernel.
 */
#include "map.h"
#include "basecache.h"
#include "table.h"

/* A large write that comes this close to the end of a leaf (in chunks) has the next one made. */
#define LEAF_AHEAD	64

static void remap_delta(struct lclone_delta *d, struct bio *bio, u32 phys, u32 offset)
{
	/* The rest of a bio that was cut mostly has it, and to look for the cgroup again costs. */
	if (bio->bi_bdev != d->dev.bdev)
		bio_set_dev(bio, d->dev.bdev);
	bio->bi_iter.bi_sector = ((sector_t)phys << d->geo.chunk_shift) + offset;
}

/* Reads */

/*
 * Finds the source of the first sectors of @bio, and how many of its sectors have that source.
 * @exc is the exception of its first chunk, in @slot of @leaf.  Returns NULL, or the delta
 * whose leaf is not in RAM.
 */
static struct lclone_delta *read_run(struct lclone_delta *d, const struct bio *bio,
				     const struct lclone_leaf *leaf, u32 slot, u64 exc,
				     struct lclone_source *s)
{
	u32 want = bio_sectors(bio), offset = lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector);
	u64 chunk = lclone_bio_chunk(&d->geo, bio);
	struct lclone_delta *missing;
	struct lclone_source next;

	missing = lclone_source(d, chunk, exc, offset, s);
	if (missing)
		return missing;
	/* Where the source reaches the end of a chunk, it may go on in the next chunk. */
	while (s->sectors < want && !lclone_chunk_offset(&d->geo, offset + s->sectors) &&
	       ++slot < LCLONE_LEAF_EXCEPTIONS) {
		exc = READ_ONCE(leaf->exceptions[slot]);
		if (lclone_source(d, ++chunk, exc, 0, &next) || next.bdev != s->bdev ||
		    (s->bdev && next.sector != s->sector + s->sectors))
			break;
		s->sectors += next.sectors;
	}
	s->sectors = min(s->sectors, want);
	return NULL;
}

/*
 * With LCLONE_NO_LEAF, *@missing is the delta whose leaf is not in RAM; else @s says for which
 * sectors the verdict holds.  The bio is counted as in flight before the exception by which it
 * is remapped is loaded, so that a drain waits for it.
 */
enum lclone_verdict lclone_map_read(struct lclone_delta *d, struct bio *bio,
				    struct lclone_source *s, struct lclone_delta **missing)
{
	u64 chunk = lclone_bio_chunk(&d->geo, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS;
	struct lclone_leaf *leaf;

	*missing = d;
	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, index);
	if (likely(leaf)) {
		if (!lclone_io_state(bio))
			lclone_io_count(&d->drain, bio);
		*missing = read_run(d, bio, leaf, slot, READ_ONCE(leaf->exceptions[slot]), s);
	}
	rcu_read_unlock_sched();
	if (unlikely(*missing))
		return LCLONE_NO_LEAF;
	if (!s->bdev)
		return LCLONE_NOT_OURS;
	bio_set_dev(bio, s->bdev);
	bio->bi_iter.bi_sector = s->sector;
	return LCLONE_REMAPPED;
}

/* Writes */

/* Returns how many of @want sectors, from @offset into the chunk of @slot on, have no entry. */
static u32 empty_run(const struct lclone_delta *d, const struct lclone_leaf *leaf, u32 slot,
		     u32 offset, u32 want)
{
	u32 run = 0;

	for (; run < want && slot < LCLONE_LEAF_EXCEPTIONS; slot++, offset = 0) {
		if (READ_ONCE(leaf->exceptions[slot]))
			break;
		run += lclone_chunk_len(&d->geo) - offset;
	}
	return min(run, want);
}

/* Returns how many chunks in a row, from @slot on, the bio needs: they have no place yet. */
static u32 chunks_wanted(struct lclone_delta *d, const struct bio *bio,
			 const struct lclone_leaf *leaf, u32 slot, u32 done)
{
	u32 left = bio_sectors(bio) - done, n = 0;

	do {
		u64 exc = READ_ONCE(leaf->exceptions[slot + n]);

		if (lclone_exc_phys(exc) || exc & LCLONE_EXC_BUSY)
			break;
		n++;
		left -= min(left, lclone_chunk_len(&d->geo));
	} while (left && slot + n < LCLONE_LEAF_EXCEPTIONS);
	return max(n, 1u);
}

/*
 * Gives the chunk of @slot a place in the delta, unless it has one.  If @after is not 0 and
 * the next free chunk is another one, nothing is changed, and *@exc still has phys 0.
 */
static enum lclone_verdict place_chunk(struct lclone_delta *d, const struct bio *bio,
				       struct lclone_leaf *leaf, u32 slot, u32 done, u32 after,
				       struct lclone_write *w, u64 *exc)
{
	u64 new;

	do {
		if (*exc & LCLONE_EXC_BUSY)
			return LCLONE_BUSY;
		if (lclone_exc_phys(*exc))
			return LCLONE_REMAPPED;
		if (!w->spare) {
			u32 want = chunks_wanted(d, bio, leaf, slot, done);

			w->spare = lclone_alloc_chunks(&d->alloc, want, &w->spare_phys);
			if (!w->spare)
				return LCLONE_NO_SPACE;
		}
		if (after && w->spare_phys != after)
			return LCLONE_REMAPPED;
		new = *exc | w->spare_phys;
	} while (!try_cmpxchg64(&leaf->exceptions[slot], exc, new));
	*exc = new;
	w->spare_phys++;
	w->spare--;
	return LCLONE_REMAPPED;
}

/*
 * Maps the part of a write that lies in one chunk: *@len sectors from @offset on.  Returns
 * LCLONE_REMAPPED with *@len cut to the sectors that may be written at once.
 */
static enum lclone_verdict write_chunk(struct lclone_delta *d, const struct bio *bio,
				       struct lclone_leaf *leaf, u32 slot, u32 offset, u32 *len,
				       u32 done, u32 after, struct lclone_write *w, u64 *exc)
{
	u32 mask = lclone_sub_mask(&d->geo, offset, *len);
	u32 missing = mask & ~lclone_exc_written(*exc);
	u32 head = offset >> d->geo.sub_shift, tail = (offset + *len) >> d->geo.sub_shift;
	enum lclone_verdict verdict;

	if (*exc & LCLONE_EXC_BUSY)
		return LCLONE_BUSY;
	if (!missing) {
		w->dirty |= !!(*exc & LCLONE_EXC_DIRTY);
		return LCLONE_REMAPPED;
	}
	if (lclone_sub_offset(&d->geo, offset) && missing & 1u << head) {
		w->partial = head;
		*len = min(*len, ((head + 1) << d->geo.sub_shift) - offset);
		return LCLONE_PARTIAL;
	}
	if (lclone_sub_offset(&d->geo, offset + *len) && missing & 1u << tail) {
		if (tail == head) {
			w->partial = tail;
			return LCLONE_PARTIAL;
		}
		/* The sectors before that subchunk are an ordinary first write. */
		*len = (tail << d->geo.sub_shift) - offset;
	}
	verdict = place_chunk(d, bio, leaf, slot, done, after, w, exc);
	w->first |= verdict == LCLONE_REMAPPED;
	return verdict;
}

static enum lclone_verdict write_run(struct lclone_delta *d, const struct bio *bio,
				     struct lclone_leaf *leaf, u32 slot, struct lclone_write *w,
				     u32 *phys)
{
	u32 offset = lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector), want = bio_sectors(bio);
	u32 last = 0;

	while (w->run < want && slot < LCLONE_LEAF_EXCEPTIONS) {
		u32 len = min(want - w->run, lclone_chunk_len(&d->geo) - offset), full = len;
		u64 exc = READ_ONCE(leaf->exceptions[slot]);
		enum lclone_verdict verdict;

		if (d->below.merge && !exc) {
			if (!last)
				return LCLONE_BUSY;	/* the merge has just emptied the entry */
			break;			/* the rest is written to the base */
		}
		verdict = write_chunk(d, bio, leaf, slot, offset, &len, w->run,
				      last ? last + 1 : 0, w, &exc);
		if (verdict != LCLONE_REMAPPED) {
			if (!last)
				w->run = len;
			return last ? LCLONE_REMAPPED : verdict;
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
	return LCLONE_REMAPPED;
}

/*
 * Maps a write to subchunks that the delta has all, at least to the end of the first chunk:
 * no entry changes.  Returns how many sectors that is; 0 if it is no such write.
 */
static u32 map_overwrite(struct lclone_delta *d, struct bio *bio,
			 const struct lclone_leaf *leaf, u32 slot, u32 *phys)
{
	u32 offset = lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector);
	u32 first = min(bio_sectors(bio), lclone_chunk_len(&d->geo) - offset);
	u32 mask = lclone_sub_mask(&d->geo, offset, first), run = first, last;
	u64 exc = READ_ONCE(leaf->exceptions[slot]);

	if (mask & ~lclone_exc_written(exc) || exc & LCLONE_EXC_BUSY)
		return 0;
	lclone_io_count(&d->drain, bio);
	exc = READ_ONCE(leaf->exceptions[slot]);
	if (unlikely(mask & ~lclone_exc_written(exc) || exc & LCLONE_EXC_BUSY)) {
		lclone_io_uncount(&d->drain, bio);
		return 0;
	}
	*phys = last = lclone_exc_phys(exc);
	while (run < bio_sectors(bio) && ++slot < LCLONE_LEAF_EXCEPTIONS) {
		u32 len = min(bio_sectors(bio) - run, lclone_chunk_len(&d->geo));
		u64 next = READ_ONCE(leaf->exceptions[slot]);

		if (lclone_exc_phys(next) != ++last || next & LCLONE_EXC_BUSY ||
		    lclone_sub_mask(&d->geo, 0, len) & ~lclone_exc_written(next))
			break;
		run += len;
	}
	if (unlikely(bio->bi_opf & REQ_FUA) &&
	    (exc & LCLONE_EXC_DIRTY || run > first || !lclone_commit_idle(&d->commit, &d->super))) {
		lclone_io_set(bio, lclone_io_state(bio) | IO_NEEDS_COMMIT);
		bio->bi_opf &= ~REQ_FUA;
	}
	return run;
}

/*
 * Packs the subchunks that a write covers as a whole, for end_io to publish.  A subchunk that
 * it covers in part was in the delta already when map looked.  It is left out: if it was
 * discarded since, publishing it would bring back what was discarded around the write.
 */
static u32 whole_subchunks(struct lclone_delta *d, u32 slot, u32 offset, u32 sectors)
{
	u32 first = (offset + (1u << d->geo.sub_shift) - 1) >> d->geo.sub_shift;
	u32 end = (offset + sectors) >> d->geo.sub_shift;

	return (slot * LCLONE_SUBCHUNKS + first) << IO_SUBCHUNK_SHIFT |
	       (end - first) << IO_SUBS_SHIFT;
}

/*
 * During a merge, chunks without an entry are written to the base.  Returns how many sectors
 * of the bio that is.  The bio is counted as in flight, so that a copy-up waits for it before
 * it reads the base.
 */
static u32 map_to_base(struct lclone_delta *d, struct bio *bio, const struct lclone_leaf *leaf,
		       u32 slot)
{
	u32 offset = lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector), run;

	lclone_io_count(&d->drain, bio);
	run = empty_run(d, leaf, slot, offset, bio_sectors(bio));
	if (!run)
		lclone_io_uncount(&d->drain, bio);
	return run;
}

/*
 * If a large first write gets near the end of a leaf, lets the worker make the next leaf: the
 * writer will probably go on there, and finds the leaf in RAM then.
 */
static void look_ahead(struct lclone_delta *d, u32 index, u32 slot)
{
	struct lclone_leaf *leaf;

	if (slot < LCLONE_LEAF_EXCEPTIONS - LEAF_AHEAD || index == d->geo.last_leaf)
		return;
	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, index + 1);
	rcu_read_unlock_sched();
	if (leaf && leaf != &lclone_empty_leaf)
		return;
	WRITE_ONCE(d->leaf_ahead, index + 1);
	lclone_wake(&d->queue);
}

/* A first write keeps its leaf pinned until end_io has published what was written. */
enum lclone_verdict lclone_map_write(struct lclone_delta *d, struct bio *bio,
				     struct lclone_write *w)
{
	u64 chunk = lclone_bio_chunk(&d->geo, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	u32 slot = chunk % LCLONE_LEAF_EXCEPTIONS, phys = 0;
	sector_t sector = bio->bi_iter.bi_sector;
	struct lclone_leaf *leaf;
	enum lclone_verdict verdict;
	bool to_base;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, index);
	if (unlikely(!leaf)) {
		rcu_read_unlock_sched();
		return LCLONE_NO_LEAF;
	}
	w->run = d->below.merge ? map_to_base(d, bio, leaf, slot) : 0;
	to_base = w->run;
	if (!w->run)
		w->run = map_overwrite(d, bio, leaf, slot, &phys);
	if (w->run) {
		rcu_read_unlock_sched();
		if (to_base)
			bio_set_dev(bio, d->below.base);
		else
			remap_delta(d, bio, phys, lclone_chunk_offset(&d->geo, sector));
		return LCLONE_REMAPPED;
	}
	if (!lclone_leaf_pin(leaf)) {
		rcu_read_unlock_sched();
		return LCLONE_NO_PIN;
	}
	lclone_io_count(&d->drain, bio);
	rcu_read_unlock_sched();

	if (lclone_commit_mark(&d->commit, leaf))
		verdict = write_run(d, bio, leaf, slot, w, &phys);
	else
		verdict = LCLONE_THROTTLED;
	if (unlikely(w->spare))
		lclone_alloc_giveback(&d->alloc, w->spare_phys, w->spare);

	if (unlikely(verdict != LCLONE_REMAPPED)) {
		lclone_leaf_unpin(leaf);
		lclone_io_uncount(&d->drain, bio);
		return verdict;
	}
	if (w->first) {
		lclone_io_set(bio, lclone_io_state(bio) | IO_FIRST | index << IO_INDEX_SHIFT |
			      whole_subchunks(d, slot, lclone_chunk_offset(&d->geo, sector),
					      w->run));
		if (w->run > lclone_chunk_len(&d->geo))
			look_ahead(d, index, slot);
	} else {
		lclone_leaf_unpin(leaf);
	}
	if (bio->bi_opf & REQ_FUA &&
	    (w->first || w->dirty || !lclone_commit_idle(&d->commit, &d->super))) {
		/* the commit's flush makes the data durable, too */
		lclone_io_set(bio, lclone_io_state(bio) | IO_NEEDS_COMMIT);
		bio->bi_opf &= ~REQ_FUA;
	}
	remap_delta(d, bio, phys, lclone_chunk_offset(&d->geo, sector));
	return LCLONE_REMAPPED;
}

/* Map */

/*
 * Cuts the bio to @sectors.  Returns false if the bio was ended instead because it is NOWAIT,
 * and the worker can't cut it: one of its parts could end with EAGAIN and another one not (the
 * block layer's bio_split_rw() does the same).  A bio that is polled as well is cut all the
 * same, because its user would see that EAGAIN, see lclone_map().
 */
static bool cut_bio(struct bio *bio, u32 sectors)
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
 * Hands the bio to the worker.  dm core's clone of a bio is charged to the cgroup of the task
 * that first sets its device.  That must not be the worker, so the cgroup is set here.
 */
static int map_to_worker(struct lclone_delta *d, struct bio *bio)
{
	bio_associate_blkg(bio);
	lclone_defer_plugged(&d->queue, bio);
	return DM_MAPIO_SUBMITTED;
}

/*
 * Is the worker to cut the bio, after @sectors at first?  Not during a merge, when it wants bios
 * that lie in one chunk.
 */
static bool is_for_worker(const struct lclone_delta *d, const struct bio *bio, u32 sectors)
{
	return sectors < bio_sectors(bio) &&
	       (bio->bi_opf & (REQ_NOWAIT | REQ_POLLED)) == REQ_NOWAIT && !d->below.merge;
}

/* Hands the bio to the worker as it came, whether it has been mapped since or not. */
static int map_back_to_worker(struct lclone_delta *d, struct bio *bio, sector_t sector,
			      blk_opf_t opf)
{
	lclone_unmap(d, bio, sector, opf);
	return map_to_worker(d, bio);
}

static int map_defer(struct lclone_delta *d, struct bio *bio)
{
	u32 left = lclone_chunk_len(&d->geo) - lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector);

	if (is_for_worker(d, bio, left))
		return map_to_worker(d, bio);
	return cut_bio(bio, min(left, bio_sectors(bio))) ? map_to_worker(d, bio) :
						       DM_MAPIO_SUBMITTED;
}

/*
 * Lets the worker send the first part of a polled bio, which is not polled any more.  A cut
 * makes more bios than the user has asked for, and sending one may have to wait for a request
 * that only polling sets free: a user who waits here does not poll.
 */
static int map_polled_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	dm_accept_partial_bio(bio, sectors);
	lclone_defer_mapped(&d->queue, bio);
	return DM_MAPIO_SUBMITTED;
}

/* Sends the first @sectors of the bio, which are mapped, and leaves the rest to dm core. */
static int map_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	if (unlikely(bio->bi_opf & REQ_POLLED && sectors < bio_sectors(bio)))
		return map_polled_part(d, bio, sectors);
	return cut_bio(bio, sectors) ? DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED;
}

static int map_read_bio(struct lclone_delta *d, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	struct lclone_delta *missing;
	struct lclone_source s;
	enum lclone_verdict verdict;

	verdict = lclone_map_read(d, bio, &s, &missing);
	if (unlikely(verdict == LCLONE_NO_LEAF))
		return map_defer(d, bio);
	if (is_for_worker(d, bio, s.sectors))
		return map_back_to_worker(d, bio, sector, bio->bi_opf);
	if (verdict == LCLONE_REMAPPED && !lclone_is_cached(&d->below, s.bdev))
		return map_part(d, bio, s.sectors);
	if (unlikely(!cut_bio(bio, s.sectors)))
		return DM_MAPIO_SUBMITTED;
	if (verdict == LCLONE_REMAPPED) {
		lclone_base_cache_read(d->below.cached, bio);
	} else {
		zero_fill_bio(bio);
		bio_endio(bio);
	}
	return DM_MAPIO_SUBMITTED;
}

static int map_write_bio(struct lclone_delta *d, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	blk_opf_t opf = bio->bi_opf;
	struct lclone_write w = {};
	enum lclone_verdict verdict;

	if (unlikely(READ_ONCE(d->super.mode) != LCLONE_RW))
		return DM_MAPIO_KILL;
	verdict = lclone_map_write(d, bio, &w);
	if (w.run && is_for_worker(d, bio, w.run))
		return map_back_to_worker(d, bio, sector, opf);
	if (verdict == LCLONE_REMAPPED)
		return map_part(d, bio, w.run);
	if (unlikely(w.run && !cut_bio(bio, w.run)))
		return DM_MAPIO_SUBMITTED;
	return map_defer(d, bio);
}

static int map_flush(struct lclone_delta *d, struct bio *bio)
{
	if (unlikely(dm_bio_get_target_bio_nr(bio))) {
		bio_set_dev(bio, d->below.base);
		return DM_MAPIO_REMAPPED;
	}
	if (likely(lclone_commit_clean(&d->commit))) {
		/* No commit has failed, but metadata did: nobody may rely on this delta. */
		if (unlikely(READ_ONCE(d->super.mode) != LCLONE_RW && d->super.activated))
			return DM_MAPIO_KILL;
		bio_set_dev(bio, d->dev.bdev);
		return DM_MAPIO_REMAPPED;
	}
	lclone_commit_join(&d->commit, bio, false);
	return DM_MAPIO_SUBMITTED;
}

/* Discard and write-zeroes: the worker looks at the chunks that they touch. */
static int map_zero(struct lclone_delta *d, struct bio *bio)
{
	if (READ_ONCE(d->super.mode) != LCLONE_RW)
		return DM_MAPIO_KILL;
	if (bio->bi_opf & REQ_FUA)
		lclone_io_set(bio, IO_NEEDS_COMMIT);
	if (unlikely(d->below.merge))
		return map_defer(d, bio);	/* it cuts: the next chunk may be in the base */
	return map_to_worker(d, bio);
}

/* Maps what the functions for simple bios below have left; it looks everything up again. */
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
 * If the delta has all subchunks of @mask, counts the bio as in flight and returns the phys of
 * their chunk; else returns 0.  Under rcu_read_lock_sched().
 */
static __always_inline u32 map_simple_delta(struct lclone_delta *d, struct bio *bio,
					    const u64 *entry, u32 mask)
{
	u64 busy = (u64)op_is_write(bio_op(bio)) * LCLONE_EXC_BUSY, exc;

	lclone_io_count(&d->drain, bio);
	exc = READ_ONCE(*entry);		/* after the count: a drain waits for us */
	if (unlikely(mask & ~lclone_exc_written(exc) || exc & busy)) {
		lclone_io_uncount(&d->drain, bio);
		return 0;
	}
	return lclone_exc_phys(exc);
}

/*
 * Maps the most common I/O: within one chunk, a read that has one source, or a write that
 * changes no entry.  Returns false if map_any() has to take a closer look.
 */
static __always_inline bool map_simple(struct lclone_delta *d, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	u32 offset = lclone_chunk_offset(&d->geo, sector), len = bio_sectors(bio), mask;
	u64 chunk = lclone_bio_chunk(&d->geo, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	struct block_device *below = NULL;
	struct lclone_leaf *leaf;
	u32 phys = 0;
	u64 exc;

	if (!len || offset + len > lclone_chunk_len(&d->geo))
		return false;
	mask = lclone_sub_mask(&d->geo, offset, len);

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, index);
	if (likely(leaf)) {
		u64 *entry = &leaf->exceptions[chunk - index * LCLONE_LEAF_EXCEPTIONS];

		exc = READ_ONCE(*entry);
		if (!(mask & ~lclone_exc_written(exc)))
			phys = map_simple_delta(d, bio, entry, mask);
		else if (bio_op(bio) == REQ_OP_READ &&
			 !((lclone_exc_written(exc) | lclone_exc_zero(exc)) & mask))
			below = likely(sector + len <= d->below.plain_sectors) ? d->below.base :
				!d->below.chain ? NULL :
				lclone_chain_find(d, bio, chunk, offset, mask);
	}
	rcu_read_unlock_sched();

	if (phys)
		remap_delta(d, bio, phys, offset);
	else if (likely(below))
		bio_set_dev(bio, below);
	return phys || below;
}

/*
 * Maps the most common first write: whole subchunks of one chunk, in a leaf that is on the
 * commit's lists already.  Returns false if map_any() has to take a closer look.
 */
static noinline bool map_simple_first(struct lclone_delta *d, struct bio *bio)
{
	u32 offset = lclone_chunk_offset(&d->geo, bio->bi_iter.bi_sector), len = bio_sectors(bio);
	u64 chunk = lclone_bio_chunk(&d->geo, bio), index = chunk / LCLONE_LEAF_EXCEPTIONS;
	u32 slot = chunk - index * LCLONE_LEAF_EXCEPTIONS, phys;
	struct lclone_leaf *leaf;
	u64 exc, *entry;

	if (!len || lclone_sub_offset(&d->geo, offset | len) ||
	    offset + len > lclone_chunk_len(&d->geo))
		return false;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, index);
	if (unlikely(!leaf || !lclone_leaf_pin(leaf))) {
		rcu_read_unlock_sched();
		return false;
	}
	lclone_io_count(&d->drain, bio);
	rcu_read_unlock_sched();

	entry = &leaf->exceptions[slot];
	exc = READ_ONCE(*entry);
	if (unlikely(exc & LCLONE_EXC_BUSY || !lclone_commit_marked(leaf)))
		goto undo;
	phys = lclone_exc_phys(exc);
	if (!phys) {
		if (unlikely(!lclone_alloc_chunks(&d->alloc, 1, &phys)))
			goto undo;
		if (unlikely(!try_cmpxchg64(entry, &exc, exc | phys))) {
			lclone_alloc_giveback(&d->alloc, phys, 1);
			goto undo;
		}
	}
	lclone_io_set(bio, lclone_io_state(bio) | IO_FIRST | index << IO_INDEX_SHIFT |
		      whole_subchunks(d, slot, offset, len));
	remap_delta(d, bio, phys, offset);
	return true;
undo:
	lclone_leaf_unpin(leaf);
	lclone_io_uncount(&d->drain, bio);
	return false;
}

static __always_inline bool may_be_simple(const struct lclone_delta *d, const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_READ ||
	       (bio_op(bio) == REQ_OP_WRITE && !(bio->bi_opf & REQ_FUA) &&
		READ_ONCE(d->super.mode) == LCLONE_RW);
}

int lclone_map(struct dm_target *ti, struct bio *bio)
{
	struct lclone_delta *d = ((struct lclone *)ti->private)->delta;

	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	/*
	 * When a polled bio has ended with EAGAIN, dm core sends it once more from a work, no
	 * longer polled but still NOWAIT.  Another EAGAIN would reach the user, who has not
	 * asked for NOWAIT.
	 */
	if (unlikely(bio->bi_opf & REQ_NOWAIT && current->flags & PF_WQ_WORKER))
		bio->bi_opf &= ~REQ_NOWAIT;

	if (likely(may_be_simple(d, bio)) &&
	    (likely(map_simple(d, bio)) ||
	     (op_is_write(bio_op(bio)) && !d->below.merge && map_simple_first(d, bio))))
		return DM_MAPIO_REMAPPED;
	return map_any(d, bio);
}

/* End */

/*
 * The data are on the device: sets the written bits, so that reads find them there.  DIRTY is
 * set in the same step, so that the next commit takes the entry.
 */
static void publish_written(struct lclone_leaf *leaf, u32 first, u32 left)
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

/* Ends a first write, whose leaf is still pinned and can't have been evicted. */
static void end_first_write(struct lclone_delta *d, u64 state, blk_status_t error)
{
	struct lclone_leaf *leaf;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(&d->cache, state >> IO_INDEX_SHIFT);
	rcu_read_unlock_sched();
	if (likely(!error))
		publish_written(leaf, (u32)state >> IO_SUBCHUNK_SHIFT,
				state >> IO_SUBS_SHIFT & ((1u << IO_SUBS_BITS) - 1));
	lclone_leaf_unpin(leaf);
}

noinline int lclone_end_any(struct lclone_delta *d, struct bio *bio, blk_status_t error)
{
	u64 state = lclone_io_state(bio);

	if (state & IO_FIRST)
		end_first_write(d, state, error);
	if (state & IO_COUNTED)
		lclone_io_uncount(&d->drain, bio);
	lclone_io_set(bio, 0);
	if (unlikely(state & IO_NEEDS_COMMIT) && !error) {
		/* The commit calls bio_endio() again when it is durable. */
		lclone_commit_join(&d->commit, bio, true);
		return DM_ENDIO_INCOMPLETE;
	}
	return DM_ENDIO_DONE;
}

int lclone_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct lclone_delta *d = ((struct lclone *)ti->private)->delta;
	u64 state = lclone_io_state(bio);

	if (unlikely(state > IO_COUNT_MASK))
		return lclone_end_any(d, bio, *error);
	if (state)
		lclone_inflight_put(&d->drain, state >> 1);
	return DM_ENDIO_DONE;
}

void lclone_unmap(struct lclone_delta *d, struct bio *bio, sector_t sector, blk_opf_t opf)
{
	lclone_end_any(d, bio, BLK_STS_AGAIN);
	bio->bi_iter.bi_sector = sector;
	bio->bi_opf = opf;
}
