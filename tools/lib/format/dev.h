/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An abstract device to read from: a block device, a file, or memory.
 *
 * Everything that reads a delta works over this, so that tests can run it on
 * images in memory.
 */
#ifndef LCLONE_DEV_H
#define LCLONE_DEV_H

#include "lclone_format.h"

struct lclone_dev {
	u64 sectors;
	/*
	 * Reads whole sectors into buf; the range was checked against the
	 * size.  Returns 0 or a negative errno.
	 */
	int (*read)(const struct lclone_dev *dev, void *buf, u64 sector, u32 count);
};

/* Returns 0 or a negative errno; -ENXIO for a range beyond the device's end. */
int lclone_dev_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count);

/* The same, but what lies beyond the end, or a NULL @dev, reads as zeros. */
int lclone_dev_read_padded(const struct lclone_dev *dev, void *buf, u64 sector, u32 count);

struct lclone_memdev {
	struct lclone_dev dev;
	const u8 *data;
};

/* A device over @sectors * 512 bytes of memory, which must outlive it. */
void lclone_memdev_init(struct lclone_memdev *mem, const void *data, u64 sectors);

/* The fingerprint (LCLONE_FP_CRC32C_SAMPLES) of a base.  Returns 0 or a negative errno. */
int lclone_fingerprint(const struct lclone_dev *base, u64 *fp);

#endif /* LCLONE_DEV_H */
