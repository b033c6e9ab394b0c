/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clones of a template by their names, one or many: volumes, deltas and devices, and their lines
 * in lclonetab(5).
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_DEPLOY_H
#define LCLONE_DEPLOY_H

#include "basic/watch.h"
#include "clone/inventory.h"
#include "host/file.h"
#include "online/create.h"

struct deployment {
	const char *from;		/* the template */
	const char *vg;			/* for the deltas; NULL: the template's */
	u64 delta_sectors;		/* of each; 0: what is small at first */
	const struct creation *creation;	/* of format no label and no uuid */
	/* The layers that they will lie on, bottom first, of that template; or NULL: none */
	const struct lclone_parents *layers;
	/*
	 * Makes one delta, instead of a format, as @format says; or NULL.  Others who make clones
	 * need not wait for that; @file is open with O_RDWR and O_EXCL.
	 */
	int (*fill)(void *ctx, struct lclone_file *file, const struct format_arguments *format);
	bool filled;			/* that one is there, and kept by a run that was killed */
	bool keep_going;		/* of those that cannot be made the others are made */
	/* One was made, or (@why is not NULL) could not be. */
	void (*told)(void *ctx, const char *name, const struct lclone_lv *lv, const char *why);
	void *ctx;
	const struct lclone_watch *watch;	/* told of names as if they were bytes */
};

/*
 * Makes all, or if one fails none; with @keep_going all that can be made: *failed are those that
 * could not.  Names, and what they would be in the way of, are looked at before anything is made.
 *
 * What a run that was killed has begun with these names is ended: clones that it has opened are
 * taken as they are, and stay also if others cannot be made; the rest is made anew.  With fill
 * nothing is taken, -EEXIST: what a clone was filled with cannot be told, nor whether it was.
 */
int lclone_deploy(const char *const *names, size_t count, const struct deployment *d,
		  struct lclone_names *failed);

#endif /* LCLONE_DEPLOY_H */
