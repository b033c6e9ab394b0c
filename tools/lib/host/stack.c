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
#include "host/stack.h"
#include "host/target.h"

#define DEPTH	32	/* of devices upon devices; the kernel's stacks end before */

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

/* The disk of a partition */
static bool disk_of(dev_t dev, dev_t *disk)
{
	return lclone_dev_attribute(dev, "partition") && read_dev(dev, "../dev", disk);
}

/* Opening a loop device reads nothing, and waits for nothing. */
static bool loop_status(dev_t dev, struct loop_info64 *info)
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

/*
 * Calls @visit for each device that @dev is directly made of, a filesystem with a
 * loop device's file included, as long as that returns false.
 */
static bool any_below(dev_t dev, bool (*visit)(dev_t lower, void *ctx, int depth), void *ctx,
		      int depth)
{
	struct loop_info64 info;
	char path[PATH_MAX];
	bool found = false;
	struct dirent *d;
	dev_t lower;
	DIR *dir;

	if (depth >= DEPTH)
		return false;
	if (disk_of(dev, &lower))
		return visit(lower, ctx, depth);
	if (loop_status(dev, &info))
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
	return dev == *(const dev_t *)ctx || any_below(dev, is_or_lies_on, ctx, depth + 1);
}

bool lclone_dev_lies_on(dev_t upper, dev_t lower)
{
	return any_below(upper, is_or_lies_on, &lower, 0);
}

static bool is_suspended(dev_t dev, void *ctx, int depth)
{
	if (lclone_dev_attribute(dev, "dm/suspended")) {
		*(dev_t *)ctx = dev;
		return true;
	}
	return any_below(dev, is_suspended, ctx, depth + 1);
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

static bool is_path(const char *name)
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
	char path[PATH_MAX];
	bool found = false;
	struct dirent *d;
	dev_t disk;
	DIR *dir;

	if (disk_of(dev, &disk))
		return lclone_dev_is_path(disk);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(dev), minor(dev));
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir)))
		found = d->d_name[0] != '.' && is_path(d->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* Tables */

static struct dm_task *table_of(dev_t dev)
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
	struct dm_task *dmt = table_of(dev);
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
	struct dm_task *dmt = table_of(dev);
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
	return is_clone(dev) || any_below(dev, is_guests, ctx, depth + 1);
}

bool lclone_dev_is_guests(dev_t dev)
{
	return is_guests(dev, NULL, 0);
}

/* Ranges */

static int add_range(struct lclone_ranges *ranges, dev_t dev, u64 inode, u64 start, u64 sectors)
{
	struct lclone_range *bigger;

	if (ranges->count == ranges->room) {
		ranges->room = 2 * ranges->room + 8;
		bigger = reallocarray(ranges->range, ranges->room, sizeof(*bigger));
		if (!bigger)
			return lclone_fail(-ENOMEM, "out of memory");
		ranges->range = bigger;
	}
	ranges->range[ranges->count++] = (struct lclone_range){
		.dev = dev, .inode = inode, .start = start, .end = start + sectors,
	};
	return 0;
}

static int resolve(dev_t dev, u64 start, u64 sectors, struct lclone_ranges *ranges, int depth);

/* Where the same sectors are on another device, at an offset */
static bool is_one_to_one(const char *type)
{
	return !strcmp(type, "linear") || !strcmp(type, "delay") || !strcmp(type, "flakey");
}

/* What nothing of a device's sectors, as others see them, can be seen through */
static bool is_opaque(const char *type)
{
	return !strcmp(type, LCLONE_TARGET) || !strcmp(type, "thin") || !strcmp(type, "zero") ||
	       !strcmp(type, "error");
}

struct lower {
	struct lclone_ranges *ranges;
	int err;
};

static bool resolve_whole(dev_t dev, void *ctx, int depth)
{
	struct lower *lower = ctx;

	lower->err = resolve(dev, 0, lclone_dev_attribute(dev, "size"), lower->ranges, depth + 1);
	return lower->err;
}

/* The device itself, and all that is below it, wherever there */
static int resolve_mixed(dev_t dev, u64 start, u64 sectors, struct lclone_ranges *ranges, int depth)
{
	struct lower lower = { .ranges = ranges };
	size_t i;

	lower.err = add_range(ranges, dev, 0, start, sectors);
	i = ranges->count;
	if (!lower.err)
		any_below(dev, resolve_whole, &lower, depth);
	for (; i < ranges->count; i++)
		ranges->range[i].loose = true;
	return lower.err;
}

/* "N chunk device offset ...": of each device an equal part. -EINVAL if that is not it. */
static int resolve_stripes(const char *params, u64 sectors, struct lclone_ranges *ranges, int depth)
{
	unsigned int count, ma, mi;
	int len, err = 0;
	u64 offset, part;

	if (sscanf(params, "%u %*u%n", &count, &len) != 1 || !count || sectors % count)
		return -EINVAL;
	for (part = sectors / count; !err && count; count--) {
		params += len;
		if (sscanf(params, " %u:%u %" SCNu64 "%n", &ma, &mi, &offset, &len) != 3)
			return -EINVAL;
		err = resolve(makedev(ma, mi), offset, part, ranges, depth + 1);
	}
	return err;
}

