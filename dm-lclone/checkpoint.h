/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checkpoint: writes the leaves and index nodes that have changed, and starts a new log.
 * The commit queues its work when the log is full or a checkpoint is wanted.
 */
#ifndef LCLONE_CHECKPOINT_H
#define LCLONE_CHECKPOINT_H

#include "commit.h"
#include "tree.h"

/**
 * struct lclone_checkpoint - the checkpoint of a delta
 * @work: makes a checkpoint; whoever queues it hands over the commit's busy flag
 * @commit: the delta's commit, which knows the dirty leaves
 * @tree: the delta's tree, which is written
 * @alloc: the delta's allocator, which has the blocks for new nodes
 */
struct lclone_checkpoint {
	struct work_struct work;
	struct lclone_commit *commit;
	struct lclone_tree *tree;
	struct lclone_alloc *alloc;
};

/**
 * lclone_checkpoint_init() - make the part
 * @checkpoint: zeroed by the caller, but for its pointers to other parts
 */
void lclone_checkpoint_init(struct lclone_checkpoint *checkpoint);

#endif /* LCLONE_CHECKPOINT_H */
