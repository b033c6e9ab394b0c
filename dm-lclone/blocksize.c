// SPDX-License-Identifier: GPL-2.0-only
/*
 * The logical blocks of a clone.  They are as large as the largest of its devices, and may never
 * be larger than the clone's were before.
 */
#include "blocksize.h"

static u32 block_size_of(const struct lclone *t)
{
	u32 size = bdev_logical_block_size(t->delta_dev->bdev), i;

	for (i = 0; i < t->nr_parents; i++)
		size = max(size, bdev_logical_block_size(t->parents[i].dev->bdev));
	return t->base_dev ? max(size, bdev_logical_block_size(t->base_dev->bdev)) : size;
}

int lclone_check_block_size(struct lclone *t, u32 chunk_sectors)
{
	t->block_size = block_size_of(t);
	if (t->block_size > LCLONE_BLOCK_SIZE) {
		t->ti->error = "Logical block size of a device is above 4 KiB";
		return -EINVAL;
	}
	if (chunk_sectors << SECTOR_SHIFT < LCLONE_SUBCHUNKS * t->block_size) {
		t->ti->error = "chunk_size is below 16 logical blocks";
		return -EINVAL;
	}
	return 0;
}

/*
 * Returns the logical block size of the mapped device; 0 if none of its tables was ever active,
 * so that nobody relies on one.
 */
static u32 block_size_in_use(const struct lclone *t)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(t->ti->table));

	return get_capacity(disk) ? queue_logical_block_size(disk->queue) : 0;
}

/*
 * Returns the smallest logical block size that the clone was ever used with; if it was never
 * used, that of the layers it was made from; 0 if none is recorded.
 */
static u32 block_size_recorded(const struct lclone *t, const struct lclone_sb *sb)
{
	u32 size = sb->block_size, i;

	for (i = 0; !size && t->chain && i < t->chain->nr; i++)
		size = t->chain->layer[i]->super.sb.block_size;
	return size;
}

/* Users of the clone, a file system for one, can't cope with blocks that get larger. */
int lclone_check_clone_blocks(struct lclone *t, const struct lclone_sb *sb)
{
	u32 used = block_size_in_use(t), recorded = block_size_recorded(t, sb);
	const char *name = t->delta->dev.name;

	if (used && t->block_size > used) {
		DMERR("%s: the logical blocks would be of %u bytes, in use are such of %u", name,
		      t->block_size, used);
		return lclone_refuse(t, -EINVAL,
			"The clone is in use with smaller logical blocks than these devices have");
	}
	if (recorded && t->block_size > recorded) {
		DMERR("%s: the logical blocks would be of %u bytes, they were of %u", name,
		      t->block_size, recorded);
		return lclone_refuse(t, -EINVAL,
			"The clone was used with smaller logical blocks than these devices have");
	}
	if (t->ti->len & ((t->block_size >> SECTOR_SHIFT) - 1)) {
		DMERR("%s: the table has %llu sectors: for logical blocks of %u bytes %llu do",
		      name, (u64)t->ti->len, t->block_size,
		      round_up((u64)t->ti->len, t->block_size >> SECTOR_SHIFT));
		t->ti->error = "The clone's size is not a multiple of the logical block size";
		return -EINVAL;
	}
	return 0;
}
