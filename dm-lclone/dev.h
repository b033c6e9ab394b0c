/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device that a delta is on: its metadata blocks, and messages about it.
 *
 * Functions that do I/O sleep, and return 0 or -errno.  Their buffers are physically
 * contiguous.
 */
#ifndef LCLONE_DEV_H
#define LCLONE_DEV_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>

#include "lclone_format.h"

#define DM_MSG_PREFIX "lclone"

/**
 * struct lclone_dev - the device of a delta
 * @bdev: the device, which stays open as long as a table has the delta
 * @faults: how many faults were reported so far
 * @name: of the device, for messages
 */
struct lclone_dev {
	struct block_device *bdev;
	atomic_t faults;
	char name[BDEVNAME_SIZE];
};

/**
 * lclone_read_sectors() - read from any device
 * @bdev: the device
 * @sector: where
 * @buf: gets the data
 * @sectors: how many
 *
 * Return: 0 or -errno.
 */
int lclone_read_sectors(struct block_device *bdev, sector_t sector, void *buf, u32 sectors);

/**
 * lclone_read_apart() - read blocks that lie apart, all at a time
 * @bdev: the device
 * @end: its size in sectors, what lies beyond is zero
 * @sector: where each of them begins
 * @nr: how many
 * @look: is called with each of them, in this order, when all were read
 * @ctx: for @look
 *
 * Only where memory may be waited for.  Return: 0 or -errno.
 */
int lclone_read_apart(struct block_device *bdev, u64 end, const u64 *sector, u32 nr,
		      void (*look)(void *ctx, const void *block), void *ctx);

/**
 * lclone_meta_read() - read metadata blocks
 * @dev: the delta's device
 * @block: the first one
 * @buf: gets the data
 * @blocks: how many
 *
 * Return: 0 or -errno.
 */
int lclone_meta_read(const struct lclone_dev *dev, u64 block, void *buf, u32 blocks);

/**
 * lclone_meta_write() - write metadata blocks
 * @dev: the delta's device
 * @block: the first one
 * @buf: the data
 * @blocks: how many
 * @flags: of the bio, REQ_FUA or 0
 *
 * Return: 0 or -errno.
 */
int lclone_meta_write(const struct lclone_dev *dev, u64 block, void *buf, u32 blocks,
		      blk_opf_t flags);

/**
 * lclone_report_fault() - say in the kernel's log what a verify function found
 * @dev: the delta's device
 * @where: what is damaged
 * @block: its block
 * @fault: what was found
 *
 * The first faults of a delta are all reported, later ones as often as a rate limit allows.
 */
void lclone_report_fault(struct lclone_dev *dev, const char *where, u64 block,
			 const struct lclone_fault *fault);

#endif /* LCLONE_DEV_H */
