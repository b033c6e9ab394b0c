/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta that is not active is merged into its base.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(); -EINTR if
 * progress() asked to stop.
 */
#ifndef LCLONE_INTO_BASE_H
#define LCLONE_INTO_BASE_H

#include "clone/users.h"
#include "host/lv.h"
#include "offline/copy.h"

/*
 * Writes what @delta holds to @base and empties it; if it was interrupted it goes on. Of @merge
 * only progress and ctx are set. @ask, if it is not NULL, is asked before it is begun.  *tree is the volume of the base's verity tree, which went
 * before anything was written, or "".
 */
int merge_into_base(const char *base, const char *delta, struct lclone_merge *merge,
		    lclone_ask_fn ask, char tree[LCLONE_LV_PATH_SIZE]);

#endif /* LCLONE_INTO_BASE_H */
