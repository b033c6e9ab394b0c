// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge of a delta ("upper") into the layer right below it ("lower"), which may
 * both be in use for reading.
 *
 * Who reads the lower one comes through the upper, or has the old tree of the
 * lower in memory in parts.  So the old tree stays as it is, on the disk, and so do the
 * data that it names, except for what the upper hides; all else goes to free
 * chunks.  One superblock puts the new tree in its place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "format/tree.h"
#include "format_user.h"
#include "host/machine.h"
#include "offline/copy.h"
#include "offline/merge-parent.h"

#define SLICE_MS	5000

enum { UPPER, LOWER };

struct plan {
	struct lclone_copy_extents extents;	/* of the data to be copied */
	struct lclone_merge *merge;
	struct lclone_delta *delta[2];
	struct lclone_sb sb;		/* what the lower one will have */
	bool hide;			/* something lies below: zeros must be noted */
	u8 *old;			/* bitmap: chunks that the lower one's tree has now */
	u8 *new;			/* chunks that it will have */

	/* A pass over all exceptions: each gives the same chunks to the same data. */
	struct lclone_iter it[2];
	struct {
		u64 chunk, exc;
		bool valid, ended;
	} at[2];
	u64 chunk, from, exc;		/* the upper's and the new exception of a chunk */
	u32 phys;			/* where to look for the next free chunk, for data ... */
	u32 node_phys;			/* ... and for nodes, which come behind */
	u32 todo;			/* subchunks that are to be told, of this chunk */
	struct lclone_chain_extent held;	/* told before, and joined with what follows it */
};

static int failed(const struct plan *p, int level, int err)
{
	return lclone_fail(err, "%s: %s", p->merge->chain->file[level]->path,
			   p->delta[level]->why);
}

static int no_memory(void)
{
	return lclone_fail(-ENOMEM, "out of memory");
}

/* The exceptions of a chunk as one; 0 as phys where the lower has none and needs one. */
static u64 combine(u64 upper, u64 lower, bool hide)
{
	u32 written = lclone_exc_written(upper), zero = lclone_exc_zero(upper);

	written |= lclone_exc_written(lower) & ~zero;
	zero |= lclone_exc_zero(lower);
	zero = hide ? zero & ~written : 0;
	return lclone_exc_make(written ? lclone_exc_phys(lower) : 0, written, zero);
}

/* Passes */

static void start_pass(struct plan *p)
{
	int i;

	for (i = UPPER; i <= LOWER; i++) {
		lclone_iter_init(&p->it[i], p->delta[i], 0);
		p->at[i].valid = false;
		p->at[i].ended = false;
	}
	p->phys = p->sb.first_chunk;
	p->todo = 0;
	p->held.sectors = 0;
}

/* The next chunk from *from on that is free */
static int take_phys(struct plan *p, u32 *from, u32 *phys)
{
	u32 end = lclone_phys_end(&p->sb);

	while (*from < end && lclone_bit(p->old, *from))
		++*from;
	if (*from >= end)
		return lclone_fail(-ENOSPC, "%s: no chunk is free", p->merge->chain->file[LOWER]->path);
	*phys = (*from)++;
	return 0;
}

/* The next chunk that either has an exception of: 1, 0, or an error. */
static int next_pair(struct plan *p, u64 *upper, u64 *lower)
{
	int i, ret;

	for (i = UPPER; i <= LOWER; i++) {
		if (p->at[i].valid || p->at[i].ended)
			continue;
		ret = lclone_iter_next(&p->it[i], &p->at[i].chunk, &p->at[i].exc);
		if (ret < 0)
			return ret == -ENOMEM ? no_memory() : failed(p, i, ret);
		p->at[i].valid = ret;
		p->at[i].ended = !ret;
	}
	if (p->at[UPPER].ended && p->at[LOWER].ended)
		return 0;
	p->chunk = p->at[UPPER].valid ? p->at[UPPER].chunk : UINT64_MAX;
	if (p->at[LOWER].valid && p->at[LOWER].chunk < p->chunk)
		p->chunk = p->at[LOWER].chunk;
	*upper = *lower = 0;
	for (i = UPPER; i <= LOWER; i++) {
		if (!p->at[i].valid || p->at[i].chunk != p->chunk)
			continue;
		*(i == UPPER ? upper : lower) = p->at[i].exc;
		p->at[i].valid = false;
	}
	return 1;
}

