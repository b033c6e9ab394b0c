/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules that what is left of a damaged delta has to keep.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_RULES_H
#define LCLONE_SALVAGE_RULES_H

#include "offline/salvage-state.h"

/*
 * Finds out what each leaf is to have: what the log says, without what breaks a rule; and
 * fills in the bitmaps of data and nodes.
 */
int lclone_apply_rules(struct lclone_salvage *s);

/*
 * What is wanted in a leaf, in place of what the device has: in @node, without a header.  Reads,
 * and returns a negative errno with a sentence if what was there is not any more.
 */
int lclone_salvage_content(struct lclone_salvage *salvage, struct lclone_salvaged *leaf,
			   struct lclone_leaf_disk *node);

#endif /* LCLONE_SALVAGE_RULES_H */
