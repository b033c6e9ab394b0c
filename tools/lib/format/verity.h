/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A verity tree, in the format of veritysetup: its superblock, its size, and the kernel's target
 * that reads a device through it.  Whose tree it is only its root hash says, which is kept
 * elsewhere: in the superblocks of deltas, and in a tag of its volume.
 */
#ifndef LCLONE_VERITY_H
#define LCLONE_VERITY_H

#include "lclone_format.h"

#define LCLONE_ROOT_TEXT	(2 * LCLONE_ROOT_SIZE + 1)

#define LCLONE_VERITY_TARGET	"verity"
#define LCLONE_VERITY_HASH	"sha256"
#define LCLONE_VERITY_BLOCK	4096u	/* of hashes, in trees that are made here */
#define LCLONE_VERITY_SB_SIZE	512u
#define LCLONE_VERITY_PARAMS	1024

/* What the superblock says that the kernel has to know, too */
struct lclone_verity {
	u32 hash_type;
	u32 data_block, hash_block;	/* bytes */
	u64 blocks;			/* of data */
	u32 salt_size;
	u8 salt[256];
};

/*
 * 0, or a negative errno: -ENODATA if there is no superblock, -EPROTONOSUPPORT if it is of
 * another kind of tree than ours, as of another hash.
 */
int lclone_verity_unpack(const u8 sb[LCLONE_VERITY_SB_SIZE], struct lclone_verity *verity);

/* Bytes of superblock and tree together */
u64 lclone_verity_size(u64 blocks, u32 hash_block);

/* The target's parameters; both devices are "major:minor". */
void lclone_verity_params(const struct lclone_verity *verity, const char *data, const char *hashes,
			  const u8 root[LCLONE_ROOT_SIZE], char params[LCLONE_VERITY_PARAMS]);

/* The device whose content parameters verify, as they name it.  False: they are of no such target. */
bool lclone_verity_data(const char *params, char device[32]);

/* All zeros stand for none. */
bool lclone_root_is_set(const u8 root[LCLONE_ROOT_SIZE]);
void lclone_root_text(const u8 root[LCLONE_ROOT_SIZE], char text[LCLONE_ROOT_TEXT]);
/* 0, or -EINVAL: it is none. */
int lclone_root_parse(const char *text, u8 root[LCLONE_ROOT_SIZE]);

#endif /* LCLONE_VERITY_H */