/* All of a striped target: what it has of each device below is known, and the rest is not its. */
static int resolve_striped(dev_t dev, const char *params, u64 start, u64 sectors,
			   struct lclone_ranges *ranges, int depth)
{
	size_t count = ranges->count;
	int err;

	err = add_range(ranges, dev, 0, start, sectors);
	if (!err)
		err = resolve_stripes(params, sectors, ranges, depth);
	if (err != -EINVAL)
		return err;
	ranges->count = count;
	return resolve_mixed(dev, start, sectors, ranges, depth);
}

static int resolve_target(dev_t dev, const char *type, const char *params, u64 skip, u64 start,
			  u64 sectors, bool whole, struct lclone_ranges *ranges, int depth)
{
	unsigned int ma, mi;
	u64 offset;

	if (is_one_to_one(type) && sscanf(params, "%u:%u %" SCNu64, &ma, &mi, &offset) == 3)
		return resolve(makedev(ma, mi), offset + skip, sectors, ranges, depth + 1);
	if (is_opaque(type))
		return add_range(ranges, dev, 0, start, sectors);
	if (whole && !strcmp(type, "striped"))
		return resolve_striped(dev, params, start, sectors, ranges, depth);
	return resolve_mixed(dev, start, sectors, ranges, depth);
}

static int resolve_table(dev_t dev, struct dm_task *dmt, u64 start, u64 sectors,
			 struct lclone_ranges *ranges, int depth)
{
	u64 end = start + sectors, from, to;
	char *type, *params;
	uint64_t first, len;
	void *next = NULL;
	int err = 0;

	do {
		type = NULL;
		next = dm_get_next_target(dmt, next, &first, &len, &type, &params);
		from = start > first ? start : first;
		to = end < first + len ? end : first + len;
		if (type && from < to)
			err = resolve_target(dev, type, params, from - first, from, to - from,
					     to - from == len, ranges, depth);
	} while (!err && next);
	return err;
}

static int resolve(dev_t dev, u64 start, u64 sectors, struct lclone_ranges *ranges, int depth)
{
	struct loop_info64 info;
	struct dm_task *dmt;
	dev_t disk;
	int err;

	if (depth >= DEPTH)
		return add_range(ranges, dev, 0, start, sectors);
	if (disk_of(dev, &disk))
		return resolve(disk, lclone_dev_attribute(dev, "start") + start, sectors, ranges,
			       depth + 1);
	if (loop_status(dev, &info)) {
		start += info.lo_offset >> 9;
		return info.lo_rdevice ?
		       resolve(info.lo_rdevice, start, sectors, ranges, depth + 1) :
		       add_range(ranges, info.lo_device, info.lo_inode, start, sectors);
	}
	dmt = table_of(dev);
	if (!dmt)
		return resolve_mixed(dev, start, sectors, ranges, depth);
	err = resolve_table(dev, dmt, start, sectors, ranges, depth);
	dm_task_destroy(dmt);
	return err;
}

int lclone_ranges_of_dev(dev_t dev, u64 sectors, struct lclone_ranges *ranges)
{
	*ranges = (struct lclone_ranges){ .count = 0 };
	return resolve(dev, 0, sectors, ranges, 0);
}

int lclone_ranges_of(const struct lclone_file *file, struct lclone_ranges *ranges)
{
	struct stat st;

	if (file->block)
		return lclone_ranges_of_dev(file->rdev, file->dev.sectors, ranges);
	*ranges = (struct lclone_ranges){ .count = 0 };
	if (fstat(file->fd, &st))
		return lclone_fail(-errno, "%s: %m", file->path);
	return add_range(ranges, st.st_dev, st.st_ino, 0, file->dev.sectors);
}

void lclone_ranges_free(struct lclone_ranges *ranges)
{
	free(ranges->range);
	*ranges = (struct lclone_ranges){ .count = 0 };
}

bool lclone_ranges_overlap(const struct lclone_ranges *a, const struct lclone_ranges *b)
{
	size_t i, k;

	for (i = 0; i < a->count; i++)
		for (k = 0; k < b->count; k++)
			if (!(a->range[i].loose && b->range[k].loose) &&
			    a->range[i].dev == b->range[k].dev &&
			    a->range[i].inode == b->range[k].inode &&
			    a->range[i].start < b->range[k].end &&
			    b->range[k].start < a->range[i].end)
				return true;
	return false;
}

bool lclone_ranges_same_start(const struct lclone_ranges *a, const struct lclone_ranges *b)
{
	return a->count && b->count && a->range[0].dev == b->range[0].dev &&
	       a->range[0].inode == b->range[0].inode && a->range[0].start == b->range[0].start;
}

bool lclone_shows_same(dev_t a, dev_t b)
{
	struct lclone_ranges ra = { .count = 0 }, rb = { .count = 0 };
	bool same;

	if (!a || !b)
		return false;
	same = a == b || (!lclone_ranges_of_dev(a, 1, &ra) && !lclone_ranges_of_dev(b, 1, &rb) &&
			  lclone_ranges_same_start(&ra, &rb));
	lclone_ranges_free(&ra);
	lclone_ranges_free(&rb);
	return same;
}
