/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds deltas in memory together with a model of what the clone must read.
 *
 * Independent of the module and of the library's reader: only the pack
 * functions of format.c are used.
 */
#ifndef LCLONE_IMAGE_H
#define LCLONE_IMAGE_H

#include "format/dev.h"
#include "lclone_format.h"

struct image {
	u8 *data;			/* the delta */
	u8 *base_data;
	u8 *clone;			/* the model: every byte of the clone */
	u64 *exc;			/* the model: every exception */
	u64 chunks;
	struct lclone_memdev dev, base;	/* over data and base_data */
	struct lclone_sb sb;		/* as in the newest slot */
	u32 next_phys;			/* never used so far */
	u32 node_phys;			/* where the next tree goes; 0: there */
	u64 next_commit, incarnation;
	u32 log_end;			/* position of the next log block */
	u64 random;
};

struct image_size {
	u64 device_sectors, base_sectors, virtual_sectors;
	u32 chunk_sectors;
	u32 log_blocks;			/* 0: as many as a format makes */
};

/* A freshly formatted delta over a base of random content. */
void image_init(struct image *img, const struct image_size *size, u64 seed);
void image_free(struct image *img);

/* A random number below @n */
u64 image_random(struct image *img, u64 n);

/* Changes a chunk at random, in data, exception and model; needs to be committed. */
void image_change(struct image *img, u64 chunk);

/* A chunk, at random, that has data in the delta; there is one. */
u64 image_used_chunk(struct image *img);

/* Commits the exceptions of @count chunks. False: no room in this half of the log. */
bool image_commit(struct image *img, const u64 *chunks, u32 count);

/* Writes all exceptions as a new tree, and the superblock that leads to it. */
void image_checkpoint(struct image *img);

/* Writes img->sb with the next sequence number. */
void image_write_sb(struct image *img);

/* Writes the tree with what img->exc says now, however wrong. */
void image_rewrite(struct image *img);

/* As an activation for writing: a larger incarnation, a superblock. */
void image_activate(struct image *img);

/*
 * Some of everything: checkpoints, commits of one and of many blocks,
 * activations, @changes random changes.  Returns false if the delta is full.
 */
bool image_populate(struct image *img, u32 changes);

/* The superblock, in both slots, says that this lies on @below (or NULL), and is sealed. */
void image_link(struct image *img, const struct image *below, bool sealed);

/* What this layer has, put over the disk below, in a new buffer. */
u8 *image_cover(const struct image *img, const u8 *below, u64 below_sectors);

/* A block of the delta, to look at or to damage */
void *image_block(struct image *img, u64 block);

#endif /* LCLONE_IMAGE_H */
