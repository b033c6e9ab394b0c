// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree that a repair makes.  Leaves that are right stay where they are, those
 * without an exception go, and all index nodes are new.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format/tree.h"
#include "offline/repair-tree.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-rules.h"

static int no_memory(struct lclone_repair *r)
{
	snprintf(r->why, sizeof(r->why), "out of memory");
	return -ENOMEM;
}

static u32 per_chunk(const struct lclone_repair *r)
{
	return r->salvage.delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS;
}

static u64 block_of(const struct lclone_repair *r, size_t i)
{
	u32 n = per_chunk(r);

	return (u64)r->tree.chunk[i / n] * n + i % n;
}

static u64 number_of(const void *number)
{
	return *(const u32 *)number;
}

static size_t lower_bound(const u32 *array, size_t count, u32 value)
{
	return lclone_lower_bound(array, count, sizeof(*array), value, number_of);
}

bool lclone_new_tree_at(const struct lclone_repair *r, u64 block, size_t *i)
{
	const struct lclone_new_tree *t = &r->tree;
	u32 n = per_chunk(r);
	size_t at;

	if (block / n > UINT32_MAX)
		return false;
	at = lower_bound(t->chunk, t->chunks, block / n);
	*i = at * n + block % n;
	return at < t->chunks && t->chunk[at] == block / n && *i < t->nodes;
}

/* Content */

static void leaf_ref(const struct lclone_repair *r, size_t leaf, struct lclone_ref_disk *d)
{
	const struct lclone_salvaged *l = &r->salvage.leaf[leaf];
	struct lclone_ref ref = { .block = l->block, .csum = l->csum };

	if (l->flags & LCLONE_LEAF_CHANGED)
		ref.block = block_of(r, lower_bound(r->tree.leaf, r->tree.leaves, leaf));
	lclone_ref_pack(ref, d);
}

static void refs_to_leaves(const struct lclone_repair *r, u64 place, struct lclone_index_disk *d)
{
	const struct lclone_salvage *s = &r->salvage;
	size_t i = lclone_leaf_lower_bound(s, place * LCLONE_NODE_REFS);

	for (; i < s->leaves && s->leaf[i].place / LCLONE_NODE_REFS == place; i++)
		if (!(s->leaf[i].flags & LCLONE_LEAF_EMPTY))
			leaf_ref(r, i, &d->refs[s->leaf[i].place % LCLONE_NODE_REFS]);
}

static u64 place_of(const void *node)
{
	return ((const struct lclone_new_index *)node)->place;
}

static void refs_to_nodes(const struct lclone_repair *r, u32 level, u64 place,
			  struct lclone_index_disk *d)
{
	const struct lclone_new_level *below = &r->tree.level[level - 1];
	size_t i = lclone_lower_bound(below->node, below->nodes, sizeof(*below->node),
				      place * LCLONE_NODE_REFS, place_of);

	for (; i < below->nodes && below->node[i].place / LCLONE_NODE_REFS == place; i++)
		lclone_ref_pack((struct lclone_ref){ .block = block_of(r, below->first + i),
						     .csum = below->node[i].csum },
				&d->refs[below->node[i].place % LCLONE_NODE_REFS]);
}

static void make_index(struct lclone_repair *r, u32 level, size_t k, union lclone_node *node,
		       u32 *csum)
{
	u64 place = r->tree.level[level].node[k].place;

	memset(node, 0, sizeof(*node));
	if (level == 1)
		refs_to_leaves(r, place, &node->index);
	else
		refs_to_nodes(r, level, place, &node->index);
	lclone_node_seal(&node->head, r->salvage.delta.sb.uuid, r->tree.checkpoint,
			 place * lclone_node_span(level), level, csum);
}

static int make_leaf(struct lclone_repair *r, struct lclone_salvaged *leaf,
		     union lclone_node *node, u32 *csum)
{
	int err;

	memset(node, 0, sizeof(*node));
	err = lclone_salvage_content(&r->salvage, leaf, &node->leaf);
	if (err)
		snprintf(r->why, sizeof(r->why), "%s", r->salvage.delta.why);
	lclone_node_seal(&node->head, r->salvage.delta.sb.uuid, r->tree.checkpoint,
			 (u64)leaf->place * LCLONE_LEAF_EXCEPTIONS, 0, csum);
	return err;
}

