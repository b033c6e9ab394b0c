/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a run that was killed has made of a clone with a volume of its own: the volume has the
 * tag new as long as that run has not ended, and nobody is at it any more, as who asks has the
 * lock of lclone_lock_creation() alone; or it is locked itself, as one that is filled.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_HALF_MADE_H
#define LCLONE_HALF_MADE_H

#include "clone/inventory.h"
#include "host/lv.h"
#include "host/target.h"

enum lclone_half_made {
	LCLONE_MADE_VOLUME,		/* and at most formatted: there is nothing that could be lost */
	LCLONE_MADE_OPENED,		/* closed since, by whomever: its delta may have anything */
	LCLONE_MADE_ACTIVE,
};

/*
 * Looks at the volume of the clone that it names, of @base, the last of @parents (or no layer) and
 * with those features; it is activated for that.  -EEXIST: it has got another use since, or that
 * cannot be told.
 */
int lclone_half_made(const struct lclone_lv *lv, const char *base,
		     const struct lclone_parents *parents,
		     const struct lclone_features *features, enum lclone_half_made *made);

#endif /* LCLONE_HALF_MADE_H */
