// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "format/dev.h"
#include "format_user.h"

int lclone_dev_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	if (sector > dev->sectors || count > dev->sectors - sector)
		return -ENXIO;
	return count ? dev->read(dev, buf, sector, count) : 0;
}

int lclone_dev_read_padded(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	u64 end = dev ? dev->sectors : 0;
	u32 real = sector >= end ? 0 : end - sector < count ? end - sector : count;
	int err;

	if (real) {
		err = lclone_dev_read(dev, buf, sector, real);
		if (err)
			return err;
	}
	memset((u8 *)buf + ((size_t)real << 9), 0, (size_t)(count - real) << 9);
	return 0;
}

static int mem_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct lclone_memdev *mem = container_of(dev, struct lclone_memdev, dev);

	memcpy(buf, mem->data + (sector << 9), (size_t)count << 9);
	return 0;
}

void lclone_memdev_init(struct lclone_memdev *mem, const void *data, u64 sectors)
{
	mem->dev.sectors = sectors;
	mem->dev.read = mem_read;
	mem->data = data;
}

int lclone_fingerprint(const struct lclone_dev *base, u64 *fp)
{
	u8 block[LCLONE_BLOCK_SIZE];
	u32 i;
	int err;

	*fp = 0;
	for (i = 0; i < LCLONE_FP_SAMPLES; i++) {
		err = lclone_dev_read_padded(base, block, lclone_fp_sample(base->sectors, i),
					     LCLONE_BLOCK_SECTORS);
		if (err)
			return err;
		*fp = lclone_fp_update(*fp, i, block);
	}
	return 0;
}
