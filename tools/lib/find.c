// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "delta.h"
#include "fail.h"
#include "find.h"

static u64 attribute(const char *device, const char *name)
{
	char path[PATH_MAX];
	u64 value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/%s", device, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

/* Opens the device of that name in sysfs. Close it in any case. */
static int open_device(const char *device, struct lclone_file *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/%s", device);
	for (char *slash = path + 5; (slash = strchr(slash, '!')); )
		*slash = '/';	/* as sysfs writes cciss/c0d0 */
	return lclone_file_open(file, path, O_RDONLY | O_NONBLOCK);
}

/* @visit: not 0 ends it, and is returned */
static int for_each_device(int (*visit)(const char *device, u64 sectors, void *ctx), void *ctx)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *d;
	u64 sectors;
	int ret = 0;

	if (!dir)
		return lclone_fail(-errno, "/sys/class/block: %m");
	while (!ret && (d = readdir(dir))) {
		sectors = d->d_name[0] == '.' ? 0 : attribute(d->d_name, "size");
		if (sectors && !attribute(d->d_name, "dm/suspended"))
			ret = visit(d->d_name, sectors, ctx);
	}
	closedir(dir);
	return ret;
}

struct search {
	int (*found)(const char *path, const struct lclone_sb *sb, void *ctx);
	void *ctx;
};

static int look_for_delta(const char *device, u64 sectors, void *ctx)
{
	struct search *search = ctx;
	struct lclone_delta delta;
	struct lclone_file file;
	char name[PATH_MAX];
	int ret = 0;

	(void)sectors;
	if (!open_device(device, &file)) {
		if (!lclone_delta_open_sb(&delta, &file.dev)) {
			lclone_dev_name(file.rdev, name);
			ret = search->found(name, &delta.sb, search->ctx);
		}
		lclone_delta_close(&delta);
	}
	lclone_file_close(&file);
	return ret;
}

int lclone_find_deltas(int (*found)(const char *path, const struct lclone_sb *sb, void *ctx),
		       void *ctx)
{
	struct search search = { found, ctx };

	return for_each_device(look_for_delta, &search);
}

struct base_search {
	const struct lclone_sb *sb;
	char *path;
};

static int look_for_base(const char *device, u64 sectors, void *ctx)
{
	struct base_search *search = ctx;
	struct lclone_file file;
	bool found = false;
	u64 fp;

	if (sectors != search->sb->base_sectors)
		return 0;
	if (!open_device(device, &file) && !lclone_fingerprint(&file.dev, &fp) &&
	    fp == search->sb->base_fp) {
		lclone_dev_name(file.rdev, search->path);
		found = true;
	}
	lclone_file_close(&file);
	return found;
}

int lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX])
{
	struct base_search search = { sb, path };
	int ret;

	path[0] = '\0';
	ret = for_each_device(look_for_base, &search);
	return ret < 0 ? ret : 0;
}
