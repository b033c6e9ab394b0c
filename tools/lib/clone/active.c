// SPDX-License-Identifier: GPL-2.0-only
/* The delta of an active clone, to be looked at while that goes on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/active.h"
#include "clone/delta-file.h"
#include "clone/inventory.h"

/* The active clone that writes to @path: 1, 0 if there is none, or a negative errno */
static int find_clone(const char *path, dev_t rdev, struct lclone_clone *clone)
{
	struct lclone_inventory inv = { .count = 0 };
	const struct lclone_clone *found;
	int ret;

	ret = lclone_inventory_ask_clones(&inv);
	found = ret ? NULL : lclone_clone_with_delta(&inv, rdev);
	if (found) {
		*clone = *found;
		ret = 1;
	} else if (!ret && inv.unseen_count) {
		ret = lclone_fail(-EBUSY, "%s is in use, maybe by %s, which %s", path,
				  inv.unseen[0].path, inv.unseen[0].why);
	}
	lclone_inventory_free(&inv);
	return ret;
}

static bool can_commit(const struct lclone_clone *clone)
{
	return !clone->suspended && !clone->table.features.read_only;
}

/* A suspend has written all that there is, too. */
static int commit(const struct lclone_clone *clone)
{
	struct lclone_clone now;
	bool can;
	int err;

	if (!can_commit(clone))
		return 0;
	err = lclone_dm_message(clone->name, "commit");
	if (!err)
		return 0;
	lclone_why_hold();
	can = !lclone_dm_get(clone->name, &now) && can_commit(&now);
	lclone_why_release();
	return can ? err : 0;
}

static int read_moment(struct lclone_file *file, const char *clone, struct lclone_moment *moment)
{
	int err = lclone_moment_read(moment, &file->dev);

	if (err == -EBUSY)
		return lclone_fail(err, "%s: %s changes it faster than it can be read: try again later",
				   file->path, clone);
	return err ? lclone_fail(err, "%s: %s", file->path, strerror(-err)) : 0;
}

/* A delta may be enlarged at any time: then the size that its superblock has is beyond the file's. */
static bool has_grown(const struct lclone_file *file)
{
	u64 bytes;

	return !ioctl(file->fd, BLKGETSIZE64, &bytes) && bytes >> 9 > file->dev.sectors;
}

static int read_committed(const char *path, void (*stale)(const char *why),
			  const struct lclone_clone *clone, struct lclone_file *file,
			  struct lclone_moment *moment)
{
	int ret;

	ret = lclone_file_open_ready(file, path, O_RDONLY);
	if (!ret)
		ret = lclone_lock(file, LCLONE_LOCK_SHARED);
	if (ret)
		return ret;
	ret = commit(clone);
	if (ret && !stale)
		return ret;
	if (ret)
		stale(lclone_why());
	ret = read_moment(file, clone->name, moment);
	lclone_unlock(file);
	return ret;
}

int lclone_open_delta_file_now(const char *path, void (*stale)(const char *why),
			       struct lclone_file *file, struct lclone_moment *moment,
			       const struct lclone_dev **dev)
{
	struct lclone_clone clone;
	const char *why;
	int err, ret;

	memset(moment, 0, sizeof(*moment));
	*dev = &file->dev;
	err = lclone_open_delta_file(path, O_RDONLY, file);
	if (err != -EBUSY || !file->block || geteuid())
		return err;
	lclone_why_hold();
	ret = find_clone(path, file->rdev, &clone);
	why = lclone_why_release();
	if (ret <= 0)
		return ret ? lclone_fail(ret, "%s", why) : err;
	do {
		lclone_moment_free(moment);
		lclone_file_close(file);
		ret = read_committed(path, stale, &clone, file, moment);
	} while (!ret && has_grown(file));
	*dev = &moment->dev;
	return ret;
}
