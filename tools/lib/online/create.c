// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/lock.h"
#include "online/create.h"
#include "online/open.h"

#define SMALL_SECTORS	(1ull << 21)	/* 1 GiB */

u64 lclone_small_delta(u64 sectors)
{
	const u64 most = sectors + sectors / 64 + (16ull << 11);

	return most < SMALL_SECTORS ? most : SMALL_SECTORS;
}

int lclone_wipe_recycled(const char *path)
{
	struct lclone_file delta;
	int err;

	err = lclone_file_open(&delta, path, O_RDWR | O_EXCL);
	if (!err)
		err = lclone_super_wipe(&delta);
	lclone_file_close(&delta);
	return err;
}

bool lclone_is_recycled(const struct lclone_file *file, const struct lclone_sb *sb,
			const char *uuid)
{
	static const u8 zeros[LCLONE_BLOCK_SIZE];
	u8 start[LCLONE_BLOCK_SIZE];
	char found[37];

	uuid_unparse_lower(sb->uuid, found);
	return strcmp(found, uuid) &&
	       !lclone_dev_read(&file->dev, start, 0, LCLONE_BLOCK_SECTORS) &&
	       !memcmp(start, zeros, sizeof(start));
}

/* Was it used since it was formatted?  The tag says with which uuid that was. */
static bool is_used(const struct lclone_file *file, const struct lclone_sb *sb)
{
	struct lclone_lv there;

	return sb->incarnation && (lclone_lv_of(file->rdev, &there) ||
				   !lclone_is_recycled(file, sb, there.uuid));
}

/*
 * What a run that was killed has made, and not kept.  It may have been opened by hand since, or got
 * a filesystem: then it is somebody's.
 */
int lclone_remove_half_made(const struct lclone_lv *lv, const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	bool unused = false;
	int err;

	if (!lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL)) {
		err = lclone_delta_open_sb(&delta, &file.dev);
		if (err == -EINVAL || err == -ENODATA)
			unused = !lclone_file_no_signature(&file);
		else
			unused = !err && !is_used(&file, &delta.sb);
		lclone_delta_close(&delta);
	}
	lclone_file_close(&file);
	return unused ? lclone_lv_remove_new(lv) : 0;
}

/* What this command has formatted and could not open becomes blank again. */
static void undo_format(const char *path)
{
	struct lclone_file delta;

	if (!lclone_file_open(&delta, path, O_RDWR | O_EXCL))
		lclone_super_wipe(&delta);
	lclone_file_close(&delta);
}

const char *lclone_label_of(const char *name)
{
	return strlen(name) < LCLONE_LABEL_SIZE && !strchr(name, '@') ? name : NULL;
}

int lclone_create_clone(const char *name, const char *base, const char *delta,
			const struct creation *c)
{
	struct format_arguments format = *c->format;
	struct lclone_sb sb;
	int err;

	format.label = format.label ?: lclone_label_of(name);
	err = lclone_format_delta(base, delta, &format, &sb);
	if (err)
		return err;
	if (c->formatted)
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

/* In tags the name is as it is: LVM refuses what cannot be one in the volume's name, too. */
int lclone_delta_lv(struct lclone_lv *lv, const char *name, u8 uuid[LCLONE_UUID_SIZE])
{
	int err = lclone_lv_check_name("a clone with a volume of its own", name);

	if (err)
		return err;
	if (snprintf(lv->lv, sizeof(lv->lv), "%s-delta", name) >= (int)sizeof(lv->lv))
		return lclone_fail(-ENAMETOOLONG, "%s is too long a name", name);
	snprintf(lv->name, sizeof(lv->name), "%s", name);
	uuid_generate(uuid);
	uuid_unparse_lower(uuid, lv->uuid);
	return 0;
}

/* @alone: nobody who lives has made what there is. */
static int create_on(const struct lclone_lv *lv, const char *base, const char *path,
		     const struct creation *c, bool alone)
{
	int err, left;

	if (alone && lclone_was_opened(lv->name, base, path, c->features))
		return lclone_lv_keep(lv);
	err = lclone_check_free_name(lv->name);
	if (!err && alone)
		err = lclone_remove_half_made(lv, path);
	err = err ?: lclone_lv_create(lv);
	if (err)
		return err;
	err = lclone_wipe_recycled(path) ?: lclone_create_clone(lv->name, base, path, c);
	if (!err)
		return lclone_lv_keep(lv);
	lclone_why_hold();
	left = lclone_lv_remove_new(lv);
	lclone_why_release();
	return left ? lclone_fail(err, "%s; and the volume %s/%s could not be removed",
				  lclone_why(), lv->vg, lv->lv) : err;
}

int lclone_create_with_lv(const char *name, const char *base, const char *vg, u64 sectors,
			  const struct creation *c)
{
	struct format_arguments format = *c->format;
	struct creation creation = *c;
	struct lclone_lv lv = { .kind = LCLONE_LV_DELTA, .sectors = sectors };
	char path[LCLONE_LV_PATH_SIZE];
	u8 uuid[LCLONE_UUID_SIZE];
	int err, lock;
	bool alone;

	err = lclone_lv_set_vg(&lv, vg) ?: lclone_delta_lv(&lv, name, uuid);
	if (err)
		return err;
	creation.format = &format;
	format.uuid = uuid;
	lclone_lv_path(&lv, path);
	alone = lclone_dev_at(path);
	lock = lclone_lock_creation(alone ? LCLONE_LOCK_EXCLUSIVE : LCLONE_LOCK_SHARED);
	if (lock < 0)
		return lock;
	err = create_on(&lv, base, path, &creation, alone);
	close(lock);
	return err;
}
