// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "format/delta.h"
#include "basic/fail.h"
#include "basic/text.h"
#include "format_user.h"
#include "clone/owner.h"
#include "clone/super.h"

/* In the block of a slot all but the superblock's own sector is zero. */
static int write_slot(struct lclone_file *delta, const struct lclone_sb *sb)
{
	union {
		struct lclone_sb_disk sb;
		u8 bytes[LCLONE_BLOCK_SIZE];
	} block = { .bytes = { 0 } };
	u32 slot = sb->seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B;
	int err;

	lclone_sb_pack(sb, &block.sb);
	err = lclone_file_write(delta, &block, (u64)slot * LCLONE_BLOCK_SECTORS,
				LCLONE_BLOCK_SECTORS);
	return err ?: lclone_file_sync(delta);
}

static int write_zeros(struct lclone_file *delta, u32 block, u32 blocks)
{
	void *zeros = calloc(blocks, LCLONE_BLOCK_SIZE);
	int err;

	if (!zeros)
		return lclone_fail(-ENOMEM, "out of memory");
	err = lclone_file_write(delta, zeros, (u64)block * LCLONE_BLOCK_SECTORS,
				blocks * LCLONE_BLOCK_SECTORS);
	free(zeros);
	return err ?: lclone_file_sync(delta);
}

/*
 * A note is no lock: another host may have opened the delta since @sb was read, which takes a
 * superblock, or it may be gone.  One without a number is that of a format.
 */
static int refuse_changed(const struct lclone_file *file, const struct lclone_sb *sb)
{
	struct lclone_delta now;
	bool same;

	if (!sb->seq)
		return 0;
	same = !lclone_delta_open_sb(&now, &file->dev) && now.slot[now.newest].sb.seq == sb->seq;
	lclone_delta_close(&now);
	return same ? 0 : lclone_fail(-EBUSY, "%s was changed meanwhile, maybe by another host: see \"lclone tree\", and run it again",
				      file->path);
}

/* The gate of all who change what there is: an older lclone breaks no newer one's features. */
int lclone_super_write(struct lclone_file *delta, struct lclone_sb *sb)
{
	u64 unknown = sb->ro_compat & ~LCLONE_FEATURE_RO_COMPAT;
	int err;

	if (unknown)
		return lclone_fail(-EPROTONOSUPPORT, "%s: has features of a newer lclone (0x%" PRIx64
				   "), it can only be read", delta->path, unknown);
	if (lclone_owned_elsewhere(sb)) {
		err = lclone_refuse_owned(delta->path, sb);
		if (err)
			return err;
		lclone_owner_clear(sb);		/* it is taken over */
	}
	if (sb->state & LCLONE_STATE_SEALED)
		lclone_owner_clear(sb);		/* nobody writes to it any more */
	err = refuse_changed(delta, sb);
	if (err)
		return err;
	sb->seq++;
	return write_slot(delta, sb);
}

int lclone_super_wipe(struct lclone_file *delta)
{
	int err = write_zeros(delta, LCLONE_SB_SLOT_B, 1);

	return err ?: write_zeros(delta, LCLONE_SB_SLOT_A, 1);
}

int lclone_size_fits(u64 sectors, u32 block_size)
{
	u64 block = block_size > 512 ? block_size >> 9 : 1, least = sectors / block * block;

	if (!(sectors % block))
		return 0;
	return lclone_fail(-ERANGE, "a clone of %s is not possible: the logical block size is %u; %" PRIu64 "s or %" PRIu64 "s (sectors) would do (--size)",
			   LCLONE_SIZE(sectors), block_size, least, least + block);
}

/* The clone can do no smaller I/O than any device below it; a subchunk is no smaller. */
static int check_geometry(const struct lclone_file *delta, const struct lclone_file *base,
			  const struct lclone_format_options *options, u64 virtual_sectors,
			  u32 chunk_sectors)
{
	u32 lbs = lclone_file_block_size(delta);

	if (options->block_size > lbs)
		lbs = options->block_size;
	if (base && lclone_file_block_size(base) > lbs)
		lbs = lclone_file_block_size(base);
	if (options->parent && options->parent->block_size && lbs > options->parent->block_size)
		return lclone_fail(-EFBIG, "logical blocks of %u bytes are not possible: the layer below was used with %u",
				   lbs, options->parent->block_size);
	if (chunk_sectors < LCLONE_CHUNK_SECTORS_MIN || chunk_sectors > LCLONE_CHUNK_SECTORS_MAX ||
	    !is_power_of_2(chunk_sectors))
		return lclone_fail(-ERANGE, "a chunk of %s is not possible: a power of two from %s to %s is",
				   LCLONE_SIZE(chunk_sectors), LCLONE_SIZE(LCLONE_CHUNK_SECTORS_MIN),
				   LCLONE_SIZE(LCLONE_CHUNK_SECTORS_MAX));
	if ((u64)chunk_sectors * 512 < (u64)lbs * LCLONE_SUBCHUNKS)
		return lclone_fail(-ERANGE, "a chunk must have at least %u bytes: the logical block size is %u",
				   lbs * LCLONE_SUBCHUNKS, lbs);
	if (base && base->block && (base->dev.sectors << 9) % base->logical_block)
		return lclone_fail(-ERANGE, "%s: its size is not a multiple of its logical block size",
				   base->path);
	if (!virtual_sectors)
		return lclone_fail(-ERANGE, "the size of the clone must not be 0");
	return lclone_size_fits(virtual_sectors, lbs);
}

