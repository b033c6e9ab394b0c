/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals: what stops a process must not do so while the users of a device wait.
 */
#ifndef LCLONE_SIGNALS_H
#define LCLONE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* From here on no signal ends the process; it comes when they are released. */
void lclone_hold_signals(sigset_t *old);
void lclone_release_signals(const sigset_t *old);

/* Is one held back that would end the process? */
bool lclone_asked_to_end(void);

#endif /* LCLONE_SIGNALS_H */
