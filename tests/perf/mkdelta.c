// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkdelta EXCEPTIONS FILE [small|scattered|lower|upper]: the metadata of a delta in which the
 * first EXCEPTIONS chunks are written.  The clone has at least 1024 chunks; its base has the same
 * size and is all zeros.  small: chunks of 8 KiB.  scattered: such, whose data lie far apart.
 * lower: such as small, a layer, and upper: a delta on it.
 *
 * FILE gets what lies before the data.  Prints its size, the size of the device
 * that it is the beginning of, and the size of the clone, in sectors.
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lclone_format.h"

#define STRIDE	7919		/* prime, of chunks that follow each other */

static const u8 zeros[LCLONE_BLOCK_SIZE];
static u8 uuid[LCLONE_UUID_SIZE] = "lclone mkdelta";
static u32 chunk_sectors = LCLONE_CHUNK_SECTORS_DEFAULT;
static u32 stride = 1;

static void write_at(int fd, u64 block, const void *data, size_t len)
{
	if (pwrite(fd, data, len, block * LCLONE_BLOCK_SIZE) != (ssize_t)len)
		err(1, "write");
}

/* Writes the subtree that begins with chunk @first, at *@block, which it moves on. */
static struct lclone_ref write_tree(int fd, struct lclone_sb *sb, u64 first, u32 level, u64 n,
				    u32 data_start, u64 *block)
{
	static struct lclone_leaf_disk leaf;
	struct lclone_index_disk *index;
	struct lclone_ref ref = {};
	u64 span, i;

	if (first >= n)
		return ref;
	if (!level) {
		memset(&leaf, 0, sizeof(leaf));
		for (i = 0; i < LCLONE_LEAF_EXCEPTIONS && first + i < n; i++)
			leaf.exceptions[i] = htole64(lclone_exc_make(
				data_start + (first + i) * stride % n, LCLONE_MASK_ALL, 0));
		lclone_node_seal(&leaf.node, uuid, sb->checkpoint, first, 0, &ref.csum);
		write_at(fd, *block, &leaf, sizeof(leaf));
	} else {
		index = calloc(1, sizeof(*index));
		if (!index)
			err(1, "memory");
		span = lclone_node_span(level - 1);
		for (i = 0; i < LCLONE_NODE_REFS; i++)
			lclone_ref_pack(write_tree(fd, sb, first + i * span, level - 1, n,
						   data_start, block), &index->refs[i]);
		lclone_node_seal(&index->node, uuid, sb->checkpoint, first, level, &ref.csum);
		write_at(fd, *block, index, sizeof(*index));
		free(index);
	}
	ref.block = (*block)++;
	return ref;
}

static u64 tree_blocks(u64 n, u32 level)
{
	u64 blocks = 0, span = LCLONE_LEAF_EXCEPTIONS;

	do {
		blocks += (n + span - 1) / span;
		span *= LCLONE_NODE_REFS;
	} while (level--);
	return blocks;
}

int main(int argc, char **argv)
{
	u64 n, virtual, device, min, block;
	struct lclone_sb_disk disk;
	struct lclone_ref root;
	struct lclone_sb sb;
	u32 level, data_start, i;
	const char *kind = "";
	int fd;

	if (argc < 3 || argc > 4)
		errx(2, "usage: mkdelta EXCEPTIONS FILE [small|scattered|lower|upper]");
	if (argc == 4) {
		kind = argv[3];
		chunk_sectors = 16;
	}
	if (!strcmp(kind, "scattered"))
		stride = STRIDE;
	n = strtoull(argv[1], NULL, 0);
	fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		err(1, "%s", argv[2]);

	virtual = (n > 1024 ? n : 1024) * chunk_sectors;
	level = lclone_tree_level(virtual / chunk_sectors);
	lclone_sb_init(&sb, (u64)LCLONE_PHYS_MASK * chunk_sectors, virtual, chunk_sectors, &min);
	data_start = sb.first_chunk +
		     (tree_blocks(n, level) + chunk_sectors / LCLONE_BLOCK_SECTORS - 1) /
		     (chunk_sectors / LCLONE_BLOCK_SECTORS);
	/* room for the reserve, twice, and some data; in a layer also for a tree beside this one */
	device = (data_start + n + 2 * lclone_reserve_chunks(&sb) + 16) * chunk_sectors;
	if (!strcmp(kind, "lower"))
		device += tree_blocks(n, level) * LCLONE_BLOCK_SECTORS;
	if (lclone_sb_init(&sb, device, virtual, chunk_sectors, &min))
		errx(1, "too small");

	memcpy(sb.uuid, uuid, sizeof(uuid));
	sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb.base_sectors = virtual;
	for (i = 0; i < LCLONE_FP_SAMPLES; i++)
		sb.base_fp = lclone_fp_update(sb.base_fp, i, zeros);
	if (!strcmp(kind, "upper")) {
		memcpy(sb.parent_uuid, uuid, sizeof(uuid));
		sb.parent_generation = 1;
		uuid[0]++;
		memcpy(sb.uuid, uuid, sizeof(uuid));
	}
	if (!strcmp(kind, "lower")) {
		sb.state |= LCLONE_STATE_SEALED;
		sb.generation = 1;
	}
	sb.checkpoint = 1;
	sb.hwm = data_start + n;
	block = (u64)sb.first_chunk * chunk_sectors / LCLONE_BLOCK_SECTORS;
	root = write_tree(fd, &sb, 0, level, n, data_start, &block);
	sb.root_block = root.block;
	sb.root_csum = root.csum;
	sb.root_level = root.block ? level : 0;
	if (ftruncate(fd, (off_t)data_start * chunk_sectors * 512))
		err(1, "truncate");
	for (sb.seq = 1; sb.seq <= 2; sb.seq++) {
		sb.ended = sb.seq;
		lclone_sb_pack(&sb, &disk);
		write_at(fd, sb.seq & 1 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B, &disk, sizeof(disk));
	}
	if (close(fd))
		err(1, "%s", argv[2]);
	printf("%u %llu %llu\n", data_start * chunk_sectors, (unsigned long long)device,
	       (unsigned long long)virtual);
	return 0;
}
