/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of snapshot and revert, which put a new delta in the place of a clone's.
 */
#ifndef LCLONE_UI_SWITCHING_H
#define LCLONE_UI_SWITCHING_H

#include <stdbool.h>

#include "online/switch.h"
#include "ui/options.h"

/* --to (o), --vg (V), --delta-size (S), --force (f).  False: it is another; *ret is a parser's. */
bool switching_option(struct switching *s, int option, const char *value, int *ret);

/* What goes together, and the clone that is meant; @snapshot: or NULL.  0, or usage_error()'s. */
int switching_check(struct switching *s, const struct command *cmd, const char *name,
		    const char *snapshot);

#endif /* LCLONE_UI_SWITCHING_H */
