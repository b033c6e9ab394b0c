/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_FIND_H
#define LCLONE_FIND_H

#include "basic/names.h"
#include "format/delta.h"
#include "host/file.h"

/* Why a device could not be looked at, where it is this: what is on it LVM would have to say. */
#define LCLONE_LEFT_OUT	"is a physical volume that LVM does not know (lvmdevices --adddev)"

/* What is told of block devices. Not 0 ends it, and is returned. */
struct lclone_finder {
	/* The device, or volume of LVM that is not active (@rdev is 0), holds a delta. */
	int (*found)(const char *path, dev_t rdev, const struct lclone_sb *sb, void *ctx);
	/* It may hold one, and could not be looked at. @why ends a sentence: "is suspended" */
	int (*unseen)(const char *path, dev_t rdev, const char *why, void *ctx);
	void *ctx;
};

/*
 * Looks at all block devices of this host where a delta can be, active or not, and
 * at the volumes of LVM that are not active.  What a guest has written is not
 * looked at: clones, and what lies on them, and volumes of LVM in a volume of LVM.  Nothing is
 * read that is suspended, or lies on what is.  0, or a negative errno with the
 * sentence in lclone_why().
 */
int lclone_find_deltas(const struct lclone_finder *finder);

/* Calls @visit for each block device; its node is @path, if there is one. */
int lclone_each_block_device(int (*visit)(const char *path, dev_t rdev, u64 sectors, void *ctx),
			     void *ctx);
/* The same for those where a delta or a base can be, as above */
int lclone_each_device(int (*visit)(const char *path, dev_t rdev, u64 sectors, void *ctx),
		       void *ctx);

/*
 * Looks for the base that @sb has recorded, by fingerprint; one that has been enlarged since
 * counts, and a volume of LVM that is not active, too.  What shows the same sectors is one.  @path
 * is "" if there is none, or if it may be another: a snapshot or a copy of it has the same
 * fingerprint, and so may have what is of that size and cannot be looked at.  @may has all that it
 * may be.  0, or a negative errno as above.
 */
int lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX], struct lclone_names *may);

/* -ENOENT, or -ESTALE if it may be several: the sentence of why @path is "".  @next: what to do */
int lclone_no_base(const char *whose, const struct lclone_names *may, const char *next);

/* The first device that it may be, for who only shows that: nothing is read or written for it. */
int lclone_likely_base(const struct lclone_sb *sb, char path[PATH_MAX]);

#endif /* LCLONE_FIND_H */
