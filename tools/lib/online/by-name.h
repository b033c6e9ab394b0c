/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone that is known by its name is opened, or removed with all that was made for it.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_BY_NAME_H
#define LCLONE_BY_NAME_H

#include "clone/inventory.h"
#include "clone/name.h"
#include "online/task.h"

/*
 * See lclone_open_clone().  To @parents and @features what its line in lclonetab has is added, and
 * a volume of LVM is activated first.
 */
int lclone_open_name(const char *name, struct lclone_parents *parents,
		     struct lclone_features *features, bool host);

/*
 * For a command that works on active clones: one that is not is opened, *opened, and closed again,
 * whatever has become of the command, of which @err is, and which is returned.
 */
int lclone_open_meanwhile(const char *name, bool *opened);
/* The same, but a dry run opens none: it gets @o->asleep. */
int lclone_open_for(struct online *o, bool *opened);
int lclone_close_again(const char *name, bool opened, int err);

/* Closes it, and wipes its delta, which can be told from a name that has got another meaning. */
int lclone_wipe_named(struct lclone_named *named);
/* Behind that: takes its line out of lclonetab, and removes its volume, if that was made for it. */
int lclone_forget_named(const struct lclone_named *named);

#endif /* LCLONE_BY_NAME_H */
