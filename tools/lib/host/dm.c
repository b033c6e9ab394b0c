// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/signals.h"
#include "host/dm-parts.h"
#include "host/dm.h"

/* libdevmapper's own complaint, in case that there is nothing better */
static char complaint[256];

static void keep_complaint(int level, const char *file, int line, int dm_errno, const char *fmt,
			   ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)dm_errno;
	if ((level & LOG_PRIMASK) > LOG_ERR)	/* flags are above the priority */
		return;
	va_start(args, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, args);
	va_end(args);
}

const char *lclone_dm_complaint(void)
{
	return complaint;
}

void lclone_dm_init(void)
{
	dm_log_with_errno_init(keep_complaint);
}

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

/*
 * The kernel says why it refuses a table in its log only. What is logged from
 * here on is ours, or of somebody who does the same at this very moment.
 */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static void log_sentence(int fd, char *sentence, size_t size)
{
	char record[2048], *text, *table;
	bool ours = false;
	ssize_t len;

	sentence[0] = '\0';
	for (;;) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;	/* overtaken: some records are gone */
		if (len <= 0)
			return;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = '\0';
		text++;
		if (!strncmp(text, "device-mapper: lclone: ", 23)) {
			snprintf(sentence, size, "%s", text + 23);
			ours = true;
			continue;
		}
		/* "device-mapper: table: 254:0: lclone: sentence (-EINVAL)" */
		table = strncmp(text, "device-mapper: table: ", 22) ? NULL : text + 22;
		if (!table || ours)
			continue;
		text = strstr(table, "lclone: ");
		snprintf(sentence, size, "%s", text ? text + 8 : table);
	}
}

int lclone_dm_run(struct dm_task *dmt, const char *what, const char *name)
{
	char sentence[1024] = "";
	int fd = log_open(), err;

	complaint[0] = '\0';
	if (dm_task_run(dmt)) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	err = dm_task_get_errno(dmt) ?: EIO;
	if (geteuid()) {
		if (fd >= 0)
			close(fd);
		return lclone_fail(-EPERM, "%s: cannot %s: only root may do that", name, what);
	}
	if (fd >= 0) {
		log_sentence(fd, sentence, sizeof(sentence));
		close(fd);
	}
	if (access("/sys/class/misc/device-mapper", F_OK))
		return lclone_fail(-err, "%s: cannot %s: there is no device-mapper: modprobe dm-mod",
				   name, what);
	if (strstr(sentence, "unknown target type") &&
	    access("/sys/module/dm_lclone", F_OK))
		return lclone_fail(-err, "%s: cannot %s: the kernel has no target lclone: modprobe dm-lclone",
				   name, what);
	if (sentence[0])
		return lclone_fail(-err, "%s: cannot %s: %s", name, what, sentence);
	if (complaint[0])
		return lclone_fail(-err, "%s: cannot %s: %s", name, what, complaint);
	return lclone_fail(-err, "%s: cannot %s: %s", name, what, strerror(err));
}

struct dm_task *lclone_dm_task(int type, const char *name)
{
	struct dm_task *dmt = dm_task_create(type);

	if (dmt && name && !dm_task_set_name(dmt, name)) {
		dm_task_destroy(dmt);
		return NULL;
	}
	return dmt;
}

int lclone_dm_no_task(const char *name)
{
	return lclone_fail(-ENOMEM, "%s: %s", name, complaint[0] ? complaint : "out of memory");
}

/* Runs a task that changes a device node; without a udevd libdevmapper makes the nodes. */
static int run_with_cookie(struct dm_task *dmt, const char *what, const char *name)
{
	uint32_t cookie = 0;
	sigset_t signals;
	int err;

	if (!dm_task_set_cookie(dmt, &cookie, 0))
		return lclone_fail(-EIO, "%s: %s", name, complaint);
	lclone_hold_signals(&signals);	/* libdevmapper opens a device in three steps */
	err = lclone_dm_run(dmt, what, name);
	lclone_release_signals(&signals);
	dm_udev_wait(cookie);
	return err;
}

const char *lclone_dm_name(const char *text)
{
	size_t len = strlen(dm_dir());

	return !strncmp(text, dm_dir(), len) && text[len] == '/' ? text + len + 1 : text;
}

int lclone_dm_create(const char *name, u64 sectors, const char *params, bool read_only)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_CREATE, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_add_target(dmt, 0, sectors, LCLONE_TARGET, params) ||
	    (read_only && !dm_task_set_ro(dmt)))
		err = lclone_dm_no_task(name);
	else
		err = run_with_cookie(dmt, "open", name);
	dm_task_destroy(dmt);
	return err;
}

int lclone_dm_simple(int type, const char *name, const char *what, bool cookie)
{
	struct dm_task *dmt = lclone_dm_task(type, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	/* udev and others look into a device for a moment */
	if (type == DM_DEVICE_REMOVE && !dm_task_retry_remove(dmt))
		err = lclone_dm_no_task(name);
	else
		err = cookie ? run_with_cookie(dmt, what, name) : lclone_dm_run(dmt, what, name);
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

int check_free_name(const char *name)
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
