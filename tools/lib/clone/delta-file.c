// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/inventory.h"
#include "clone/owner.h"
#include "clone/super.h"

static bool is_sealed(const struct lclone_file *file)
{
	struct lclone_delta delta;
	bool sealed;

	sealed = !lclone_delta_open_sb(&delta, &file->dev) &&
		 delta.sb.state & LCLONE_STATE_SEALED;
	lclone_delta_close(&delta);
	return sealed;
}

int lclone_open_delta_file(const char *path, int flags, struct lclone_file *file)
{
	int err;

	if ((flags & O_ACCMODE) == O_RDONLY) {
		err = lclone_file_open_ready(file, path, O_RDONLY);
		if (!err)
			err = lclone_lock(file, LCLONE_LOCK_SHARED);
		if (err || is_sealed(file))
			return err;
		if (!(flags & O_EXCL))
			return lclone_file_claim(file);
		lclone_file_close(file);
	}
	return lclone_file_open_ready(file, path, flags | O_EXCL);
}

int lclone_open_delta_on(const char *path, const struct lclone_dev *dev, struct lclone_delta *delta)
{
	int err = lclone_delta_open(delta, dev);

	return err ? lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path, delta->why) :
		     0;
}

int lclone_open_delta(const char *path, int flags, struct lclone_file *file,
		      struct lclone_delta *delta)
{
	int err;

	memset(delta, 0, sizeof(*delta));
	err = lclone_open_delta_file(path, flags, file);
	return err ?: lclone_open_delta_on(path, &file->dev, delta);
}

void lclone_close_delta(struct lclone_file *file, struct lclone_delta *delta)
{
	lclone_delta_close(delta);
	lclone_file_close(file);
}

int lclone_check_writable(const struct lclone_delta *delta, const char *path)
{
	int damaged = lclone_delta_damaged_slot(delta);
	u64 unknown = delta->sb.ro_compat & ~LCLONE_FEATURE_RO_COMPAT;

	if (damaged >= 0)
		return lclone_fail(-EUCLEAN, "%s: superblock %c is damaged, it can only be read",
				   path, 'A' + damaged);
	if (unknown)
		return lclone_fail(-EPROTONOSUPPORT, "%s: has features of a newer lclone (0x%llx), it can only be read",
				   path, (unsigned long long)unknown);
	if (delta->sb.state & LCLONE_STATE_SEALED)
		return lclone_refuse_depended(path, &delta->sb, NULL) ?:
		       lclone_fail(-EBUSY, "%s is a sealed layer, it can only be read", path);
	return lclone_refuse_owned(path, &delta->sb);
}

int lclone_abandon_delta(const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (!err && !(delta.sb.state & LCLONE_STATE_SEALED)) {
		sb = delta.slot[delta.newest].sb;
		sb.state |= LCLONE_STATE_SEALED;
		sb.generation++;
		sb.sealed_at = time(NULL);
		err = lclone_super_write(&file, &sb);
	}
	lclone_close_delta(&file, &delta);
	return err;
}
