/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A base that is there, and maybe in use, is sealed.
 */
#ifndef LCLONE_SEAL_BASE_H
#define LCLONE_SEAL_BASE_H

#include "basic/watch.h"
#include "host/lv.h"

/*
 * Makes the tree of the volume of LVM's at @path, which is nothing that is merged into, or half
 * merged, or a delta.  *already: it was sealed, and still is.  0, or a negative errno with the sentence
 * in lclone_why().
 */
int lclone_seal_base(const char *path, const struct lclone_watch *watch, struct lclone_lv *base,
		     struct lclone_lv *tree, bool *already);

#endif /* LCLONE_SEAL_BASE_H */
