// SPDX-License-Identifier: GPL-2.0-only
#include "basic/dry.h"
#include "basic/fail.h"

static bool dry;

void lclone_dry_run(void)
{
	dry = true;
}

bool lclone_is_dry(void)
{
	return dry;
}

int lclone_change(void)
{
	return dry ? lclone_fail(-LCLONE_DRY, "nothing is changed in a dry run") : 0;
}
