// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "basic/fail.h"
#include "clone/overwrite.h"
#include "clone/owner.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "clone/users.h"

/* It may be a base: it is not known to be a delta.  A blank file is nothing yet. */
static int refuse_base(const struct lclone_file *file, int err, bool none, bool force,
		       struct lclone_inventory *inv)
{
	bool blank;

	if (!err || err == -ENOSPC || err == -EUCLEAN)
		return 0;
	blank = none && !lclone_file_is_blank(file);
	return (blank ? file->block : force) ?
	       lclone_refuse_base_of_others(file, NULL, blank, inv) : 0;
}

/* @err is what the look for a delta has returned. */
static int refuse_content(const struct lclone_file *file, const struct lclone_delta *delta, int err,
			  bool force)
{
	const bool none = err == -ENODATA || err == -EINVAL;

	if (force)
		return 0;
	if (lclone_refuse_unread(file->path, delta, err))
		return lclone_fail(err, "%s (--force: overwrite it)", lclone_why());
	if (!none)
		return lclone_fail(-EADDRINUSE, "%s holds an lclone delta (--force: overwrite it)",
				   file->path);
	return lclone_file_is_blank(file) ?
	       lclone_fail(-EADDRINUSE, "%s (--force: overwrite it)", lclone_why()) : 0;
}

int lclone_may_overwrite(const struct lclone_file *file, bool force, struct lclone_inventory *inv)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &file->dev), refused;
	bool none = err == -ENODATA || err == -EINVAL;	/* of any version and in any state */

	/* it is as lost as a base is that others lie on */
	refused = (err ? 0 : lclone_refuse_owned(file->path, &delta.sb)) ?:
		  lclone_refuse_loss(file->path, &delta, err, inv) ?:
		  refuse_base(file, err, none, force, inv) ?:
		  refuse_content(file, &delta, err, force);
	lclone_delta_close(&delta);
	return refused;
}

int lclone_must_be_blank(const struct lclone_file *file)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &file->dev);

	err = refuse_content(file, &delta, err, false);
	lclone_delta_close(&delta);
	return err ?: lclone_make_writable(file);
}
