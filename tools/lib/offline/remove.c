// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/inventory.h"
#include "clone/owner.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "offline/remove.h"

/* A damaged delta can be removed; what is none, or of a newer version, is left alone. */
int lclone_remove_delta(const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_file_open_ready(&file, path, O_RDWR | O_EXCL);
	if (err)
		goto out;
	err = lclone_delta_open_sb(&delta, &file.dev);
	if (err && err != -EBADMSG && err != -EUCLEAN && err != -ENOSPC)
		err = lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path, delta.why);
	else
		err = (err ? 0 : lclone_refuse_owned(path, &delta.sb)) ?:
		      lclone_refuse_loss(path, &delta, err, NULL);
	if (!err)
		err = lclone_make_writable(&file);
	if (!err)
		err = lclone_super_wipe(&file);
out:
	lclone_close_delta(&file, &delta);
	return err;
}
