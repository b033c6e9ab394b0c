/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The head of a device that a clone is copied to: as long as the copy is not complete it holds
 * a note instead of the clone's first 4 KiB.  So the device is not taken for the clone, or for
 * its base, and the next run knows that what is there is its own.  A clone that is all head is
 * copied as it is.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_HEAD_H
#define LCLONE_HEAD_H

#include "clone/chain.h"

/* Does a copy that was begun, and has not ended, lie on @target? */
bool lclone_head_is_note(const struct lclone_file *target);

/* Before the copy of @chain: writes the note, durably; the copy goes from the sector *@first on. */
int lclone_head_begin(const struct lclone_chain *chain, struct lclone_file *target, u64 *first);

/* After it: the clone's own head, durably.  @base: NULL if the clone has none. */
int lclone_head_end(struct lclone_chain *chain, struct lclone_file *base,
		    struct lclone_file *target);

#endif /* LCLONE_HEAD_H */
