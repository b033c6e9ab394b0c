/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block devices by their numbers: what they are called, and who has them, as sysfs, /proc and the
 * list of mounts say.  No device is opened or read.
 */
#ifndef LCLONE_DEVICE_H
#define LCLONE_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lclone_format.h"

/* A name for a block device that a user knows: /dev/mapper/..., else /dev/.... */
void lclone_dev_name(dev_t rdev, char name[PATH_MAX]);

/* The device of "major:minor", as tables have it; 0 for anything else. */
dev_t lclone_dev_number(const char *word);

/* The block device at a path; 0: there is none. */
dev_t lclone_dev_at(const char *path);

/* The name for "major:minor"; anything else, as "-", is its own name. */
void lclone_name_of(const char *major_minor, char name[PATH_MAX]);

/* The first line of what sysfs has of it, without its end; false: there is none. */
bool lclone_dev_line(dev_t rdev, const char *attribute, char *line, size_t size);
/* The same as a number; 0 if it is not there. */
u64 lclone_dev_attribute(dev_t rdev, const char *attribute);

/*
 * Calls @visit with each device that is built on a block device ("holders"), or that it is made
 * of ("slaves"), as long as that returns 0; returns what it has returned.
 */
int lclone_dev_each(dev_t rdev, const char *which, int (*visit)(dev_t other, void *ctx), void *ctx);

/* Where it is mounted, "" if nowhere. @rw: only mounts that may write count. */
void lclone_dev_mount(dev_t rdev, bool rw, char where[PATH_MAX]);

/* A process that has it open, us among them; "" if none is found. */
void lclone_dev_process(dev_t rdev, char pid[32]);

#endif /* LCLONE_DEVICE_H */
