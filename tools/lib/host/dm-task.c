// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "basic/signals.h"
#include "host/dm-task.h"

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

/* What libdevmapper calls an incompatible version, or less; NULL: it is neither of these. */
static const char *simple_reason(void)
{
	if (geteuid())
		return "only root may do that";
	if (access("/sys/class/misc/device-mapper", F_OK))
		return "there is no device-mapper: modprobe dm-mod";
	return NULL;
}

int lclone_dm_run(struct dm_task *dmt, const char *what, const char *name)
{
	const char *reason = simple_reason();
	char sentence[1024] = "";
	int fd = log_open(), err;

	complaint[0] = '\0';
	if (dm_task_run(dmt)) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	err = dm_task_get_errno(dmt) ?: EIO;
	if (fd >= 0) {
		log_sentence(fd, sentence, sizeof(sentence));
		close(fd);
	}
	if (reason)
		return lclone_fail(geteuid() ? -EPERM : -err, "%s: cannot %s: %s", name, what,
				   reason);
	if (strstr(sentence, "unknown target type") && !strstr(sentence, "verity") &&
	    access("/sys/module/dm_lclone", F_OK))
		return lclone_fail(-err, "%s: cannot %s: the kernel has no target lclone: modprobe dm-lclone",
				   name, what);
	if (sentence[0])
		return lclone_fail(-err, "%s: cannot %s: %s", name, what, sentence);
	if (complaint[0])
		return lclone_fail(-err, "%s: cannot %s: %s", name, what, complaint);
	return lclone_fail(-err, "%s: cannot %s: %s", name, what, strerror(err));
}

static bool only_looks(int type)
{
	return type == DM_DEVICE_TABLE || type == DM_DEVICE_STATUS || type == DM_DEVICE_INFO ||
	       type == DM_DEVICE_LIST || type == DM_DEVICE_DEPS || type == DM_DEVICE_LIST_VERSIONS;
}

struct dm_task *lclone_dm_task(int type, const char *name)
{
	struct dm_task *dmt = only_looks(type) || !lclone_is_dry() ? dm_task_create(type) : NULL;

	if (dmt && name && !dm_task_set_name(dmt, name)) {
		dm_task_destroy(dmt);
		return NULL;
	}
	return dmt;
}

int lclone_dm_no_task(const char *name)
{
	const char *reason = simple_reason();

	if (lclone_is_dry())
		return lclone_change();
	if (reason)
		return lclone_fail(geteuid() ? -EPERM : -ENODEV, "%s: %s", name, reason);
	return lclone_fail(-ENOMEM, "%s: %s", name, complaint[0] ? complaint : "out of memory");
}

/* Runs a task that changes a device node; without a udevd libdevmapper makes the nodes. */
int lclone_dm_run_with_cookie(struct dm_task *dmt, const char *what, const char *name)
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
		err = cookie ? lclone_dm_run_with_cookie(dmt, what, name) :
			       lclone_dm_run(dmt, what, name);
	dm_task_destroy(dmt);
	return err;
}
