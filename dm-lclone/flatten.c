// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flatten: the delta takes over what lies below it, while the clone is in use.
 *
 * What is copied is published as a copy-up is: the order of writes is that of any
 * first write, and what a crash loses is copied again.
 */
#include "lclone.h"

#define MAX_PIECES	(LCLONE_SUBCHUNKS + 1)

/* Data below a chunk, in one place; bdev NULL: zeros, where the base ends in a subchunk */
struct piece {
	struct block_device *bdev;
	sector_t from;
	u32 offset, sectors;		/* in the chunk */
};

/*
 * What the delta lacks of a chunk.  Returns the number of pieces, or -EAGAIN: a layer's leaf is
 * not in RAM, pieces->offset tells for what.
 */
static int pieces_of(struct lclone_delta *d, u64 chunk, u64 exc, struct piece *pieces)
{
	u32 own = lclone_exc_written(exc) | lclone_exc_zero(exc), offset = 0;
	struct lclone_source s;
	int n = 0;

	rcu_read_lock_sched();
	for (; offset < 1u << d->chunk_shift; offset += s.sectors) {
		u32 in_sub = lclone_sub_offset(d, offset);

		if (lclone_source(d, chunk, exc, offset, &s)) {
			pieces->offset = offset;
			n = -EAGAIN;
			break;
		}
		if (own & 1u << (offset >> d->sub_shift) || (!s.bdev && !in_sub))
			continue;
		if (!s.bdev)
			s.sectors = (1u << d->sub_shift) - in_sub;
		pieces[n++] = (struct piece){ s.bdev, s.sector, offset, s.sectors };
	}
	rcu_read_unlock_sched();
	return n;
}

/* The end of a batch */

static void flatten_copied(struct lclone_lane *l)
{
	u32 i;

	for (i = 0; i < l->nr; i++) {
		struct lclone_leaf *leaf = l->chunk[i].leaf;
		u64 *entry = &leaf->exceptions[l->chunk[i].slot], exc = READ_ONCE(*entry);
		u64 written = (u64)l->chunk[i].mask << LCLONE_WRITTEN_SHIFT;

		if (!written)
			continue;
		lclone_leaf_touch(leaf, l->chunk[i].slot);
		while (!try_cmpxchg64(entry, &exc, exc | written | LCLONE_EXC_DIRTY))
			;
	}
	lclone_lane_done(l);
}

/* Copies */

static void flatten_zero(struct work_struct *work)
{
	struct lclone_lane *l = container_of(work, struct lclone_lane, zero_work);

	lclone_lane_put(l, blkdev_issue_zeroout(l->tail.bdev, l->tail.sector, l->tail.count,
						GFP_NOIO, 0));
}

/* If a leaf has gone meanwhile, the next pass sees the chunk again. */
static int copy_chunk(struct lclone_lane *l, struct lclone_swept *chunk, struct lclone_run *run)
{
	struct lclone_delta *d = l->sweep->delta;
	u64 exc = READ_ONCE(chunk->leaf->exceptions[chunk->slot]);
	u64 n = (u64)chunk->leaf->index * LCLONE_LEAF_EXCEPTIONS + chunk->slot;
	sector_t to = lclone_chunk_start(d, lclone_exc_phys(exc));
	struct piece pieces[MAX_PIECES], *p;
	int count, err = 0;

	chunk->mask = 0;
	if (!lclone_exc_phys(exc))
		return 0;		/* discarded meanwhile */
	count = pieces_of(d, n, exc, pieces);
	for (p = pieces; p < pieces + count; p++) {
		chunk->mask |= lclone_sub_mask(d, p->offset, p->sectors);
		if (p->bdev) {
			err = err ?: lclone_run_add(l, run, p->bdev, p->from, to + p->offset,
						    p->sectors);
			continue;
		}
		l->tail.bdev = d->bdev;
		l->tail.sector = to + p->offset;
		l->tail.count = p->sectors;
		atomic_inc(&l->copies);
		queue_work(d->wq, &l->zero_work);
	}
	return err;
}

static void flatten_copy(struct lclone_lane *l)
{
	struct lclone_run run = { .to.bdev = l->sweep->delta->bdev, .submit = lclone_lane_copy };
	int err = 0, last;
	u32 i;

	for (i = 0; i < l->nr; i++)
		err = err ?: copy_chunk(l, &l->chunk[i], &run);
	last = lclone_run_end(l, &run);
	lclone_lane_put(l, err ?: last);
}

