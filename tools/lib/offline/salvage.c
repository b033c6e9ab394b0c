// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format_user.h"
#include "offline/salvage-parts.h"
#include "offline/salvage.h"

#define SCAN_BLOCKS	256u		/* read at a time */

int lclone_salvage_why(struct lclone_salvage *s, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->delta.why, sizeof(s->delta.why), fmt, args);
	va_end(args);
	return err;
}

void *lclone_salvage_grow(struct lclone_salvage *s, void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	array = reallocarray(array, count ? 2 * count : 1, size);
	if (!array)
		lclone_salvage_why(s, -ENOMEM, "out of memory");
	return array;
}

/* Tree */

u32 lclone_chunk_of_block(const struct lclone_salvage *s, u64 block)
{
	return block * LCLONE_BLOCK_SECTORS / s->delta.sb.chunk_sectors;
}

bool lclone_legal_phys(const struct lclone_salvage *s, u32 phys)
{
	return phys >= s->delta.sb.first_chunk && phys < lclone_phys_end(&s->delta.sb);
}

void lclone_mark_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *node, u64 block,
		      u64 checkpoint)
{
	u32 i, phys;

	if (block)		/* it may stay where it is: nothing new goes there */
		lclone_bit_set(s->busy, lclone_chunk_of_block(s, block));
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		phys = lclone_exc_phys(le64_to_cpu(node->exceptions[i]));
		if (!lclone_legal_phys(s, phys))
			continue;
		lclone_bit_set(s->busy, phys);
		if (checkpoint)
			lclone_bit_set(s->data, phys);
	}
}

int lclone_walk_node(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		     u64 max)
{
	u64 span = level ? lclone_node_span(level - 1) : 1, checkpoint;
	struct lclone_salvage *s = walk->s;
	union lclone_node node;
	struct lclone_ref child;
	int err = 0;
	u32 i;

	if (lclone_watch_stops(s->watch, "reading", (first * s->delta.sb.chunk_sectors) << 9,
			       s->delta.sb.virtual_sectors << 9))
		return lclone_salvage_why(s, -EINTR, "interrupted");
	if (lclone_delta_read_node(&s->delta, ref, level, first, &node))
		return walk->hole(walk, ref, level, first, max);
	lclone_bit_set(s->busy, lclone_chunk_of_block(s, ref.block));
	checkpoint = min_u64(le64_to_cpu(node.head.checkpoint), max);
	if (le64_to_cpu(node.head.checkpoint) > max)
		s->changed = true;
	if (!level)
		return walk->leaf(walk, &node.leaf, ref, first, checkpoint, max);
	for (i = 0; !err && i < LCLONE_NODE_REFS; i++) {
		child = lclone_ref_unpack(&node.index.refs[i]);
		if (child.block && first + i * span < s->delta.chunks)
			err = lclone_walk_node(walk, child, level - 1, first + i * span,
					       checkpoint);
		else if (child.block || child.csum || child.flags)
			s->changed = true;
	}
	return err;
}

/* What a leaf is measured by: the checkpoint of the node above, or of the superblock */
static int add_limit(struct lclone_salvage *s, u32 place, u64 max)
{
	return lclone_leaf_limit_add(s, place / LCLONE_NODE_REFS * LCLONE_NODE_REFS, max);
}

static int load_leaf(struct lclone_walk *walk, const struct lclone_leaf_disk *node,
		     struct lclone_ref ref, u64 first, u64 checkpoint, u64 max)
{
	bool limited = le64_to_cpu(node->node.checkpoint) > max;
	struct lclone_salvaged leaf = {
		.place = first / LCLONE_LEAF_EXCEPTIONS, .csum = ref.csum, .block = ref.block,
		.flags = limited ? LCLONE_LEAF_LIMITED : 0,
	};
	int err = limited ? add_limit(walk->s, leaf.place, max) : 0;

	lclone_mark_leaf(walk->s, node, ref.block, checkpoint);
	return err ?: lclone_leaf_add(walk->s, leaf, checkpoint);
}

static int load_hole(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		     u64 max)
{
	struct lclone_salvage *s = walk->s;
	struct lclone_salvaged leaf = {
		.place = first / LCLONE_LEAF_EXCEPTIONS, .csum = ref.csum,
		.flags = LCLONE_LEAF_LOST | LCLONE_LEAF_LIMITED,
	};
	int err;

	if (!level) {
		err = add_limit(s, leaf.place, max);
		return err ?: lclone_leaf_add(s, leaf, max);
	}
	if (!LCLONE_GROW(s, s->hole, s->holes))
		return -ENOMEM;
	s->hole[s->holes++] = (struct lclone_hole){ level, ref.csum, first, max, 0 };
	return 0;
}

int lclone_load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint)
{
	struct lclone_walk walk = { .leaf = load_leaf, .hole = load_hole, .s = s };

	return lclone_walk_node(&walk, ref, level, first, max_checkpoint);
}

/* Scan for nodes */

