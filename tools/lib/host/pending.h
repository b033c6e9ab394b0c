/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a command has begun with a clone, for the run after one that was killed: a
 * note in /run/lclone, which is gone when the command has ended, or the machine.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_PENDING_H
#define LCLONE_PENDING_H

#include <stdbool.h>

#include "host/target.h"

#define LCLONE_LINE_SIZE	(LCLONE_PARAMS_SIZE + 64)

/* Table lines as dmsetup prints them; "" where there is no device, or nothing in between */
struct lclone_pending {
	char before[LCLONE_LINE_SIZE];
	char between[LCLONE_LINE_SIZE];
	char after[LCLONE_LINE_SIZE];
	char uuid[40];		/* of the delta before, whose number another may get; or "" */
};

/*
 * Noted from here on, until lclone_pending_end().  Of a command that changes a clone
 * twice, what was before is that of the first time.
 */
int lclone_pending_begin(const char *name, const char *before, const char *after, const char *uuid);

/*
 * Waits for a command that is at it, but not for long: one that lives was not killed.
 * -ENOENT, without a sentence, if none was killed in it.
 */
int lclone_pending_read(const char *name, struct lclone_pending *pending);

/*
 * A command that was killed has ended what is noted: this one says so, and then its note goes, as
 * if it had made it.  False if it is not there any more, or somebody else's now: what is noted was
 * another's, and this command's part is still to be done.
 */
bool lclone_pending_adopt(const char *name, const struct lclone_pending *pending);

/* What was read, and has no meaning any more, unless it is somebody's again. */
void lclone_pending_drop(const char *name, const struct lclone_pending *pending);

/* What this process has begun last with a clone has not happened: what it noted before that holds. */
void lclone_pending_undo(const char *name);

/* Nothing that this process has begun with a clone is for a next run. */
void lclone_pending_forget(const char *name);

/* The table line that this process has noted last as what a clone will have; NULL: none */
const char *lclone_pending_after(const char *name);

/* All that this process has begun has ended. */
void lclone_pending_end(void);

#endif /* LCLONE_PENDING_H */
