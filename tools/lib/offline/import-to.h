/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An overlay, or a chain of them, to devices that the user has named.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMPORT_TO_H
#define LCLONE_IMPORT_TO_H

#include "offline/import.h"

/* What both ways to import have: what comes in */
struct lclone_import_from {
	const char *file;
	struct lclone_image_names backing;	/* files below it that the user has named */
	bool chain;			/* it may lie on another overlay, which becomes a layer */
	bool trust_base;		/* the base is not compared with the lowest file */
};

/*
 * Looks at the files: *overlays is how many of them are none that the base has.  -ERANGE: there is
 * none, or there are several and that was not wished.  Close @images in any case.
 */
int lclone_import_look(const struct lclone_import_from *from, struct lclone_image_chain *images,
		       u32 *overlays);

struct lclone_import_to {
	const struct lclone_import_from *from;
	const char *base;
	struct lclone_parents layers;	/* that are there, of the lowest files; bottom first */
	struct lclone_parents to;	/* devices for the others, in the same order; the last: the delta */
	const char *label;		/* of the delta; or NULL */
	u32 chunk_sectors;		/* or 0 */
	bool force;
	const struct lclone_watch *watch;
	/* What has become of a file: @sb is NULL if there was that layer. */
	void (*told)(void *ctx, const struct lclone_image_file *file, const char *path,
		     const struct lclone_sb *sb);
	void *ctx;
};

/*
 * What fails in between leaves the layers below, which are whole: as the delta, which nobody has
 * opened, they are taken by a next run, without force, if they have just what it would write.
 */
int lclone_import_to(const struct lclone_import_to *import);

#endif /* LCLONE_IMPORT_TO_H */
