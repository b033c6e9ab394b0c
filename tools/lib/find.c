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

static int look_at(const char *device,
		   int (*found)(const char *path, const struct lclone_sb *sb, void *ctx), void *ctx)
{
	struct lclone_delta delta;
	struct lclone_file file;
	char path[PATH_MAX], name[PATH_MAX];
	int ret = 0;

	snprintf(path, sizeof(path), "/dev/%s", device);
	for (char *slash = path + 5; (slash = strchr(slash, '!')); )
		*slash = '/';	/* as sysfs writes cciss/c0d0 */
	if (!lclone_file_open(&file, path, O_RDONLY | O_NONBLOCK)) {
		if (!lclone_delta_open_sb(&delta, &file.dev)) {
			lclone_dev_name(file.rdev, name);
			ret = found(name, &delta.sb, ctx);
		}
		lclone_delta_close(&delta);
	}
	lclone_file_close(&file);
	return ret;
}

int lclone_find_deltas(int (*found)(const char *path, const struct lclone_sb *sb, void *ctx),
		       void *ctx)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *d;
	int ret = 0;

	if (!dir)
		return lclone_fail(-errno, "/sys/class/block: %m");
	while (!ret && (d = readdir(dir)))
		if (d->d_name[0] != '.' && attribute(d->d_name, "size") &&
		    !attribute(d->d_name, "dm/suspended"))
			ret = look_at(d->d_name, found, ctx);
	closedir(dir);
	return ret;
}
