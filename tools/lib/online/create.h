/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A new delta becomes an active clone; nothing is left of it if it cannot.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_CREATE_H
#define LCLONE_CREATE_H

#include "clone/make.h"
#include "host/target.h"

struct creation {
	const struct format_arguments *format;
	const struct lclone_features *features;
	bool host;			/* see lclone_open_clone() */
	/* The new delta is there, before the clone is. */
	void (*formatted)(const char *delta, const struct lclone_sb *sb);
};

/* The clone @name of @base ("-": of nothing) and the device @delta */
int lclone_create_clone(const char *name, const char *base, const char *delta,
			const struct creation *c);

/* ... and of a logical volume NAME-delta of so many sectors, which is made in @vg */
int lclone_create_with_lv(const char *name, const char *base, const char *vg, u64 sectors,
			  const struct creation *c);

#endif /* LCLONE_CREATE_H */