static int set_identity(struct lclone_sb *sb, struct lclone_file *base)
{
	int err;

	if (!base)
		return 0;	/* LCLONE_FP_NONE */
	sb->base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb->base_sectors = base->dev.sectors;
	err = lclone_fingerprint(&base->dev, &sb->base_fp);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err));
	return 0;
}

int lclone_new_super(struct lclone_file *delta, struct lclone_file *base,
		     const struct lclone_format_options *options, struct lclone_sb *sb)
{
	const struct lclone_sb *parent = options->parent;
	u64 size = options->virtual_sectors ?: parent ? parent->virtual_sectors :
		   base ? base->dev.sectors : 0, min;
	u32 chunk = options->chunk_sectors ?: parent ? parent->chunk_sectors :
		    LCLONE_CHUNK_SECTORS_DEFAULT;
	int err;

	if ((options->uuid && uuid_is_null(options->uuid)) || (parent && uuid_is_null(parent->uuid)))
		return lclone_fail(-ERANGE, "the null uuid is that of no delta: nothing could lie on it");
	if (parent && lclone_half_written(parent))
		return lclone_fail(-EBUSY, "the layer below is half written");
	if (parent && lclone_half_merged(parent))
		return lclone_fail(-EBUSY, "the layer below is being merged with another (uuid %s)",
				   parent->owner);
	if (parent && chunk != parent->chunk_sectors)
		return lclone_fail(-ERANGE, "a chunk must have %s, as in the layer below",
				   LCLONE_SIZE(parent->chunk_sectors));

	err = check_geometry(delta, base, options, size, chunk);
	if (err)
		return err;
	if (base && lclone_file_same(delta, base))
		return lclone_fail(-EBUSY, "%s cannot be base and delta at once", delta->path);
	if (options->label && strlen(options->label) >= LCLONE_LABEL_SIZE)
		return lclone_fail(-ENAMETOOLONG, "a label has at most %d characters",
				   LCLONE_LABEL_SIZE - 1);
	err = lclone_sb_init(sb, delta->dev.sectors, size, chunk, &min);
	if (err == -EFBIG)
		return lclone_fail(-ERANGE, "%s, or the clone, is too large for chunks of %s",
				   delta->path, LCLONE_SIZE(chunk));
	if (err)
		return lclone_fail(-ENOSPC, "%s is too small: it has %s, the least for such a clone is %s",
				   delta->path, LCLONE_SIZE(delta->dev.sectors), LCLONE_SIZE(min));
	if (options->uuid)
		memcpy(sb->uuid, options->uuid, LCLONE_UUID_SIZE);
	else
		uuid_generate(sb->uuid);
	if (options->label)
		strcpy(sb->label, options->label);
	if (parent) {
		memcpy(sb->parent_uuid, parent->uuid, LCLONE_UUID_SIZE);
		sb->parent_generation = parent->generation;
		memcpy(sb->base_root, parent->base_root, LCLONE_ROOT_SIZE);
	}
	if (options->base_root)
		memcpy(sb->base_root, options->base_root, LCLONE_ROOT_SIZE);
	return set_identity(sb, base);
}

int lclone_super_format(struct lclone_file *delta, struct lclone_sb *sb)
{
	int err = write_zeros(delta, LCLONE_SB_SLOT_A, 1);

	if (!err)
		err = write_zeros(delta, 1, sb->log_start + sb->log_blocks - 1);
	if (!err)
		err = write_slot(delta, sb);	/* sequence number 0: slot B */
	lclone_log_set_ended(sb);
	return err ?: lclone_super_write(delta, sb);
}

int lclone_format(struct lclone_file *delta, struct lclone_file *base,
		  const struct lclone_format_options *options, struct lclone_sb *sb)
{
	return lclone_new_super(delta, base, options, sb) ?: lclone_super_format(delta, sb);
}

int lclone_refuse_unread(const char *path, const struct lclone_delta *delta, int err)
{
	return err == -EIO || err == -ENOMEM ? lclone_fail(err, "%s: %s", path, delta->why) : 0;
}

int lclone_sb_of(const char *path, struct lclone_sb *sb)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_file_open_ready(&file, path, O_RDONLY);
	if (!err) {
		err = lclone_delta_open_sb(&delta, &file.dev);
		if (err)
			err = lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path,
					  delta.why);
	}
	*sb = delta.slot[delta.newest].sb;	/* as recorded: the device may have shrunk since */
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	return err;
}
