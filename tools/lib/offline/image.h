/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image of a disk that somebody else has made, a file or a device, and its content.  Raw
 * ones are read here, all others by qemu-img.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMAGE_H
#define LCLONE_IMAGE_H

#include "basic/watch.h"
#include "host/file.h"

struct lclone_image {
	struct lclone_file file;
	char path[PATH_MAX];
	const char *format;		/* qemu-img's word for it */
	u64 sectors;			/* of the disk */
};

/*
 * Looks at it: -EPROTONOSUPPORT if it cannot be read, or not all of it, or (not with @other_files)
 * if it names other files that it lies on; -ENOENT if it needs qemu-img, which is not there;
 * -EUCLEAN if it is damaged.  To be closed by lclone_image_close() in any case.
 */
int lclone_image_open(struct lclone_image *image, const char *path, bool other_files);
void lclone_image_close(struct lclone_image *image);

/*
 * -EUCLEAN if qemu-img finds damage in this file, of what it lies on nothing is said; it cannot
 * check all formats.
 */
int lclone_image_refuse_damaged(const char *path, const char *format);

/* -EBUSY if qemu writes to it; 0 also if that cannot be told, as without qemu-img. */
int lclone_image_refuse_used(const char *path, const char *format);

/* Its content to a device that is as large, or larger; what is behind it is not written. */
int lclone_image_copy(struct lclone_image *image, const char *device,
		      const struct lclone_watch *watch);

#endif /* LCLONE_IMAGE_H */
