/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone that is not active is copied to a device or a new file.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(); -EINTR if
 * progress() asked to stop.
 */
#ifndef LCLONE_COPY_OUT_H
#define LCLONE_COPY_OUT_H

#include "offline/copy.h"

struct copy_target {
	const char *path;		/* of a device, or of a file that is not there */
	bool force;			/* overwrite what is on the device */
};

/*
 * Copies the clone of @base ("-": none) and @delta, with its layers, of which @parents are
 * named. Of @merge only progress and ctx are set.  If it was interrupted it begins anew.
 */
int lclone_copy_out(const char *base, const char *delta, const struct lclone_parents *parents,
		    const struct copy_target *to, struct lclone_merge *merge);

/*
 * At the end of such a copy: -EBUSY if the base, or a delta, was changed while it was read, by
 * somebody whom locks do not keep out.
 */
int lclone_copy_unchanged(const struct lclone_merge *merge);

#endif /* LCLONE_COPY_OUT_H */
