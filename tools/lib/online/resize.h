/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta makes use of all of its device, or a clone grows; active or not.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_RESIZE_H
#define LCLONE_RESIZE_H

#include "lclone_format.h"

/* What is asked for: nothing (0), a size, or (@more) so much more */
struct wanted {
	u64 sectors;
	bool more;
};

/* What there is then, in sectors */
struct resized {
	u64 clone, delta;
};

/* The active clone @name, which stays in use */
int lclone_resize_active(const char *name, const struct wanted *w, struct resized *now);
/* The clone of the delta @path, which is not active */
int lclone_resize_inactive(const char *path, const struct wanted *w, struct resized *now);

#endif /* LCLONE_RESIZE_H */
