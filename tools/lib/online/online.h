/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel does in the background with a clone that is in use.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why();
 * -EINTR if a signal came, and the kernel goes on.
 */
#ifndef LCLONE_ONLINE_H
#define LCLONE_ONLINE_H

#include "host/dm.h"
#include "ui/progress.h"

struct online {
	const char *name;		/* of the clone */
	const char *rate;		/* "auto", "max", KiB/s, or NULL: as it is */
	bool detach;			/* do not wait for the end */
	u64 most;			/* bytes that it will copy at most; 0: not known */
	bool yes;			/* do not ask before a merge */
	struct meter meter;
};

/* -ERANGE if it is not one of these. */
int check_rate(const char *rate);

/* The clone and its status: -EBUSY if suspended, -EROFS or -EUCLEAN if it can't be written. */
int look_at_writable(const char *name, struct lclone_clone *clone, struct lclone_status *status);

int set_rate(const struct online *o);

/*
 * Shows progress until the clone's task has ended: @done is the word for that,
 * @again the command that waits for it.  1: not waited for, which it has said.
 */
int wait_for_task(struct online *o, const char *done, const char *again);

/*
 * Merges the clone into its base, or goes on with that.  When it has ended the
 * clone is a linear device on the base, and the delta none any more.
 */
int merge_online(struct online *o);

/* Is @device ("major:minor") the base, or disk, to which a killed command has led the clone? */
bool was_led_to(const struct online *o, const char *device);

/* The clone goes on without its @task, "merge" or "flatten", which can be taken up again. */
int stop_task(const char *name, const char *task);

#endif /* LCLONE_ONLINE_H */
