/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge: of a clone to another device, of a delta into its base, or of a layer or
 * delta into the layer right below it.
 *
 * Copies in large extents in order of the clone's sectors, many at a time.
 * Functions return 0 or a negative errno with the sentence in lclone_why();
 * -EINTR if progress() asked to stop.
 */
#ifndef LCLONE_MERGE_H
#define LCLONE_MERGE_H

#include "clone/chain.h"

struct lclone_merge {
	struct lclone_chain *chain;	/* the clone's delta and its layers */
	struct lclone_file *base;	/* NULL if the clone has none */
	struct lclone_file *target;	/* open with O_RDWR; of a merge into the base: the base */
	bool share;			/* into the parent: see lclone_merge_into_parent() */
	u64 first;			/* sector that a copy begins with */
	bool target_is_zero;		/* reads as zeros: zeros need not be written */

	/* Called about ten times a second, and at the end. Not 0: stop, at a safe point. */
	int (*progress)(struct lclone_merge *merge, u64 done, u64 total);
	void *ctx;
};

/*
 * Writes the clone to the target, from the sector @merge->first to the last.  Changes
 * nothing else.  After an error or a crash: run it again, from the beginning.
 */
int lclone_merge_to(struct lclone_merge *merge);

/*
 * Merges into the base and empties the delta; @merge->target is the base and
 * the delta has no layers below and is open with O_RDWR and O_EXCL.  The clone's content
 * is the same at every point, and after an error or a crash it is enough to run it again.
 */
int lclone_merge_into_base(struct lclone_merge *merge);

/*
 * Was the merge of @delta, which this side of it has begun, begun in @base?  1 if what is merged
 * already is in it, -ESTALE if it is not, 0 if there is nothing to tell by.
 */
int lclone_merge_begun_in(struct lclone_delta *delta, const struct lclone_file *base);

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
 * 0, which is not changed, and can be wiped when nobody reads it any more.
 *
 * Both may be read meanwhile, level 1 through level 0 only: see "Merge into the
 * layer below" in format.rst.  No other delta must lie on level 1.  After an error or a
 * crash it is enough to run it again.  The target is locked, exclusively; with @merge->share that
 * ends with the mark in its superblock: who comes through level 0 may open it.
 */
int lclone_merge_into_parent(struct lclone_merge *merge);

/* Ends the merge of a delta that has taken over an identity, if a crash prevented that. */
int lclone_merge_settle(struct lclone_file *file);

#endif /* LCLONE_MERGE_H */
