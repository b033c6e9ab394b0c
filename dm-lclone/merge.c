// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge of a delta into its base while the clone is in use.
 *
 * The data of a batch are copied to the base, and the base is flushed.  Then the entries are
 * made empty.  When that is committed BUSY is cleared, and the chunks are free.  A crash may
 * bring entries back: their data are in the delta still, and are copied again.
 *
 * A guest's write goes to the base if its entry is empty; by the above the empty entry is
 * durable then.  So no new entries come, and the merge ends however busy the guest is.
 */
#include "merge.h"
#include "sweep.h"

/* The steps of a batch; the last one comes first */

static void merge_committed(struct lclone_lane *l)
{
	l->error = blk_status_to_errno(l->bio.bi_status);
	bio_uninit(&l->bio);
	if (l->error)
		lclone_lane_failed(l);
	else
		lclone_lane_done(l);
}

static void merge_committed_endio(struct bio *bio)
{
	lclone_lane_go(container_of(bio, struct lclone_lane, bio), merge_committed);
}

/*
 * Makes the entries of the batch empty, because all their data are durable in the base.  BUSY
 * stays until the empty entries are durable, too.
 */
static void merge_publish(struct lclone_lane *l)
{
	struct lclone_delta *d = l->sweep->delta;
	u32 i;

	l->error = blk_status_to_errno(l->bio.bi_status);
	bio_uninit(&l->bio);
	if (l->error) {
		lclone_lane_failed(l);
		return;
	}
	for (i = 0; i < l->nr; i++) {
		struct lclone_leaf *leaf = l->chunk[i].leaf;
		u64 *entry = &leaf->exceptions[l->chunk[i].slot], exc = READ_ONCE(*entry);

		lclone_leaf_touch(leaf, l->chunk[i].slot);
		/* First: a search that sees the empty entry would take the chunk for free. */
		lclone_alloc_pending(&d->alloc, lclone_exc_phys(exc));
		while (!try_cmpxchg64(entry, &exc, LCLONE_EXC_BUSY | LCLONE_EXC_DIRTY))
			;
		if (lclone_exc_phys(exc))
			lclone_commit_free(&d->commit, lclone_exc_phys(exc));
	}
	bio_init(&l->bio, d->dev.bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	l->bio.bi_end_io = merge_committed_endio;
	lclone_commit_join(&d->commit, &l->bio, true);
}

static void base_flush_endio(struct bio *bio)
{
	lclone_lane_go(container_of(bio, struct lclone_lane, bio), merge_publish);
}

static void merge_copied(struct lclone_lane *l)
{
	bio_init(&l->bio, l->sweep->delta->below.base, NULL, 0,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	l->bio.bi_end_io = base_flush_endio;
	submit_bio_noacct(&l->bio);
}

/* Copies */

static bool merge_piece(struct lclone_lane *l, struct lclone_run *piece)
{
	struct lclone_delta *d = l->sweep->delta;

	for (; l->at < l->nr; l->at++, l->offset = 0) {
		const struct lclone_swept *chunk = &l->chunk[l->at];
		u64 exc = READ_ONCE(chunk->leaf->exceptions[chunk->slot]);
		u32 mask = lclone_exc_written(exc) | lclone_exc_zero(exc), offset, sub;
		sector_t to;

		if (!lclone_lane_subchunk(l, mask, &offset))
			continue;
		to = lclone_chunk_start(&d->geo, lclone_swept_chunk(chunk)) + offset;
		if (to >= d->super.sb.virtual_sectors)
			continue;		/* the clone ends within this chunk */
		sub = lclone_sub_mask(&d->geo, offset, 1);
		piece->from_bdev = lclone_exc_written(exc) & sub ? d->dev.bdev : NULL;
		piece->from = lclone_chunk_start(&d->geo, lclone_exc_phys(exc)) + offset;
		piece->to_bdev = d->below.base;
		piece->to = to;
		piece->sectors = min_t(u64, lclone_sub_len(&d->geo),
				       d->super.sb.virtual_sectors - to);
		return true;
	}
	return false;
}

/* Gathering */

static bool has_exceptions(const struct lclone_leaf *leaf, u32 slot)
{
	for (; slot < LCLONE_LEAF_EXCEPTIONS; slot++)
		if (READ_ONCE(leaf->exceptions[slot]) & ~LCLONE_SPARE_MASK)
			return true;
	return false;
}

static int merge_gather(struct lclone_lane *l, struct lclone_leaf **leaf)
{
	struct lclone_sweep *s = l->sweep;
	u32 mask;

	if (*leaf == &lclone_empty_leaf || !has_exceptions(*leaf, s->slot))
		return 1;
	if (!lclone_commit_mark(&s->delta->commit, *leaf))
		return -EAGAIN;
	for (; s->slot < LCLONE_LEAF_EXCEPTIONS; s->slot++) {
		u64 exc = READ_ONCE((*leaf)->exceptions[s->slot]);

		if (!(exc & ~LCLONE_SPARE_MASK))
			continue;
		if (lclone_lane_full(l))
			return 0;
		mask = lclone_exc_written(exc) | lclone_exc_zero(exc);
		lclone_lane_take(l, *leaf, s->slot, hweight32(mask) << s->delta->geo.sub_shift);
	}
	return 1;
}

const struct lclone_sweep_ops lclone_merge_ops = {
	.name = "the merge into the base",
	.states = { "merging", "merged", "merge_failed" },
	.gather = merge_gather,
	.piece = merge_piece,
	.copied = merge_copied,
};
