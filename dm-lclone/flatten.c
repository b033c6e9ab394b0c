// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flatten: copies into the delta what lies below it, or only what the layer right below it has,
 * while the clone is in use.
 *
 * Copied data are published in the same order as any first write, and what a crash loses is
 * copied again.
 */
#include "flatten.h"
#include "source.h"
#include "sweep.h"

/* What ->lacks() returns: only zeros have to be noted, or data have to be copied */
enum { LACKS_ZEROS = 1, LACKS_DATA };

/*
 * Finds the next piece of a chunk that the delta lacks, from *@offset on, and moves *@offset
 * behind it.  Returns 1; 0 if the delta lacks no more; or -EAGAIN if the leaf of a layer for
 * *@offset is not in RAM.  Zeros are a piece only where the base ends within a subchunk, whose
 * rest has to be filled.
 */
static int flatten_next_piece(struct lclone_delta *d, u64 chunk, u64 exc, u32 *offset,
			      struct lclone_source *piece)
{
	u32 own = lclone_exc_written(exc) | lclone_exc_zero(exc);
	int found = 0;

	rcu_read_lock_sched();
	while (!found && *offset < 1u << d->geo.chunk_shift) {
		u32 in_sub = lclone_sub_offset(&d->geo, *offset);

		if (lclone_source(d, chunk, exc, *offset, piece)) {
			found = -EAGAIN;
			break;
		}
		found = !(own & 1u << (*offset >> d->geo.sub_shift)) && (piece->bdev || in_sub);
		if (found && !piece->bdev)
			piece->sectors = (1u << d->geo.sub_shift) - in_sub;
		else if (found)		/* the copier fills the block in which the base ends */
			piece->sectors = round_up(piece->sectors, d->below.block_sectors);
		*offset += piece->sectors;
	}
	rcu_read_unlock_sched();
	return found;
}

/* The end of a batch */

static void flatten_copied(struct lclone_lane *l)
{
	u32 i;

	for (i = 0; i < l->nr; i++) {
		struct lclone_leaf *leaf = l->chunk[i].leaf;
		u64 *entry = &leaf->exceptions[l->chunk[i].slot], exc = READ_ONCE(*entry);
		u64 more = (u64)l->chunk[i].written << LCLONE_WRITTEN_SHIFT |
			   (u64)l->chunk[i].zero << LCLONE_ZERO_SHIFT;

		if (!more)
			continue;
		lclone_leaf_touch(leaf, l->chunk[i].slot);
		while (!try_cmpxchg64(entry, &exc, exc | more | LCLONE_EXC_DIRTY))
			;
	}
	lclone_lane_done(l);
}

/* Copies */

/*
 * The ->piece() of a flatten.  If the leaf of a layer was evicted since the chunk was taken, the
 * rest of the chunk is left to the next pass.
 */
static bool flatten_piece(struct lclone_lane *l, struct lclone_run *piece)
{
	struct lclone_delta *d = l->sweep->delta;

	for (; l->at < l->nr; l->at++, l->offset = 0) {
		struct lclone_swept *chunk = &l->chunk[l->at];
		u64 n = lclone_swept_chunk(chunk);
		u64 exc = READ_ONCE(chunk->leaf->exceptions[chunk->slot]);
		struct lclone_source from;
		u32 offset, end;

		if (WARN_ON_ONCE(!lclone_exc_phys(exc)))
			continue;		/* flatten_take_chunk() has given it a place */
		if (flatten_next_piece(d, n, exc, &l->offset, &from) != 1)
			continue;
		end = l->offset;
		offset = end - from.sectors;
		/* If this piece ends within a subchunk, the next piece completes it. */
		chunk->written |= (1u << (end >> d->geo.sub_shift)) -
				  (1u << (offset >> d->geo.sub_shift));
		piece->from_bdev = from.bdev;
		piece->from = from.sector;
		piece->to_bdev = d->dev.bdev;
		piece->to = lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + offset;
		piece->sectors = from.sectors;
		return true;
	}
	return false;
}

