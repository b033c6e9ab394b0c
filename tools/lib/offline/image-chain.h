/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which image files a disk consists of: an overlay, what that lies on, and so on.
 *
 * What a file names as the one that it lies on is looked for only in its own folder, and among
 * those that the user has named: an image of somebody else's could name any file of this host.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMAGE_CHAIN_H
#define LCLONE_IMAGE_CHAIN_H

#include <sys/stat.h>

#include "clone/chain.h"

#define LCLONE_IMAGES_MAX	(LCLONE_CHAIN_MAX + 1)	/* and one that is the base */

/* Files that the user has named, in any order */
struct lclone_image_names {
	u32 count;
	const char *path[LCLONE_IMAGES_MAX];
};

/* -ERANGE if there are too many. @path must outlive it. */
int lclone_add_image_name(struct lclone_image_names *names, const char *path);

struct lclone_image_file {
	char *path;			/* a real one */
	char *given;			/* as it was called, which may be a link */
	const char *format;		/* qemu's word for it */
	bool overlay;			/* it lies on the next one */
	u32 snapshots;			/* that are inside of it, and are not imported */
	dev_t dev;
	ino_t ino;
	off_t bytes;			/* when it was looked at first; and when it was written last */
	struct timespec changed;
};

struct lclone_image_chain {
	u32 count;
	struct lclone_image_file file[LCLONE_IMAGES_MAX];	/* the topmost first */
};

/* How far down is looked: at all; at the file itself; also at what it lies on, if that is there */
enum lclone_image_depth {
	LCLONE_IMAGES_ALL,
	LCLONE_IMAGES_ONE,
	LCLONE_IMAGES_TWO,
};

/*
 * Looks at @path, and at what it lies on, as far as is wished.  -ENOENT: a file is not there;
 * -EPERM: it is elsewhere, and not named; -ELOOP: one lies on itself; -ESTALE: it is not what the
 * one above has recorded; else it cannot be read.  Close it in any case.
 */
int lclone_image_chain_open(struct lclone_image_chain *chain, const char *path,
			    const struct lclone_image_names *named,
			    enum lclone_image_depth depth);
/* -EBUSY if it is not as it was then: not all that was read of it need be of one time. */
int lclone_image_refuse_changed(const struct lclone_image_file *file);
void lclone_image_chain_close(struct lclone_image_chain *chain);

#endif /* LCLONE_IMAGE_CHAIN_H */
