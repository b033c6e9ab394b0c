// SPDX-License-Identifier: GPL-2.0-only
/* Nodes of a damaged delta, found from above or by a scan */
#include <errno.h>
#include <stdlib.h>

#include "format/tree.h"
#include "format_user.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-nodes.h"

#define SCAN_BLOCKS	256u		/* read at a time */

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

typedef int (*each_fn)(struct lclone_salvage *s, const struct lclone_found_node *found,
		       const union lclone_node *node, void *ctx);

static bool is_node(const struct lclone_salvage *s, const struct lclone_node_disk *n, u64 block,
		    struct lclone_found_node *f)
{
	struct lclone_fault fault;

	*f = (struct lclone_found_node){
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
	struct lclone_found_node f;
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

static int note_chunk(struct lclone_salvage *s, const struct lclone_found_node *found,
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
