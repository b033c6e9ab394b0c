/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What block devices are made of: which lies on which, and which have sectors in
 * common.  Everything is asked of sysfs and of device-mapper; no device is read.
 */
#ifndef LCLONE_STACK_H
#define LCLONE_STACK_H

#include "host/file.h"

/* A part of a device or file that nothing more is known to lie below of */
struct lclone_range {
	dev_t dev;
	u64 inode;			/* of a file on the filesystem @dev; 0: the device */
	u64 start, end;			/* sectors */
	bool loose;			/* of a device that mixes what is below, as a mirror does */
};

struct lclone_ranges {
	struct lclone_range *range;
	size_t count, room;
};

/*
 * Where the sectors of a device or file are, in their order.  Partitions, linear
 * tables and loop devices are looked through.  Of what is below others, as
 * mirrors or encrypted devices, all counts, as loose ranges behind the device itself; of a
 * striped one, if all of it is asked for, the part of each device below.
 * 0, or -ENOMEM with the sentence in lclone_why().  Free them in any case.
 */
int lclone_ranges_of(const struct lclone_file *file, struct lclone_ranges *ranges);
int lclone_ranges_of_dev(dev_t dev, u64 sectors, struct lclone_ranges *ranges);
void lclone_ranges_free(struct lclone_ranges *ranges);

/* Have they sectors in common? Two that are loose have not, as far as is known. */
bool lclone_ranges_overlap(const struct lclone_ranges *a, const struct lclone_ranges *b);
/* Do they begin with the same sector? */
bool lclone_ranges_same_start(const struct lclone_ranges *a, const struct lclone_ranges *b);
/* The same of two devices; 0 is none */
bool lclone_shows_same(dev_t a, dev_t b);

bool lclone_dev_is_dm(dev_t dev);

/* Does @upper lie on @lower, at any depth? */
bool lclone_dev_lies_on(dev_t upper, dev_t lower);

/* Is it suspended, or anything that it lies on? Then that is in *which. */
bool lclone_dev_suspended(dev_t dev, dev_t *which);

/* -EBUSY, with a sentence, if it would be waited for without end. */
int lclone_refuse_suspended(dev_t dev, const char *path);

/* Is it a clone, or does it lie on one? Then a guest has written what it holds. */
bool lclone_dev_is_guests(dev_t dev);

/* Is its table one linear target, from the first sector of *lower? */
bool lclone_dev_linear(dev_t dev, dev_t *lower);

/* A volume of LVM, or a partition that kpartx has made a device of in one */
bool lclone_dev_is_volume(dev_t dev);

/* A path of a multipath device, which shows the same, or nothing */
bool lclone_dev_is_path(dev_t dev);

/* A number in sysfs; 0 if it is not there */
u64 lclone_dev_attribute(dev_t dev, const char *name);

#endif /* LCLONE_STACK_H */
