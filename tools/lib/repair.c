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

struct new_tree {
	struct lclone_repair *r;
	u32 phys;			/* where to look for a free chunk */
};

/* A chunk that nothing refers to, now or before */
static int take_chunk(struct lclone_tree *tree, u32 *phys)
{
	struct new_tree *t = tree->ctx;
	struct lclone_salvage *s = &t->r->salvage;

	while (t->phys < lclone_phys_end(tree->sb) && lclone_bit(s->busy, t->phys))
		t->phys++;
	if (t->phys >= lclone_phys_end(tree->sb)) {
		snprintf(t->r->why, sizeof(t->r->why),
			 "no chunk is free for the repaired tree: extend the device");
		return -ENOSPC;
	}
	lclone_bit_set(s->node, t->phys);
	*phys = t->phys++;
	return 0;
}

static int plan_node(struct lclone_tree *tree, u64 block, const union lclone_node *node)
{
	return add_patch(((struct new_tree *)tree->ctx)->r, block, node);
}

/* Leaves that are right stay where they are; those without an exception go. */
static int plan_leaf(struct lclone_salvage *s, struct lclone_tree *tree,
		     const struct lclone_salvaged *leaf)
{
	union lclone_node node;
	bool any = false;
	u32 k;

	memset(&node, 0, sizeof(node));
	for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
		node.leaf.exceptions[k] = cpu_to_le64(leaf->exc[k]);
		any |= leaf->exc[k] != 0;
	}
	if (!any)
		return 0;
	if (leaf->changed)
		return lclone_tree_leaf(tree, leaf->first, &node);
	lclone_bit_set(s->node, leaf->ref.block * LCLONE_BLOCK_SECTORS / tree->sb->chunk_sectors);
	return lclone_tree_keep(tree, leaf->first, leaf->ref);
}

static int write_tree(struct lclone_repair *r, struct lclone_sb *sb)
{
	struct new_tree t = { .r = r, .phys = sb->first_chunk };
	struct lclone_tree tree = {
		.sb = sb, .take = take_chunk, .write = plan_node, .ctx = &t,
	};
	struct lclone_salvage *s = &r->salvage;
	size_t i;
	int err = 0;

	memset(s->node, 0, lclone_phys_end(sb) / 8 + 1);
	for (i = 0; !err && i < s->leaves; i++)
		err = plan_leaf(s, &tree, s->leaf[i]);
	if (!err)
		err = lclone_tree_end(&tree, sb);
	if (err == -ENOMEM)
		snprintf(r->why, sizeof(r->why), "out of memory");
	lclone_tree_free(&tree);
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
	/* what lies on it was made on another content */
	if (sb.state & LCLONE_STATE_SEALED && s->losses)
		sb.generation++;
	if (s->changed) {
		err = write_tree(r, &sb);
	} else {
		err = lclone_tree_mark(&s->delta, s->node);
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
