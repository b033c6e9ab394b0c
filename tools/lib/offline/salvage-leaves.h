/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of a damaged delta's leaves, in order of their places.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_LEAVES_H
#define LCLONE_SALVAGE_LEAVES_H

#include "offline/salvage-state.h"

/* Index of the first leaf at or behind a place */
size_t lclone_leaf_lower_bound(const struct lclone_salvage *salvage, u64 place);

/* A leaf that is not there so far; it may be found after lclone_leaves_settle() only. */
int lclone_leaf_add(struct lclone_salvage *s, struct lclone_salvaged leaf, u64 checkpoint);
int lclone_leaf_limit_add(struct lclone_salvage *s, u32 place, u64 checkpoint);
int lclone_leaves_settle(struct lclone_salvage *s);
void lclone_leaves_forget(struct lclone_salvage *s);
struct lclone_salvaged *lclone_leaf_find(struct lclone_salvage *s, u64 place);
u64 lclone_leaf_limit(const struct lclone_salvage *s, u64 place);
/* As it is on the device, verified; zeros if it is not there. */
int lclone_leaf_read(struct lclone_salvage *s, const struct lclone_salvaged *leaf,
		     union lclone_node *node);

/*
 * Reads the leaf of that index, and those that follow it in the list and on the device, at once:
 * lclone_leaf_read() has them from there, until lclone_leaf_ahead_end().
 */
void lclone_leaf_ahead(struct lclone_salvage *s, size_t i);
void lclone_leaf_ahead_end(struct lclone_salvage *s);

#endif /* LCLONE_SALVAGE_LEAVES_H */
