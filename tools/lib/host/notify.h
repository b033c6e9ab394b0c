/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a service tells systemd of itself, see sd_notify(3). Nothing is done, and it is no error,
 * when nobody has asked for that.
 */
#ifndef LCLONE_NOTIFY_H
#define LCLONE_NOTIFY_H

/* "READY=1", "STATUS=...": lines of variables */
void lclone_notify(const char *state);

/* How often, in milliseconds, "WATCHDOG=1" has to be told; 0: it has not. */
unsigned int lclone_watchdog_ms(void);

#endif /* LCLONE_NOTIFY_H */
