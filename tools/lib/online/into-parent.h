/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge of a delta or layer into the layer right below, also beneath clones that are active.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_INTO_PARENT_H
#define LCLONE_INTO_PARENT_H

#include "clone/inventory.h"
#include "offline/merge.h"

/*
 * Merges the delta or layer into the layer right below, and wipes it; active
 * clones that have both go on without it. Of @merge only progress and ctx are set.
 */
int merge_into_parent(const char *path, const struct lclone_parents *named,
		      struct lclone_merge *merge, bool json);

#endif /* LCLONE_INTO_PARENT_H */
