// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/device.h"
#include "host/stack.h"
#include "host/target.h"

static bool read_line(dev_t dev, const char *name, char *line, size_t size)
{
	char path[PATH_MAX];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), name);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(line, size, f);
	fclose(f);
	return ok;
}

static bool read_dev(dev_t dev, const char *name, dev_t *out)
{
	unsigned int ma, mi;
	char line[64];

	if (!read_line(dev, name, line, sizeof(line)) || sscanf(line, "%u:%u", &ma, &mi) != 2)
		return false;
	*out = makedev(ma, mi);
	return true;
}

u64 lclone_dev_attribute(dev_t dev, const char *name)
{
	char line[64];

	return read_line(dev, name, line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

bool lclone_dev_is_dm(dev_t dev)
{
	char line[8];

	return read_line(dev, "dm/suspended", line, sizeof(line));
}

bool lclone_dev_disk(dev_t dev, dev_t *disk)
{
	return lclone_dev_attribute(dev, "partition") && read_dev(dev, "../dev", disk);
}

/* Opening a loop device reads nothing, and waits for nothing. */
bool lclone_dev_loop(dev_t dev, struct loop_info64 *info)
{
	char path[PATH_MAX], line[8];
	bool ok;
	int fd;

	if (!read_line(dev, "loop/offset", line, sizeof(line)))
		return false;
	lclone_dev_name(dev, path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = !ioctl(fd, LOOP_GET_STATUS64, info);
	close(fd);
	return ok;
}

bool lclone_dev_any_below(dev_t dev, bool (*visit)(dev_t lower, void *ctx, int depth), void *ctx,
			  int depth)
{
	struct loop_info64 info;
	char path[PATH_MAX];
	bool found = false;
	struct dirent *d;
	dev_t lower;
	DIR *dir;

	if (depth >= LCLONE_STACK_DEPTH)
		return false;
	if (lclone_dev_disk(dev, &lower))
		return visit(lower, ctx, depth);
	if (lclone_dev_loop(dev, &info))
		return info.lo_rdevice ? visit(info.lo_rdevice, ctx, depth) :
		       visit(info.lo_device, ctx, depth);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(dev), minor(dev));
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "slaves/%s/dev", d->d_name);
		if (read_dev(dev, path, &lower))
			found = visit(lower, ctx, depth);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_or_lies_on(dev_t dev, void *ctx, int depth)
{
	return dev == *(const dev_t *)ctx ||
	       lclone_dev_any_below(dev, is_or_lies_on, ctx, depth + 1);
}

bool lclone_dev_lies_on(dev_t upper, dev_t lower)
{
	return lclone_dev_any_below(upper, is_or_lies_on, &lower, 0);
}

static bool is_suspended(dev_t dev, void *ctx, int depth)
{
	if (lclone_dev_attribute(dev, "dm/suspended")) {
		*(dev_t *)ctx = dev;
		return true;
	}
	return lclone_dev_any_below(dev, is_suspended, ctx, depth + 1);
}

bool lclone_dev_suspended(dev_t dev, dev_t *which)
{
	return is_suspended(dev, which, 0);
}

int lclone_refuse_suspended(dev_t dev, const char *path)
{
	char name[PATH_MAX];
	dev_t which;

	if (!lclone_dev_suspended(dev, &which))
		return 0;
	if (which == dev)
		return lclone_fail(-EBUSY, "%s is suspended: it would be waited for without end",
				   path);
	lclone_dev_name(which, name);
	return lclone_fail(-EBUSY, "%s lies on %s, which is suspended: it would be waited for without end",
			   path, name);
}

bool lclone_dev_is_volume(dev_t dev)
{
	char line[16] = "";
	int len = 0;

	if (!read_line(dev, "dm/uuid", line, sizeof(line)))
		return false;
	sscanf(line, "part%*u-%n", &len);
	return !strncmp(line + len, "LVM-", 4);
}

/* Of these the name of a volume has one only if LVM has made it for its own use. */
static const char *const reserved[] = {
	"_tdata", "_tmeta", "_pmspare", "_cdata", "_cmeta", "_cvol", "_corig", "_wcorig", "_vdata",
	"_vorigin", "_rimage", "_rmeta", "_mimage", "_mlog", "_imeta", "_iorig",
};

/* In a name of device-mapper the hyphen between group and volume is the first that is not double. */
static const char *volume_in(const char *name)
{
	for (; *name; name++)
		if (name[0] == '-' && name[1] != '-')
			return name + 1;
		else if (name[0] == '-')
			name++;
	return name;
}

bool lclone_dev_is_internal(dev_t dev)
{
	const size_t plain = strlen("LVM-") + 2 * 32;	/* the group's and the volume's */
	char line[160];
	size_t i;

	if (!read_line(dev, "dm/uuid", line, sizeof(line)) || strncmp(line, "LVM-", 4))
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (strlen(line) > plain)		/* "-tdata", "-real", "-cow" */
		return true;
	if (!read_line(dev, "dm/name", line, sizeof(line)))
		return false;
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strstr(volume_in(line), reserved[i]))
			return true;
	return false;
}

/* What is right above a device, of those that say what they are made of */
static bool any_holder(dev_t dev, bool (*visit)(const char *name))
{
	char path[PATH_MAX];
	bool found = false;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(dev), minor(dev));
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir)))
		found = d->d_name[0] != '.' && visit(d->d_name);
	if (dir)
		closedir(dir);
	return found;
}

