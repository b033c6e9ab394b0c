/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta becomes none.
 */
#ifndef LCLONE_REMOVE_H
#define LCLONE_REMOVE_H

/*
 * Wipes the superblocks of the delta @path, damaged or not.  0, or a negative errno with the
 * sentence in lclone_why(): -EBUSY if it is active, or others depend on it, or may.
 */
int lclone_remove_delta(const char *path);

#endif /* LCLONE_REMOVE_H */