/* The same, with a chunk for what needs one */
static int next_merged(struct plan *p)
{
	u64 lower;
	u32 phys = 0;
	int ret = next_pair(p, &p->from, &lower);

	if (ret <= 0)
		return ret;
	p->exc = combine(p->from, lower, p->hide);
	if (!lclone_exc_written(p->exc) || lclone_exc_phys(p->exc))
		return 1;
	ret = take_phys(p, &p->phys, &phys);
	p->exc |= phys;
	return ret ?: 1;
}

/* Data */

static void start_extents(struct lclone_copy_extents *extents)
{
	start_pass(container_of(extents, struct plan, extents));
}

/* The next run of subchunks of a chunk that the upper one has data of, and where they go */
static int next_run(struct plan *p, struct lclone_chain_extent *e)
{
	u32 sub = p->sb.chunk_sectors / LCLONE_SUBCHUNKS, first, n;
	int ret;

	while (!p->todo) {
		ret = next_merged(p);
		if (ret <= 0)
			return ret;
		p->todo = lclone_exc_written(p->from);
	}
	first = __builtin_ctz(p->todo);
	n = __builtin_ctz(~(p->todo >> first));
	p->todo &= ~(((1u << n) - 1) << first);
	*e = (struct lclone_chain_extent){
		.sector = lclone_phys_sector(&p->sb, lclone_exc_phys(p->exc)) + first * sub,
		.sectors = n * sub,
		.source = LCLONE_FROM_DELTA,
		.level = UPPER,
		.delta_sector = lclone_phys_sector(&p->sb, lclone_exc_phys(p->from)) + first * sub,
	};
	return 1;
}

/* Runs that follow each other in both devices are one extent. */
static int next_extent(struct lclone_copy_extents *extents, struct lclone_chain_extent *extent)
{
	struct plan *p = container_of(extents, struct plan, extents);
	struct lclone_chain_extent *held = &p->held, e;
	int ret;

	while ((ret = next_run(p, &e)) > 0) {
		if (!held->sectors) {
			*held = e;
		} else if (e.sector == held->sector + held->sectors &&
			   e.delta_sector == held->delta_sector + held->sectors) {
			held->sectors += e.sectors;
		} else {
			*extent = *held;
			*held = e;
			return 1;
		}
	}
	if (ret || !held->sectors)
		return ret;
	*extent = *held;
	held->sectors = 0;
	return 1;
}

/* What another host has written to the upper one would be lost: it is left to that. */
static int refuse_changed(const struct plan *p)
{
	if (lclone_delta_unchanged(p->delta[UPPER]))
		return 0;
	return lclone_fail(-EBUSY, "%s was changed meanwhile, maybe by another host: see \"lclone tree\", and run it again",
			   p->merge->chain->file[UPPER]->path);
}

static int copy_data(struct plan *p)
{
	struct lclone_copy *copy;
	int ret;

	p->extents.start = start_extents;
	p->extents.next = next_extent;
	ret = lclone_copy_new_extents(&copy, p->merge, &p->extents);
	while (!ret) {
		ret = lclone_copy_run(copy, SLICE_MS);
		if (ret <= 0)
			break;
		ret = refuse_changed(p);
	}
	lclone_copy_free(copy);
	return ret;
}

/* Nodes */

static int take_node_chunk(struct lclone_tree *tree, u32 *phys)
{
	struct plan *p = tree->ctx;
	int err = take_phys(p, &p->node_phys, phys);

	if (!err)
		lclone_bit_set(p->new, *phys);
	return err;
}

static int write_node(struct lclone_tree *tree, u64 block, const union lclone_node *node)
{
	struct plan *p = tree->ctx;

	return lclone_file_write(p->merge->target, node, block * LCLONE_BLOCK_SECTORS,
				 LCLONE_BLOCK_SECTORS);
}