static bool is_multipath(const char *name)
{
	char path[PATH_MAX], line[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/dm/uuid", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !strncmp(line, "mpath-", 6);
}

bool lclone_dev_is_path(dev_t dev)
{
	dev_t disk;

	if (lclone_dev_disk(dev, &disk))
		return lclone_dev_is_path(disk);
	return any_holder(dev, is_multipath);
}

static bool is_array(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%s/md", name);
	return !access(path, F_OK);
}

static bool has_size(const char *name)
{
	char path[PATH_MAX];
	unsigned long long sectors = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/size", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%llu", &sectors) != 1)
		sectors = 0;
	fclose(f);
	return sectors;
}

static bool is_running_array(const char *name)
{
	return is_array(name) && has_size(name);
}

static bool is_idle_array(const char *name)
{
	return is_array(name) && !has_size(name);
}

bool lclone_dev_is_member(dev_t dev)
{
	return any_holder(dev, is_running_array);
}

bool lclone_dev_is_idle_member(dev_t dev)
{
	return any_holder(dev, is_idle_array);
}

/* Tables */

struct dm_task *lclone_dev_table(dev_t dev)
{
	struct dm_task *dmt = lclone_dev_is_dm(dev) ? dm_task_create(DM_DEVICE_TABLE) : NULL;

	if (!dmt)
		return NULL;
	if (dm_task_set_major(dmt, major(dev)) && dm_task_set_minor(dmt, minor(dev)) &&
	    dm_task_no_flush(dmt) && dm_task_run(dmt))
		return dmt;
	dm_task_destroy(dmt);
	return NULL;
}

static bool is_clone(dev_t dev)
{
	struct dm_task *dmt = lclone_dev_table(dev);
	char *type = NULL, *params = NULL;
	uint64_t start, len;
	bool clone;

	if (!dmt)
		return false;
	dm_get_next_target(dmt, NULL, &start, &len, &type, &params);
	clone = type && !strcmp(type, LCLONE_TARGET);
	dm_task_destroy(dmt);
	return clone;
}

bool lclone_dev_linear(dev_t dev, dev_t *lower)
{
	struct dm_task *dmt = lclone_dev_table(dev);
	char *type = NULL, *params = NULL;
	uint64_t start, len, offset;
	unsigned int ma, mi;
	bool linear;
	void *next;

	if (!dmt)
		return false;
	next = dm_get_next_target(dmt, NULL, &start, &len, &type, &params);
	linear = !next && type && !strcmp(type, "linear") &&
		 sscanf(params, "%u:%u %" SCNu64, &ma, &mi, &offset) == 3 && !offset;
	if (linear)
		*lower = makedev(ma, mi);
	dm_task_destroy(dmt);
	return linear;
}

static bool is_guests(dev_t dev, void *ctx, int depth)
{
	return is_clone(dev) || lclone_dev_any_below(dev, is_guests, ctx, depth + 1);
}

bool lclone_dev_is_guests(dev_t dev)
{
	return is_guests(dev, NULL, 0);
}
