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
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/fail.h"
#include "format/verity.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/stack.h"
#include "host/target.h"

static bool read_dev(dev_t dev, const char *name, dev_t *out)
{
	char line[64];

	*out = lclone_dev_line(dev, name, line, sizeof(line)) ? lclone_dev_number(line) : 0;
	return *out;
}

bool lclone_dev_is_dm(dev_t dev)
{
	char line[8];

	return lclone_dev_line(dev, "dm/suspended", line, sizeof(line));
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

	if (!lclone_dev_line(dev, "loop/offset", line, sizeof(line)))
		return false;
	lclone_dev_name(dev, path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = !ioctl(fd, LOOP_GET_STATUS64, info);
	close(fd);
	return ok;
}

bool lclone_dev_backing(dev_t dev, struct lclone_backing *backing)
{
	const dev_t shows = dev;
	struct loop_info64 info;
	dev_t disk;
	int depth;

	backing->offset = 0;
	for (depth = 0; depth < LCLONE_STACK_DEPTH; depth++) {
		if (lclone_dev_disk(dev, &disk)) {
			backing->offset += lclone_dev_attribute(dev, "start") << 9;
			dev = disk;
			continue;
		}
		if (!lclone_dev_loop(dev, &info))
			return false;
		backing->offset += info.lo_offset;
		backing->fs = info.lo_device;
		backing->inode = info.lo_inode;
		if (!info.lo_rdevice)
			break;
		dev = info.lo_rdevice;
	}
	if (depth == LCLONE_STACK_DEPTH)
		return false;
	backing->bytes = lclone_dev_attribute(shows, "size") << 9;
	backing->disk = lclone_dev_disk(shows, &disk) ? disk : shows;
	return true;
}

int lclone_dev_open_backing(dev_t dev, const struct lclone_backing *backing)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!lclone_dev_line(dev, "loop/backing_file", path, sizeof(path)))
		return -ENOENT;
	/* over NFS who locks for itself has to be able to write */
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_dev == backing->fs && st.st_ino == backing->inode)
		return fd;
	close(fd);
	return -ESTALE;
}

