/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The delta of an active clone gets more space when it has little left, if it is a logical
 * volume.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_EXTEND_H
#define LCLONE_EXTEND_H

#include "host/target.h"

/* When, and by how much: the names are those of lvm.conf(5) */
struct lclone_autoextend {
	u32 threshold;			/* percent of the delta that are used, from which on */
	u32 percent;			/* of its size */
	u64 max;			/* sectors that a delta has at most; 0: any */
};

/* What has become of a delta */
struct lclone_extended {
	char delta[PATH_MAX];
	u64 before, now;		/* sectors of its device */
};

/* Has the delta less space than it is to have? */
bool lclone_is_short(const struct lclone_status *status, const struct lclone_autoextend *when);

/* Will it have so soon?  The kernel, which counts without its reserve, may have told of it. */
bool lclone_is_nearly_short(const struct lclone_status *status,
			    const struct lclone_autoextend *when);

/* Fewer chunks than that are free when it has. */
u64 lclone_short_mark(const struct lclone_status *status, const struct lclone_autoextend *when);

/*
 * The size that a delta of @sectors gets, of which it is @full or short, for a clone of @clone
 * sectors.  @sectors itself: it stays as it is.
 */
u64 lclone_extended_size(u64 sectors, u64 clone, bool full, const struct lclone_autoextend *how);

/*
 * Extends the delta of the clone @name, which is short, once, and lets the clone use that; also
 * what the delta's device has grown by till now.  1: nothing was done, since it has all that it
 * needs for the whole clone.  -ENOSPC: there is no more space for it.
 */
int lclone_extend(const char *name, const struct lclone_autoextend *how,
		  struct lclone_extended *extended);

#endif /* LCLONE_EXTEND_H */
