// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/super.h"
#include "host/lv.h"
#include "online/create.h"
#include "online/open.h"

/* LVM wipes the start of what it makes; a delta of before may be found by what is behind. */
static int wipe_recycled(const char *path)
{
	struct lclone_file delta;
	int err;

	err = lclone_file_open(&delta, path, O_RDWR | O_EXCL);
	if (!err)
		err = lclone_super_wipe(&delta);
	lclone_file_close(&delta);
	return err;
}

/*
 * What a run that was killed has made, and not kept.  It may have been opened by hand since: then
 * it is somebody's.
 */
static int remove_half_made(const char *vg, const char *lv, const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	bool unused = false;
	int err;

	if (!lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL)) {
		err = lclone_delta_open_sb(&delta, &file.dev);
		unused = err == -EINVAL || err == -ENODATA || (!err && !delta.sb.incarnation);
		lclone_delta_close(&delta);
	}
	lclone_file_close(&file);
	return unused ? lclone_lv_remove_new(vg, lv) : 0;
}

/* What this command has formatted and could not open becomes blank again. */
static void undo_format(const char *path)
{
	struct lclone_file delta;

	if (!lclone_file_open(&delta, path, O_RDWR | O_EXCL))
		lclone_super_wipe(&delta);
	lclone_file_close(&delta);
}

int lclone_create_clone(const char *name, const char *base, const char *delta,
			const struct creation *c)
{
	struct lclone_sb sb;
	int err;

	err = lclone_format_delta(base, delta, c->format, &sb);
	if (err)
		return err;
	c->formatted(delta, &sb);
	err = lclone_open_clone(name, base, delta, &c->format->parents, c->features,
				c->host);
	if (!err)
		return 0;
	lclone_why_hold();
	undo_format(delta);
	lclone_why_release();
	return err;
}

int lclone_create_with_lv(const char *name, const char *base, const char *vg, u64 sectors,
			  const struct creation *c)
{
	char lv[LCLONE_NAME_SIZE + 8], path[PATH_MAX];
	int err, left;

	if (!strncmp(vg, "/dev/", 5))		/* as LVM's own commands take it */
		vg += 5;
	snprintf(lv, sizeof(lv), "%s-delta", name);
	snprintf(path, sizeof(path), "/dev/%s/%s", vg, lv);
	if (lclone_was_opened(name, base, path, c->features))
		return lclone_lv_keep(vg, lv);
	err = lclone_check_free_name(name);
	if (!err)
		err = remove_half_made(vg, lv, path);
	if (!err)
		err = lclone_lv_create(vg, lv, sectors);
	if (err)
		return err;
	err = wipe_recycled(path);
	if (!err)
		err = lclone_create_clone(name, base, path, c);
	if (!err)
		return lclone_lv_keep(vg, lv);
	lclone_why_hold();
	left = lclone_lv_remove(vg, lv);
	lclone_why_release();
	return left ? lclone_fail(err, "%s; and the volume %s/%s could not be removed",
				  lclone_why(), vg, lv) : err;
}
