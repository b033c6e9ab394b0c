/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The logical blocks of a clone.  Functions set ti->error, and return 0 or -EINVAL.
 */
#ifndef LCLONE_BLOCKSIZE_H
#define LCLONE_BLOCKSIZE_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_check_block_size() - are the devices' logical blocks small enough for the chunks?
 * @t: the table, whose block_size is set
 * @chunk_sectors: size of a chunk
 */
int lclone_check_block_size(struct lclone *t, u32 chunk_sectors);

/**
 * lclone_check_clone_blocks() - do the clone's logical blocks stay as small as they were?
 * @t: the table, whose block size is known
 * @sb: the delta's superblock
 *
 * Checks also that the clone consists of whole logical blocks.
 */
int lclone_check_clone_blocks(struct lclone *t, const struct lclone_sb *sb);

#endif /* LCLONE_BLOCKSIZE_H */
