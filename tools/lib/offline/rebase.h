/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta that is not active is told that its base was moved or copied, or that the layer below
 * was repaired.  No data are copied.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_REBASE_H
#define LCLONE_REBASE_H

#include <limits.h>

#include "lclone_format.h"

/* What has been done, or (@already) was so before */
struct rebased {
	char delta[PATH_MAX], on[PATH_MAX];
	u64 base_sectors;		/* of the base */
	u64 generation;			/* of the layer */
	bool already;
};

/* @base is the base of the delta @path.  @force: its content is not looked at. */
int lclone_rebase(const char *path, const char *base, bool force, struct rebased *done);

/* @parent is the layer that the delta @path lies on, as it is now. */
int lclone_rebase_on_parent(const char *path, const char *parent, struct rebased *done);

#endif /* LCLONE_REBASE_H */
