// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "basic/fail.h"
#include "format/verity.h"
#include "host/device.h"
#include "host/ranges.h"
#include "host/stack.h"
#include "host/target.h"

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
		lclone_dev_any_below(dev, resolve_whole, &lower, depth);
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
	char data[32];
	u64 offset;

	if (is_one_to_one(type) && sscanf(params, "%u:%u %" SCNu64, &ma, &mi, &offset) == 3)
		return resolve(makedev(ma, mi), offset + skip, sectors, ranges, depth + 1);
	if (!strcmp(type, LCLONE_VERITY_TARGET) && lclone_verity_data(params, data))
		return resolve(lclone_dev_number(data), skip, sectors, ranges, depth + 1);
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

	if (depth >= LCLONE_STACK_DEPTH)
		return add_range(ranges, dev, 0, start, sectors);
	if (lclone_dev_disk(dev, &disk))
		return resolve(disk, lclone_dev_attribute(dev, "start") + start, sectors, ranges,
			       depth + 1);
	if (lclone_dev_loop(dev, &info)) {
		start += info.lo_offset >> 9;
		return info.lo_rdevice ?
		       resolve(info.lo_rdevice, start, sectors, ranges, depth + 1) :
		       add_range(ranges, info.lo_device, info.lo_inode, start, sectors);
	}
	dmt = lclone_dev_table(dev);
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
