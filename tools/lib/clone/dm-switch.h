/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device goes over to another table; and what a run that was killed in that has left.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_DM_SWITCH_H
#define LCLONE_DM_SWITCH_H

#include "host/dm.h"
#include "host/pending.h"

/*
 * Loads a new table for @old, suspends without flushing and resumes: the device
 * keeps its users, who had to wait for *pause_ms.  If the new table cannot be
 * resumed, @old goes on as it was.  -ECANCELED if its table is not @old's any more;
 * -EINTR if a signal came before anything was changed, unless the size is: later ones are held back.
 * What was begun stays noted until lclone_pending_end().
 */
int lclone_dm_switch(const struct lclone_clone *old, const char *target, u64 sectors,
		     const char *params, double *pause_ms);

/*
 * The same, of a table that has the delta of @old as its topmost layer: the kernel seals that, and
 * with the seal it gets @label, or keeps its own if that is "".
 */
int lclone_dm_seal(const struct lclone_clone *old, const char *params, const char *label,
		   double *pause_ms);

/* Goes over to @table, with the features merge, flatten and rebase as they are there. */
int lclone_change_table(const struct lclone_clone *clone, const struct lclone_table *table);

/*
 * Ends what a killed command has left of a switch, or of the device's making, and
 * waits for one that is at it.  Without a note nothing was begun by us.  1: what is
 * noted in @pending has been done, and what its command would have done after it may
 * not; 2: only what is in between; 0: nothing of the kind.
 */
int lclone_dm_settle(const char *name, struct lclone_pending *pending);

/* Notes that the clone is opened with this table, or, with it, closed. */
int lclone_dm_begin(const char *name, u64 sectors, const char *params, bool opens);

/* A noted line: sectors, params and table of @clone. -EPROTO if it is none. */
int lclone_dm_line(const char *line, struct lclone_clone *clone, char target[32]);

/* A merge ends with such a device: linear, on the start of another, made by none of dm's users. */
bool lclone_dm_is_disk(const char *name, int *open_count);

#endif /* LCLONE_DM_SWITCH_H */