static int write_leaves(struct plan *p, struct lclone_tree *tree)
{
	union lclone_node leaf = { .index = { .refs = { { .block = 0 } } } };
	u64 first = UINT64_MAX, at;
	int ret, err = 0;

	start_pass(p);
	while ((ret = next_merged(p)) > 0) {
		if (!p->exc)
			continue;
		at = p->chunk - p->chunk % LCLONE_LEAF_EXCEPTIONS;
		if (at != first && first != UINT64_MAX) {
			err = lclone_tree_leaf(tree, first, &leaf);
			if (err)
				return err;
			memset(&leaf, 0, sizeof(leaf));
		}
		first = at;
		leaf.leaf.exceptions[p->chunk - at] = cpu_to_le64(p->exc);
		if (lclone_exc_phys(p->exc))
			lclone_bit_set(p->new, lclone_exc_phys(p->exc));
	}
	if (!ret && first != UINT64_MAX)
		ret = lclone_tree_leaf(tree, first, &leaf);
	return ret;
}

static int write_tree(struct plan *p)
{
	struct lclone_tree tree = {
		.sb = &p->sb, .take = take_node_chunk, .write = write_node, .ctx = p,
	};
	int err;

	p->node_phys = p->phys;		/* the pass over the data has taken all that it takes */
	err = write_leaves(p, &tree);
	if (!err)
		err = lclone_tree_end(&tree, &p->sb);
	lclone_tree_free(&tree);
	return err == -ENOMEM ? no_memory() : err;
}

/* Space */

struct count {
	u64 data;			/* chunks that are missing */
	u64 nodes[LCLONE_LEVELS];
	u64 last[LCLONE_LEVELS];	/* number of the last node of a level, from 1 */
};

static void count_nodes(struct count *c, u64 chunk, u32 levels)
{
	u64 number;
	u32 level;

	for (level = 0; level <= levels; level++) {
		number = chunk / lclone_node_span(level) + 1;
		c->nodes[level] += c->last[level] != number;
		c->last[level] = number;
	}
}

static int count(struct plan *p, struct lclone_merge_space *space)
{
	u32 per_chunk = p->sb.chunk_sectors / LCLONE_BLOCK_SECTORS, level;
	u32 levels = lclone_tree_level(p->delta[UPPER]->chunks);
	u64 upper, lower, exc, nodes = 0;
	struct count c = { .data = 0 };
	int ret;

	start_pass(p);
	while ((ret = next_pair(p, &upper, &lower)) > 0) {
		exc = combine(upper, lower, p->hide);
		if (exc)
			count_nodes(&c, p->chunk, levels);
		c.data += lclone_exc_written(exc) && !lclone_exc_phys(exc);
	}
	for (level = 0; level <= levels; level++)
		nodes += c.nodes[level];
	space->needed = c.data + (nodes + per_chunk - 1) / per_chunk;
	return ret;
}

static u64 count_bits(const u8 *map, u32 end)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < end; i++)
		n += lclone_bit(map, i) != 0;
	return n;
}

/* A delta that can be written keeps what its checkpoints need. */
static void count_available(struct plan *p, struct lclone_merge_space *space)
{
	u32 end = lclone_phys_end(&p->sb), reserve = 0;
	u64 free = end - p->sb.first_chunk - count_bits(p->old, end);

	if (!(p->delta[UPPER]->sb.state & LCLONE_STATE_SEALED))
		reserve = lclone_reserve_chunks(&p->sb);
	space->available = free > reserve ? free - reserve : 0;
}

/* Plan */

static int mark_old(struct plan *p)
{
	struct lclone_iter it;
	u64 chunk, exc;
	int ret = lclone_tree_mark(p->delta[LOWER], p->old);

	lclone_iter_init(&it, p->delta[LOWER], 0);
	while (!ret && (ret = lclone_iter_next(&it, &chunk, &exc)) > 0) {
		if (lclone_exc_phys(exc))
			lclone_bit_set(p->old, lclone_exc_phys(exc));
		ret = 0;
	}
	return ret ? failed(p, LOWER, ret) : 0;
}

