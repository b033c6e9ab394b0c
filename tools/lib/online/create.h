/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A new delta becomes an active clone; nothing is left of it if it cannot.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_CREATE_H
#define LCLONE_CREATE_H

#include "clone/make.h"
#include "host/file.h"
#include "host/lv.h"
#include "host/target.h"

struct creation {
	const struct format_arguments *format;
	const struct lclone_features *features;
	bool host;			/* see lclone_open_clone() */
	/* The new delta is there, before the clone is; or NULL. */
	void (*formatted)(const char *delta, const struct lclone_sb *sb);
};

/*
 * The label of a clone's delta, by which it is found where no note tells of it: its name, or NULL
 * if that is too long, or looks like that of a snapshot.
 */
const char *lclone_label_of(const char *name);

/*
 * The clone @name of @base ("-": of nothing) and the device @delta, whose label is the name if
 * none is given.
 */
int lclone_create_clone(const char *name, const char *base, const char *delta,
			const struct creation *c);

/* ... and of a logical volume NAME-delta of so many sectors, which is made in @vg */
int lclone_create_with_lv(const char *name, const char *base, const char *vg, u64 sectors,
			  const struct creation *c);

/*
 * What the volume NAME-delta of a clone is to be, with a new uuid, for the delta on it; all but
 * its group, size and template.
 */
int lclone_delta_lv(struct lclone_lv *lv, const char *name, u8 uuid[LCLONE_UUID_SIZE]);

/*
 * Sectors of a delta that is small at first, of a clone of so many: no more than it can ever need,
 * what is written, and what says where.
 */
u64 lclone_small_delta(u64 sectors);

/* What a run that was killed has made at @path, and nobody has used, goes. */
int lclone_remove_half_made(const struct lclone_lv *lv, const char *path);

/* LVM wipes the start of what it makes; a delta of before could be found by what is behind. */
int lclone_wipe_recycled(const char *path);
/* Is it such that was found, on a volume that is to have a delta with the other uuid? */
bool lclone_is_recycled(const struct lclone_file *file, const struct lclone_sb *sb,
			const char *uuid);

#endif /* LCLONE_CREATE_H */
