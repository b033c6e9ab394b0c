/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metadata of a delta that the kernel writes to, as of one moment.
 *
 * What a superblock leads to is not overwritten before a newer superblock is durable, and
 * the log only grows meanwhile.  So superblocks, log and tree are read, in this order, and
 * the superblocks again: if they are still the same, all that was read belongs together.  If
 * they are not, it is tried again, and only those nodes are read that are new.  What looks like
 * damage counts if it was seen several times while the superblocks stayed the same.
 *
 * Superblocks, log and nodes are in memory from then on: 4 KiB for each, so a clone with 1 TiB
 * of data in chunks of 64 KiB takes 130 MiB; and what the clone changes in its tree meanwhile,
 * until the metadata are read.
 */
#ifndef LCLONE_MOMENT_H
#define LCLONE_MOMENT_H

#include "format/dev.h"

struct lclone_moment_block;

struct lclone_moment {
	/*
	 * To open the delta on.  Metadata are those of the moment.  Data are what is on the
	 * device when they are read: they may be later, and where the clone has freed a
	 * chunk since then, something else.
	 */
	struct lclone_dev dev;
	const struct lclone_dev *of;	/* the device */
	struct lclone_moment_block **block;	/* metadata that were read: a hash by number */
	u32 pass;			/* number of the try */
	u32 doubts;			/* how often damage was seen in what the slots say now */
	bool reading;
};

/*
 * Reads the metadata of the delta on @of, which must outlive @m.  0 also for what is damaged, or
 * no delta; -EBUSY if it changes all the time; or -ENOMEM.  lclone_moment_free() it in any case.
 */
int lclone_moment_read(struct lclone_moment *m, const struct lclone_dev *of);
/* Nothing is done with one that is 0. */
void lclone_moment_free(struct lclone_moment *m);

#endif /* LCLONE_MOMENT_H */
