/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge of a layer or delta into the layer right below it, and what it takes.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(); -EINTR if
 * progress() asked to stop.
 */
#ifndef LCLONE_MERGE_PARENT_H
#define LCLONE_MERGE_PARENT_H

#include "offline/copy.h"

/* In chunks of the lower one's device */
struct lclone_merge_space {
	u64 needed;			/* for data that it has no chunk for, and for nodes */
	u64 available;
};

/* What a merge of level 0 of @merge->chain into level 1 takes. Nothing else need be set. */
int lclone_merge_measure(struct lclone_merge *merge, struct lclone_merge_space *space);

/*
 * Merges level 0 of @merge->chain into level 1, the layer right below it, which
 * is @merge->target, open with O_RDWR.  That takes over the identity of level
 * 0, which can be wiped when nobody reads it any more.  If that is no layer, it is open with O_RDWR,
 * too: that this host has it is noted first, and nothing else is changed.  -EBUSY if another host has
 * written to it meanwhile.
 *
 * Both may be read meanwhile, level 1 through level 0 only: see "Merge into the
 * layer below" in format.rst.  No other delta must lie on level 1.  After an error or a
 * crash it is enough to run it again.  The target is locked, exclusively; with @merge->share that
 * ends with the mark in its superblock: who comes through level 0 may open it.
 */
int lclone_merge_into_parent(struct lclone_merge *merge);

/* Ends the merge of a delta that has taken over an identity, if a crash prevented that. */
int lclone_merge_settle(struct lclone_file *file);

#endif /* LCLONE_MERGE_PARENT_H */
