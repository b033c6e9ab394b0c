/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A check of a delta on a device, and of the chain that it lies on.
 */
#ifndef LCLONE_CHECK_DELTA_H
#define LCLONE_CHECK_DELTA_H

#include "clone/inventory.h"
#include "offline/check.h"

/*
 * Checks all of the delta on @path, which may be active, see active.h (@stale), that @base, if it
 * is not NULL, is its base, and that the layers are there and what they were.  Returns the number
 * of findings, each of which was reported, or a negative errno with the sentence in lclone_why().
 */
long lclone_check_delta(const char *path, struct lclone_file *base,
			const struct lclone_parents *parents, void (*stale)(const char *why),
			lclone_report_fn report, void *ctx, struct lclone_usage *usage);

#endif /* LCLONE_CHECK_DELTA_H */
