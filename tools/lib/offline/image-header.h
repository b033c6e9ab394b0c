/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the header of an image says of other files that it lies on, before anything follows it.
 *
 * An image of somebody else's could name any file of this host, so that nothing is opened by what
 * is said here: who reads it decides.  What could not be told apart from what is wanted is refused.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMAGE_HEADER_H
#define LCLONE_IMAGE_HEADER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lclone_format.h"

struct lclone_image_header {
	bool overlay;			/* it lies on another image ... */
	char backing[PATH_MAX];		/* ... which it calls so; "": it does not say how */
	char backing_format[32];	/* and that is in this format, as qemu calls it; "": not said */
	u32 snapshots;			/* that are inside of it, beside its content */
	u32 id, backing_id;		/* of a vmdk: its CID, and its parent's */
	bool encrypted;
	bool data_file;			/* of a qcow2: its data are in another file */
	bool extents;			/* of a vmdk: so is its content, in these files, ... */
	char far[PATH_MAX];		/* ... of which one is not beside it; "": none */
	dev_t part_dev;			/* the file that was asked for: see below ... */
	ino_t part_ino;
	bool has_part;			/* ... is one that a vmdk has its content in */
};

/*
 * Of an image in that format, which is not VHD.  -EPROTONOSUPPORT, or -EUCLEAN: it is damaged.  Only
 * beside a real @path are files looked for.
 */
int lclone_image_header_read(int fd, const char *path, const char *format,
			     struct lclone_image_header *header);

/* -EPROTONOSUPPORT if it is encrypted, or has its data in files that are not beside it. */
int lclone_image_header_refuse(const char *path, const struct lclone_image_header *header);

/* Has this image, in that format, a part of its content in the file @dev and @ino?  1, or 0. */
int lclone_image_has_part(const char *path, const char *format, dev_t dev, ino_t ino);

/* Is @other a plain file in the folder that @path, a real path, is in, through no link? */
bool lclone_image_beside(const char *path, const char *other);

#endif /* LCLONE_IMAGE_HEADER_H */
