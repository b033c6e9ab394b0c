/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An active clone becomes independent of its base and layers, while it is in use.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(); -EINTR if the user
 * does not want to wait, and the kernel goes on; 1: it is not waited for, see
 * lclone_wait_for_task().
 */
#ifndef LCLONE_FLATTEN_H
#define LCLONE_FLATTEN_H

#include "online/merge.h"
#include "online/volume.h"

struct flatten {
	struct online_merge merge;	/* lclone_flatten_to() ends with one; has the name */
	/*
	 * The clone does not need @names, devices separated by ", ", any more; NULL: a run that
	 * was killed has done that.  @ctx is @merge.online->ctx.
	 */
	void (*leaves)(void *ctx, const char *clone, const char *names);
	const char *layer;		/* the topmost that is meant, if it is not any: else -EAGAIN */
	/* Layers that it has not any more are to be freed; NULL: not here. */
	void (*drops)(void *ctx, const char *clone, const struct dropped *dropped);

	/* Where a dry run ends: */
	char below[LCLONE_PARENTS_SIZE];	/* what it would not need any more; "": it is under way */
	u64 missing;			/* sectors by which its volume would be extended */
};

/* The delta takes over all that lies below, or (@layer) what the topmost layer has. */
int lclone_flatten(struct flatten *flatten, bool layer);

/*
 * What lies below is copied to the device @path, then the delta is merged into that, which is
 * the disk at the end. @force: whatever is on it is overwritten.
 */
int lclone_flatten_to(struct flatten *f, const char *path, bool force);

/* The same, to a logical volume of the clone's name that is made in the group, or goes again. */
int lclone_flatten_to_volume(struct flatten *f, const char *vg);

#endif /* LCLONE_FLATTEN_H */
