/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An image in a format of qemu that is made: FILE.part until it is complete, see part.h.  qemu-img
 * makes it, and qemu-nbd writes what it has.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMAGE_NEW_H
#define LCLONE_IMAGE_NEW_H

#include "host/nbd.h"
#include "host/part.h"
#include "offline/copy.h"

struct lclone_image_new {
	struct lclone_part part;
	const char *format;		/* "qcow2" or "vmdk" */
	struct lclone_copy_sink sink;	/* what it has is written to this */
	struct lclone_nbd *nbd;
	struct lclone_image_io {
		struct lclone_nbd_io io;
		bool ended;		/* and is to be told of */
		int err;
	} io[LCLONE_COPY_SLOTS];
	unsigned int ended;		/* how many */
};

/* What it is to be */
struct lclone_image_options {
	u64 sectors;
	u32 unit_sectors;		/* what it is to tell apart, a power of two; 0: nothing special */
	const char *backing;		/* as its header is to call it; NULL: it lies on nothing */
	const char *backing_format;
	bool (*stop)(void *ctx);	/* see nbd.h */
	void *ctx;
};

/* Is the name free?  Nobody else writes there from now on.  Close it in any case. */
int lclone_image_new_open(struct lclone_image_new *image, const char *path, const char *format);

/* Makes an empty one, to be written; and when that has been done: durable. */
int lclone_image_new_begin(struct lclone_image_new *image, const struct lclone_image_options *o);
int lclone_image_new_written(struct lclone_image_new *image);
/*
 * Give them their names, the last first.  If that fails the only one stays, complete, without;
 * of more, close removes all.
 */
int lclone_image_new_finish(struct lclone_image_new *images, u32 count);

/* What was not finished is removed. */
void lclone_image_new_close(struct lclone_image_new *image);

#endif /* LCLONE_IMAGE_NEW_H */
