// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "basic/fail.h"
#include "clone/overwrite.h"
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

int lclone_may_overwrite(const struct lclone_file *file, bool force, struct lclone_inventory *inv)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &file->dev), depended;
	bool none = err == -ENODATA || err == -EINVAL;	/* of any version and in any state */

	/* it is as lost as a base is that others lie on */
	depended = lclone_refuse_loss(file->path, &delta, err, inv) ?:
		   refuse_base(file, err, none, force, inv);
	if (depended)
		err = depended;
	else if (force)
		err = 0;
	else if (lclone_refuse_unread(file->path, &delta, err))
		err = lclone_fail(err, "%s (--force: overwrite it)", lclone_why());
	else if (!none)
		err = lclone_fail(-EADDRINUSE, "%s holds an lclone delta (--force: overwrite it)",
				  file->path);
	else if (lclone_file_is_blank(file))
		err = lclone_fail(-EADDRINUSE, "%s (--force: overwrite it)", lclone_why());
	else
		err = 0;
	lclone_delta_close(&delta);
	return err ?: lclone_make_writable(file);
}
