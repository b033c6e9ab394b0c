/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of all device-mapper devices, on one file descriptor.
 *
 * What happens after lclone_dm_events_arm() makes the descriptor readable, so it is armed first,
 * and then looked at the devices: nothing is missed.
 *
 * Functions return a negative errno with the sentence in lclone_why() when they fail.
 */
#ifndef LCLONE_DM_EVENTS_H
#define LCLONE_DM_EVENTS_H

#include "lclone_format.h"

/* A descriptor for poll(2), to be closed. */
int lclone_dm_events_open(void);

/* From here on it is readable (POLLIN) as soon as something happens to any device. */
int lclone_dm_events_arm(int fd);

/*
 * Calls @visit for each device with the number of its last event, as long as that returns 0;
 * returns what it has returned.
 */
int lclone_dm_events_each(int fd, int (*visit)(const char *name, u32 event, void *ctx), void *ctx);

#endif /* LCLONE_DM_EVENTS_H */
