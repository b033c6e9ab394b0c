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
 * @work: makes one; busy is its own
 * @commit: knows what is dirty
 * @tree: is written
 * @alloc: has the blocks for it
 */
struct lclone_checkpoint {
	struct work_struct work;
	struct lclone_commit *commit;
	struct lclone_tree *tree;
	struct lclone_alloc *alloc;
};

/**
 * lclone_checkpoint_init() - make the part
 * @checkpoint: zeroed, but for its pointers to other parts
 */
void lclone_checkpoint_init(struct lclone_checkpoint *checkpoint);

#endif /* LCLONE_CHECKPOINT_H */
