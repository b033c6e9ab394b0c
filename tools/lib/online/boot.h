/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone of lclonetab(5) becomes active at boot, and is no longer at shutdown.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_BOOT_H
#define LCLONE_BOOT_H

#include "host/tab.h"

/*
 * Opens it; nothing is done if it is active already.  What may be about to come, as a layer on
 * a volume that LVM has not activated yet, is waited for some seconds.
 */
int lclone_start_entry(const struct lclone_tab_entry *entry);

/* Closes it; nothing is done if there is no such device. */
int lclone_stop_name(const char *name);

#endif /* LCLONE_BOOT_H */
