// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/device.h"

bool lclone_dev_line(dev_t rdev, const char *attribute, char *line, size_t size)
{
	char path[PATH_MAX];
	bool ok;
	FILE *f;

	line[0] = '\0';
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(rdev), minor(rdev), attribute);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(line, size, f);
	line[ok ? strcspn(line, "\n") : 0] = '\0';
	fclose(f);
	return ok;
}

u64 lclone_dev_attribute(dev_t rdev, const char *attribute)
{
	char line[64];

	return lclone_dev_line(rdev, attribute, line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

dev_t lclone_dev_number(const char *word)
{
	unsigned int ma, mi;

	return sscanf(word, "%u:%u", &ma, &mi) == 2 ? makedev(ma, mi) : 0;
}

void lclone_dev_name(dev_t rdev, char name[PATH_MAX])
{
	char path[128], line[256], link[1024];
	const char *base;
	ssize_t len;

	if (lclone_dev_line(rdev, "dm/name", line, sizeof(line))) {
		snprintf(name, PATH_MAX, "/dev/mapper/%s", line);
		return;
	}
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	len = readlink(path, link, sizeof(link) - 1);
	if (len <= 0) {
		snprintf(name, PATH_MAX, "%u:%u", major(rdev), minor(rdev));
		return;
	}
	link[len] = '\0';
	base = strrchr(link, '/');
	snprintf(name, PATH_MAX, "/dev/%s", base ? base + 1 : link);
}

int lclone_dev_each(dev_t rdev, const char *which, int (*visit)(dev_t other, void *ctx), void *ctx)
{
	char path[PATH_MAX], line[64];
	struct dirent *d;
	dev_t other;
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(rdev), minor(rdev), which);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!ret && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/dev", which, d->d_name);
		if (d->d_name[0] == '.' || !lclone_dev_line(rdev, path, line, sizeof(line)))
			continue;
		other = lclone_dev_number(line);
		ret = other ? visit(other, ctx) : 0;
	}
	closedir(dir);
	return ret;
}

void lclone_name_of(const char *major_minor, char name[PATH_MAX])
{
	dev_t rdev = lclone_dev_number(major_minor);

	if (rdev)
		lclone_dev_name(rdev, name);
	else
		snprintf(name, PATH_MAX, "%s", major_minor);
}

dev_t lclone_dev_at(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

/* "... - btrfs /dev/vda rw": a filesystem of several devices has a number of its own. */
static bool is_source(const char *line, dev_t rdev)
{
	const char *fields = strstr(line, " - ");
	char source[PATH_MAX];

	return fields && sscanf(fields, " - %*s %4095s", source) == 1 &&
	       source[0] == '/' && rdev && lclone_dev_at(source) == rdev;
}

void lclone_dev_mount(dev_t rdev, bool rw, char where[PATH_MAX])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *options;
	unsigned int ma, mi;
	size_t size = 0;
	char point[PATH_MAX];

	where[0] = '\0';
	if (!f)
		return;
	while (!where[0] && getline(&line, &size, f) > 0) {
		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &ma, &mi, point) != 3 ||
		    (makedev(ma, mi) != rdev && !is_source(line, rdev)))
			continue;
		/* the options of the superblock are the last word */
		line[strcspn(line, "\n")] = '\0';
		options = strrchr(line, ' ');
		if (!rw || !options || strncmp(options + 1, "ro", 2))
			snprintf(where, PATH_MAX, "%s", point);
	}
	free(line);
	fclose(f);
}

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

void lclone_dev_process(dev_t rdev, char pid[32])
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
