// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "format/layer.h"
#include "host/device.h"
#include "host/file.h"
#include "host/lock.h"
#include "online/tags.h"

struct mending {
	const struct tags_told *told;
	struct lclone_inventory inv;
	struct lclone_lv *lvs;
	size_t count;
};

/* Of which clone it is, by its label; "" if that does not say it, or is no name */
static void clone_of(const struct lclone_sb *sb, char clone[LCLONE_NAME_SIZE])
{
	if (!lclone_snapshot_name(sb) || !lclone_snapshot_split(sb->label, clone))
		snprintf(clone, LCLONE_NAME_SIZE, "%s", sb->label);
	lclone_why_hold();
	if (lclone_lv_check_name("a clone", clone))
		clone[0] = '\0';
	lclone_why_release();
}

/* NAME-delta, or with a number behind it */
static bool is_called_so(const struct lclone_lv *lv, const char *clone)
{
	const size_t len = strlen(clone);
	const char *number = lv->lv + len + strlen("-delta");

	if (!len || strncmp(lv->lv, clone, len) || strncmp(lv->lv + len, "-delta", 6))
		return false;
	while (isdigit((unsigned char)*number))
		number++;
	return !*number;
}

/* Does another delta say that it is this clone's current one? */
static const struct lclone_found *namesake(const struct mending *m,
					   const struct lclone_found *found, const char *clone)
{
	const struct lclone_found *other;
	size_t i;

	for (i = 0; i < m->inv.count; i++) {
		other = &m->inv.found[i];
		if (other != found && !(other->sb.state & LCLONE_STATE_SEALED) &&
		    !strcmp(other->sb.label, clone))
			return other;
	}
	return NULL;
}

static void name_it(const struct mending *m, const struct lclone_found *found, const char *clone,
		    struct lclone_lv *now)
{
	const struct lclone_found *other = clone[0] ? namesake(m, found, clone) : NULL;
	char why[PATH_MAX + 64];

	now->layer[0] = '\0';
	now->snapshot[0] = '\0';
	if (!clone[0] || !strcmp(now->name, clone))
		return;
	if (other) {
		snprintf(why, sizeof(why), "is of %s, as is %s: which is in use cannot be told",
			 clone, other->path);
		m->told->unclear(m->told->ctx, found->path, why);
		return;
	}
	strcpy(now->name, clone);
	now->is_new = false;
}

static bool has_child(const struct mending *m, const struct lclone_found *found)
{
	size_t i;

	for (i = 0; i < m->inv.count; i++)
		if (lclone_lies_on(&m->inv, &m->inv.found[i], found->rdev, &found->sb))
			return true;
	return false;
}

/* One without a name may be nobody's layer, but what a revert has left. */
static void name_layer(const struct mending *m, const struct lclone_found *found,
		       const char *clone, struct lclone_lv *now)
{
	const char *snapshot = lclone_snapshot_name(&found->sb);

	now->name[0] = '\0';
	snprintf(now->snapshot, sizeof(now->snapshot), "%s", snapshot ?: "");
	if (clone[0] && (snapshot || (!now->layer[0] && has_child(m, found))))
		strcpy(now->layer, clone);
}

static bool has_content(const struct lclone_lv *template, const struct lclone_sb *sb)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_file file;
	bool has = false;
	u64 fp;

	lclone_lv_path(template, path);
	if (!lclone_file_open_ready(&file, path, O_RDONLY) && file.dev.sectors >= sb->base_sectors) {
		file.dev.sectors = sb->base_sectors;
		has = !lclone_fingerprint(&file.dev, &fp) && fp == sb->base_fp;
	}
	lclone_file_close(&file);
	return has;
}

/* Which template it lies on is known by that one's content. */
static void find_template(const struct mending *m, const struct lclone_sb *sb,
			  char from[LCLONE_NAME_SIZE])
{
	size_t i;

	lclone_why_hold();
	for (i = 0; i < m->count && !from[0]; i++)
		if (m->lvs[i].kind == LCLONE_LV_BASE && m->lvs[i].active &&
		    has_content(&m->lvs[i], sb))
			strcpy(from, m->lvs[i].name);
	lclone_why_release();
}

/*
 * One that a run which was killed has made for a new clone is taken up by the next; so is one for
 * a snapshot or revert, unless the clone has gone on with it.
 */
static bool is_half_made(const struct lclone_lv *lv, const struct lclone_sb *sb)
{
	return lv->is_new && (lv->name[0] || !sb->incarnation);
}

/* What is half written gets its tags from who writes it, without the lock of creation meanwhile. */
static int mend(const struct mending *m, const struct lclone_found *found, bool dry_run)
{
	const struct lclone_lv *was = lclone_found_volume(found, m->lvs, m->count);
	const struct lclone_sb *sb = &found->sb;
	char clone[LCLONE_NAME_SIZE], changes[LCLONE_LV_CHANGES_SIZE];
	struct lclone_lv now;
	int err = 0;

	clone_of(sb, clone);
	if (!was || lclone_half_written(sb) || is_half_made(was, sb) ||
	    (was->kind == LCLONE_LV_NONE && !is_called_so(was, clone)) ||
	    (was->kind != LCLONE_LV_NONE && was->kind != LCLONE_LV_DELTA))
		return 0;
	now = *was;
	now.kind = LCLONE_LV_DELTA;
	now.given |= was->kind == LCLONE_LV_NONE;
	uuid_unparse_lower(sb->uuid, now.uuid);
	if (sb->state & LCLONE_STATE_SEALED)
		name_layer(m, found, clone, &now);
	else
		name_it(m, found, clone, &now);
	if (sb->base_fp_alg == LCLONE_FP_NONE)
		now.from[0] = '\0';
	else if (!now.from[0])
		find_template(m, sb, now.from);
	lclone_lv_changes(was, &now, changes);
	if (!err && changes[0] && !dry_run)
		err = lclone_lv_retag(was, &now);
	if (!err && changes[0])
		m->told->changed(m->told->ctx, was, &now);
	return err;
}

/* One that fails is no reason to leave the others as they are. */
static int mend_or_tell(const struct mending *m, const struct lclone_found *found, bool dry_run)
{
	int err = mend(m, found, dry_run);
	char why[1024];

	if (!err)
		return 0;
	snprintf(why, sizeof(why), "does not get its tags: %s", lclone_why());
	m->told->unclear(m->told->ctx, found->path, why);
	return err;
}

int lclone_tags_mend(bool dry_run, const struct tags_told *told)
{
	struct mending m = { .told = told };
	int lock, err, failed = 0;
	size_t i;

	/* who makes a volume for a clone has given it its tags when he is done */
	lock = lclone_lock_creation(LCLONE_LOCK_EXCLUSIVE);
	if (lock < 0)
		return lock;
	err = lclone_inventory_read_all(&m.inv) ?: lclone_lv_list_all(&m.lvs, &m.count);
	for (i = 0; !err && i < m.inv.unseen_count; i++)
		told->unclear(told->ctx, m.inv.unseen[i].path, m.inv.unseen[i].why);
	for (i = 0; !err && i < m.inv.count; i++)
		failed = mend_or_tell(&m, &m.inv.found[i], dry_run) ?: failed;
	free(m.lvs);
	lclone_inventory_free(&m.inv);
	close(lock);
	if (!err && failed)
		err = lclone_fail(failed, "not all volumes have got their tags");
	return err;
}
