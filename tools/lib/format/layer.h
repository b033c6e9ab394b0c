/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layers as superblocks know them: who lies on whom, and who is being merged with whom.
 *
 * A layer is named by its uuid and its generation, the number of times that it was sealed:
 * what lies on it has recorded both.  Nothing is read here; @sb is what was read before.
 */
#ifndef LCLONE_LAYER_H
#define LCLONE_LAYER_H

#include "lclone_format.h"

#define LCLONE_WHY_SIZE	256	/* room for a sentence that says what is wrong */

/* Does it lie on another layer, and not right on its base? */
bool lclone_has_parent(const struct lclone_sb *sb);

/* Does @sb lie on @parent?  0, or -ESTALE with a sentence in @why. */
int lclone_link_check(const struct lclone_sb *sb, const struct lclone_sb *parent,
		      char why[LCLONE_WHY_SIZE]);

/* A merge of a delta into the base has begun, and not ended: each has a part of the clone. */
bool lclone_merges_into_base(const struct lclone_sb *sb);

/*
 * Merges of a layer with the one above it, see format.rst: SEALED, MERGING and a
 * uuid in owner is a layer in the middle of that, which is read through the
 * delta of that uuid only.
 */
bool lclone_half_merged(const struct lclone_sb *sb);
bool lclone_half_merged_with(const struct lclone_sb *sb, const u8 *uuid);
/* @sb is what a merge has left over: all that it has, and its identity, is @by's now. */
bool lclone_left_over(const struct lclone_sb *sb, const struct lclone_sb *by);
/*
 * A delta or layer that is written whole, from a stream or an image, see format.rst: its own uuid
 * is in owner until it is whole.
 */
bool lclone_half_written(const struct lclone_sb *sb);
/* Notes a uuid in owner. */
void lclone_owner_set(struct lclone_sb *sb, const u8 *uuid);

#endif /* LCLONE_LAYER_H */