int lclone_new_tree_node(struct lclone_repair *r, size_t i, u64 *block, union lclone_node *node)
{
	const struct lclone_new_tree *t = &r->tree;
	struct lclone_salvaged *leaf;
	u32 level = 1, csum;
	int err;

	*block = block_of(r, i);
	if (i >= t->leaves) {
		while (i - t->level[level].first >= t->level[level].nodes)
			level++;
		make_index(r, level, i - t->level[level].first, node, &csum);
		return 0;
	}
	leaf = &r->salvage.leaf[t->leaf[i]];
	err = make_leaf(r, leaf, node, &csum);
	if (!err && csum != leaf->csum) {
		snprintf(r->why, sizeof(r->why),
			 "node at block %llu: was changed while the repair was under way",
			 (unsigned long long)leaf->block);
		err = -EUCLEAN;
	}
	return err;
}

/* Plan */

static bool is_needed(const struct lclone_salvaged *leaf)
{
	return !(leaf->flags & LCLONE_LEAF_EMPTY);
}

/* The leaves that change */
static int list_leaves(struct lclone_repair *r)
{
	struct lclone_new_tree *t = &r->tree;
	struct lclone_salvage *s = &r->salvage;
	const u32 new = LCLONE_LEAF_CHANGED;
	size_t i;

	for (i = 0; i < s->leaves; i++)
		t->leaves += is_needed(&s->leaf[i]) && s->leaf[i].flags & new;
	t->leaf = calloc(t->leaves + 1, sizeof(*t->leaf));
	if (!t->leaf)
		return no_memory(r);
	t->leaves = 0;
	for (i = 0; i < s->leaves; i++)
		if (is_needed(&s->leaf[i]) && s->leaf[i].flags & new)
			t->leaf[t->leaves++] = i;
	return 0;
}

/* The node over @place of the level below, unless it was the last one. @node may be NULL. */
static size_t add_over(struct lclone_new_index *node, size_t nodes, u64 *last, u64 place)
{
	if (place / LCLONE_NODE_REFS == *last)
		return nodes;
	*last = place / LCLONE_NODE_REFS;
	if (node)
		node[nodes].place = *last;
	return nodes + 1;
}

/* The places of the nodes of level 1, or how many there are */
static size_t over_leaves(const struct lclone_salvage *s, struct lclone_new_index *node)
{
	u64 last = UINT64_MAX;
	size_t i, nodes = 0;

	for (i = 0; i < s->leaves; i++)
		if (is_needed(&s->leaf[i]))
			nodes = add_over(node, nodes, &last, s->leaf[i].place);
	return nodes;
}

static size_t over_nodes(const struct lclone_new_level *below, struct lclone_new_index *node)
{
	u64 last = UINT64_MAX;
	size_t i, nodes = 0;

	for (i = 0; i < below->nodes; i++)
		nodes = add_over(node, nodes, &last, below->node[i].place);
	return nodes;
}

/* The index nodes, as few levels of them as can be */
static int list_indexes(struct lclone_repair *r)
{
	struct lclone_new_tree *t = &r->tree;
	struct lclone_salvage *s = &r->salvage;
	struct lclone_new_level *l;
	size_t end = s->leaves;
	u32 level;

	while (end && !is_needed(&s->leaf[end - 1]))
		end--;
	if (end)
		t->top = lclone_tree_level((u64)s->leaf[end - 1].place * LCLONE_LEAF_EXCEPTIONS + 1);
	t->nodes = t->leaves;
	for (level = 1; level <= t->top; level++) {
		l = &t->level[level];
		l->first = t->nodes;
		l->nodes = level == 1 ? over_leaves(s, NULL) : over_nodes(l - 1, NULL);
		l->node = calloc(l->nodes, sizeof(*l->node));
		if (!l->node)
			return no_memory(r);
		if (level == 1)
			over_leaves(s, l->node);
		else
			over_nodes(l - 1, l->node);
		t->nodes += l->nodes;
	}
	return 0;
}

