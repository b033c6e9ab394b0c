// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "repair.h"

/* The device as the patches make it, to read from */
struct overlay {
	struct lclone_dev dev;
	const struct lclone_dev *under;
	const struct lclone_patch *patch;
	size_t patches;
};

static void overlay_one(const struct lclone_patch *patch, void *buf, u64 sector, u64 end)
{
	u64 from = patch->block * LCLONE_BLOCK_SECTORS, to = from + LCLONE_BLOCK_SECTORS;

	if (from >= end || to <= sector)
		return;
	from = from > sector ? from : sector;
	to = to < end ? to : end;
	memcpy((u8 *)buf + ((from - sector) << 9),
	       patch->data + (from % LCLONE_BLOCK_SECTORS << 9), (to - from) << 9);
}

/* Nodes were added in order of their blocks, then the two superblocks. */
static int overlay_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct overlay *o = (const struct overlay *)dev;
	size_t nodes = o->patches - 2, low = 0, high = nodes, mid;
	u64 end = sector + count;
	int err;

	err = lclone_dev_read(o->under, buf, sector, count);
	if (err)
		return err;
	while (low < high) {
		mid = low + (high - low) / 2;
		if ((o->patch[mid].block + 1) * LCLONE_BLOCK_SECTORS <= sector)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nodes && o->patch[low].block * LCLONE_BLOCK_SECTORS < end; low++)
		overlay_one(&o->patch[low], buf, sector, end);
	overlay_one(&o->patch[nodes], buf, sector, end);
	overlay_one(&o->patch[nodes + 1], buf, sector, end);
	return 0;
}

static int add_patch(struct lclone_repair *r, u64 block, const void *data)
{
	struct lclone_patch *patch = r->patch;
	size_t n = r->patches;

	if (!(n & (n - 1))) {
		patch = reallocarray(patch, n ? 2 * n : 1, sizeof(*patch));
		if (!patch) {
			snprintf(r->why, sizeof(r->why), "out of memory");
			return -ENOMEM;
		}
		r->patch = patch;
	}
	patch[n].block = block;
	memcpy(patch[n].data, data, LCLONE_BLOCK_SIZE);
	r->patches++;
	return 0;
}

/* The new tree */

struct tree {
	struct lclone_repair *r;
	struct lclone_sb *sb;
	u64 block;			/* the next to be used ... */
	u32 left;			/* ... of so many in its chunk */
	u32 phys;			/* where to look for a free chunk */
};

struct child {
	u64 first;
	struct lclone_ref ref;
};

/* In a chunk that nothing refers to, now or before */
static int new_block(struct tree *t, u64 *block)
{
	struct lclone_salvage *s = &t->r->salvage;
	u32 per_chunk = t->sb->chunk_sectors / LCLONE_BLOCK_SECTORS;

	if (!t->left) {
		while (t->phys < lclone_phys_end(t->sb) && lclone_bit(s->busy, t->phys))
			t->phys++;
		if (t->phys >= lclone_phys_end(t->sb)) {
			snprintf(t->r->why, sizeof(t->r->why),
				 "no chunk is free for the repaired tree: extend the device");
			return -ENOSPC;
		}
		lclone_bit_set(s->node, t->phys);
		t->block = (u64)t->phys++ * per_chunk;
		t->left = per_chunk;
	}
	t->left--;
	*block = t->block++;
	return 0;
}

static int write_node(struct tree *t, union lclone_node *node, u32 level, u64 first,
		      struct lclone_ref *ref)
{
	int err;

	*ref = (struct lclone_ref){ .block = 0 };
	err = new_block(t, &ref->block);
	if (err)
		return err;
	lclone_node_seal(&node->head, t->sb->uuid, t->sb->checkpoint, first, level, &ref->csum);
	return add_patch(t->r, ref->block, node);
}

