// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chain: sealed layers between a delta and its base, and where in all of
 * that data are read from.
 *
 * A layer never changes while it is below others, so that it is read without a
 * count of I/O in flight and without a lock.
 */
#include <linux/slab.h>

#include "lclone.h"

/* Lookup */

/*
 * Looks in one exception for the data @offset sectors into its chunk.  Returns
 * false if they lie below.  *@run is cut to the subchunks that this holds for.
 */
static bool source_in(const struct lclone_delta *d, u64 exc, u32 offset, u32 *run,
		      struct lclone_source *s)
{
	u32 sub = offset >> d->sub_shift, n;
	u32 written = lclone_exc_written(exc) >> sub, zero = lclone_exc_zero(exc) >> sub;

	if (written & 1) {
		n = ffz(written);
		s->bdev = d->bdev;
		s->sector = lclone_chunk_start(d, lclone_exc_phys(exc)) + offset;
	} else if (zero & 1) {
		n = ffz(zero);
		s->bdev = NULL;
	} else {
		n = __ffs(written | zero | 1u << LCLONE_SUBCHUNKS);
	}
	*run = min(*run, n);
	return (written | zero) & 1;
}

/* The base ends before the clone: beyond it there is nothing. */
static void source_base(const struct lclone_delta *d, sector_t sector, struct lclone_source *s)
{
	s->bdev = NULL;
	if (sector >= d->base_sectors)
		return;
	s->bdev = d->base;
	s->sector = sector;
	s->sectors = min_t(sector_t, s->sectors, d->base_sectors - sector);
}

/* A layer may be smaller than the clone: beyond its end it knows of nothing. */
static struct lclone_leaf *layer_leaf(struct lclone_delta *layer, u32 index)
{
	struct lclone_dir *dir = rcu_dereference_sched(layer->dir);
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
	u32 sub = offset >> d->sub_shift, run = LCLONE_SUBCHUNKS - sub, i;
	bool found = source_in(d, exc, offset, &run, s);

	for (i = 0; !found && d->chain && i < d->chain->nr; i++) {
		struct lclone_delta *layer = d->chain->layer[i];
		struct lclone_leaf *leaf = layer_leaf(layer, index);

		if (!leaf)
			return layer;
		found = source_in(layer, READ_ONCE(leaf->exceptions[slot]), offset, &run, s);
	}
	s->sectors = ((sub + run) << d->sub_shift) - offset;
	if (!found)
		source_base(d, lclone_chunk_start(d, chunk) + offset, s);
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
	const struct lclone_chain *chain = d->chain;
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
		bio->bi_iter.bi_sector = lclone_chunk_start(d, lclone_exc_phys(exc)) + offset;
		return layer->bdev;
	}
	if (bio_end_sector(bio) > d->base_sectors)
		return NULL;
	return d->base;
}

/* Opening */

/* The generation that a delta has once it is a layer */
static u64 sealed_generation(const struct lclone_delta *d)
{
	return d->sb.generation + !(d->sb.state & LCLONE_STATE_SEALED);
}

/* User space merges a layer into the one below: that one makes sense below the other only. */
bool lclone_is_half_merged(const struct lclone_sb *sb)
{
	const u32 half = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;

	return (sb->state & half) == half && sb->owner[0];
}

bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above)
{
	char uuid[UUID_STRING_LEN + 1];

	snprintf(uuid, sizeof(uuid), "%pUb", above->uuid);
	return !strcmp(half->owner, uuid);
}

static int check_layers(struct lclone *t, const struct lclone_sb *sb,
			const struct lclone_delta *below)
{
	if (lclone_is_half_merged(&below->sb) && !lclone_merges_with(&below->sb, sb)) {
		t->ti->error = "A merge into the parent layer has begun: go on with it first";
		return -EUCLEAN;
	}
	if (sb->chunk_sectors != below->sb.chunk_sectors) {
		t->ti->error = "The layers have different chunk sizes";
		return -EINVAL;
	}
	return 0;
}

/* Does @sb, of a delta or layer, lie on @below (NULL: on the base)? */
static int check_link(struct lclone *t, const char *name, const struct lclone_sb *sb,
		      const struct lclone_delta *below)
{
	bool has_parent = memchr_inv(sb->parent_uuid, 0, sizeof(sb->parent_uuid));

	if (!below && has_parent) {
		DMERR("%s: a parent layer is missing in the table", name);
		t->ti->error =
			"The delta, or a layer, has a parent layer that the table does not name";
		return -EINVAL;
	}
	if (!below)
		return 0;
	if (memcmp(sb->parent_uuid, below->sb.uuid, sizeof(sb->parent_uuid))) {
		DMERR("%s: %s is not its parent layer", name, below->name);
		t->ti->error = "Not the parent layer";
		return -EINVAL;
	}
	if (sb->parent_generation != sealed_generation(below)) {
		DMERR("%s: its parent layer %s had generation %llu, now it has %llu", name,
		      below->name, sb->parent_generation, sealed_generation(below));
		t->ti->error = "The parent layer was changed, or was never sealed";
		return -EINVAL;
	}
	return check_layers(t, sb, below);
}

static struct lclone_delta *topmost(const struct lclone *t)
{
	return t->chain ? t->chain->layer[0] : NULL;
}

int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb)
{
	const struct lclone_delta *below = topmost(t);

	if (t->rebase)
		return below ? check_layers(t, sb, below) : 0;
	return check_link(t, t->delta->name, sb, below);
}

void lclone_chain_name(struct lclone *t, struct lclone_sb *sb)
{
	const struct lclone_delta *below = topmost(t);

	memset(sb->parent_uuid, 0, sizeof(sb->parent_uuid));
	sb->parent_generation = 0;
	if (!below)
		return;
	memcpy(sb->parent_uuid, below->sb.uuid, sizeof(sb->parent_uuid));
	sb->parent_generation = sealed_generation(below);
}

int lclone_chain_get(struct lclone *t)
{
	struct lclone_delta *layer, *below = NULL;
	u32 i;
	int err;

	if (!t->nr_parents)
		return 0;
	t->chain = kzalloc(struct_size(t->chain, layer, t->nr_parents), GFP_KERNEL);
	if (!t->chain) {
		t->ti->error = "Out of memory";
		return -ENOMEM;
	}
	t->chain->nr = t->nr_parents;
	for (i = 0; i < t->nr_parents; i++) {
		layer = lclone_layer_get(t, t->parents[i].dev, i == t->nr_parents - 1);
		if (IS_ERR(layer))
			return PTR_ERR(layer);
		t->chain->layer[t->nr_parents - 1 - i] = layer;
		err = check_link(t, layer->name, &layer->sb, below);
		if (err)
			return err;
		below = layer;
	}
	return 0;
}

void lclone_chain_put(struct lclone *t)
{
	u32 i;

	for (i = 0; t->chain && i < t->chain->nr; i++)
		if (t->chain->layer[i])
			lclone_delta_put(t->chain->layer[i], t->ti->table);
	kfree(t->chain);
}

int lclone_chain_start(struct lclone *t)
{
	struct lclone_delta *top = topmost(t);

	return top && !top->is_layer ? lclone_delta_seal(top, t->base_fp) : 0;
}
