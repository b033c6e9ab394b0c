/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Overlays of others become deltas and layers: each file what it has itself, on a base that has what
 * the lowest file has.
 *
 * Functions return 0 (or what they document), or a negative errno with the sentence in
 * lclone_why(): -EINTR if the watch asked to stop.
 */
#ifndef LCLONE_IMPORT_H
#define LCLONE_IMPORT_H

#include "basic/watch.h"
#include "clone/inventory.h"
#include "host/file.h"
#include "offline/image-chain.h"

struct lclone_import {
	const struct lclone_image_chain *images;
	struct lclone_file *base;	/* open to be read, and locked */
	const struct lclone_watch *watch;
};

/*
 * Compares the base with the lowest file, all of it; what it has more must be zeros.  -ESTALE: they
 * differ.
 */
int lclone_import_verify(const struct lclone_import *import);

/*
 * The layers of the files below one; @last is the superblock of the last of them, which is right
 * below, as it was made or compared: -ESTALE if it is another one when it is used.
 */
struct lclone_import_below {
	struct lclone_parents layers;
	struct lclone_sb last;
};

struct lclone_import_target {
	struct lclone_file *file;	/* open with O_RDWR and O_EXCL */
	const char *label;		/* or NULL */
	const u8 *uuid;			/* NULL: a new one, or that of the rest of an earlier run */
	u32 chunk_sectors;		/* 0: that of the layer below, or the default */
	bool sealed, force;
	const struct lclone_import_below *below;
};

/*
 * How large a device has to be for file @i on these layers, in chunks of that size, or (0) of that
 * of the layer below, or the default.
 */
int lclone_import_sectors(const struct lclone_import *import, u32 i,
			  const struct lclone_import_below *below, u32 chunk_sectors, u64 *sectors);

/*
 * Writes file @i, which is an overlay, to the target.  A layer is to be protected when that is
 * closed, see protect.h.
 */
int lclone_import_file(const struct lclone_import *import, u32 i,
		       const struct lclone_import_target *target, struct lclone_sb *sb);

/*
 * Is what is at @path a layer, or (@sealed is false) a delta, on the layers of the files below, that
 * has what would be made of file @i?  All of both is compared: 1, and its superblock is in @sb; or 0,
 * and why not is lclone_why().  The delta may be in use, and then was as it has come.
 */
int lclone_import_is_made(const struct lclone_import *import, u32 i,
			  const struct lclone_import_below *below, const char *path, bool sealed,
			  struct lclone_sb *sb);

#endif /* LCLONE_IMPORT_H */