static bool show_same(const struct lclone_backing *a, const struct lclone_backing *b)
{
	return a->fs == b->fs && a->inode == b->inode &&
	       (a->disk != b->disk || a->offset == b->offset) &&
	       a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

int lclone_each_showing(const struct lclone_backing *backing, int (*visit)(dev_t dev, void *ctx),
			void *ctx)
{
	DIR *dir = opendir("/sys/dev/block");
	struct lclone_backing other;
	struct dirent *d;
	int ret = 0;
	dev_t dev;

	while (dir && !ret && (d = readdir(dir))) {
		dev = lclone_dev_number(d->d_name);
		if (dev && lclone_dev_backing(dev, &other) && show_same(&other, backing))
			ret = visit(dev, ctx);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* What is to be asked of each device right below */
struct below {
	bool (*visit)(dev_t lower, void *ctx, int depth);
	void *ctx;
	int depth;
};

static int visit_below(dev_t lower, void *ctx)
{
	const struct below *b = ctx;

	return b->visit(lower, b->ctx, b->depth);
}

bool lclone_dev_any_below(dev_t dev, bool (*visit)(dev_t lower, void *ctx, int depth), void *ctx,
			  int depth)
{
	struct below below = { visit, ctx, depth };
	struct loop_info64 info;
	dev_t lower;

	if (depth >= LCLONE_STACK_DEPTH)
		return false;
	if (lclone_dev_disk(dev, &lower))
		return visit(lower, ctx, depth);
	if (lclone_dev_loop(dev, &info))
		return info.lo_rdevice ? visit(info.lo_rdevice, ctx, depth) :
		       visit(info.lo_device, ctx, depth);
	return lclone_dev_each(dev, "slaves", visit_below, &below);
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

#define LVM_UUID	"LVM-"	/* and the uuids of the group and of the volume */

bool lclone_dev_is_lv(dev_t dev)
{
	char line[16];

	return lclone_dev_line(dev, "dm/uuid", line, sizeof(line)) &&
	       !strncmp(line, LVM_UUID, strlen(LVM_UUID));
}

bool lclone_dev_is_lv_or_part(dev_t dev)
{
	char line[16];
	int len = 0;

	if (!lclone_dev_line(dev, "dm/uuid", line, sizeof(line)))
		return false;
	sscanf(line, "part%*u-%n", &len);
	return !strncmp(line + len, LVM_UUID, strlen(LVM_UUID));
}

void lclone_dev_vg(dev_t dev, char vg[LCLONE_VG_UUID_SIZE])
{
	char line[128];

	vg[0] = '\0';
	if (lclone_dev_line(dev, "dm/uuid", line, sizeof(line)) &&
	    !strncmp(line, LVM_UUID, strlen(LVM_UUID)))
		snprintf(vg, LCLONE_VG_UUID_SIZE, "%.32s", line + strlen(LVM_UUID));
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

	if (!lclone_dev_line(dev, "dm/uuid", line, sizeof(line)) || strncmp(line, "LVM-", 4))
		return false;
	if (strlen(line) > plain)		/* "-tdata", "-real", "-cow" */
		return true;
	if (!lclone_dev_line(dev, "dm/name", line, sizeof(line)))
		return false;
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strstr(volume_in(line), reserved[i]))
			return true;
	return false;
}

/* What is right above a device, of those that say what they are made of */

static int is_multipath(dev_t holder, void *ctx)
{
	char line[16];

	(void)ctx;
	return lclone_dev_line(holder, "dm/uuid", line, sizeof(line)) && !strncmp(line, "mpath-", 6);
}

bool lclone_dev_is_path(dev_t dev)
{
	dev_t disk;

	if (lclone_dev_disk(dev, &disk))
		return lclone_dev_is_path(disk);
	return lclone_dev_each(dev, "holders", is_multipath, NULL);
}

static bool is_array(dev_t dev)
{
	char line[16];

	return lclone_dev_line(dev, "md/array_state", line, sizeof(line));
}

static int is_running_array(dev_t holder, void *ctx)
{
	(void)ctx;
	return is_array(holder) && lclone_dev_attribute(holder, "size");
}

static int is_idle_array(dev_t holder, void *ctx)
{
	(void)ctx;
	return is_array(holder) && !lclone_dev_attribute(holder, "size");
}

bool lclone_dev_is_member(dev_t dev)
{
	return lclone_dev_each(dev, "holders", is_running_array, NULL);
}

bool lclone_dev_is_idle_member(dev_t dev)
{
	return lclone_dev_each(dev, "holders", is_idle_array, NULL);
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

bool lclone_dev_verified(dev_t dev, dev_t *data)
{
	struct dm_task *dmt = lclone_dev_table(dev);
	char *type = NULL, *params = NULL, device[32];
	uint64_t start, len;
	void *next;

	*data = 0;
	if (!dmt)
		return false;
	next = dm_get_next_target(dmt, NULL, &start, &len, &type, &params);
	if (!next && type && !strcmp(type, LCLONE_VERITY_TARGET) &&
	    lclone_verity_data(params, device))
		*data = lclone_dev_number(device);
	dm_task_destroy(dmt);
	return *data;
}

void lclone_base_name(const char *major_minor, char name[PATH_MAX])
{
	const dev_t dev = lclone_dev_number(major_minor);
	dev_t data;

	if (dev && lclone_dev_verified(dev, &data))
		lclone_dev_name(data, name);
	else
		lclone_name_of(major_minor, name);
}

/* One that was made here, for clones, and not by whoever else verifies something */
static bool is_verified_base(dev_t dev)
{
	char line[64];

	return lclone_dev_line(dev, "dm/uuid", line, sizeof(line)) &&
	       !strncmp(line, LCLONE_VERITY_UUID, strlen(LCLONE_VERITY_UUID));
}

static bool is_guests(dev_t dev, void *ctx, int depth)
{
	return is_clone(dev) || is_verified_base(dev) || lclone_dev_any_below(dev, is_guests, ctx, depth + 1);
}

bool lclone_dev_is_guests(dev_t dev)
{
	return is_guests(dev, NULL, 0);
}
