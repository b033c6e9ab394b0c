/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A base that is sealed: it has a verity tree, on a volume of its own beside it.  That is found by
 * a tag with LVM's id of the base's volume, and has one with the root hash once the tree is whole.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SEAL_H
#define LCLONE_SEAL_H

#include "basic/watch.h"
#include "host/file.h"
#include "host/lv.h"

/* The volume in a list that has, or will have, the tree of the volume @base, or NULL */
const struct lclone_lv *lclone_seal_in(const struct lclone_lv *lvs, size_t count,
				       const struct lclone_lv *base);

/* 1: the base, on the device @rdev, has no tree, or no whole one. */
int lclone_seal_find(dev_t rdev, struct lclone_lv *tree, u8 root[LCLONE_ROOT_SIZE]);

/*
 * Makes the volume and the tree of the volume @base, which is new, active and not written.  What a run
 * that was killed has left of one is removed before, and what another base of that name has, which is
 * no more; if this fails nothing is left.
 * -EPROTONOSUPPORT: it cannot be made on this host.
 */
int lclone_seal_make(const struct lclone_lv *base, const struct lclone_watch *watch,
		     struct lclone_lv *tree);

/*
 * The same in two steps, of a device, which has to be a volume of LVM's: it is locked, @data to be
 * closed in any case; and the tree is made.  *already: it was sealed, and still is.
 */
int lclone_seal_lock(const char *path, struct lclone_file *data);
int lclone_seal_locked(struct lclone_file *data, const struct lclone_watch *watch,
		       struct lclone_lv *base, struct lclone_lv *tree, bool *already);

/* The base is going to be another: its tree goes, whose volume was *path; "": there was none. */
int lclone_seal_drop(dev_t rdev, char path[LCLONE_LV_PATH_SIZE]);

/* What a new delta records of its base: all zeros if that is not sealed, or is no volume. */
int lclone_seal_root(const struct lclone_file *base, u8 root[LCLONE_ROOT_SIZE]);

#endif /* LCLONE_SEAL_H */
