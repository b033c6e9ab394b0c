/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical volumes that commands make for deltas of clones, and free again.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_VOLUME_H
#define LCLONE_VOLUME_H

#include "clone/snapshot.h"
#include "host/lv.h"

struct volume_wish {
	const char *vg;			/* NULL: that of the delta which the clone has */
	u64 sectors;			/* 0: what is small at first */
};

/*
 * A volume for the next delta of a clone, which will have that uuid, blank and active: it is
 * new until lclone_follow() finds that the clone has it.  What a run that was killed has made, and
 * no clone has, is removed.  *lock, if it is not negative, is to be closed when the clone has it,
 * or in any case: see lclone_lock_creation().
 */
int lclone_volume_make(const struct lclone_clone *clone, const struct volume_wish *wish,
		       struct lclone_lv *lv, u8 uuid[LCLONE_UUID_SIZE], int *lock);

/* It was made for nothing: it goes. @err is returned, with its sentence and what comes now. */
int lclone_volume_unmake(const struct lclone_lv *lv, int err);

/* Devices that a clone has had, the topmost first */
struct dropped {
	u32 count;
	char *path[LCLONE_LAYERS_MAX + 1];
};

/* The delta and the layers of @before that @now (NULL: which has none) has not. */
int lclone_dropped(const struct lclone_table *before, const struct lclone_table *now,
		   struct dropped *dropped);
void lclone_dropped_free(struct dropped *dropped);

/*
 * What @clone has had and has not any more is wiped, and the volume removed that was made for it,
 * if nothing lies on that, nor, as lclonetab and tags have it, another clone.  1: it is no such
 * volume, and stays as it is.
 */
int lclone_volume_free(const char *path, const char *clone);

/*
 * Of the layers below the delta of a clone, those whose volumes nobody needs without it.  If the
 * delta was wiped, those which the clone had, as far as tags tell, in no order.  To be freed in
 * any case.
 */
int lclone_volumes_below(const char *clone, const char *delta, struct lclone_layers *layers);

/* Such a volume stays for good: no other command removes it. */
int lclone_volume_keep(const char *path);

/* -EEXIST: there is something on it that is no delta. */
int lclone_refuse_data(const char *path);

/* All of these.  @told of each: removed if @why is NULL, else kept; "": it is no such volume. */
typedef void (*freed_fn)(void *ctx, const char *path, const char *why);
void lclone_dropped_remove(const struct dropped *dropped, const char *clone, freed_fn told,
			   void *ctx);

/*
 * The clone was merged, and its delta, on @delta ("": as tags say), is none any more: the volume
 * that was made for it is removed, another, or (@keep) any, has no tags of ours any more.
 */
void lclone_free_merged(const char *clone, const char *delta, bool keep, freed_fn told, void *ctx);

#endif /* LCLONE_VOLUME_H */
