/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a command has begun with a clone, for the run after one that was killed: a
 * note in /run/lclone, which is gone when the command has ended, or the machine.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_PENDING_H
#define LCLONE_PENDING_H

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
 * if it had made it.
 */
void lclone_pending_adopt(const char *name, const struct lclone_pending *pending);

/* That of a clone has no meaning any more. */
void lclone_pending_drop(const char *name);

/* All that this process has begun has ended. */
void lclone_pending_end(void);

#endif /* LCLONE_PENDING_H */
