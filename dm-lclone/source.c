// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where data are read from: the delta, one of the sealed layers between it and its base, the
 * base, or nowhere, where they are zeros.
 *
 * A layer never changes while it is below others, so that it is read without a lock, and
 * without being counted as I/O in flight.
 */
#include "source.h"

/*
 * Looks in one exception for the data that lie @offset sectors behind the start of its chunk.
 * Returns false if they are below this delta or layer.  *@run is cut to the number of
 * subchunks for which that answer holds.
 */
static bool source_in(const struct lclone_delta *d, u64 exc, u32 offset, u32 *run,
		      struct lclone_source *s)
{
	u32 sub = offset >> d->geo.sub_shift, n;
	u32 written = lclone_exc_written(exc) >> sub, zero = lclone_exc_zero(exc) >> sub;

	if (written & 1) {
		n = ffz(written);
		s->bdev = d->dev.bdev;
		s->sector = lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + offset;
	} else if (zero & 1) {
		n = ffz(zero);
		s->bdev = NULL;
	} else {
		n = __ffs(written | zero | 1u << LCLONE_SUBCHUNKS);
	}
	*run = min(*run, n);
	return (written | zero) & 1;
}

/* Looks in the base, which may end before the clone does: beyond its end are zeros. */
static void source_base(const struct lclone_delta *d, sector_t sector, struct lclone_source *s)
{
	s->bdev = NULL;
	if (sector >= d->below.base_sectors)
		return;
	s->bdev = d->below.base;
	s->sector = sector;
	s->sectors = min_t(sector_t, s->sectors, d->below.base_sectors - sector);
}

/* Returns a layer's leaf.  A layer may be smaller than the clone: beyond its end it is empty. */
static struct lclone_leaf *layer_leaf(struct lclone_delta *layer, u32 index)
{
	struct lclone_dir *dir = rcu_dereference_sched(layer->cache.dir);
	u32 i = index / LCLONE_DIR_SLOTS;

	if (i >= dir->nr_pages)
		return &lclone_empty_leaf;
	return rcu_dereference_sched(rcu_dereference_sched(dir->page[i])->
				     leaf[index % LCLONE_DIR_SLOTS]);
}

struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s)
{
	u32 index = chunk / LCLONE_LEAF_EXCEPTIONS, slot = chunk % LCLONE_LEAF_EXCEPTIONS;
	u32 sub = offset >> d->geo.sub_shift, run = LCLONE_SUBCHUNKS - sub, i;
	bool found = source_in(d, exc, offset, &run, s);

	for (i = 0; !found && d->below.chain && i < d->below.chain->nr; i++) {
		struct lclone_delta *layer = d->below.chain->layer[i];
		struct lclone_leaf *leaf = layer_leaf(layer, index);

		if (!leaf)
			return layer;
		found = source_in(layer, READ_ONCE(leaf->exceptions[slot]), offset, &run, s);
	}
	s->sectors = ((sub + run) << d->geo.sub_shift) - offset;
	if (!found)
		source_base(d, lclone_chunk_start(&d->geo, chunk) + offset, s);
	return NULL;
}

bool lclone_layer_exception(struct lclone_delta *layer, u64 chunk, u64 *exc)
{
	struct lclone_leaf *leaf;

	rcu_read_lock_sched();
	leaf = layer_leaf(layer, chunk / LCLONE_LEAF_EXCEPTIONS);
	if (leaf)
		*exc = READ_ONCE(leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS]);
	rcu_read_unlock_sched();
	return leaf;
}

struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask)
{
	u32 index = chunk / LCLONE_LEAF_EXCEPTIONS, slot = chunk - index * LCLONE_LEAF_EXCEPTIONS;
	u64 written = (u64)mask << LCLONE_WRITTEN_SHIFT;
	u64 any = written | (u64)mask << LCLONE_ZERO_SHIFT;
	const struct lclone_chain *chain = d->below.chain;
	u32 i;

	for (i = 0; i < chain->nr; i++) {
		struct lclone_delta *layer = chain->layer[i];
		struct lclone_leaf *leaf = layer_leaf(layer, index);
		u64 exc;

		if (unlikely(!leaf))
			return NULL;
		exc = READ_ONCE(leaf->exceptions[slot]);
		if (likely(!(exc & any)))
			continue;
		if (~exc & written)
			return NULL;
		bio->bi_iter.bi_sector = lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + offset;
		return layer->dev.bdev;
	}
	if (d->below.cached || bio_end_sector(bio) > d->below.base_sectors)
		return NULL;
	return d->below.base;
}
