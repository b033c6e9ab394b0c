// SPDX-License-Identifier: GPL-2.0-only
/* A base that was enlarged since the delta was made on it */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/super.h"
#include "clone/users.h"
#include "host/stack.h"
#include "online/grown.h"

static int record(const char *path, struct lclone_file *base)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (!err)
		err = lclone_check_writable(&delta, path);
	if (!err)
		err = lclone_refuse_common_sectors(base, &file) ?:
		      lclone_same_but_larger(base, &delta.sb);
	if (!err) {
		sb = delta.slot[delta.newest].sb;
		err = lclone_set_base_of(&sb, base);
	}
	if (!err)
		err = lclone_super_write(&file, &sb);
	lclone_close_delta(&file, &delta);
	return err;
}

int lclone_accept_base(const char *delta_path, const char *base_path)
{
	struct lclone_file base_file, *base;
	struct lclone_sb sb;
	int err;

	err = lclone_open_base(base_path, &base_file, &base);
	if (!err && base) {
		err = lclone_sb_of(delta_path, &sb);
		if (!err && lclone_base_has_grown(base, &sb))
			err = record(delta_path, base);
	}
	lclone_close_base(base);
	return err;
}

static int accept(struct lclone_clone *clone, struct lclone_file *base)
{
	static struct lclone_table table;
	char delta[PATH_MAX], name[LCLONE_NAME_SIZE];
	struct lclone_sb sb;
	int err;

	strcpy(name, clone->name);
	lclone_name_of(clone->table.delta, delta);
	err = lclone_sb_of(delta, &sb);
	if (err || !lclone_base_has_grown(base, &sb))
		return err;
	err = lclone_same_but_larger(base, &sb);
	if (err)
		return err;
	if (clone->table.parents)
		return lclone_fail(-EBUSY, "%s was enlarged: close %s, and open it again, to make use of that",
				   base->path, clone->name);
	table = clone->table;
	table.features.rebase = true;
	err = lclone_change_table(clone, &table) ?: lclone_dm_get(name, clone);
	if (err)
		return err;
	/* it has had its effect: from now on the base is compared again */
	table.features.rebase = false;
	return lclone_change_table(clone, &table) ?: lclone_dm_get(name, clone);
}

int lclone_accept_base_online(struct lclone_clone *clone, struct lclone_file *base)
{
	struct lclone_file file;
	char path[PATH_MAX];
	int err;

	if (base)
		return accept(clone, base);
	lclone_base_name(clone->table.base, path);
	err = lclone_open_base(path, &file, &base);
	if (!err && base)
		err = accept(clone, base);
	lclone_close_base(base);
	return err;
}
