// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "format/tree.h"

static int new_block(struct lclone_tree *t, u64 *block)
{
	u32 per_chunk = t->sb->chunk_sectors / LCLONE_BLOCK_SECTORS, phys;
	int err;

	if (!t->left) {
		err = t->take(t, &phys);
		if (err)
			return err;
		t->block = (u64)phys * per_chunk;
		t->left = per_chunk;
	}
	t->left--;
	*block = t->block++;
	return 0;
}

static int write_node(struct lclone_tree *t, union lclone_node *node, u32 level, u64 first,
		      struct lclone_ref *ref)
{
	int err;

	*ref = (struct lclone_ref){ .block = 0 };
	err = new_block(t, &ref->block);
	if (err)
		return err;
	lclone_node_seal(&node->head, t->sb->uuid, t->sb->checkpoint, first, level, &ref->csum);
	return t->write(t, ref->block, node);
}

int lclone_tree_keep(struct lclone_tree *t, u64 first, struct lclone_ref ref)
{
	struct lclone_tree_child *bigger;

	if (t->count == t->room) {
		t->room = 2 * t->room + 64;
		bigger = reallocarray(t->child, t->room, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		t->child = bigger;
	}
	t->child[t->count++] = (struct lclone_tree_child){ first, ref };
	return 0;
}

int lclone_tree_leaf(struct lclone_tree *t, u64 first, union lclone_node *leaf)
{
	struct lclone_ref ref;
	int err = write_node(t, leaf, 0, first, &ref);

	return err ?: lclone_tree_keep(t, first, ref);
}

/* The level above: in place, for there are never more parents than children. */
static int write_parents(struct lclone_tree *t, u32 level)
{
	u64 span = lclone_node_span(level), below = lclone_node_span(level - 1), first;
	struct lclone_tree_child *child = t->child;
	size_t i, parents = 0;
	union lclone_node node;
	int err;

	for (i = 0; i < t->count; ) {
		first = child[i].first / span * span;
		memset(&node, 0, sizeof(node));
		for (; i < t->count && child[i].first - first < span; i++)
			lclone_ref_pack(child[i].ref,
					&node.index.refs[(child[i].first - first) / below]);
		err = write_node(t, &node, level, first, &child[parents].ref);
		if (err)
			return err;
		child[parents++].first = first;
	}
	t->count = parents;
	return 0;
}

int lclone_tree_end(struct lclone_tree *t, struct lclone_sb *sb)
{
	u32 level, top = t->count ? lclone_tree_level(t->child[t->count - 1].first + 1) : 0;
	int err = 0;

	for (level = 1; !err && level <= top; level++)
		err = write_parents(t, level);
	sb->root_block = t->count ? t->child[0].ref.block : 0;
	sb->root_csum = t->count ? t->child[0].ref.csum : 0;
	sb->root_level = top;
	return err;
}

void lclone_tree_free(struct lclone_tree *t)
{
	free(t->child);
}

/* @ref is verified, and not 0. */
static int mark(struct lclone_delta *delta, struct lclone_ref ref, u32 level, u64 first, u8 *map)
{
	union lclone_node node;
	int err = 0;
	u32 i;

	lclone_bit_set(map, ref.block * LCLONE_BLOCK_SECTORS / delta->sb.chunk_sectors);
	if (!level)
		return 0;
	err = lclone_delta_read_node(delta, ref, level, first, &node);
	for (i = 0; !err && i < LCLONE_NODE_REFS; i++) {
		err = lclone_delta_child(delta, &node, level, first, i, &ref);
		if (!err && ref.block)
			err = mark(delta, ref, level - 1, first + i * lclone_node_span(level - 1),
				   map);
	}
	return err;
}

int lclone_tree_mark(struct lclone_delta *delta, u8 *map)
{
	struct lclone_ref root;
	int err = lclone_delta_root(delta, &root);

	return err || !root.block ? err : mark(delta, root, delta->sb.root_level, 0, map);
}
