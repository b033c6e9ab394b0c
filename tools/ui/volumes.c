// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "host/device.h"
#include "ui/output.h"
#include "ui/volumes.h"

void tell_volume(void *quiet, const char *path, const char *why)
{
	if (quiet && *(bool *)quiet)
		return;
	if (!why)
		say("%s: removed\n", path);
	else if (why[0])
		say("%s: kept: %s\n", path, why);
	else
		say("%s is free (lclone remove)\n", path);
}

void free_volumes(const struct dropped *dropped, const char *clone, bool keep, bool quiet)
{
	u32 i;

	if (!keep)
		lclone_dropped_remove(dropped, clone, tell_volume, &quiet);
	for (i = 0; keep && i < dropped->count; i++)
		tell_volume(&quiet, dropped->path[i],
			    lclone_volume_keep(dropped->path[i]) ? lclone_why() : "");
}

/* That it is free was said with the merge. */
static void tell_removed(void *ctx, const char *path, const char *why)
{
	if (!why || why[0])
		tell_volume(ctx, path, why);
}

void tell_free(const char *delta, bool keep)
{
	struct lclone_lv lv;

	if (!keep && !lclone_lv_of(lclone_dev_at(delta), &lv) && lv.kind == LCLONE_LV_DELTA &&
	    !lv.given)
		say("%s: would be removed\n", delta);
	else
		say("%s: would be free\n", delta);
}

void free_merged(const char *clone, const char *delta, bool keep, bool quiet)
{
	lclone_free_merged(clone, delta, keep, tell_removed, &quiet);
}
