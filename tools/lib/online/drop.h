/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot that has a name goes, the disks of before and after it stay.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_DROP_H
#define LCLONE_DROP_H

#include "online/flatten.h"
#include "online/into-parent.h"
#include "online/volume.h"

struct drop {
	const char *clone, *snapshot;
	/* What is above is a layer: see into-parent.h; path is set here */
	struct into_parent *into;
	struct lclone_merge *merge;
	/* It is the delta: see flatten.h */
	struct flatten *flatten;
	freed_fn told;			/* of the volume that is free then */
	void *ctx;
};

/* -EBUSY, by name, if another clone lies on it; -ENOENT if there is none. */
int lclone_may_drop_snapshot(const struct drop *drop);

/*
 * The layer of the snapshot takes in what the layer right above has, and its identity; if above
 * it is the delta, that takes over what the layer has.  What a run that was killed has begun is
 * ended.
 */
int lclone_drop_snapshot(struct drop *drop);

#endif /* LCLONE_DROP_H */
