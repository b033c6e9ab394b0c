/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge of a delta or layer into the layer right below, also beneath clones that are active.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_INTO_PARENT_H
#define LCLONE_INTO_PARENT_H

#include "clone/inventory.h"
#include "offline/copy.h"

struct into_parent {
	const char *path;		/* of the delta or layer to be merged */
	char layer[PATH_MAX];		/* set: that it was merged into */

	/* An active clone goes on without it, and its users had to wait for so long. */
	void (*goes_on)(void *ctx, const char *clone, double pause_ms);
	void *ctx;
};

/*
 * Merges it into the layer right below, and wipes it; active clones that have both go on
 * without it. Of @merge only progress and ctx are set. If it was merged already, only what
 * comes after that is done.
 */
int merge_into_parent(struct into_parent *into, const struct lclone_parents *named,
		      struct lclone_merge *merge);

#endif /* LCLONE_INTO_PARENT_H */
