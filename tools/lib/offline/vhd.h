/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader of one file of a chain of VHDs: fixed, dynamic or differencing.
 *
 * qemu opens a differencing VHD without an error, and reads as zeros what its parent has; and what
 * was cut off a dynamic one, too.  So this reads them, by itself: what a file has, and as what it
 * knows its parent, whose name is no more than a hint.
 *
 * Works over an abstract device and never writes.  Hostile files are expected: all of the table of
 * blocks is verified when it is opened, and nothing is allocated that the file is too small to hold.
 *
 * Functions return 0 (or what they document), or a negative errno with the sentence in
 * lclone_why(): -EUCLEAN for what is damaged or cut off, -EPROTONOSUPPORT for what is not read.
 */
#ifndef LCLONE_VHD_H
#define LCLONE_VHD_H

#include <limits.h>

#include "format/dev.h"

#define LCLONE_VHD_UUID_SIZE	16
#define LCLONE_VHD_NAMES	9	/* of the parent that there may be */
#define LCLONE_VHD_TABLE_MAX	(4u << 20)	/* entries: 2 TiB, which is the most, of 512 KiB */

/* Seconds from 1970 to 2000, from where VHD counts them */
#define LCLONE_VHD_EPOCH	946684800u

enum lclone_vhd_type {
	LCLONE_VHD_FIXED = 2,
	LCLONE_VHD_DYNAMIC = 3,
	LCLONE_VHD_DIFFERENCING = 4,
};

struct lclone_vhd {
	const struct lclone_dev *dev;
	const char *path;		/* for sentences */
	enum lclone_vhd_type type;
	u64 sectors;			/* of the disk */
	u8 uuid[LCLONE_VHD_UUID_SIZE];
	u32 time;			/* of its making, or last change: seconds since 2000 */

	/* Of one that has a parent */
	u8 parent_uuid[LCLONE_VHD_UUID_SIZE];
	u32 parent_time;		/* 0: not recorded */

	/* Of all but fixed ones */
	u64 header;			/* its place, in sectors */
	u32 block_sectors, bitmap_sectors;
	u32 blocks;
	u32 *table;			/* in sectors, LCLONE_VHD_UNUSED: it has no such block */
	u8 *bitmap;			/* of the block that was looked at last ... */
	u32 bitmap_block;		/* ... if there was one: else UINT32_MAX */
};

#define LCLONE_VHD_UNUSED	UINT32_MAX

/* @dev and @path must outlive it.  Close it in any case. */
int lclone_vhd_open(struct lclone_vhd *vhd, const struct lclone_dev *dev, const char *path);
void lclone_vhd_close(struct lclone_vhd *vhd);

/*
 * From @sector on, which is below the end, *sectors of the disk are alike: they are in the file
 * from *at on (1); or they are not, and come from the parent, or are zeros (0).
 */
int lclone_vhd_extent(struct lclone_vhd *vhd, u64 sector, u64 *sectors, u64 *at);

/*
 * The name, without any folder, by which it knows its parent, as its @i-th locator, or (the last)
 * its header has it: 1, or 0 if there is none in that place, or none that a file can have.
 */
int lclone_vhd_parent_name(const struct lclone_vhd *vhd, u32 i, char name[NAME_MAX + 1]);

#endif /* LCLONE_VHD_H */
