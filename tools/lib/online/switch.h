/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A running clone goes on with a new delta: what snapshot and revert have in common.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SWITCH_H
#define LCLONE_SWITCH_H

#include "host/pending.h"

struct switched {
	char old[PATH_MAX];		/* the delta that it had till now */
	double pause_ms;		/* that its users had to wait; -1: in a run that was killed */
};

/*
 * The running clone goes on with the new, empty delta @to: on what it had till
 * now, which becomes a sealed layer, or (@back) on the layers below that.
 */
int lclone_switch_delta(const char *name, const char *to, bool force, bool back,
			struct switched *switched);

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
