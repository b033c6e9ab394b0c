// SPDX-License-Identifier: GPL-2.0-only
/* Metadata blocks: read, write, report. */
#include "dev.h"

static int meta_io(struct block_device *bdev, sector_t sector, void *buf, u32 sectors,
		   blk_opf_t opf)
{
	struct bio_vec bvec;
	struct bio bio;
	int err;

	bio_init(&bio, bdev, &bvec, 1, opf | REQ_META | REQ_SYNC);
	bio.bi_iter.bi_sector = sector;
	__bio_add_page(&bio, virt_to_page(buf), sectors << SECTOR_SHIFT, offset_in_page(buf));
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

int lclone_read_sectors(struct block_device *bdev, sector_t sector, void *buf, u32 sectors)
{
	return meta_io(bdev, sector, buf, sectors, REQ_OP_READ);
}

int lclone_meta_read(const struct lclone_dev *dev, u64 block, void *buf, u32 blocks)
{
	return meta_io(dev->bdev, block * LCLONE_BLOCK_SECTORS, buf, blocks * LCLONE_BLOCK_SECTORS,
		       REQ_OP_READ);
}

int lclone_meta_write(const struct lclone_dev *dev, u64 block, void *buf, u32 blocks,
		      blk_opf_t flags)
{
	return meta_io(dev->bdev, block * LCLONE_BLOCK_SECTORS, buf, blocks * LCLONE_BLOCK_SECTORS,
		       REQ_OP_WRITE | flags);
}

/* So many faults of a delta are all reported.  Later ones, which may be many, are rate-limited. */
#define FAULTS_SAID	16

void lclone_report_fault(struct lclone_dev *dev, const char *where, u64 block,
			 const struct lclone_fault *fault)
{
	if (atomic_read(&dev->faults) < FAULTS_SAID) {
		atomic_inc(&dev->faults);
		DMERR("%s: %s at block %llu: %s: found 0x%llx, expected 0x%llx", dev->name, where,
		      block, fault->what, fault->found, fault->expected);
	} else {
		DMERR_LIMIT("%s: %s at block %llu: %s: found 0x%llx, expected 0x%llx", dev->name,
			    where, block, fault->what, fault->found, fault->expected);
	}
}
