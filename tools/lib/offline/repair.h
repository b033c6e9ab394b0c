/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Repair: a plan, made reading only, and its execution.
 *
 * What is right stays where it is.  New nodes go to free blocks, then one
 * superblock is written to the slot that was not relied on, then the other: a
 * stop anywhere leaves the old state or the new one, and repair can be run again.
 *
 * The plan has the places of the new nodes and their checksums. What is in them is made
 * from the old ones again, which stay, whenever it is wanted.
 */
#ifndef LCLONE_REPAIR_H
#define LCLONE_REPAIR_H

#include "offline/check.h"
#include "host/file.h"
#include "offline/salvage.h"

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
	size_t patches;			/* in the order of writing; the last two: superblocks */
	struct lclone_patch super[2];
	char why[LCLONE_WHY_SIZE];
};

/*
 * Checks the delta, with @report called for each finding, and plans.  The plan
 * was checked: with the patches the delta has no damage.  Returns 0, or a negative
 * errno with a sentence in repair->why if there is nothing to repair from or no
 * room, or -EINTR if @watch, which may be NULL, wants so. Free it in any case.
 */
int lclone_repair_plan(struct lclone_repair *repair, const struct lclone_dev *dev,
		       lclone_report_fn report, void *ctx, const struct lclone_watch *watch);
void lclone_repair_free(struct lclone_repair *repair);

/* The patch of that number, made from what is on @dev.  Else an errno with a sentence in why. */
int lclone_repair_patch(struct lclone_repair *repair, size_t i, struct lclone_patch *patch);

/*
 * The two below return 0 or a negative errno with the sentence in lclone_why().
 * @delta is open with O_RDWR and O_EXCL.
 *
 * Saves what the plan overwrites to a new file @path, durably, then writes.  -EINTR if the
 * plan's watch wants so, as long as the delta is as it was.
 */
int lclone_repair_apply(struct lclone_repair *repair, struct lclone_file *delta,
			const char *path);
/*
 * Puts back what was saved.  -ESTALE if @delta is not as the repair has left it,
 * or as an earlier undo that was interrupted.
 */
int lclone_repair_undo(struct lclone_file *delta, const char *path);

/* repair-tree.c: functions return 0, or a negative errno with a sentence in repair->why. */

/* Plans the tree, and notes its root in @sb, which has the checkpoint. Changes salvage->busy. */
int lclone_new_tree(struct lclone_repair *repair, struct lclone_sb *sb);
void lclone_new_tree_free(struct lclone_new_tree *tree);
/* New node @i */
int lclone_new_tree_node(struct lclone_repair *repair, size_t i, u64 *block,
			 union lclone_node *node);
/* Is a new node at @block? */
bool lclone_new_tree_at(const struct lclone_repair *repair, u64 block, size_t *i);

#endif /* LCLONE_REPAIR_H */
