// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/disk.h"
#include "clone/dm-switch.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "clone/verified.h"
#include "host/lv-lock.h"
#include "host/machine.h"
#include "host/stack.h"
#include "online/grown.h"
#include "online/open.h"

static void device_number(const struct lclone_file *file, char text[PATH_MAX])
{
	snprintf(text, PATH_MAX, "%u:%u", major(file->rdev), minor(file->rdev));
}

static int too_long(void)
{
	return lclone_fail(-E2BIG, "the table's line is too long");
}

/* All that the kernel would refuse, too, but with the better sentence. */
static int look(struct disk *disk, struct lclone_file *base,
		const struct lclone_features *features, struct lclone_table *table)
{
	char number[PATH_MAX];
	u32 i;
	int err = 0;

	*table = (struct lclone_table){ };	/* it may be a second try */
	if (base && !base->block)
		err = lclone_fail(-ENOTBLK, "%s is not a block device", base->path);
	for (i = 0; !err && i < disk->chain.count; i++)
		if (!disk->chain.file[i]->block)
			err = lclone_fail(-ENOTBLK, "%s is not a block device",
					  disk->chain.file[i]->path);
	if (!err)
		err = lclone_verify_base(&disk->delta, base);
	if (!err && !features->read_only)
		err = lclone_check_writable(&disk->delta, disk->file.path);
	if (err)
		return err;
	for (i = disk->chain.count - 1; i; i--) {
		device_number(disk->chain.file[i], number);
		err = lclone_table_add_parent(table, number);
		if (err)
			return too_long();
	}
	device_number(&disk->file, table->delta);
	if (base)
		device_number(base, table->base);
	else
		snprintf(table->base, PATH_MAX, "-");
	return 0;
}

static bool is_device(const char *path, const char *word)
{
	struct lclone_file file;
	char number[PATH_MAX];
	bool is;

	if (!strcmp(path, "-"))
		return !strcmp(word, "-");
	is = !lclone_file_open(&file, path, O_RDONLY);
	device_number(&file, number);
	lclone_file_close(&file);
	return is && !strcmp(number, word);
}

/* A table's features, with the note of this host */
static struct lclone_features with_owner(const struct lclone_features *features)
{
	struct lclone_features f = *features;

	lclone_this_host(f.owner);
	return f;
}

/* Is the base of a table, @word, what is on @path, verified if that is wanted, and else not? */
static bool is_base(const char *path, const char *word, bool verify)
{
	dev_t data, rdev = lclone_dev_number(word);

	if (verify && rdev)
		return lclone_dev_verified(rdev, &data) && data == lclone_dev_at(path);
	return is_device(path, word);
}

/* Is it that clone's?  Layers it may have any. */
static bool is_line_of(const struct lclone_clone *clone, const char *base, const char *delta,
		       const struct lclone_features *features)
{
	static char params[LCLONE_PARAMS_SIZE];
	static struct lclone_table table;

	table = clone->table;
	if (!is_base(base, table.base, features->verify) || !is_device(delta, table.delta))
		return false;
	table.features = *features;
	/* who has opened it, and from whom it was taken over, is no matter */
	memcpy(table.features.owner, clone->table.features.owner, LCLONE_OWNER_SIZE);
	table.features.takeover = clone->table.features.takeover;
	return !lclone_table_print(&table, params, sizeof(params)) &&
	       !strcmp(params, clone->params);
}

bool lclone_was_opened(const char *name, const char *base, const char *delta,
		       const struct lclone_features *features)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	char target[32];

	if (lclone_dm_check_name(name) || lclone_dm_settle(name, &pending) != 1 ||
	    pending.before[0] || lclone_dm_line(pending.after, &clone, target) ||
	    !is_line_of(&clone, base, delta, features))
		return false;
	return lclone_pending_adopt(name, &pending);
}

static bool lies_on(const struct lclone_table *table, const struct lclone_parents *parents)
{
	if (!table->parents || !parents->count)
		return !table->parents && !parents->count;
	return is_device(parents->path[parents->count - 1],
			 lclone_table_parent(table, table->parents - 1));
}

bool lclone_is_open_so(const char *name, const char *base, const char *delta,
		       const struct lclone_parents *parents,
		       const struct lclone_features *features)
{
	static struct lclone_clone clone;

	return !lclone_dm_get(name, &clone) && !clone.suspended &&
	       is_line_of(&clone, base, delta, features) && lies_on(&clone.table, parents);
}

/* Has the active clone @name the delta with this uuid?  It may have gone on to another since. */
static int has_delta(const char *name, const u8 *uuid, char delta[PATH_MAX])
{
	static struct lclone_clone clone;
	struct lclone_sb sb;
	int err = lclone_dm_get(name, &clone);

	if (err)	/* a merge has made a linear device of it */
		return err == -ENOTTY || err == -ENXIO ? 0 : err;
	lclone_name_of(clone.table.delta, delta);
	err = lclone_sb_of(delta, &sb);
	return err ?: !memcmp(sb.uuid, uuid, LCLONE_UUID_SIZE);
}

