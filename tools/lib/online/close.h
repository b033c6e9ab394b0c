/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone is no longer active.
 */
#ifndef LCLONE_CLOSE_H
#define LCLONE_CLOSE_H

/*
 * Closes the clone, or the linear device that it became by a merge.  0, or a negative errno
 * with the sentence in lclone_why(): -EBUSY says who has it open.
 */
int lclone_close_clone(const char *name);

#endif /* LCLONE_CLOSE_H */
