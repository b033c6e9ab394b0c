/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Templates: logical volumes that clones have as their base, by name.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_TEMPLATE_H
#define LCLONE_TEMPLATE_H

#include "basic/watch.h"
#include "host/lv.h"

/*
 * Makes the volume @name in the group @vg, with what the image, a file or a device, has; then it
 * is read-only.  *lv is that volume, and *tree that of its verity tree, without a name, and with
 * the reason in lclone_why(), if none can be made on this host.  If this fails nothing is left.  @other_files: see
 * lclone_image_open().
 */
int lclone_template_add(const char *name, const char *image, bool other_files, const char *vg,
			const struct lclone_watch *watch, struct lclone_lv *lv,
			struct lclone_lv *tree);

/* -ENOENT if there is none of that name; -ESTALE if there are several. */
int lclone_template_find(const char *name, struct lclone_lv *lv);

/* The same, but one that is not whole counts, too. */
int lclone_template_find_any(const char *name, struct lclone_lv *lv);

/* A word with a slash is a path; another a template, whose volume is activated.  -ENOENT: none is. */
int lclone_template_path(const char *word, char path[PATH_MAX]);

/* -EBUSY if there are clones of it, or if there may be. */
int lclone_template_may_go(const struct lclone_lv *lv);

/* The same before; then its volume is removed, and that of its verity tree before. */
int lclone_template_remove(const struct lclone_lv *lv);

#endif /* LCLONE_TEMPLATE_H */
