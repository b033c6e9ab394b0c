// SPDX-License-Identifier: GPL-2.0-only
/* Metadata blocks: read, write, report. */
#include <linux/slab.h>

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

/* Reads of blocks that lie apart */
struct reads {
	atomic_t left;
	blk_status_t status;
	struct completion done;
};

struct apart {
	struct bio bio;
	struct bio_vec vec;
	void *block;
};

static void read_ended(struct reads *reads)
{
	if (atomic_dec_and_test(&reads->left))
		complete(&reads->done);
}

static void apart_endio(struct bio *bio)
{
	struct reads *reads = bio->bi_private;

	if (bio->bi_status)
		WRITE_ONCE(reads->status, bio->bi_status);
	read_ended(reads);
}

static void submit_apart(struct apart *part, struct reads *reads, struct block_device *bdev,
			 sector_t sector, u32 sectors)
{
	struct bio *bio = &part->bio;

	bio_init(bio, bdev, &part->vec, 1, REQ_OP_READ | REQ_META | REQ_SYNC);
	bio->bi_iter.bi_sector = sector;
	bio->bi_private = reads;
	bio->bi_end_io = apart_endio;
	__bio_add_page(bio, virt_to_page(part->block), sectors << SECTOR_SHIFT,
		       offset_in_page(part->block));
	atomic_inc(&reads->left);
	submit_bio(bio);
}

int lclone_read_apart(struct block_device *bdev, u64 end, const u64 *sector, u32 nr,
		      void (*look)(void *ctx, const void *block), void *ctx)
{
	struct apart *part = kvcalloc(nr, sizeof(*part), GFP_KERNEL);
	struct reads reads = { .left = ATOMIC_INIT(1) };
	struct blk_plug plug;
	int err = 0;
	u32 i;

	if (!part)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++) {
		part[i].block = kzalloc(LCLONE_BLOCK_SIZE, GFP_KERNEL);
		err = part[i].block ? 0 : -ENOMEM;
	}
	init_completion(&reads.done);
	blk_start_plug(&plug);
	for (i = 0; i < nr && !err; i++)
		if (sector[i] < end)
			submit_apart(&part[i], &reads, bdev, sector[i],
				     min_t(u64, end - sector[i], LCLONE_BLOCK_SECTORS));
	blk_finish_plug(&plug);
	read_ended(&reads);
	wait_for_completion_io(&reads.done);
	err = err ?: blk_status_to_errno(reads.status);
	for (i = 0; i < nr; i++) {
		if (!err)
			look(ctx, part[i].block);
		if (part[i].bio.bi_bdev)
			bio_uninit(&part[i].bio);
		kfree(part[i].block);
	}
	kvfree(part);
	return err;
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
