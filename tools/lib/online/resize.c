// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/signals.h"
#include "basic/text.h"
#include "clone/blocks.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/super.h"
#include "online/grown.h"
#include "online/resize.h"
#include "online/switch.h"

static u64 wanted_size(const struct wanted *w, u64 now)
{
	return w->more ? now + w->sectors : w->sectors;
}

static int refuse_shrunk(const char *path, u64 now, u64 before)
{
	return now >= before ? 0 :
	       lclone_fail(-ENOSPC, "%s has %s, it had %s: a delta cannot shrink", path,
			   LCLONE_SIZE(now), LCLONE_SIZE(before));
}

/* Of a base that is half merged into, what was not recorded is never the clone's. */
static int refuse_half_merged(const char *name, const struct lclone_sb *sb, u64 sectors)
{
	if (!lclone_merges_into_base(sb) || sectors <= sb->base_sectors)
		return 0;
	return lclone_fail(-EBUSY, "%s is half merged into its base, which is smaller: end that first (lclone merge)",
			   name);
}

/* The delta of an active clone: only its superblock is looked at, and the device's size. */
static int look_at_delta(const struct lclone_clone *clone, struct lclone_sb *sb, u64 *sectors)
{
	struct lclone_file file;
	char path[PATH_MAX];
	int err;

	lclone_name_of(clone->table.delta, path);
	err = lclone_sb_of(path, sb);
	if (err)
		return err;
	err = lclone_file_open(&file, path, O_RDONLY);
	*sectors = file.dev.sectors;
	lclone_file_close(&file);
	return err ?: refuse_shrunk(path, *sectors, sb->device_sectors);
}

/* A run that was killed has grown it by so much: once is enough. */
static bool has_grown(const char *name, const struct wanted *w,
		      const struct lclone_pending *pending)
{
	static struct lclone_clone before, after;
	char target[32];

	if (!w->more || lclone_dm_line(pending->before, &before, target) ||
	    lclone_dm_line(pending->after, &after, target) ||
	    before.sectors + w->sectors != after.sectors)
		return false;
	return lclone_pending_adopt(name, pending);
}

static int grow_clone(const struct lclone_clone *clone, u64 sectors)
{
	sigset_t signals;
	char message[64];
	double pause_ms;
	int err;

	if (sectors < clone->sectors)
		return lclone_fail(-ERANGE, "%s has %s: a clone cannot shrink", clone->name,
				   LCLONE_SIZE(clone->sectors));
	if (clone->table.features.merge)	/* its base would be too small */
		return lclone_fail(-EBUSY, "%s is being merged: end that first (lclone merge %s), or stop it",
				   clone->name, clone->name);
	err = lclone_size_fits_clone(sectors, clone->name);
	if (err)
		return err;
	snprintf(message, sizeof(message), "resize %llu", (unsigned long long)sectors);
	/* what is recorded is what any table must have from then on */
	lclone_hold_signals(&signals);
	err = lclone_dm_message(clone->name, message);
	if (!err)
		err = lclone_dm_switch(clone, LCLONE_TARGET, sectors, clone->params, &pause_ms);
	lclone_release_signals(&signals);
	return err;
}

/* The active clone: the kernel changes the delta, the tool the table. */
int lclone_resize_active(const char *name, const struct wanted *w, struct resized *now)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	u64 delta = 0, sectors;
	struct lclone_sb sb;
	bool grown;
	int err;

	err = lclone_settle(name, &pending);
	grown = err == 1 && has_grown(name, w, &pending);
	if (err >= 0)
		err = lclone_dm_get(name, &clone);
	if (err)
		return err;
	if (clone.suspended)
		return lclone_fail(-EBUSY, "%s is suspended: \"dmsetup resume %s\" lets it go on", name,
				   name);
	err = look_at_delta(&clone, &sb, &delta);
	if (err)
		return err;
	sectors = w->sectors && !grown ? wanted_size(w, clone.sectors) : clone.sectors;
	err = sectors > clone.sectors ? refuse_half_merged(name, &sb, sectors) : 0;
	if (err)
		return err;
	if (!w->sectors)
		err = lclone_dm_message(name, "grow");
	else if (!grown)
		err = lclone_accept_base_online(&clone, NULL) ?: grow_clone(&clone, sectors);
	*now = (struct resized){ sectors, delta };
	return err;
}

static int grow_virtual(struct lclone_sb *sb, const char *path, u32 lbs, u64 sectors)
{
	if (sectors < sb->virtual_sectors)
		return lclone_fail(-ERANGE, "the clone of %s has %s: it cannot shrink", path,
				   LCLONE_SIZE(sb->virtual_sectors));
	sb->virtual_sectors = sectors;
	return lclone_size_fits(sectors, lbs > sb->block_size ? lbs : sb->block_size);
}

/* The metadata of the larger clone must find its place, too. */
static int check_room(const struct lclone_sb *sb, const char *path)
{
	struct lclone_sb fresh;
	u64 min;
	int err;

	err = lclone_sb_init(&fresh, sb->device_sectors, sb->virtual_sectors, sb->chunk_sectors,
			     &min);
	if (!err)
		return 0;
	if (err == -EFBIG)
		return lclone_fail(-ERANGE, "%s, or the clone, would be too large for chunks of %s", path,
				   LCLONE_SIZE(sb->chunk_sectors));
	return lclone_fail(-ENOSPC, "%s is too small: it has %s, the least for such a clone is %s",
			   path, LCLONE_SIZE(sb->device_sectors), LCLONE_SIZE(min));
}

int lclone_resize_inactive(const char *path, const struct wanted *w, struct resized *now)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (err)
		goto out;
	err = lclone_check_writable(&delta, path);
	if (err)
		goto out;
	sb = delta.slot[delta.newest].sb;
	if (w->sectors)
		err = refuse_half_merged(path, &sb, wanted_size(w, sb.virtual_sectors)) ?:
		      grow_virtual(&sb, path, lclone_file_block_size(&file),
				   wanted_size(w, sb.virtual_sectors));
	if (!err)
		err = refuse_shrunk(path, file.dev.sectors, sb.device_sectors);
	if (err)
		goto out;
	sb.device_sectors = file.dev.sectors;
	err = check_room(&sb, path);
	if (!err && memcmp(&sb, &delta.slot[delta.newest].sb, sizeof(sb)))
		err = lclone_super_write(&file, &sb);
	*now = (struct resized){ sb.virtual_sectors, sb.device_sectors };
out:
	lclone_close_delta(&file, &delta);
	return err;
}
