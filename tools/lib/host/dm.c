// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "host/dm-task.h"
#include "host/dm.h"

int lclone_dm_check_name(const char *name)
{
	if (!name[0] || strlen(name) >= LCLONE_NAME_SIZE)
		return lclone_fail(-EINVAL, "a name has 1 to %d characters", LCLONE_NAME_SIZE - 1);
	if (!strcmp(name, "control"))
		return lclone_fail(-EINVAL, "\"control\" is device-mapper's own name");
	if (!strcmp(name, ".") || !strcmp(name, "..") || name[0] == '-' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#+-.:=@_") !=
	    strlen(name))
		return lclone_fail(-EINVAL, "\"%s\" is not a name: letters, digits and #+-.:=@_ are, a - not in front",
				   name);
	return 0;
}

const char *lclone_dm_name(const char *text)
{
	size_t len = strlen(dm_dir());

	return !strncmp(text, dm_dir(), len) && text[len] == '/' ? text + len + 1 : text;
}

void lclone_dm_uuid(char uuid[LCLONE_DM_UUID_SIZE], const u8 *delta_uuid, bool host)
{
	char text[37];

	uuid_unparse_lower(delta_uuid, text);
	snprintf(uuid, LCLONE_DM_UUID_SIZE, "%s%s%s", LCLONE_DM_UUID, host ? "" : "GUEST-", text);
}

int lclone_dm_with_uuid(const char *uuid, char name[LCLONE_NAME_SIZE])
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_INFO, NULL);
	struct dm_info info;
	int err;

	if (!dmt || !dm_task_set_uuid(dmt, uuid))
		err = lclone_dm_no_task(uuid);
	else
		err = lclone_dm_run(dmt, "look for it", uuid);
	if (!err && (!dm_task_get_info(dmt, &info) || !info.exists))
		err = lclone_fail(-ENXIO, "there is no device with the uuid %s", uuid);
	if (!err)
		snprintf(name, LCLONE_NAME_SIZE, "%s", dm_task_get_name(dmt));
	if (dmt)
		dm_task_destroy(dmt);
	return err;
}

static int create(const char *name, const char *uuid, u64 sectors, const char *target,
		  const char *params, bool read_only)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_CREATE, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_set_uuid(dmt, uuid) ||
	    !dm_task_add_target(dmt, 0, sectors, target, params) ||
	    (read_only && !dm_task_set_ro(dmt)))
		err = lclone_dm_no_task(name);
	else
		err = lclone_dm_run_with_cookie(dmt, "open", name);
	dm_task_destroy(dmt);
	return err;
}

int lclone_dm_create(const char *name, const char *uuid, u64 sectors, const char *params,
		     bool read_only)
{
	return create(name, uuid, sectors, LCLONE_TARGET, params, read_only);
}

int lclone_dm_create_other(const char *name, const char *uuid, u64 sectors, const char *target,
			   const char *params)
{
	return create(name, uuid, sectors, target, params, true);
}

int lclone_dm_remove_later(const char *name)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_REMOVE, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_deferred_remove(dmt))
		err = lclone_dm_no_task(name);
	else
		err = lclone_dm_run_with_cookie(dmt, "have it closed at its last use", name);
	dm_task_destroy(dmt);
	return err;
}

int lclone_dm_remove(const char *name)
{
	return lclone_dm_simple(DM_DEVICE_REMOVE, name, "close", true);
}

int lclone_dm_message(const char *name, const char *message)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_TARGET_MSG, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_set_sector(dmt, 0) || !dm_task_set_message(dmt, message))
		err = lclone_dm_no_task(name);
	else
		err = lclone_dm_run(dmt, message, name);
	dm_task_destroy(dmt);
	return err;
}

/* Runs a query and gives the only target's parameters, valid until the task is destroyed. */
static int query(struct dm_task *dmt, const char *name, struct dm_info *info, u64 *sectors,
		 char **params)
{
	char *type = NULL;
	int err;

	err = lclone_dm_run(dmt, "look at it", name);
	if (err == -ENXIO || (!err && (!dm_task_get_info(dmt, info) || !info->exists)))
		return lclone_fail(-ENXIO, "there is no active clone %s (\"lclone list\" shows those that are)",
				   name);
	if (err)
		return err;
	dm_get_next_target(dmt, NULL, &(uint64_t){ 0 }, (uint64_t *)sectors, &type, params);
	if (!type || strcmp(type, LCLONE_TARGET))
		return lclone_fail(-ENOTTY, "%s is not a linked clone", name);
	return 0;
}

int lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	struct dm_task *dmt;
	struct dm_info info;
	char *params;
	int err;

	memset(clone, 0, sizeof(*clone));
	snprintf(clone->name, sizeof(clone->name), "%s", name);
	dmt = lclone_dm_task(DM_DEVICE_TABLE, name);
	if (!dmt)
		return lclone_dm_no_task(name);
	err = query(dmt, name, &info, &clone->sectors, &params);
	if (!err) {
		clone->rdev = makedev(info.major, info.minor);
		clone->suspended = info.suspended;
		clone->read_only = info.read_only;
		clone->open_count = info.open_count;
		snprintf(clone->params, sizeof(clone->params), "%s", params);
		if (lclone_table_parse(params, &clone->table))
			err = lclone_fail(-EPROTO, "%s: its table is not understood: %s", name,
					  params);
	}
	dm_task_destroy(dmt);
	return err;
}

int lclone_dm_status(const char *name, struct lclone_status *status)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_STATUS, name);
	struct dm_info info;
	u64 sectors;
	char *params;
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_no_flush(dmt))
		err = lclone_dm_no_task(name);
	else
		err = query(dmt, name, &info, &sectors, &params);
	if (!err && lclone_status_parse(params, status))
		err = lclone_fail(-EPROTO, "%s: its status is not understood: %s", name, params);
	dm_task_destroy(dmt);
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct lclone_clone *)a)->name,
		      ((const struct lclone_clone *)b)->name);
}

/* A device that is no clone, or that went away meanwhile, is nothing to tell. */
static int tell_unseen(const char *name, int err,
		       int (*unseen)(const char *name, const char *why, void *ctx), void *ctx)
{
	char why[128];

	if (err == -ENXIO || err == -ENOTTY)
		return 0;
	if (err == -EPROTO)
		return unseen(name, "has a table that is not understood", ctx);
	snprintf(why, sizeof(why), "could not be asked for its table (%s)", strerror(-err));
	return unseen(name, why, ctx);
}

int lclone_dm_list(struct lclone_clone **clones, size_t *count,
		   int (*unseen)(const char *name, const char *why, void *ctx), void *ctx)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_LIST, NULL);
	struct lclone_clone *bigger;
	struct dm_names *names;
	size_t room = 0;
	int err, seen;

	*clones = NULL;
	*count = 0;
	if (!dmt)
		return lclone_dm_no_task("device-mapper");
	err = lclone_dm_run(dmt, "list its devices", "device-mapper");
	names = err ? NULL : dm_task_get_names(dmt);
	for (; names && names->dev; names = (void *)((char *)names + names->next)) {
		if (*count == room) {
			room = 2 * room + 16;
			bigger = reallocarray(*clones, room, sizeof(**clones));
			if (!bigger) {
				err = lclone_fail(-ENOMEM, "out of memory");
				break;
			}
			*clones = bigger;
		}
		seen = lclone_dm_get(names->name, &(*clones)[*count]);
		if (!seen)
			++*count;
		else
			err = tell_unseen(names->name, seen, unseen, ctx);
		if (err || !names->next)
			break;
	}
	dm_task_destroy(dmt);
	if (err) {
		free(*clones);
		*clones = NULL;
		*count = 0;
		return err;
	}
	if (*count)
		qsort(*clones, *count, sizeof(**clones), by_name);
	return 0;
}

int lclone_check_free_name(const char *name)
{
	static struct lclone_clone clone;
	int err = lclone_dm_check_name(name);

	if (err)
		return lclone_fail(-ERANGE, "%s", lclone_why());
	err = lclone_dm_get(name, &clone);
	if (!err || err == -ENOTTY || err == -EPROTO)
		return lclone_fail(-EEXIST, "there is a device-mapper device %s already", name);
	return err == -ENXIO ? 0 : err;
}
