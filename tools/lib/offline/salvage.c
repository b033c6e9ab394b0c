// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format/tree.h"
#include "format_user.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-log.h"
#include "offline/salvage-losses.h"
#include "offline/salvage-nodes.h"
#include "offline/salvage-rules.h"
#include "offline/salvage-state.h"
#include "offline/salvage.h"

/* Holes */

static int compare_holes(const void *pa, const void *pb)
{
	const struct lclone_hole *a = pa, *b = pb;

	return a->first < b->first ? -1 : a->first > b->first;
}

static u64 first_of(const void *hole)
{
	return ((const struct lclone_hole *)hole)->first;
}

/* The hole that a chunk lies in, or NULL. They are in order, and none lies in another. */
static struct lclone_hole *hole_of(struct lclone_salvage *s, u64 chunk)
{
	size_t next = lclone_lower_bound(s->hole, s->holes, sizeof(*s->hole), chunk + 1, first_of);
	struct lclone_hole *hole = next ? &s->hole[next - 1] : NULL;

	return hole && chunk - hole->first < lclone_node_span(hole->level) ? hole : NULL;
}

/* The very node that a reference means, elsewhere than that says */
static int match(struct lclone_salvage *s, const struct lclone_found_node *f,
		 const union lclone_node *node, void *ctx)
{
	struct lclone_salvaged *leaf;
	struct lclone_hole *hole;

	(void)ctx;
	if (f->level) {
		hole = hole_of(s, f->first);
		if (hole && hole->first == f->first && hole->level == f->level &&
		    hole->csum == f->csum && f->checkpoint <= hole->checkpoint && !hole->block)
			hole->block = f->block;
		return 0;
	}
	leaf = lclone_leaf_find(s, f->first / LCLONE_LEAF_EXCEPTIONS);
	if (!leaf || !(leaf->flags & LCLONE_LEAF_LOST) || leaf->csum != f->csum ||
	    f->checkpoint > lclone_leaf_limit(s, leaf->place))
		return 0;
	leaf->block = f->block;
	leaf->flags &= ~LCLONE_LEAF_LOST;
	s->lost_leaves--;
	lclone_mark_leaf(s, &node->leaf, f->block, f->checkpoint);
	return 0;
}

/* Loads what was found of holes: there may be others below. *any: there may, now. */
static int load_matched(struct lclone_salvage *s, bool *any)
{
	struct lclone_hole *hole = s->hole;
	size_t holes = s->holes, i;
	int err = 0;

	*any = false;
	s->hole = NULL;
	s->holes = 0;
	for (i = 0; !err && i < holes; i++) {
		struct lclone_ref ref = { hole[i].block, hole[i].csum };

		if (hole[i].block) {
			*any = true;
			err = lclone_load_node(s, ref, hole[i].level, hole[i].first,
					       hole[i].checkpoint);
			continue;
		}
		if (!LCLONE_GROW(s, s->hole, s->holes))
			err = -ENOMEM;
		else
			s->hole[s->holes++] = hole[i];
	}
	free(hole);
	return err;
}

/* Is the node that was found newer than the one that is taken so far? */
static bool is_newer(struct lclone_salvage *s, const struct lclone_found_node *f,
		     const struct lclone_salvaged *leaf)
{
	union lclone_node node;

	return leaf->flags & LCLONE_LEAF_LOST || lclone_leaf_read(s, leaf, &node) ||
	       f->checkpoint > le64_to_cpu(node.head.checkpoint);
}

