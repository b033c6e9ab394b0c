/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writer of a tree: leaves in order of their chunks, then what leads to them.
 *
 * Functions return 0, -ENOMEM, or what a callback returned.
 */
#ifndef LCLONE_TREE_H
#define LCLONE_TREE_H

#include "format/delta.h"

struct lclone_tree_child {
	u64 first;
	struct lclone_ref ref;
};

/* 0 but for the first four */
struct lclone_tree {
	const struct lclone_sb *sb;	/* that the nodes belong to: uuid, checkpoint, geometry */
	int (*take)(struct lclone_tree *tree, u32 *phys);	/* a free chunk, for nodes */
	int (*write)(struct lclone_tree *tree, u64 block, const union lclone_node *node);
	void *ctx;

	u64 block;			/* the next to be used ... */
	u32 left;			/* ... of so many in its chunk */
	struct lclone_tree_child *child;	/* nodes that nothing leads to so far */
	size_t count, room;
};

/* The next leaf, with its exceptions in place. */
int lclone_tree_leaf(struct lclone_tree *tree, u64 first, union lclone_node *leaf);
/* The next leaf stays where it is. */
int lclone_tree_keep(struct lclone_tree *tree, u64 first, struct lclone_ref ref);
/* Writes the index nodes, as few levels as can be, and notes the root in @sb. */
int lclone_tree_end(struct lclone_tree *tree, struct lclone_sb *sb);
void lclone_tree_free(struct lclone_tree *tree);

/* Sets the bits, in @map, of all chunks of the delta that hold nodes. */
int lclone_tree_mark(struct lclone_delta *delta, u8 *map);

static inline bool lclone_bit(const u8 *map, u32 i)
{
	return map[i / 8] & 1u << i % 8;
}

static inline void lclone_bit_set(u8 *map, u32 i)
{
	map[i / 8] |= 1u << i % 8;
}

#endif /* LCLONE_TREE_H */
