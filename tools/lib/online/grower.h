/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches all active clones, and extends deltas that have little space left.
 *
 * It has no state that matters: one that is started anew looks at all clones, and goes on.
 */
#ifndef LCLONE_GROWER_H
#define LCLONE_GROWER_H

#include <stddef.h>

#include "online/extend.h"

struct lclone_grower;

enum lclone_grower_event {
	LCLONE_EXTENDED,		/* a delta has got more space */
	LCLONE_NOT_EXTENDED,		/* it could not; said once, till it can or the reason changes */
};

/* Told what has happened to the clone @name; @extended is of LCLONE_EXTENDED only. */
typedef void (*lclone_grower_fn)(enum lclone_grower_event event, const char *name,
				 const char *why, const struct lclone_extended *extended,
				 void *ctx);

/*
 * 0, or a negative errno with the sentence in lclone_why(): -EBUSY if another one is at it on this
 * host.  To be freed by lclone_grower_free() also if this fails.
 */
int lclone_grower_start(struct lclone_grower **grower, const struct lclone_autoextend *how,
			lclone_grower_fn tell, void *ctx);
void lclone_grower_free(struct lclone_grower *grower);

/*
 * Looks at those clones to which something has happened, or that it is time to look at, and
 * extends what has to be.  @between is called before what may take long.  Returns for how many
 * milliseconds at most lclone_grower_fd() is to be waited for (POLLIN) before it is called again,
 * or a negative errno with the sentence in lclone_why(): device-mapper cannot be asked.
 */
int lclone_grower_look(struct lclone_grower *grower, void (*between)(void));
int lclone_grower_fd(const struct lclone_grower *grower);

/* How many clones there were. */
size_t lclone_grower_clones(const struct lclone_grower *grower);

#endif /* LCLONE_GROWER_H */