/* Leaves that are right stay where they are; those without an exception go. */
static int write_leaves(struct tree *t, struct child *child, size_t *count)
{
	struct lclone_salvage *s = &t->r->salvage;
	union lclone_node node;
	size_t i;
	int err;
	u32 k;

	for (i = *count = 0; i < s->leaves; i++) {
		struct lclone_salvaged *leaf = s->leaf[i];
		bool any = false;

		memset(&node, 0, sizeof(node));
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
			node.leaf.exceptions[k] = cpu_to_le64(leaf->exc[k]);
			any |= leaf->exc[k] != 0;
		}
		if (!any)
			continue;
		child[*count].first = leaf->first;
		child[*count].ref = leaf->ref;
		if (leaf->changed) {
			err = write_node(t, &node, 0, leaf->first, &child[*count].ref);
			if (err)
				return err;
		}
		++*count;
	}
	return 0;
}

/* The level above: in place, for there are never more parents than children. */
static int write_parents(struct tree *t, struct child *child, size_t *count, u32 level)
{
	u64 span = lclone_node_span(level), below = lclone_node_span(level - 1), first;
	size_t i, parents = 0;
	union lclone_node node;
	int err;

	for (i = 0; i < *count; ) {
		first = child[i].first / span * span;
		memset(&node, 0, sizeof(node));
		for (; i < *count && child[i].first - first < span; i++)
			lclone_ref_pack(child[i].ref,
					&node.index.refs[(child[i].first - first) / below]);
		err = write_node(t, &node, level, first, &child[parents].ref);
		if (err)
			return err;
		child[parents++].first = first;
	}
	*count = parents;
	return 0;
}

static void mark_nodes(struct lclone_salvage *s, const struct child *child, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		lclone_bit_set(s->node, child[i].ref.block * LCLONE_BLOCK_SECTORS /
			       s->delta.sb.chunk_sectors);
}

static int write_tree(struct lclone_repair *r, struct lclone_sb *sb)
{
	struct lclone_salvage *s = &r->salvage;
	struct tree t = { .r = r, .sb = sb, .phys = sb->first_chunk };
	struct child *child;
	u32 level, top;
	size_t count;
	int err;

	child = calloc(s->leaves + 1, sizeof(*child));
	if (!child) {
		snprintf(r->why, sizeof(r->why), "out of memory");
		return -ENOMEM;
	}
	err = write_leaves(&t, child, &count);
	/* a leaf that was given up takes no space any more */
	memset(s->node, 0, lclone_phys_end(sb) / 8 + 1);
	mark_nodes(s, child, count);
	top = count ? lclone_tree_level(child[count - 1].first + 1) : 0;
	for (level = 1; !err && level <= top; level++) {
		err = write_parents(&t, child, &count, level);
		mark_nodes(s, child, count);
	}
	sb->root_block = count ? child[0].ref.block : 0;
	sb->root_csum = count ? child[0].ref.csum : 0;
	sb->root_level = top;
	free(child);
	return err;
}

/* The tree stays as it is: its nodes are in use. */
static int mark_tree(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first)
{
	union lclone_node node;
	struct lclone_ref child;
	int err = 0;
	u32 i;

	if (!ref.block)
		return 0;
	lclone_bit_set(s->node, ref.block * LCLONE_BLOCK_SECTORS / s->delta.sb.chunk_sectors);
	if (!level)
		return 0;
	err = lclone_delta_read_node(&s->delta, ref, level, first, &node);
	for (i = 0; !err && i < LCLONE_NODE_REFS; i++) {
		child = lclone_ref_unpack(&node.index.refs[i]);
		err = mark_tree(s, child, level - 1, first + i * lclone_node_span(level - 1));
	}
	return err;
}

/* Superblocks */

static int add_super(struct lclone_repair *r, struct lclone_sb *sb)
{
	union {
		struct lclone_sb_disk sb;
		u8 bytes[LCLONE_BLOCK_SIZE];
	} block = { .bytes = { 0 } };

	sb->seq++;
	lclone_sb_pack(sb, &block.sb);
	return add_patch(r, sb->seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B, &block);
}

