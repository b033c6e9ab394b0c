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

#endif /* LCLONE_FIND_H */
