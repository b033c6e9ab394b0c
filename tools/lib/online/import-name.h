/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An overlay, or a chain of them, becomes a clone of a template by its name, with volumes of LVM for
 * its delta and for the layers below that.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_IMPORT_NAME_H
#define LCLONE_IMPORT_NAME_H

#include "offline/import-to.h"
#include "online/create.h"

struct lclone_import_name {
	const struct lclone_import_from *from;
	const char *name, *template;
	const char *vg;			/* NULL: the template's */
	u64 delta_sectors;		/* 0: what it needs, and what is small at first */
	u32 chunk_sectors;		/* or 0 */
	const struct lclone_features *features;
	bool host;			/* see lclone_open_clone() */
	const struct lclone_watch *watch;
	/* What has become of a file below the topmost: @made is false if there was that layer. */
	void (*told)(void *ctx, const struct lclone_image_file *file, const char *path, bool made);
	/* The clone is there. */
	void (*opened)(void *ctx, const char *name, const struct lclone_lv *lv);
	void *ctx;
};

/*
 * A layer that another clone of the template lies on is taken if it has just what its file has:
 * all of it is compared.  If this fails nothing is left that it has made.  A layer that a run which
 * was killed has left is taken if it is whole, else made anew; so is a delta made anew that it has
 * not kept.  One that it has, without a line in lclonetab(5), is a clone's: if it has just what its
 * file has, all compared, that clone is opened and entered, else the name is taken, -EEXIST.
 */
int lclone_import_by_name(const struct lclone_import_name *import);

#endif /* LCLONE_IMPORT_NAME_H */
