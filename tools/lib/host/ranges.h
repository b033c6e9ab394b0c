/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the sectors of devices and files are, and which have sectors in common.  Everything is
 * asked of sysfs and of device-mapper; no device is read.
 */
#ifndef LCLONE_RANGES_H
#define LCLONE_RANGES_H

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

#endif /* LCLONE_RANGES_H */
