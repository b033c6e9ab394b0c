/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone that is not active, or a snapshot, goes to images that qemu reads: all of the disk; or,
 * as an overlay on another image, only what was changed; or each layer as an overlay of its own.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_EXPORT_H
#define LCLONE_EXPORT_H

#include "basic/watch.h"
#include "clone/inventory.h"

struct lclone_export {
	const char *format;		/* "raw", "qcow2" or "vmdk" */
	const char *file;		/* to be made: a new file */

	/* What it is an overlay on, an image of what @against, a layer, or (NULL) the base has */
	const char *backing;		/* NULL: it is none, and has the whole disk */
	const char *against;
	/* Each layer is an overlay on the next, FILE.N.SUFFIX, the lowest, 1, lies on @backing. */
	bool chain;

	const struct lclone_watch *watch;
	/* An image was made of what @label, which may be "", had; @backing: what it lies on, or NULL. */
	void (*made)(void *ctx, const char *file, const char *label, const char *backing);
	void *ctx;
};

/*
 * Of @delta and the layers below it, of which @parents are named, and @base ("-": it has none;
 * NULL: it is not known, for an overlay, which needs it if @backing is shorter, and if a layer is
 * shorter than the base and the disk).  A file that is there is never overwritten: -EEXIST.  If this
 * fails none of its files are left.
 */
int lclone_export(const struct lclone_export *export, const char *base, const char *delta,
		  const struct lclone_parents *parents);

#endif /* LCLONE_EXPORT_H */
