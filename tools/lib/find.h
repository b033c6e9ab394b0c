/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_FIND_H
#define LCLONE_FIND_H

#include "file.h"

/*
 * Looks at all block devices of this host and calls @found for each that holds
 * a delta, active or not.  Devices that cannot be read are passed over, and
 * so are suspended ones, which would block.  Stops when @found returns not 0
 * and returns that; or a negative errno with the sentence in lclone_why().
 */
int lclone_find_deltas(int (*found)(const char *path, const struct lclone_sb *sb, void *ctx),
		       void *ctx);

/*
 * Looks for the base that @sb has recorded, by size and fingerprint.  @path is
 * "" if there is none.  0, or a negative errno as above.
 */
int lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX]);

#endif /* LCLONE_FIND_H */
