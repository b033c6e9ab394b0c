/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone becomes active.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_OPEN_H
#define LCLONE_OPEN_H

#include "clone/inventory.h"

/*
 * Activates the clone of @base ("-": none) and @delta as @name.  @host: for what this host itself
 * mounts; else it is a guest's disk, which udev's rules do not look into.
 */
int lclone_open_clone(const char *name, const char *base, const char *delta,
		      const struct lclone_parents *parents, const struct lclone_features *features,
		      bool host);

/* The parameters with which the kernel would activate it, with these names of the devices */
int lclone_open_line(const char *base, const char *delta, const struct lclone_parents *parents,
		     const struct lclone_features *features, u64 *sectors,
		     char params[LCLONE_PARAMS_SIZE]);

/*
 * Has a run of open or create that was killed opened this very clone?  What one has
 * left half made is taken away.
 */
bool lclone_was_opened(const char *name, const char *base, const char *delta,
		       const struct lclone_features *features);

/*
 * Is it active, with this very line, and right above the last of @parents (none: above no layer)?
 * Then it is of no matter who has opened it.
 */
bool lclone_is_open_so(const char *name, const char *base, const char *delta,
		       const struct lclone_parents *parents,
		       const struct lclone_features *features);

#endif /* LCLONE_OPEN_H */