/* Gathering */

static void loaded(struct lclone_lane *l)
{
	l->error = blk_status_to_errno(l->bio.bi_status);
	__free_page(l->bvec.bv_page);
	bio_uninit(&l->bio);
	if (l->error)
		lclone_lane_failed(l);
	else
		lclone_lane_again(l);
}

static void load_endio(struct bio *bio)
{
	struct lclone_lane *l = container_of(bio, struct lclone_lane, bio);

	if (lclone_io_state(bio))
		lclone_io_uncount(l->sweep->delta, bio);
	lclone_lane_go(l, loaded);
}

/* Brings the layers' leaves for this place into RAM: by a read like any other. */
static int load_layers(struct lclone_lane *l, sector_t sector)
{
	struct lclone_delta *d = l->sweep->delta;
	struct page *page = alloc_page(GFP_NOIO);

	if (!page)
		return -EAGAIN;
	bio_init(&l->bio, d->bdev, &l->bvec, 1, REQ_OP_READ);
	l->bio.bi_iter.bi_sector = sector;
	l->bio.bi_end_io = load_endio;
	__bio_add_page(&l->bio, page, LCLONE_BLOCK_SIZE, 0);
	lclone_defer(d, &l->bio);
	return -EINPROGRESS;
}

static int no_space(struct lclone_delta *d, enum lclone_space space)
{
	bool ahead = space != LCLONE_SPACE_NONE || lclone_commit_freeing(d) ||
		     !list_empty(&d->free_draining) || READ_ONCE(d->alloc.new_leaves);

	return ahead ? -EAGAIN : -ENOSPC;
}

static int take(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot)
{
	struct lclone_delta *d = l->sweep->delta;
	u64 *entry = &leaf->exceptions[slot], exc = READ_ONCE(*entry);
	u32 phys = 0;

	if (!lclone_commit_mark(d, leaf))
		return -EAGAIN;
	if (!lclone_exc_phys(exc) && !lclone_alloc_chunks(d, 1, &phys)) {
		enum lclone_space space = lclone_alloc_refill(d);

		if (!lclone_alloc_chunks(d, 1, &phys))
			return no_space(d, space);
	}
	if (lclone_lane_take(l, leaf, slot, 1u << d->chunk_shift)) {
		/* BUSY: nobody else gives it a place any more */
		exc = READ_ONCE(*entry);
		while (phys && !lclone_exc_phys(exc))
			if (try_cmpxchg64(entry, &exc, exc | phys))
				return 0;
	}
	if (phys)
		lclone_alloc_giveback(d, phys, 1);
	return 0;
}

/* A leaf that the tree has; in *@leaf is the empty one. */
static int make_leaf(struct lclone_delta *d, u64 index, struct lclone_leaf **leaf)
{
	enum lclone_space space;
	int err = lclone_new_leaf(d, index, &space);

	if (err)
		return err;
	if (space != LCLONE_SPACE_OK)
		return no_space(d, space);
	*leaf = lclone_leaf_get(d, index, true);
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
	u64 end = lclone_chunks(d->sb.virtual_sectors, d->sb.chunk_sectors);
	struct piece pieces[MAX_PIECES];
	int n, err = 0;

	for (; s->slot < LCLONE_LEAF_EXCEPTIONS && chunk < end; s->slot++, chunk++) {
		n = pieces_of(d, chunk, READ_ONCE((*leaf)->exceptions[s->slot]), pieces);
		if (!n)
			continue;
		if (n < 0)
			return l->nr ? 0 : load_layers(l, lclone_chunk_start(d, chunk) +
							  round_down(pieces->offset,
								     LCLONE_BLOCK_SECTORS));
		if (lclone_lane_full(l))
			return 0;
		if (*leaf == &lclone_empty_leaf)
			err = make_leaf(d, s->index, leaf);
		if (!err)
			err = take(l, *leaf, s->slot);
		if (err)
			return err;
	}
	return 1;
}

const struct lclone_sweep_ops lclone_flatten_ops = {
	.name = "the flatten",
	.states = { "flattening", "flattened", "flatten_failed" },
	.gather = flatten_gather,
	.copy = flatten_copy,
	.copied = flatten_copied,
	.zero = flatten_zero,
};
