// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/tree.h"
#include "format_user.h"
#include "offline/repair.h"
#include "offline/salvage.h"

/* The device as the patches make it, to read from */
struct overlay {
	struct lclone_dev dev;
	const struct lclone_dev *under;
	struct lclone_repair *r;
};

int lclone_repair_patch(struct lclone_repair *r, size_t i, struct lclone_patch *patch)
{
	union lclone_node node;
	int err;

	if (i >= r->tree.nodes + 2) {
		memset(patch, 0, sizeof(*patch));
		patch->block = r->salvage.delta.sb.log_start +
			       r->salvage.unread[i - r->tree.nodes - 2];
		return 0;
	}
	if (i >= r->tree.nodes) {
		*patch = r->super[i - r->tree.nodes];
		return 0;
	}
	err = lclone_new_tree_node(r, i, &patch->block, &node);
	memcpy(patch->data, &node, sizeof(node));
	return err;
}

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

static int compare_positions(const void *pa, const void *pb)
{
	const u32 *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

/* Which patch is at @block? They have no block in common. */
static bool patch_at(const struct lclone_repair *r, u64 block, size_t *i)
{
	const struct lclone_salvage *s = &r->salvage;
	const u64 off = block - s->delta.sb.log_start;
	const u32 pos = off;
	const u32 *unread = NULL;

	if (lclone_new_tree_at(r, block, i))
		return true;
	for (*i = r->tree.nodes; *i < r->tree.nodes + 2; ++*i)
		if (r->super[*i - r->tree.nodes].block == block)
			return true;
	if (s->nr_unread && block >= s->delta.sb.log_start && off < s->delta.sb.log_blocks)
		unread = bsearch(&pos, s->unread, s->nr_unread, sizeof(pos), compare_positions);
	if (unread)
		*i += unread - s->unread;
	return unread;
}

/* Block by block, without those that are overwritten: they need not be readable. */
static int read_around(const struct overlay *o, u8 *buf, u64 sector, u64 end)
{
	size_t i;
	u64 next;
	int err = 0;

	for (; !err && sector < end; buf += (next - sector) << 9, sector = next) {
		next = (sector / LCLONE_BLOCK_SECTORS + 1) * LCLONE_BLOCK_SECTORS;
		next = next < end ? next : end;
		if (!patch_at(o->r, sector / LCLONE_BLOCK_SECTORS, &i))
			err = lclone_dev_read(o->under, buf, sector, next - sector);
	}
	return err;
}

static int overlay_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct overlay *o = container_of(dev, struct overlay, dev);
	u64 end = sector + count, block;
	struct lclone_patch patch;
	size_t i;
	int err;

	err = lclone_dev_read(o->under, buf, sector, count);
	if (err)
		err = read_around(o, buf, sector, end);
	for (block = sector / LCLONE_BLOCK_SECTORS; !err && block * LCLONE_BLOCK_SECTORS < end;
	     block++) {
		if (!patch_at(o->r, block, &i))
			continue;
		err = lclone_repair_patch(o->r, i, &patch);
		if (!err)
			overlay_one(&patch, buf, sector, end);
	}
	return err;
}

/* Superblocks */

static void add_super(struct lclone_patch *patch, struct lclone_sb *sb)
{
	sb->seq++;
	patch->block = sb->seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B;
	memset(patch->data, 0, sizeof(patch->data));
	lclone_sb_pack(sb, (struct lclone_sb_disk *)patch->data);
}

static void add_supers(struct lclone_repair *r, struct lclone_sb *sb)
{
	const struct lclone_delta *delta = &r->salvage.delta;
	const struct lclone_slot *other = &delta->slot[!delta->newest];

	if (!other->err && other->sb.seq > sb->seq)
		sb->seq = other->sb.seq;
	/* first to the slot that is not relied on: B if that is A */
	if ((sb->seq + 1) % 2 != (u64)delta->newest)
		sb->seq++;
	add_super(&r->super[0], sb);
	add_super(&r->super[1], sb);
	r->patches = r->tree.nodes + 2 + r->salvage.nr_unread;
}

/* From here on busy has the chunks of all nodes. */
static void count_space(struct lclone_salvage *s, struct lclone_sb *sb)
{
	u32 phys, used = 0, end = lclone_phys_end(sb);

	sb->hwm = s->delta.sb.hwm;
	for (phys = sb->first_chunk; phys < end; phys++) {
		if (!lclone_bit(s->data, phys) && !lclone_bit(s->busy, phys))
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

	/*
	 * Not the next one: if the repair is stopped before a superblock is written, its nodes
	 * must not be taken for those of a checkpoint whose superblock was lost.
	 */
	sb.checkpoint = s->max_checkpoint + 2;
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
		err = lclone_new_tree(r, &sb);
	} else {
		memset(s->busy, 0, lclone_phys_end(&sb) / 8 + 1);
		err = lclone_tree_mark(&s->delta, s->busy);
		if (err)
			snprintf(r->why, sizeof(r->why), "%s", s->delta.why);
	}
	if (err)
		return err;
	count_space(s, &sb);
	add_supers(r, &sb);
	free(s->busy);			/* they are not needed any more */
	free(s->data);
	s->busy = s->data = NULL;
	return 0;
}

static void nothing_expected(const struct lclone_finding *finding, void *ctx)
{
	char *first = ctx;

	if (!first[0])
		snprintf(first, LCLONE_WHY_SIZE, "%s", finding->text);
}

/* What the patches make of the delta */
static int verify_plan(struct lclone_repair *r, const struct lclone_dev *dev,
		       const struct lclone_watch *watch)
{
	struct overlay o = {
		.dev = { .sectors = dev->sectors, .read = overlay_read },
		.under = dev, .r = r,
	};
	char first[LCLONE_WHY_SIZE] = "";
	struct lclone_usage usage;
	long ret;

	ret = lclone_check_watched(&o.dev, NULL, nothing_expected, first, &usage, r->why, watch);
	if (ret > 0)
		snprintf(r->why, sizeof(r->why), "no repair is possible: %.200s", first);
	return ret > 0 ? -EUCLEAN : ret;
}

int lclone_repair_plan(struct lclone_repair *r, const struct lclone_dev *dev,
		       lclone_report_fn report, void *ctx, const struct lclone_watch *watch)
{
	struct lclone_usage usage;
	int err;

	memset(r, 0, sizeof(*r));
	r->findings = lclone_check_watched(dev, NULL, report, ctx, &usage, r->why, watch);
	if (r->findings <= 0)
		return r->findings;
	err = lclone_salvage(&r->salvage, dev, watch);
	if (err) {
		snprintf(r->why, sizeof(r->why), "%s", r->salvage.delta.why);
		return err;
	}
	err = plan(r);
	return err ?: verify_plan(r, dev, watch);
}

void lclone_repair_free(struct lclone_repair *r)
{
	lclone_salvage_free(&r->salvage);
	lclone_new_tree_free(&r->tree);
	memset(r, 0, sizeof(*r));
}
