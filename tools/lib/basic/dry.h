/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dry run: a command that only says what it would do.  It goes the way that it always goes, with
 * all that it looks at, and ends right before the first change: whatever changes a device, a clone,
 * a volume or a file refuses to.
 */
#ifndef LCLONE_DRY_H
#define LCLONE_DRY_H

#include <errno.h>
#include <stdbool.h>

#define LCLONE_DRY	EXFULL		/* the errno of that, of nothing else */

/* From here on */
void lclone_dry_run(void);
bool lclone_is_dry(void);

/* Before a change: 0, or in a dry run -LCLONE_DRY */
int lclone_change(void);

#endif /* LCLONE_DRY_H */