/* One of a kind: for a host's disk, or a guest's */
static int choose_uuid_of(char uuid[LCLONE_DM_UUID_SIZE], const u8 *delta_uuid, bool host,
			  const char *path)
{
	char taken_by[LCLONE_NAME_SIZE], delta[PATH_MAX];
	unsigned int i;
	size_t len;
	int ret;

	lclone_dm_uuid(uuid, delta_uuid, host);
	len = strlen(uuid);
	for (i = 2; ; i++) {
		ret = lclone_dm_with_uuid(uuid, taken_by);
		if (ret)
			return ret == -ENXIO ? 0 : ret;
		ret = has_delta(taken_by, delta_uuid, delta);
		if (ret > 0)
			return lclone_fail(-EBUSY, "%s is a copy of %s, with the same uuid, which is active as %s: only one of them can be",
					   path, delta, taken_by);
		if (ret)
			return ret;
		snprintf(uuid + len, LCLONE_DM_UUID_SIZE - len, "-%u", i);
	}
}

/*
 * A uuid for the device of the delta @path, of which no copy may be active.  A clone keeps the one
 * that it was opened with also when a snapshot has given it another delta: what it had then is
 * opened with a number behind.
 */
static int choose_uuid(char uuid[LCLONE_DM_UUID_SIZE], const u8 *delta_uuid, bool host,
		       const char *path)
{
	return choose_uuid_of(uuid, delta_uuid, !host, path) ?:
	       choose_uuid_of(uuid, delta_uuid, host, path);
}

/* The table's base is a device that verifies it; that stays at least until *verified is closed. */
static int verify(const struct lclone_file *base, const struct lclone_sb *sb,
		  struct lclone_table *table, struct lclone_verified *verified)
{
	int err;

	if (!base)
		return lclone_fail(-ENOENT, "there is no base that could be verified");
	err = lclone_verified_open(base, sb->base_root, false, verified);
	snprintf(table->base, sizeof(table->base), "%u:%u", major(verified->rdev),
		 minor(verified->rdev));
	return err;
}

/* All locks are held until the table is loaded: what was looked at stays so. */
int lclone_open_clone(const char *name, const char *base_path, const char *delta_path,
		      const struct lclone_parents *parents, const struct lclone_features *features,
		      bool host)
{
	struct lclone_verified verified = { .fd = -1 };
	char uuid[LCLONE_DM_UUID_SIZE];
	static struct lclone_table table;
	static char params[LCLONE_PARAMS_SIZE];
	struct lclone_file base_file, *base;
	static struct disk disk;
	int err;

	err = lclone_check_free_name(name);
	if (err)
		return err;
	err = features->read_only ? 0 : lclone_accept_base(delta_path, base_path);
	if (err)
		return err;
	err = lclone_open_base(base_path, &base_file, &base);
	if (err)
		goto out_base;
	err = lclone_open_disk(delta_path, O_RDONLY | O_EXCL, parents, &disk);
	if (!err)
		err = look(&disk, base, features, &table);
	/* the kernel writes to a base into which it has begun to merge */
	if (!err && base && disk.delta.sb.state & LCLONE_STATE_MERGING)
		err = lclone_lv_have_alone(base->rdev);
	if (err)
		goto out_disk;
	if (features->verify)
		err = verify(base, &disk.delta.sb, &table, &verified);
	if (err)
		goto out_disk;
	table.features = with_owner(features);
	table.features.takeover = lclone_owned_elsewhere(&disk.delta.sb);
	if (lclone_table_print(&table, params, sizeof(params))) {
		err = too_long();
		goto out_disk;
	}
	err = choose_uuid(uuid, disk.delta.sb.uuid, host, delta_path);
	if (err)
		goto out_disk;
	lclone_file_yield(&disk.file);
	err = lclone_dm_begin(name, disk.delta.sb.virtual_sectors, params, true);
	err = err ?: lclone_dm_create(name, uuid, disk.delta.sb.virtual_sectors, params,
				      features->read_only);
out_disk:
	lclone_verified_close(&verified);
	lclone_close_disk(&disk);
out_base:
	lclone_close_base(base);
	return err;
}

/*
 * A path as a word of a table, which dmsetup divides at blanks; by its number, if it is a device
 * whose name cannot be one.
 */
static int put_word(char word[PATH_MAX], const char *path, dev_t rdev)
{
	char plain[PATH_MAX];

	lclone_text_plain(plain, sizeof(plain), path);
	if (!strcmp(path, plain) && !strpbrk(path, " \\"))
		snprintf(word, PATH_MAX, "%s", path);
	else if (rdev)
		snprintf(word, PATH_MAX, "%u:%u", major(rdev), minor(rdev));
	else
		return lclone_fail(-ERANGE, "%s: a table's line cannot have that name in it", path);
	return 0;
}

int lclone_open_line(const char *base, const char *delta, const struct lclone_parents *parents,
		     const struct lclone_features *features, u64 *sectors,
		     char params[LCLONE_PARAMS_SIZE])
{
	static struct lclone_table table;
	static struct lclone_pair pair;
	char word[PATH_MAX];
	u32 i;
	int err;

	table = (struct lclone_table){ };
	err = lclone_open_pair(base, delta, parents, &pair);
	if (err)
		goto out;
	err = put_word(table.base, base, pair.base ? pair.base->rdev : 0) ?:
	      put_word(table.delta, delta, pair.disk.file.rdev);
	for (i = pair.disk.chain.count - 1; !err && i; i--) {
		const struct lclone_file *file = pair.disk.chain.file[i];

		err = put_word(word, file->path, file->rdev);
		if (!err && lclone_table_add_parent(&table, word))
			err = too_long();
	}
	table.features = with_owner(features);
	if (!err && lclone_table_print(&table, params, LCLONE_PARAMS_SIZE))
		err = too_long();
	*sectors = pair.disk.delta.sb.virtual_sectors;
out:
	lclone_close_pair(&pair);
	return err;
}