static void free_plan(struct plan *p)
{
	free(p->old);
	free(p->new);
}

static int make_plan(struct plan *p, struct lclone_merge *merge, struct lclone_merge_space *space)
{
	struct lclone_delta *upper = merge->chain->delta[UPPER];
	struct lclone_delta *lower = merge->chain->delta[LOWER];
	size_t size;
	int err;

	*p = (struct plan){
		.merge = merge, .delta = { upper, lower }, .sb = lower->slot[lower->newest].sb,
	};
	p->sb.device_sectors = lower->dev->sectors;	/* it may have grown */
	p->sb.virtual_sectors = upper->sb.virtual_sectors;
	p->hide = lclone_has_parent(&lower->sb) || upper->sb.base_fp_alg != LCLONE_FP_NONE;
	size = lclone_phys_end(&p->sb) / 8 + 1;
	p->old = calloc(1, size);
	p->new = calloc(1, size);
	if (!p->old || !p->new)
		return no_memory();
	err = mark_old(p);
	if (!err)
		err = count(p, space);
	count_available(p, space);
	return err;
}

int lclone_merge_measure(struct lclone_merge *merge, struct lclone_merge_space *space)
{
	struct plan plan;
	int err = make_plan(&plan, merge, space);

	free_plan(&plan);
	return err;
}

/* Superblocks */

static int refuse(const struct lclone_merge *merge)
{
	const struct lclone_sb *upper = &merge->chain->delta[UPPER]->sb;
	const struct lclone_sb *lower = &merge->chain->delta[LOWER]->sb;

	if (lclone_half_merged(upper))
		return lclone_fail(-EBUSY, "%s is being merged with the layer above (uuid %s), and is nothing without it: end that first",
				   merge->chain->file[UPPER]->path, upper->owner);
	if (upper->virtual_sectors < lower->virtual_sectors)
		return lclone_fail(-EFBIG, "%s has %s, the layer below %s: what is beyond its end cannot be merged",
				   merge->chain->file[UPPER]->path,
				   LCLONE_SIZE(upper->virtual_sectors),
				   LCLONE_SIZE(lower->virtual_sectors));
	if (lclone_half_merged(lower) && !lclone_half_merged_with(lower, upper->uuid))
		return lclone_fail(-EBUSY, "%s is being merged with another layer (uuid %s)",
				   merge->chain->file[LOWER]->path, lower->owner);
	return lclone_refuse_owned(merge->chain->file[UPPER]->path, upper);
}

static int check_room(const struct plan *p, const struct lclone_merge_space *space)
{
	u64 chunk = p->sb.chunk_sectors * 512ull;

	if (space->needed <= space->available)
		return 0;
	return lclone_fail(-EFBIG, "%s is too small: the merge needs %" PRIu64 " KiB there, %"
			   PRIu64 " KiB are free", p->merge->chain->file[LOWER]->path,
			   space->needed * chunk >> 10, space->available * chunk >> 10);
}

/*
 * The upper one is nobody else's from here on, who would lose what it writes there at the end.  A
 * layer is not written, and needs no note.
 */
static int note_host(struct plan *p)
{
	struct lclone_delta *upper = p->delta[UPPER];
	struct lclone_sb *sb = &upper->slot[upper->newest].sb;
	char owner[LCLONE_OWNER_SIZE];

	if (sb->state & LCLONE_STATE_SEALED || !lclone_this_host(owner))
		return refuse_changed(p);
	lclone_owner_note(sb, owner, time(NULL));
	return lclone_super_write(p->merge->chain->file[UPPER], sb);
}

/* From here on the lower one is read through the upper only: what that hides is overwritten. */
static int begin(struct plan *p)
{
	const struct lclone_delta *lower = p->delta[LOWER];
	struct lclone_sb sb = lower->slot[lower->newest].sb;
	int err = 0;

	if (!lclone_half_merged(&sb)) {
		sb.state |= LCLONE_STATE_MERGING;
		sb.merge_cursor = 0;
		lclone_owner_set(&sb, p->delta[UPPER]->sb.uuid);
		err = lclone_super_write(p->merge->target, &sb);
	}
	p->sb.seq = sb.seq;
	return err;
}

