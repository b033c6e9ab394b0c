/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan of a repair, and the tree that it has.
 *
 * Functions return 0, or a negative errno with a sentence in repair->why.
 */
#ifndef LCLONE_REPAIR_TREE_H
#define LCLONE_REPAIR_TREE_H

#include "offline/salvage-state.h"

struct lclone_patch {
	u64 block;
	u8 data[LCLONE_BLOCK_SIZE];
};

/* The tree that the repaired delta has: leaves of the salvage, and new nodes, by number */
struct lclone_new_tree {
	u64 checkpoint;			/* of the new nodes */
	size_t nodes;			/* new ones, in order of their blocks */
	u32 *chunk;			/* of the delta, that these go to, in order */
	size_t chunks;
	u32 *leaf;			/* nodes 0 ...: indexes of the leaves that change */
	size_t leaves;
	/* Index nodes of level 1 and up, behind these, level by level */
	struct lclone_new_level {
		struct lclone_new_index {
			u32 place;	/* first chunk / what a node of that level covers */
			u32 csum;
		} *node;
		size_t nodes, first;	/* so many, the first has that number */
	} level[LCLONE_LEVELS];
	u32 top;			/* level of the root */
};

struct lclone_repair {
	long findings;			/* 0: nothing to repair, and no patch */
	struct lclone_salvage salvage;	/* valid if there are findings */
	struct lclone_new_tree tree;	/* empty if the old one stays */
	/* In the order of writing: new nodes, superblocks, blocks of the log that cannot be read */
	size_t patches;
	struct lclone_patch super[2];
	char why[LCLONE_WHY_SIZE];
};

/* Plans the tree, and notes its root in @sb, which has the checkpoint. Changes salvage->busy. */
int lclone_new_tree(struct lclone_repair *repair, struct lclone_sb *sb);
void lclone_new_tree_free(struct lclone_new_tree *tree);
/* New node @i */
int lclone_new_tree_node(struct lclone_repair *repair, size_t i, u64 *block,
			 union lclone_node *node);
/* Is a new node at @block? */
bool lclone_new_tree_at(const struct lclone_repair *repair, u64 block, size_t *i);

#endif /* LCLONE_REPAIR_TREE_H */