static int add_supers(struct lclone_repair *r, struct lclone_sb *sb)
{
	const struct lclone_delta *delta = &r->salvage.delta;
	const struct lclone_slot *other = &delta->slot[!delta->newest];
	int err;

	if (!other->err && other->sb.seq > sb->seq)
		sb->seq = other->sb.seq;
	/* first to the slot that is not relied on: B if that is A */
	if ((sb->seq + 1) % 2 != (u64)delta->newest)
		sb->seq++;
	err = add_super(r, sb);
	return err ?: add_super(r, sb);
}

static void count_space(struct lclone_salvage *s, struct lclone_sb *sb)
{
	u32 phys, used = 0, end = lclone_phys_end(sb);

	sb->hwm = s->delta.sb.hwm;
	for (phys = sb->first_chunk; phys < end; phys++) {
		if (!lclone_bit(s->data, phys) && !lclone_bit(s->node, phys))
			continue;
		used++;
		if (phys >= sb->hwm)
			sb->hwm = phys + 1;
	}
	sb->freed = sb->hwm - sb->first_chunk - used;
}

static int plan(struct lclone_repair *r)
{
	struct lclone_salvage *s = &r->salvage;
	struct lclone_sb sb = s->delta.sb;
	int err;

	sb.checkpoint = s->max_checkpoint + 1;
	sb.incarnation = s->max_incarnation;
	sb.log_commit = s->next_commit;
	sb.log_pos = sb.log_pos ? 0 : sb.log_blocks / 2;
	sb.merge_cursor = 0;
	memset(sb.spare, 0, sizeof(sb.spare));
	sb.state &= ~LCLONE_STATE_NEEDS_CHECK;
	sb.state |= LCLONE_STATE_CLEAN;
	if (s->changed) {
		err = write_tree(r, &sb);
	} else {
		err = mark_tree(s, (struct lclone_ref){ sb.root_block, sb.root_csum },
				sb.root_level, 0);
		if (err)
			snprintf(r->why, sizeof(r->why), "%s", s->delta.why);
	}
	if (err)
		return err;
	count_space(s, &sb);
	return add_supers(r, &sb);
}

static void nothing_expected(const struct lclone_finding *finding, void *ctx)
{
	char *first = ctx;

	if (!first[0])
		snprintf(first, LCLONE_WHY_SIZE, "%s", finding->text);
}

/* What the patches make of the delta */
static int verify_plan(struct lclone_repair *r, const struct lclone_dev *dev)
{
	struct overlay o = {
		.dev = { .sectors = dev->sectors, .read = overlay_read },
		.under = dev, .patch = r->patch, .patches = r->patches,
	};
	char first[LCLONE_WHY_SIZE] = "";
	struct lclone_usage usage;
	long ret;

	ret = lclone_check(&o.dev, NULL, nothing_expected, first, &usage, r->why);
	if (ret > 0)
		snprintf(r->why, sizeof(r->why), "no repair is possible: %.200s", first);
	return ret > 0 ? -EUCLEAN : ret;
}

int lclone_repair_plan(struct lclone_repair *r, const struct lclone_dev *dev,
		       lclone_report_fn report, void *ctx)
{
	struct lclone_usage usage;
	int err;

	memset(r, 0, sizeof(*r));
	r->findings = lclone_check(dev, NULL, report, ctx, &usage, r->why);
	if (r->findings <= 0)
		return r->findings;
	err = lclone_salvage(&r->salvage, dev);
	if (err) {
		snprintf(r->why, sizeof(r->why), "%s", r->salvage.delta.why);
		return err;
	}
	err = plan(r);
	return err ?: verify_plan(r, dev);
}

void lclone_repair_free(struct lclone_repair *r)
{
	lclone_salvage_free(&r->salvage);
	free(r->patch);
	memset(r, 0, sizeof(*r));
}
