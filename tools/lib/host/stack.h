/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What block devices are made of: which lies on which.  Everything is asked of sysfs and of
 * device-mapper; no device is read.
 */
#ifndef LCLONE_STACK_H
#define LCLONE_STACK_H

#include <limits.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lclone_format.h"

struct dm_task;

#define LCLONE_STACK_DEPTH	32	/* of devices upon devices; the kernel's stacks end before */

/* The disk of a partition; false: it is none */
bool lclone_dev_disk(dev_t dev, dev_t *disk);

/* What a loop device is on; false: it is none */
bool lclone_dev_loop(dev_t dev, struct loop_info64 *info);

/* The file that a loop device, or a partition of one, shows, from which byte on, and how many */
struct lclone_backing {
	dev_t fs;
	u64 inode, offset, bytes;
	dev_t disk;			/* the loop device; 0: it is the file itself */
};

/* false: it shows no file */
bool lclone_dev_backing(dev_t dev, struct lclone_backing *backing);

/* That file, open; a negative errno: no file is at the path that the loop device was given. */
int lclone_dev_open_backing(dev_t dev, const struct lclone_backing *backing);

/*
 * Calls @visit for each device that shows some of the same, as long as that returns 0; returns what it
 * has.  A partition and its disk the kernel keeps apart.
 */
int lclone_each_showing(const struct lclone_backing *backing, int (*visit)(dev_t dev, void *ctx),
			void *ctx);

/*
 * Calls @visit for each device that @dev is directly made of, a filesystem with a loop
 * device's file included, as long as that returns false. @depth of @dev, 0 for the topmost, is
 * handed on; from LCLONE_STACK_DEPTH on nothing is below.
 */
bool lclone_dev_any_below(dev_t dev, bool (*visit)(dev_t lower, void *ctx, int depth), void *ctx,
			  int depth);

/* The table of a device of device-mapper, to be destroyed; NULL: it is none, or has none */
struct dm_task *lclone_dev_table(dev_t dev);

/* Is it one of device-mapper's? */
bool lclone_dev_is_dm(dev_t dev);

/* Does @upper lie on @lower, at any depth? */
bool lclone_dev_lies_on(dev_t upper, dev_t lower);

/* Is it suspended, or anything that it lies on? Then that is in *which. */
bool lclone_dev_suspended(dev_t dev, dev_t *which);

/* -EBUSY, with a sentence, if it would be waited for without end. */
int lclone_refuse_suspended(dev_t dev, const char *path);

/*
 * Is it a clone, or a base that is verified for clones, or does it lie on one? Then a guest has
 * written what it holds.
 */
bool lclone_dev_is_guests(dev_t dev);

/* Is its table one linear target, from the first sector of *lower? */
bool lclone_dev_linear(dev_t dev, dev_t *lower);

/*
 * Does it show what *data has, verified (dm-verity)?  What lies on such a device lies on the data,
 * by whatever name a user knows them.
 */
bool lclone_dev_verified(dev_t dev, dev_t *data);

/* The name, as lclone_name_of() has it, of what a table names as a base, or of the data behind that */
void lclone_base_name(const char *major_minor, char name[PATH_MAX]);

/* A volume of LVM's; or also a partition that kpartx has made a device of in one */
bool lclone_dev_is_lv(dev_t dev);
bool lclone_dev_is_lv_or_part(dev_t dev);

/* The uuid of the group that a volume is of, as device-mapper has it; "" of what is none */
#define LCLONE_VG_UUID_SIZE	33
void lclone_dev_vg(dev_t dev, char vg[LCLONE_VG_UUID_SIZE]);

/* What LVM has made for a volume of its own: data of a pool, an image of a mirror, ... */
bool lclone_dev_is_internal(dev_t dev);

/* A path of a multipath device, which shows the same, or nothing */
bool lclone_dev_is_path(dev_t dev);

/* A member of an array of md: a part of what that shows, or a copy of it ... */
bool lclone_dev_is_member(dev_t dev);
/* ... which does not run, and shows nothing */
bool lclone_dev_is_idle_member(dev_t dev);

#endif /* LCLONE_STACK_H */
