// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "salvage-parts.h"

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

static int add_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *disk,
		    struct lclone_ref ref, u64 first, u64 age)
{
	struct lclone_salvaged *leaf;
	u32 i, phys;

	if (!LCLONE_GROW(s, s->leaf, s->leaves))
		return -ENOMEM;
	leaf = malloc(sizeof(*leaf));
	if (!leaf)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	leaf->first = first;
	leaf->ref = ref;
	leaf->age = age;
	leaf->changed = false;
	if (ref.block)		/* it may stay where it is: nothing new goes there */
		lclone_bit_set(s->busy, lclone_chunk_of_block(s, ref.block));
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		leaf->exc[i] = disk ? le64_to_cpu(disk->exceptions[i]) : 0;
		phys = lclone_exc_phys(leaf->exc[i]);
		if (!lclone_legal_phys(s, phys))
			continue;
		lclone_bit_set(s->busy, phys);
		if (age)
			lclone_bit_set(s->data, phys);
	}
	s->leaf[s->leaves++] = leaf;
	return 0;
}

static int add_hole(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		    u64 checkpoint)
{
	if (!LCLONE_GROW(s, s->hole, s->holes))
		return -ENOMEM;
	s->hole[s->holes++] = (struct lclone_hole){ level, ref.csum, first, checkpoint };
	return 0;
}

int lclone_load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint)
{
	u64 span = level ? lclone_node_span(level - 1) : 1, checkpoint;
	union lclone_node node;
	struct lclone_ref child;
	int err = 0;
	u32 i;

	if (lclone_delta_read_node(&s->delta, ref, level, first, &node))
		return add_hole(s, ref, level, first, max_checkpoint);
	lclone_bit_set(s->busy, lclone_chunk_of_block(s, ref.block));
	checkpoint = le64_to_cpu(node.head.checkpoint);
	if (checkpoint > max_checkpoint) {
		s->changed = true;
		checkpoint = max_checkpoint;
	}
	if (!level)
		return add_leaf(s, &node.leaf, ref, first, checkpoint);
	for (i = 0; !err && i < LCLONE_NODE_REFS; i++) {
		child = lclone_ref_unpack(&node.index.refs[i]);
		if (child.block && first + i * span < s->delta.chunks)
			err = lclone_load_node(s, child, level - 1, first + i * span, checkpoint);
		else if (child.block || child.csum || child.flags)
			s->changed = true;
	}
	return err;
}

static size_t leaf_lower_bound(const struct lclone_salvage *s, u64 first)
{
	size_t low = 0, high = s->sorted;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->leaf[mid]->first < first)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct lclone_salvaged *lclone_salvage_leaf(struct lclone_salvage *s, u64 chunk)
{
	u64 first = chunk - chunk % LCLONE_LEAF_EXCEPTIONS;
	size_t at = leaf_lower_bound(s, first);

	if (at < s->sorted && s->leaf[at]->first == first)
		return s->leaf[at];
	if (s->leaves > s->sorted && s->leaf[s->leaves - 1]->first == first)
		return s->leaf[s->leaves - 1];
	if (add_leaf(s, NULL, (struct lclone_ref){ 0 }, first, s->checkpoint))
		return NULL;
	return s->leaf[s->leaves - 1];
}

static int compare_leaves(const void *pa, const void *pb)
{
	const struct lclone_salvaged *const *a = pa, *const *b = pb;

	return (*a)->first < (*b)->first ? -1 : (*a)->first > (*b)->first;
}

void lclone_salvage_sort(struct lclone_salvage *s)
{
	if (s->leaves)
		qsort(s->leaf, s->leaves, sizeof(*s->leaf), compare_leaves);
	s->sorted = s->leaves;
}

void lclone_salvage_set(struct lclone_salvage *s, struct lclone_salvaged *leaf, u64 chunk,
			u64 exc)
{
	u64 *old = &leaf->exc[chunk % LCLONE_LEAF_EXCEPTIONS];

	if (*old == exc)
		return;
	*old = exc;
	leaf->changed = true;
	s->changed = true;
}

/* Scan for nodes */

static int compare_found(const void *pa, const void *pb)
{
	const struct lclone_found *a = pa, *b = pb;

	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->checkpoint != b->checkpoint)
		return a->checkpoint > b->checkpoint ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

static int find_node(struct lclone_salvage *s, const struct lclone_node_disk *n, u64 block)
{
	struct lclone_found f = {
		.level = le32_to_cpu(n->level), .csum = le32_to_cpu(n->csum),
		.first = le64_to_cpu(n->first_chunk), .checkpoint = le64_to_cpu(n->checkpoint),
		.block = block,
	};
	struct lclone_fault fault;

	if (lclone_node_verify(n, s->delta.sb.uuid, f.first, f.level, f.csum, UINT64_MAX, &fault))
		return 0;
	if (f.level >= LCLONE_LEVELS || f.first >= s->delta.chunks ||
	    f.first % lclone_node_span(f.level))
		return 0;
	if (!LCLONE_GROW(s, s->found, s->founds))
		return -ENOMEM;
	s->found[s->founds++] = f;
	return 0;
}