/*
 * Finds out what the layer right below has of a chunk and the delta lacks.  Returns false if
 * the layer's leaf is not in RAM.
 */
static bool layer_has(struct lclone_delta *d, u64 chunk, u64 exc, u64 *has)
{
	u32 own = lclone_exc_written(exc) | lclone_exc_zero(exc);
	u64 below;

	if (!lclone_layer_exception(d->below.chain->layer[0], chunk, &below))
		return false;
	*has = lclone_exc_make(lclone_exc_phys(below), lclone_exc_written(below) & ~own,
			       lclone_exc_zero(below) & ~own);
	return true;
}

static bool layer_piece(struct lclone_lane *l, struct lclone_run *piece)
{
	struct lclone_delta *d = l->sweep->delta;

	for (; l->at < l->nr; l->at++, l->offset = 0) {
		struct lclone_swept *chunk = &l->chunk[l->at];
		u64 exc = READ_ONCE(chunk->leaf->exceptions[chunk->slot]), has;
		u32 offset;

		if (!layer_has(d, lclone_swept_chunk(chunk), exc, &has))
			continue;
		if (!l->offset)
			chunk->zero = lclone_exc_zero(has);
		if (!lclone_exc_phys(exc) ||
		    !lclone_lane_subchunk(l, lclone_exc_written(has), &offset))
			continue;
		chunk->written |= lclone_sub_mask(&d->geo, offset, 1);
		piece->from_bdev = d->below.chain->layer[0]->dev.bdev;
		piece->from = lclone_chunk_start(&d->geo, lclone_exc_phys(has)) + offset;
		piece->to_bdev = d->dev.bdev;
		piece->to = lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + offset;
		piece->sectors = 1u << d->geo.sub_shift;
		return true;
	}
	return false;
}

/* Gathering */

static int flatten_lacks(struct lclone_delta *d, u64 chunk, u64 exc, u32 *offset)
{
	struct lclone_source piece;
	int n, lacks = 0;

	*offset = 0;
	while ((n = flatten_next_piece(d, chunk, exc, offset, &piece)) == 1)
		lacks = LACKS_DATA;
	return n ?: lacks;
}

static int layer_lacks(struct lclone_delta *d, u64 chunk, u64 exc, u32 *offset)
{
	u32 own = lclone_exc_written(exc) | lclone_exc_zero(exc);
	u64 has;

	if (own == LCLONE_MASK_ALL)
		return 0;
	*offset = ffz(own) << d->geo.sub_shift;
	if (!layer_has(d, chunk, exc, &has))
		return -EAGAIN;
	if (lclone_exc_written(has))
		return LACKS_DATA;
	return lclone_exc_zero(has) ? LACKS_ZEROS : 0;
}

static void layers_loaded(struct lclone_lane *l)
{
	l->error = blk_status_to_errno(l->bio.bi_status);
	__free_page(l->bvec.bv_page);
	bio_uninit(&l->bio);
	if (l->error)
		lclone_lane_failed(l);
	else
		lclone_lane_again(l);
}

static void layers_endio(struct bio *bio)
{
	struct lclone_lane *l = container_of(bio, struct lclone_lane, bio);

	if (lclone_io_state(bio))
		lclone_io_uncount(&l->sweep->delta->drain, bio);
	lclone_lane_go(l, layers_loaded);
}

/* Brings the leaves of layers for @sector into RAM, by a read as a guest would send it. */
static int load_layers(struct lclone_lane *l, sector_t sector)
{
	struct lclone_delta *d = l->sweep->delta;
	/* The worker can't wait for memory: reclaim may wait for I/O that needs the worker. */
	struct page *page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);

	if (!page)
		return -EAGAIN;
	bio_init(&l->bio, d->dev.bdev, &l->bvec, 1, REQ_OP_READ);
	l->bio.bi_iter.bi_sector = sector;
	l->bio.bi_end_io = layers_endio;
	__bio_add_page(&l->bio, page, LCLONE_BLOCK_SIZE, 0);
	lclone_defer(&d->queue, &l->bio);
	return -EINPROGRESS;
}

