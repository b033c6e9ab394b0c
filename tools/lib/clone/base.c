// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/grown.h"

int open_base(const char *path, struct lclone_file *file, struct lclone_file **base)
{
	int err;

	*base = NULL;
	if (!strcmp(path, "-"))
		return 0;
	*base = file;
	err = lclone_file_open_ready(file, path, O_RDONLY);
	if (!err)
		err = lclone_lock(file, LCLONE_LOCK_SHARED);
	return err ?: lclone_file_not_mounted_rw(file);
}

void close_base(struct lclone_file *base)
{
	if (base)
		lclone_file_close(base);
}

int verify_base(const struct lclone_delta *delta, struct lclone_file *base)
{
	char why[LCLONE_WHY_SIZE];
	int err = lclone_base_verify(&delta->sb, base ? &base->dev : NULL, why);

	if (err == -ESTALE && base && base_has_grown(base, &delta->sb) &&
	    !same_but_larger(base, &delta->sb))
		return lclone_fail(err, "%s was enlarged since (lclone rebase --base %s DELTA)",
				   base->path, base->path);
	return err ? lclone_fail(err, "%s: %s", base ? base->path : "-", why) : 0;
}