/* Every block of the device that may be a node; what cannot be read is none. */
int lclone_find_nodes(struct lclone_salvage *s)
{
	u32 per_chunk = s->delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS, i, n;
	u64 block = (u64)s->delta.sb.first_chunk * per_chunk;
	u64 end = (u64)lclone_phys_end(&s->delta.sb) * per_chunk;
	union lclone_node *buf;
	int err = 0;

	buf = malloc(SCAN_BLOCKS * sizeof(*buf));
	if (!buf)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	for (; !err && block < end; block += n) {
		n = end - block < SCAN_BLOCKS ? end - block : SCAN_BLOCKS;
		if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
				    n * LCLONE_BLOCK_SECTORS)) {
			n = 1;		/* one of them: go on block by block */
			if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
					    LCLONE_BLOCK_SECTORS))
				continue;
		}
		for (i = 0; !err && i < n; i++)
			err = find_node(s, &buf[i].head, block + i);
	}
	free(buf);
	if (s->founds)
		qsort(s->found, s->founds, sizeof(*s->found), compare_found);
	return err;
}

/* Index of the first found node of @level at or after @first */
static size_t found_lower_bound(const struct lclone_salvage *s, u32 level, u64 first)
{
	size_t low = 0, high = s->founds;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct lclone_found *f = &s->found[mid];

		if (f->level < level || (f->level == level && f->first < first))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The newest leaf of each place in a hole that no reference leads to */
static int fill_from_orphans(struct lclone_salvage *s, const struct lclone_hole *hole,
			     bool *filled)
{
	u64 span = lclone_node_span(hole->level), done = UINT64_MAX;
	union lclone_node node;
	struct lclone_ref ref;
	size_t i;
	int err;

	for (i = found_lower_bound(s, 0, hole->first); i < s->founds; i++) {
		const struct lclone_found *f = &s->found[i];

		if (f->level || f->first - hole->first >= span)
			break;
		if (f->first == done || f->checkpoint > hole->checkpoint ||
		    lclone_bit(s->data, lclone_chunk_of_block(s, f->block)))
			continue;
		ref = (struct lclone_ref){ .block = f->block, .csum = f->csum };
		if (lclone_delta_read_node(&s->delta, ref, 0, f->first, &node))
			continue;
		err = add_leaf(s, &node.leaf, ref, f->first, 0);
		if (err)
			return err;
		done = f->first;
		s->orphans++;
		*filled = true;
	}
	return 0;
}

static int fill_hole(struct lclone_salvage *s, const struct lclone_hole *hole)
{
	bool filled = false;
	size_t i;
	int err;

	/* the very node, elsewhere than the reference says */
	for (i = found_lower_bound(s, hole->level, hole->first); i < s->founds; i++) {
		const struct lclone_found *f = &s->found[i];

		if (f->level != hole->level || f->first != hole->first)
			break;
		if (f->csum == hole->csum && f->checkpoint <= hole->checkpoint)
			return lclone_load_node(s, (struct lclone_ref){ f->block, f->csum },
						f->level, f->first, hole->checkpoint);
	}
	err = fill_from_orphans(s, hole, &filled);
	if (err)
		return err;
	/* a leaf is known to have been there, what an index led to is not */
	return lclone_lose_chunks(s, hole->first, lclone_node_span(hole->level),
				  filled || hole->level, 0);
}

static int fill_holes(struct lclone_salvage *s)
{
	struct lclone_hole hole;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < s->holes; i++) {	/* which may find more of them */
		hole = s->hole[i];
		s->changed = true;
		err = fill_hole(s, &hole);
	}
	lclone_salvage_sort(s);
	return err;
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
	s->busy = calloc(3, size);
	if (!s->busy)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	s->data = s->busy + size;
	s->node = s->data + size;
	return 0;
}

int lclone_salvage(struct lclone_salvage *s, const struct lclone_dev *dev)
{
	struct lclone_ref root;
	int err;

	memset(s, 0, sizeof(*s));
	err = open_best(s, dev);
	if (err)
		return err;
	root = (struct lclone_ref){ .block = s->delta.sb.root_block,
				    .csum = s->delta.sb.root_csum };
	if (root.block)
		err = lclone_load_node(s, root, s->delta.sb.root_level, 0, s->delta.sb.checkpoint);
	if (!err)
		err = lclone_salvage_log(s);
	if (!err)
		err = fill_holes(s);
	if (!err)
		err = lclone_apply_log(s);
	if (!err)
		err = lclone_apply_rules(s);
	lclone_join_losses(s);
	return err;
}

void lclone_salvage_free(struct lclone_salvage *s)
{
	while (s->leaves)
		free(s->leaf[--s->leaves]);
	free(s->leaf);
	free(s->loss);
	free(s->busy);
	free(s->hole);
	free(s->found);
	free(s->logged);
	lclone_delta_close(&s->delta);
	memset(s, 0, sizeof(*s));
}