static u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

/*
 * The upper one's identity and what belongs to it, on the lower one's place in the chain;
 * later than all that either has in its log.
 */
static void name_new(struct plan *p)
{
	const struct lclone_delta *upper = p->delta[UPPER], *lower = p->delta[LOWER];
	struct lclone_sb *sb = &p->sb;

	lclone_owner_set(sb, lower->sb.uuid);
	memcpy(sb->uuid, upper->sb.uuid, LCLONE_UUID_SIZE);
	memcpy(sb->label, upper->sb.label, LCLONE_LABEL_SIZE);
	sb->generation = upper->sb.generation;
	sb->sealed_at = upper->sb.sealed_at;
	sb->block_size = upper->sb.block_size;
	sb->state = (upper->sb.state & LCLONE_STATE_SEALED) | LCLONE_STATE_CLEAN;
	sb->base_fp_alg = upper->sb.base_fp_alg;
	sb->base_sectors = upper->sb.base_sectors;
	sb->base_fp = upper->sb.base_fp;
	memcpy(sb->base_root, upper->sb.base_root, LCLONE_ROOT_SIZE);
	sb->checkpoint = max_u64(upper->sb.checkpoint, lower->sb.checkpoint) + 1;
	sb->incarnation = max_u64(max_u64(upper->sb.incarnation, upper->scan.max_incarnation),
				  max_u64(lower->sb.incarnation, lower->scan.max_incarnation));
	sb->log_commit = max_u64(upper->scan.next_commit, lower->scan.next_commit);
	sb->log_pos = sb->log_pos ? 0 : sb->log_blocks / 2;
	sb->merge_cursor = 0;
	memset(sb->spare, 0, sizeof(sb->spare));
}

static void count_new(struct plan *p)
{
	u32 end = lclone_phys_end(&p->sb);

	for (p->sb.hwm = end; p->sb.hwm > p->sb.first_chunk; p->sb.hwm--)
		if (lclone_bit(p->new, p->sb.hwm - 1))
			break;
	p->sb.freed = p->sb.hwm - p->sb.first_chunk - count_bits(p->new, p->sb.hwm);
}

/* First the slot that was older, then the one that still has the old identity */
static int take_over(struct plan *p)
{
	int err;

	count_new(p);
	lclone_log_set_ended(&p->sb);
	err = lclone_super_write(p->merge->target, &p->sb);
	lclone_log_set_ended(&p->sb);
	return err ?: lclone_super_write(p->merge->target, &p->sb);
}

int lclone_merge_into_parent(struct lclone_merge *merge)
{
	struct lclone_merge_space space;
	struct plan plan;
	int err;

	err = refuse(merge);
	if (err)
		return err;
	err = make_plan(&plan, merge, &space);
	if (!err)
		err = check_room(&plan, &space);
	if (!err)
		err = note_host(&plan);
	if (!err)
		err = begin(&plan);
	if (!err && merge->share)
		err = lclone_lock(merge->target, LCLONE_LOCK_SHARED);
	if (!err)
		err = copy_data(&plan);
	if (!err) {
		name_new(&plan);
		err = write_tree(&plan);
	}
	if (!err)
		err = lclone_file_sync(merge->target);
	if (!err)
		err = refuse_changed(&plan) ?: take_over(&plan);
	free_plan(&plan);
	return err;
}

int lclone_merge_settle(struct lclone_file *file)
{
	struct lclone_delta delta;
	struct lclone_sb sb;
	int err = lclone_delta_open_sb(&delta, &file->dev);

	sb = delta.slot[delta.newest].sb;
	if (err)
		err = lclone_fail(err, "%s: %s", file->path, delta.why);
	else if (lclone_delta_damaged_slot(&delta) < 0 &&
		 memcmp(delta.slot[0].sb.uuid, delta.slot[1].sb.uuid, LCLONE_UUID_SIZE))
		err = lclone_super_write(file, &sb);
	lclone_delta_close(&delta);
	return err;
}