static int flatten_no_space(struct lclone_delta *d, enum lclone_room space)
{
	bool ahead = space != LCLONE_ROOM_NONE || lclone_commit_freeing(&d->commit) ||
		     lclone_freed_pending(&d->freed) || READ_ONCE(d->alloc.new_leaves);

	return ahead ? -EAGAIN : -ENOSPC;
}

/* Takes a chunk into the batch, and gives it a place in the delta if it has data to copy. */
static int flatten_take_chunk(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot, bool data)
{
	struct lclone_delta *d = l->sweep->delta;
	u64 *entry = &leaf->exceptions[slot], exc = READ_ONCE(*entry);
	u32 phys = 0;

	if (!lclone_commit_mark(&d->commit, leaf))
		return -EAGAIN;
	if (data && !lclone_exc_phys(exc) && !lclone_alloc_chunks(&d->alloc, 1, &phys)) {
		enum lclone_room space = lclone_alloc_refill(&d->alloc);

		if (!lclone_alloc_chunks(&d->alloc, 1, &phys))
			return flatten_no_space(d, space);
	}
	if (lclone_lane_take(l, leaf, slot, 1u << d->geo.chunk_shift)) {
		/* The entry is BUSY now, so that nobody else gives it a place. */
		exc = READ_ONCE(*entry);
		while (phys && !lclone_exc_phys(exc))
			if (try_cmpxchg64(entry, &exc, exc | phys))
				return 0;
	}
	if (phys)
		lclone_alloc_giveback(&d->alloc, phys, 1);
	return 0;
}

/* Replaces the empty leaf in *@leaf by a new leaf. */
static int flatten_make_leaf(struct lclone_delta *d, u64 index, struct lclone_leaf **leaf)
{
	enum lclone_room space;
	int err = lclone_leaf_make(&d->cache, index, &space);

	if (err)
		return err;
	if (space != LCLONE_ROOM_OK)
		return flatten_no_space(d, space);
	*leaf = lclone_leaf_get(&d->cache, index, true, LCLONE_WORKER_GFP);
	err = PTR_ERR_OR_ZERO(*leaf);
	if (err)
		*leaf = &lclone_empty_leaf;
	return err;
}

static int flatten_gather(struct lclone_lane *l, struct lclone_leaf **leaf)
{
	struct lclone_sweep *s = l->sweep;
	struct lclone_delta *d = s->delta;
	u64 chunk = (u64)s->index * LCLONE_LEAF_EXCEPTIONS + s->slot;
	u64 end = lclone_chunks(d->super.sb.virtual_sectors, d->super.sb.chunk_sectors);
	int lacks, err = 0;
	u32 offset;

	for (; s->slot < LCLONE_LEAF_EXCEPTIONS && chunk < end; s->slot++, chunk++) {
		lacks = s->ops->lacks(d, chunk, READ_ONCE((*leaf)->exceptions[s->slot]), &offset);
		if (lacks < 0)
			return l->nr ? 0 : load_layers(l, lclone_chunk_start(&d->geo, chunk) +
							  round_down(offset,
								     LCLONE_BLOCK_SECTORS));
		if (!lacks)
			continue;
		if (lclone_lane_full(l))
			return 0;
		if (*leaf == &lclone_empty_leaf)
			err = flatten_make_leaf(d, s->index, leaf);
		if (!err)
			err = flatten_take_chunk(l, *leaf, s->slot, lacks == LACKS_DATA);
		if (err)
			return err;
	}
	return 1;
}

const struct lclone_sweep_ops lclone_flatten_ops = {
	.name = "the flatten",
	.states = { "flattening", "flattened", "flatten_failed" },
	.gather = flatten_gather,
	.lacks = flatten_lacks,
	.piece = flatten_piece,
	.copied = flatten_copied,
};

const struct lclone_sweep_ops lclone_layer_ops = {
	.name = "the flatten of a layer",
	.states = { "flattening", "flattened", "flatten_failed" },
	.gather = flatten_gather,
	.lacks = layer_lacks,
	.piece = layer_piece,
	.copied = flatten_copied,
};