typedef int (*each_fn)(struct lclone_salvage *s, const struct lclone_found *found,
		       const union lclone_node *node, void *ctx);

static bool is_node(const struct lclone_salvage *s, const struct lclone_node_disk *n, u64 block,
		    struct lclone_found *f)
{
	struct lclone_fault fault;

	*f = (struct lclone_found){
		.level = le32_to_cpu(n->level), .csum = le32_to_cpu(n->csum),
		.first = le64_to_cpu(n->first_chunk), .checkpoint = le64_to_cpu(n->checkpoint),
		.block = block,
	};
	return !lclone_node_verify(n, s->delta.sb.uuid, f->first, f->level, f->csum, UINT64_MAX,
				   &fault) &&
	       f->level < LCLONE_LEVELS && f->first < s->delta.chunks &&
	       !(f->first % lclone_node_span(f->level));
}

static int scan(struct lclone_salvage *s, union lclone_node *buf, u64 block, u64 end, each_fn each,
		void *ctx)
{
	u64 total = s->delta.sb.device_sectors << 9;
	struct lclone_found f;
	int err = 0;
	u32 i, n;

	for (; !err && block < end; block += n) {
		if (lclone_watch_stops(s->watch, "searching", block * LCLONE_BLOCK_SIZE, total))
			return lclone_salvage_why(s, -EINTR, "interrupted");
		n = end - block < SCAN_BLOCKS ? end - block : SCAN_BLOCKS;
		if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
				    n * LCLONE_BLOCK_SECTORS)) {
			n = 1;		/* one of them: go on block by block */
			if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
					    LCLONE_BLOCK_SECTORS))
				continue;
		}
		for (i = 0; !err && i < n; i++)
			if (is_node(s, &buf[i].head, block + i, &f))
				err = each(s, &f, &buf[i], ctx);
	}
	return err;
}

static int note_chunk(struct lclone_salvage *s, const struct lclone_found *found,
		      const union lclone_node *node, void *ctx)
{
	(void)node;
	(void)ctx;
	lclone_bit_set(s->found, lclone_chunk_of_block(s, found->block));
	return 0;
}

int lclone_find_nodes(struct lclone_salvage *s)
{
	u32 per_chunk = s->delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS;
	union lclone_node *buf = malloc(SCAN_BLOCKS * sizeof(*buf));
	int err;

	s->found = calloc(1, lclone_phys_end(&s->delta.sb) / 8 + 1);
	err = buf && s->found ? scan(s, buf, (u64)s->delta.sb.first_chunk * per_chunk,
				     (u64)lclone_phys_end(&s->delta.sb) * per_chunk, note_chunk,
				     NULL) :
				lclone_salvage_why(s, -ENOMEM, "out of memory");
	free(buf);
	return err;
}

int lclone_each_found(struct lclone_salvage *s, each_fn each, void *ctx)
{
	u32 per_chunk = s->delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS, phys, to;
	union lclone_node *buf = malloc(SCAN_BLOCKS * sizeof(*buf));
	u32 end = lclone_phys_end(&s->delta.sb);
	int err = 0;

	if (!buf)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	for (phys = s->delta.sb.first_chunk; !err && phys < end; phys = to + 1) {
		for (to = phys; to < end && lclone_bit(s->found, to); to++)
			;
		err = scan(s, buf, (u64)phys * per_chunk, (u64)to * per_chunk, each, ctx);
	}
	free(buf);
	return err;
}

/* Holes */

static int compare_holes(const void *pa, const void *pb)
{
	const struct lclone_hole *a = pa, *b = pb;

	return a->first < b->first ? -1 : a->first > b->first;
}

/* The hole that a chunk lies in, or NULL. They are in order, and none lies in another. */
static struct lclone_hole *hole_of(struct lclone_salvage *s, u64 chunk)
{
	size_t low = 0, high = s->holes;
	struct lclone_hole *hole;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->hole[mid].first <= chunk)
			low = mid + 1;
		else
			high = mid;
	}
	hole = low ? &s->hole[low - 1] : NULL;
	return hole && chunk - hole->first < lclone_node_span(hole->level) ? hole : NULL;
}

/* The very node that a reference means, elsewhere than that says */
static int match(struct lclone_salvage *s, const struct lclone_found *f,
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
static bool is_newer(struct lclone_salvage *s, const struct lclone_found *f,
		     const struct lclone_salvaged *leaf)
{
	union lclone_node node;

	return leaf->flags & LCLONE_LEAF_LOST || lclone_leaf_read(s, leaf, &node) ||
	       f->checkpoint > le64_to_cpu(node.head.checkpoint);
}

/* The newest leaf of each place in a hole that no reference leads to */
static int take_orphan(struct lclone_salvage *s, const struct lclone_found *f,
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
	free(s->logged);
	free(s->contest);
	lclone_leaf_ahead_end(s);
	lclone_delta_close(&s->delta);
	memset(s, 0, sizeof(*s));
}