/* The newest leaf of each place in a hole that no reference leads to */
static int take_orphan(struct lclone_salvage *s, const struct lclone_found_node *f,
		       const union lclone_node *node, void *ctx)
{
	u64 place = f->first / LCLONE_LEAF_EXCEPTIONS, max;
	struct lclone_salvaged *leaf;
	struct lclone_hole *hole;

	(void)node;
	(void)ctx;
	if (f->level || lclone_bit(s->data, lclone_chunk_of_block(s, f->block)))
		return 0;
	leaf = lclone_leaf_find(s, place);
	if (leaf && !(leaf->flags & (LCLONE_LEAF_LOST | LCLONE_LEAF_ORPHAN)))
		return 0;
	if (leaf && leaf->flags & LCLONE_LEAF_LIMITED) {
		max = lclone_leaf_limit(s, place);
	} else {
		hole = hole_of(s, f->first);
		if (!hole)
			return 0;
		max = hole->checkpoint;
	}
	if (f->checkpoint > max)
		return 0;
	if (!leaf)
		return lclone_leaf_add(s, (struct lclone_salvaged){
			.place = place, .csum = f->csum, .block = f->block,
			.flags = LCLONE_LEAF_ORPHAN }, f->checkpoint);
	if (!is_newer(s, f, leaf))
		return 0;
	if (leaf->flags & LCLONE_LEAF_LOST)
		s->lost_leaves--;
	leaf->block = f->block;
	leaf->csum = f->csum;
	leaf->flags = (leaf->flags & LCLONE_LEAF_LIMITED) | LCLONE_LEAF_ORPHAN;
	return 0;
}

/* What is not there any more, or may be outdated; the leaves that are lost go. */
static int count_lost(struct lclone_salvage *s)
{
	size_t i, left = 0;
	int err = 0;

	/* a leaf is known to have been there, what an index led to is not */
	for (i = 0; !err && i < s->holes; i++)
		err = lclone_lose_chunks(s, s->hole[i].first,
					 lclone_node_span(s->hole[i].level), true, 0);
	for (i = 0; !err && i < s->leaves; i++) {
		const struct lclone_salvaged *leaf = &s->leaf[i];
		bool orphan = leaf->flags & LCLONE_LEAF_ORPHAN;

		s->orphans += orphan;
		if (leaf->flags & LCLONE_LEAF_LOST ||
		    (orphan && leaf->flags & LCLONE_LEAF_LIMITED))
			err = lclone_lose_chunks(s, (u64)leaf->place * LCLONE_LEAF_EXCEPTIONS,
						 LCLONE_LEAF_EXCEPTIONS, orphan, 0);
		if (!(leaf->flags & LCLONE_LEAF_LOST))
			s->leaf[left++] = *leaf;
	}
	if (!err)
		s->leaves = left;
	return err;
}

static int fill_holes(struct lclone_salvage *s)
{
	bool more = s->holes || s->lost_leaves;
	int err = 0, round;

	if (!more)
		return 0;
	s->changed = true;
	for (round = 0; !err && more && round <= LCLONE_LEVELS; round++) {
		if (s->holes)
			lclone_sort(s->hole, s->holes, sizeof(*s->hole), compare_holes);
		err = lclone_each_found(s, match, NULL);
		if (!err)
			err = load_matched(s, &more);
		if (!err)
			err = lclone_leaves_settle(s);
	}
	if (s->holes)
		lclone_sort(s->hole, s->holes, sizeof(*s->hole), compare_holes);
	if (!err && (s->holes || s->lost_leaves))
		err = lclone_each_found(s, take_orphan, NULL);
	if (!err)
		err = lclone_leaves_settle(s);
	return err ?: count_lost(s);
}

/* Is there anything on the device that has the superblock's uuid? */
static bool slot_has_blocks(struct lclone_salvage *s)
{
	const struct lclone_sb *sb = &s->delta.sb;
	struct lclone_ref root = { .block = sb->root_block, .csum = sb->root_csum };
	struct lclone_log_disk block;
	struct lclone_fault fault;
	union lclone_node node;
	struct lclone_log log;
	u32 i;

	if (root.block && !lclone_delta_read_node(&s->delta, root, sb->root_level, 0, &node))
		return true;
	for (i = 0; i < sb->log_blocks; i++)
		if (!lclone_dev_read(s->delta.dev, &block,
				     (sb->log_start + i) * LCLONE_BLOCK_SECTORS,
				     LCLONE_BLOCK_SECTORS) &&
		    !lclone_log_verify(&block, sb->uuid, &log, &fault))
			return true;
	return false;
}

