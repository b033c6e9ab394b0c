/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A running clone goes on with a new delta: what snapshot and revert have in common.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SWITCH_H
#define LCLONE_SWITCH_H

#include "host/pending.h"
#include "online/volume.h"

struct switching {
	const char *name;		/* of the clone */
	const char *to;			/* the device of the new delta; NULL: a volume is made */
	struct volume_wish volume;
	bool force;			/* whatever is on @to is overwritten */
	bool back;			/* to a snapshot; else one is taken */
	const char *snapshot;		/* its name; NULL: it has none, or the latest is meant */
};

struct switched {
	char old[PATH_MAX];		/* the delta that it had till now */
	char new[PATH_MAX];
	double pause_ms;		/* that its users had to wait; -1: in a run that was killed */
	struct dropped dropped;		/* what it has not any more: to be freed */
};

/*
 * The running clone goes on with a new, empty delta: on what it had till now, which becomes a
 * sealed layer, or (@back) on that snapshot, or the layers below what it had.  If this fails
 * nothing is left of what was made for it, but for -ECANCELED, see follow.h.
 */
int lclone_switch_delta(const struct switching *s, struct switched *switched);

/*
 * lclone_dm_settle(), and what was left of a revert is ended, too, and written down what has
 * become of the clone, see follow.h.
 */
int lclone_settle(const char *name, struct lclone_pending *pending);

/*
 * A resize that was killed may have recorded a size with which alone a table loads: then the clone
 * gets that.  @clone is as it is now.
 */
int lclone_end_resize(struct lclone_clone *clone);

#endif /* LCLONE_SWITCH_H */
