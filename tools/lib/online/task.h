/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel does in the background with a clone that is in use.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why();
 * -EINTR if a signal came, and the kernel goes on.
 */
#ifndef LCLONE_TASK_H
#define LCLONE_TASK_H

#include "host/dm.h"

/* Who waits for the kernel sees how far it is. */
struct online_watch {
	/* @state is the kernel's word; @first and @last are of one wait. */
	void (*show)(void *ctx, const char *state, u64 done, u64 total, bool first, bool last);
	/* The wait is over: something else may be printed. */
	void (*end)(void *ctx);
	/* Does the user not want to wait any more? */
	bool (*stops)(void *ctx);
};

/* A clone that is not active, in a dry run, which does not open it: as it would be */
struct asleep {
	struct lclone_clone clone;
	struct lclone_status status;
};

struct online {
	const char *name;		/* of the clone */
	const char *rate;		/* "auto", "max", KiB/s, or NULL: as it is */
	bool detach;			/* do not wait for the end */
	bool writes_base;		/* it is not opened verified */
	u64 most;			/* bytes that it will copy at most; 0: not known */
	const struct asleep *asleep;	/* or NULL: it is active */
	const struct online_watch *watch;
	void *ctx;
};

/* -ERANGE if it is not one of these. */
int lclone_check_rate(const char *rate);

/* The clone and its status: -EBUSY if suspended, -EROFS or -EUCLEAN if it can't be written. */
int lclone_look_at_writable(const struct online *o, struct lclone_clone *clone,
			    struct lclone_status *status);

/* Tells the kernel @o->rate, if there is one. */
int lclone_set_rate(const struct online *o);

/*
 * Waits until the clone's task has ended: @done is the word for that, @again the command that
 * waits for it.  1: with @o->detach it is not waited for, and lclone_why() says so.
 */
int lclone_wait_for_task(struct online *o, const char *done, const char *again);

/*
 * The clone goes on without its @task, "merge" or "flatten", which *command (what comes after
 * "lclone") takes up again.
 */
int lclone_stop_task(const char *name, const char *task, const char **command);

#endif /* LCLONE_TASK_H */