/* The superblocks are of two deltas: one was written here by mistake. */
static int choose_slot(struct lclone_salvage *s)
{
	struct lclone_delta *delta = &s->delta;
	bool ours[2];
	int i;

	for (i = 0; i < 2; i++)
		ours[i] = !lclone_delta_use_slot(delta, i) && slot_has_blocks(s);
	if (ours[0] == ours[1])
		return lclone_salvage_why(s, -EUCLEAN,
					  "superblocks A and B belong to different deltas, and it is not plain which is right");
	delta->slot[ours[0]].err = -EUCLEAN;
	return lclone_delta_use_slot(delta, ours[1]);
}

static int open_best(struct lclone_salvage *s, const struct lclone_dev *dev)
{
	struct lclone_delta *delta = &s->delta;
	const struct lclone_slot *other;
	size_t size;
	u64 unknown;
	int err;

	err = lclone_delta_open_sb(delta, dev);
	if (err == -EUCLEAN && !delta->slot[0].err && !delta->slot[1].err)
		err = choose_slot(s);
	if (err)
		return err;
	unknown = delta->sb.ro_compat & ~LCLONE_FEATURE_RO_COMPAT;
	if (unknown)
		return lclone_salvage_why(s, -EPROTONOSUPPORT,
					  "has features of a newer lclone (0x%" PRIx64 "), it can only be read",
					  unknown);
	other = &delta->slot[!delta->newest];
	s->checkpoint = s->max_checkpoint = delta->sb.checkpoint;
	s->max_incarnation = delta->sb.incarnation;
	s->next_commit = delta->sb.log_commit;
	if (!other->err && other->sb.checkpoint > s->max_checkpoint)
		s->max_checkpoint = other->sb.checkpoint;
	if (!other->err && other->sb.incarnation > s->max_incarnation)
		s->max_incarnation = other->sb.incarnation;
	if (!other->err && other->sb.log_commit > s->next_commit)
		s->next_commit = other->sb.log_commit;

	size = lclone_phys_end(&delta->sb) / 8 + 1;
	s->busy = calloc(1, size);
	s->data = calloc(1, size);
	s->node = calloc(1, size);
	return s->busy && s->data && s->node ? 0 : lclone_salvage_why(s, -ENOMEM, "out of memory");
}

int lclone_salvage(struct lclone_salvage *s, const struct lclone_dev *dev,
		   const struct lclone_watch *watch)
{
	struct lclone_ref root;
	int err;

	memset(s, 0, sizeof(*s));
	s->watch = watch;
	err = open_best(s, dev);
	if (err)
		return err;
	root = (struct lclone_ref){ .block = s->delta.sb.root_block,
				    .csum = s->delta.sb.root_csum };
	if (root.block)
		err = lclone_load_node(s, root, s->delta.sb.root_level, 0, s->delta.sb.checkpoint);
	if (!err)
		err = lclone_leaves_settle(s);
	if (!err)
		err = lclone_salvage_log(s);
	if (!err)
		err = fill_holes(s);
	free(s->found);
	s->found = NULL;
	if (!err)
		err = lclone_leaves_of_log(s);
	if (!err)
		err = lclone_apply_rules(s);
	lclone_join_losses(s);
	return err;
}

void lclone_salvage_free(struct lclone_salvage *s)
{
	free(s->leaf);
	free(s->late);
	free(s->limit);
	free(s->loss);
	free(s->busy);
	free(s->data);
	free(s->node);
	free(s->found);
	free(s->hole);
	free(s->unread);
	free(s->logged);
	free(s->contest);
	lclone_leaf_ahead_end(s);
	lclone_delta_close(&s->delta);
	memset(s, 0, sizeof(*s));
}
