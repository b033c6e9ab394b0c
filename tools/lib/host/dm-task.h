/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks of libdevmapper, and why one has failed.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 * When the kernel refuses something, that is the kernel's own sentence.
 */
#ifndef LCLONE_DM_TASK_H
#define LCLONE_DM_TASK_H

#include <libdevmapper.h>

#include "lclone_format.h"

/* Silences libdevmapper; its messages become part of our sentences. */
void lclone_dm_init(void);

/* NULL: see lclone_dm_no_task() */
struct dm_task *lclone_dm_task(int type, const char *name);
int lclone_dm_no_task(const char *name);

/* Runs it; when it fails, @what could not be done, and the kernel says why. */
int lclone_dm_run(struct dm_task *dmt, const char *what, const char *name);

/* The same for a task that changes a device's node, which is there, or gone, afterwards. */
int lclone_dm_run_with_cookie(struct dm_task *dmt, const char *what, const char *name);

/* A task that needs only a name; @cookie: it changes the device's node. */
int lclone_dm_simple(int type, const char *name, const char *what, bool cookie);

/* libdevmapper's own complaint, "" if there is none */
const char *lclone_dm_complaint(void);

#endif /* LCLONE_DM_TASK_H */
