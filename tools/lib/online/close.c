// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "clone/dm-switch.h"
#include "clone/verified.h"
#include "host/device.h"
#include "host/file.h"
#include "host/lock.h"
#include "host/lv-lock.h"
#include "host/stack.h"
#include "online/close.h"
#include "online/switch.h"

#define LOOK_MS	2000	/* a moment */
#define POLL_MS	100

static int refuse_process(const char *name, const char *pid)
{
	char path[PATH_MAX], comm[64] = "?";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
	}
	return lclone_fail(-EBUSY, "%s is in use by process %s (%s)", name, pid, comm);
}

/* A mount or a device above, which have it for themselves */
static int refuse_holder(const char *name, dev_t *rdev)
{
	struct lclone_file file;
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	err = lclone_file_open(&file, path, O_RDONLY);
	*rdev = file.rdev;
	if (!err)
		err = lclone_file_not_held(&file);
	lclone_file_close(&file);
	return err == -EBUSY ? err : 0;
}

static int refuse_open(const char *name, dev_t rdev, int open_count)
{
	char pid[32];

	lclone_dev_process(rdev, pid);
	return pid[0] ? refuse_process(name, pid) :
	       lclone_fail(-EBUSY, "%s is in use (opened %d times)", name, open_count);
}

/* A clone, or what a merge has made of it (*disk): how often is it opened? */
static int look(const char *name, struct lclone_clone *clone, bool *disk, int *open_count)
{
	int err = lclone_dm_get(name, clone);

	*open_count = clone->open_count;
	*disk = err == -ENOTTY && lclone_dm_is_disk(name, open_count);
	if (*disk)
		return 0;
	return err == -ENOTTY ? lclone_fail(err, "%s is not a linked clone", name) : err;
}

/* udev and others look into a device for a moment. */
static int wait_closed(const char *name)
{
	const struct timespec poll = { .tv_nsec = POLL_MS * 1000000 };
	static struct lclone_clone clone;
	u64 start = lclone_now_ms();
	bool waited = false, disk;
	int count, err;
	dev_t rdev;

	for (;; waited = true) {
		err = look(name, &clone, &disk, &count);
		if (err == -ENXIO && waited)
			err = lclone_fail(err, "%s was closed by somebody else meanwhile", name);
		if (err || !count)
			return err;
		err = refuse_holder(name, &rdev);
		if (!err && lclone_now_ms() - start >= LOOK_MS)
			err = refuse_open(name, rdev, count);
		if (err)
			return err;
		nanosleep(&poll, NULL);
	}
}

/* Nobody changes the table meanwhile. 1: it was opened since it was looked at. */
static int close_locked(const char *name)
{
	static struct lclone_clone clone;
	char path[PATH_MAX];
	int count, err;
	dev_t base;
	bool disk;

	err = look(name, &clone, &disk, &count);
	if (err || count)
		return err ?: 1;
	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	lclone_lv_leave(lclone_dev_at(path));
	if (disk)		/* a plain linear device is closed by the same name */
		return lclone_dm_remove(name);
	lclone_dev_verified(lclone_dev_number(clone.table.base), &base);
	err = lclone_dm_begin(name, clone.sectors, clone.params, false);
	if (err)
		return err;
	err = lclone_dm_remove(name);
	if (err)
		lclone_pending_undo(name);
	else if (base)	/* the kernel is about to do it: what is below is free when this returns */
		lclone_verified_tidy(base);
	return err;
}

int lclone_close_clone(const char *name)
{
	static struct lclone_pending pending;
	int ret = lclone_settle(name, &pending), lock;

	/* closed by a run that was killed */
	if (ret == 1 && !pending.after[0] && lclone_pending_adopt(name, &pending))
		return 0;
	if (ret < 0)
		return ret;
	do {
		ret = wait_closed(name);
		lock = ret ? ret : lclone_lock_clone(name);
		if (lock < 0)
			return lock;
		ret = close_locked(name);
		close(lock);
	} while (ret == 1);
	return ret;
}