/* Chunks that nothing refers to, now or before */
static int take_chunks(struct lclone_repair *r, const struct lclone_sb *sb)
{
	struct lclone_new_tree *t = &r->tree;
	size_t wanted = (t->nodes + per_chunk(r) - 1) / per_chunk(r);
	u32 phys = sb->first_chunk;

	t->chunk = calloc(wanted + 1, sizeof(*t->chunk));
	if (!t->chunk)
		return no_memory(r);
	for (; t->chunks < wanted; phys++) {
		if (phys >= lclone_phys_end(sb)) {
			snprintf(r->why, sizeof(r->why),
				 "no chunk is free for the repaired tree: extend the device");
			return -ENOSPC;
		}
		if (!lclone_bit(r->salvage.busy, phys))
			t->chunk[t->chunks++] = phys;
	}
	return 0;
}

static int make_nodes(struct lclone_repair *r)
{
	struct lclone_new_tree *t = &r->tree;
	struct lclone_salvage *s = &r->salvage;
	struct lclone_salvaged *leaf;
	union lclone_node node;
	u32 level, csum;
	size_t i;
	int err;

	for (i = 0; i < t->leaves; i++) {
		if (lclone_watch_stops(s->watch, "planning", (u64)i * LCLONE_BLOCK_SIZE,
				       (u64)t->leaves * LCLONE_BLOCK_SIZE)) {
			snprintf(r->why, sizeof(r->why), "interrupted");
			return -EINTR;
		}
		leaf = &s->leaf[t->leaf[i]];
		err = make_leaf(r, leaf, &node, &csum);
		if (err)
			return err;
		leaf->csum = csum;
		leaf->flags |= LCLONE_LEAF_PLANNED;
	}
	for (level = 1; level <= t->top; level++)
		for (i = 0; i < t->level[level].nodes; i++) {
			make_index(r, level, i, &node, &csum);
			t->level[level].node[i].csum = csum;
		}
	return 0;
}

static void note_root(const struct lclone_repair *r, struct lclone_sb *sb)
{
	const struct lclone_new_tree *t = &r->tree;
	struct lclone_ref_disk d = { .block = 0 };
	struct lclone_ref ref;
	size_t i;

	for (i = 0; !t->top && i < r->salvage.leaves; i++)
		if (is_needed(&r->salvage.leaf[i]))	/* the only one */
			leaf_ref(r, i, &d);
	ref = lclone_ref_unpack(&d);
	if (t->top)
		ref = (struct lclone_ref){ .block = block_of(r, t->nodes - 1),
					   .csum = t->level[t->top].node[0].csum };
	sb->root_block = ref.block;
	sb->root_csum = ref.csum;
	sb->root_level = t->top;
}

/* From now on salvage->busy has the chunks of all nodes of the new tree. */
static void mark_nodes(struct lclone_repair *r, const struct lclone_sb *sb)
{
	struct lclone_salvage *s = &r->salvage;
	size_t i;

	memset(s->busy, 0, lclone_phys_end(sb) / 8 + 1);
	for (i = 0; i < r->tree.chunks; i++)
		lclone_bit_set(s->busy, r->tree.chunk[i]);
	for (i = 0; i < s->leaves; i++)
		if (is_needed(&s->leaf[i]) && !(s->leaf[i].flags & LCLONE_LEAF_CHANGED))
			lclone_bit_set(s->busy, s->leaf[i].block / per_chunk(r));
}

int lclone_new_tree(struct lclone_repair *r, struct lclone_sb *sb)
{
	int err;

	r->tree.checkpoint = sb->checkpoint;
	err = list_leaves(r);
	if (!err)
		err = list_indexes(r);
	if (!err)
		err = take_chunks(r, sb);
	if (!err)
		err = make_nodes(r);
	if (err)
		return err;
	note_root(r, sb);
	mark_nodes(r, sb);
	return 0;
}

void lclone_new_tree_free(struct lclone_new_tree *t)
{
	u32 level;

	for (level = 0; level < LCLONE_LEVELS; level++)
		free(t->level[level].node);
	free(t->leaf);
	free(t->chunk);
}
