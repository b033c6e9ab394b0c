/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the upper levels of a chain have, for somewhere else, where they lie on a copy of the layer
 * below them.
 *
 * There zeros are behind the end of that layer.  Here a disk that was enlarged later shows the base
 * there, and longer layers that are deeper: what it shows is content of the upper levels, too.
 */
#ifndef LCLONE_OVERLAY_H
#define LCLONE_OVERLAY_H

#include "clone/chain.h"

struct lclone_overlay {
	struct lclone_chain *chain;
	u32 levels;
	u64 shown;			/* sector where the part begins that shows more, or UINT64_MAX */
	bool beyond;			/* that part is at hand */
	struct lclone_chain_extents extents;
};

/* Of the @levels topmost; they lie on the next, or on the base if these are all. */
void lclone_overlay_start(struct lclone_overlay *overlay, struct lclone_chain *chain, u32 levels);

/*
 * 1: *extent was set, LCLONE_FROM_BASE is content, too. 0: no more.  Else a negative errno with
 * the sentence in lclone_why().
 */
int lclone_overlay_next(struct lclone_overlay *overlay, struct lclone_chain_extent *extent);

/* Is content of it in the base? */
bool lclone_overlay_shows_base(const struct lclone_chain *chain, u32 levels);

#endif /* LCLONE_OVERLAY_H */
