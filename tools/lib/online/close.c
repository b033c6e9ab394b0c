// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "clone/dm-switch.h"
#include "host/file.h"
#include "online/close.h"
#include "online/switch.h"

#define LOOK_MS	2000	/* a moment */
#define POLL_MS	100

/* Who has it open: a process that has is named, if it can be found. */
static bool has_open(const char *pid, dev_t rdev)
{
	char path[PATH_MAX];
	struct dirent *d;
	bool found = false;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, d->d_name);
		found = !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == rdev;
	}
	if (dir)
		closedir(dir);
	return found;
}

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

/* A process that has the device open; "" if none is found */
static void find_process(dev_t rdev, char pid[32])
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	pid[0] = '\0';
	while (proc && !pid[0] && (d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]) && has_open(d->d_name, rdev))
			snprintf(pid, 32, "%.31s", d->d_name);
	if (proc)
		closedir(proc);
}

/* A mount or a device above, which have it for themselves */
static int refuse_holder(const char *name, dev_t *rdev)
{
	char path[PATH_MAX], nobody[PATH_MAX + 16];
	struct lclone_file file;
	int err;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	snprintf(nobody, sizeof(nobody), "%s is in use", path);
	err = lclone_file_open(&file, path, O_RDONLY | O_EXCL);
	lclone_file_close(&file);
	*rdev = file.rdev;
	return err == -EBUSY && strcmp(lclone_why(), nobody) ? err : 0;
}

static int refuse_open(const char *name, dev_t rdev, int open_count)
{
	char pid[32];

	find_process(rdev, pid);
	return pid[0] ? refuse_process(name, pid) :
	       lclone_fail(-EBUSY, "%s is in use (opened %d times)", name, open_count);
}

/* How often a clone, or what a merge has made of it, is opened */
static int opened(const char *name, struct lclone_clone *clone)
{
	int open_count;

	if (!lclone_dm_get(name, clone))
		return clone->open_count;
	return lclone_dm_is_disk(name, &open_count) ? open_count : 0;
}

/* udev and others look into a device for a moment. */
static int wait_closed(const char *name, struct lclone_clone *clone)
{
	const struct timespec poll = { .tv_nsec = POLL_MS * 1000000 };
	u64 start = lclone_now_ms();
	int count, err = 0;
	dev_t rdev;

	while (!err && (count = opened(name, clone))) {
		err = refuse_holder(name, &rdev);
		if (!err && lclone_now_ms() - start >= LOOK_MS)
			err = refuse_open(name, rdev, count);
		if (!err)
			nanosleep(&poll, NULL);
	}
	return err;
}

/* What a merge has left is a plain linear device, which is closed by the same name. */
static int close_linear(const char *name, struct lclone_clone *clone, int err)
{
	char why[1024];
	int open_count;

	snprintf(why, sizeof(why), "%s", lclone_why());
	if (!lclone_dm_is_disk(name, &open_count))
		return lclone_fail(err, "%s", why);
	return wait_closed(name, clone) ?: lclone_dm_remove(name);
}

int lclone_close_clone(const char *name)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	int ret = lclone_settle(name, &pending);

	if (ret == 1 && !pending.after[0]) {	/* closed by a run that was killed */
		lclone_pending_drop(name);
		return 0;
	}
	if (ret >= 0)
		ret = lclone_dm_get(name, &clone);
	if (ret == -ENOTTY)
		return close_linear(name, &clone, ret);
	if (!ret)
		ret = wait_closed(name, &clone);
	if (ret)
		return ret;
	ret = lclone_dm_begin(name, clone.sectors, clone.params, false);
	if (ret)
		return ret;
	ret = lclone_dm_remove(name);
	if (ret)
		lclone_pending_drop(name);
	return ret;
}
