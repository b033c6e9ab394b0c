/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge: of a clone to another device, or of a delta into its base.
 *
 * Copies in large extents in order of the clone's sectors, many at a time.
 * Functions return 0 or a negative errno with the sentence in lclone_why();
 * -EINTR if progress() asked to stop.
 */
#ifndef LCLONE_MERGE_H
#define LCLONE_MERGE_H

#include "offline/copy.h"

/* -EUCLEAN if a check of it finds anything. */
int lclone_refuse_damaged(const struct lclone_file *delta);

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

#endif /* LCLONE_MERGE_H */
