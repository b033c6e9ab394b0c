/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks of libdevmapper, for dm.c and clone/dm-switch.c.
 */
#ifndef LCLONE_DM_PARTS_H
#define LCLONE_DM_PARTS_H

#include <libdevmapper.h>

#include "host/dm.h"

/* NULL: see lclone_dm_no_task() */
struct dm_task *lclone_dm_task(int type, const char *name);
int lclone_dm_no_task(const char *name);

/* Runs it; when it fails, @what could not be done, and the kernel says why. */
int lclone_dm_run(struct dm_task *dmt, const char *what, const char *name);

/* A task that needs only a name; @cookie: it changes the device's node. */
int lclone_dm_simple(int type, const char *name, const char *what, bool cookie);

/* libdevmapper's own complaint, "" if there is none */
const char *lclone_dm_complaint(void);

#endif /* LCLONE_DM_PARTS_H */
