// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/verity.h"
#include "format_user.h"

/* veritysetup's own; little-endian */
struct verity_sb_disk {
	u8	signature[8];
	u32	version;
	u32	hash_type;
	u8	uuid[16];
	char	algorithm[32];
	u32	data_block;
	u32	hash_block;
	u64	blocks;
	u16	salt_size;
	u8	reserved0[6];
	u8	salt[256];
	u8	reserved[168];
};
static_assert(sizeof(struct verity_sb_disk) == LCLONE_VERITY_SB_SIZE, "verity superblock");

/* What the kernel's target can have */
static bool is_block_size(u32 bytes)
{
	return bytes >= 512 && bytes <= 4096 && is_power_of_2(bytes);
}

int lclone_verity_unpack(const u8 sb[LCLONE_VERITY_SB_SIZE], struct lclone_verity *verity)
{
	static const u8 signature[8] = "verity";
	struct verity_sb_disk d;

	memcpy(&d, sb, sizeof(d));
	if (memcmp(d.signature, signature, sizeof(signature)))
		return -ENODATA;
	*verity = (struct lclone_verity){
		.hash_type = le32toh(d.hash_type),
		.data_block = le32toh(d.data_block),
		.hash_block = le32toh(d.hash_block),
		.blocks = le64toh(d.blocks),
		.salt_size = le16toh(d.salt_size),
	};
	memcpy(verity->salt, d.salt, sizeof(d.salt));
	if (le32toh(d.version) != 1 || verity->hash_type > 1 ||
	    strncmp(d.algorithm, LCLONE_VERITY_HASH, sizeof(d.algorithm)) ||
	    !is_block_size(verity->data_block) || !is_block_size(verity->hash_block) ||
	    !verity->blocks || verity->blocks > INT64_MAX / verity->data_block ||
	    verity->salt_size > sizeof(verity->salt))
		return -EPROTONOSUPPORT;
	return 0;
}

u64 lclone_verity_size(u64 blocks, u32 hash_block)
{
	const u32 hashes = hash_block / LCLONE_ROOT_SIZE;
	u64 all = 1;			/* the superblock's */

	while (blocks > 1) {
		blocks = (blocks + hashes - 1) / hashes;
		all += blocks;
	}
	return all * hash_block;
}

static void hex(const u8 *bytes, u32 count, char *text)
{
	u32 i;

	for (i = 0; i < count; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

void lclone_verity_params(const struct lclone_verity *verity, const char *data, const char *hashes,
			  const u8 root[LCLONE_ROOT_SIZE], char params[LCLONE_VERITY_PARAMS])
{
	char root_text[LCLONE_ROOT_TEXT], salt[2 * sizeof(verity->salt) + 1] = "-";

	lclone_root_text(root, root_text);
	hex(verity->salt, verity->salt_size, salt);
	/* the tree begins in the block behind the superblock's */
	snprintf(params, LCLONE_VERITY_PARAMS, "%u %s %s %u %u %" PRIu64 " 1 %s %s %s",
		 verity->hash_type, data, hashes, verity->data_block, verity->hash_block,
		 verity->blocks, LCLONE_VERITY_HASH, root_text, salt);
}

bool lclone_verity_data(const char *params, char device[32])
{
	return sscanf(params, "%*u %31s", device) == 1;
}

bool lclone_root_is_set(const u8 root[LCLONE_ROOT_SIZE])
{
	static const u8 none[LCLONE_ROOT_SIZE];

	return memcmp(root, none, sizeof(none));
}

void lclone_root_text(const u8 root[LCLONE_ROOT_SIZE], char text[LCLONE_ROOT_TEXT])
{
	hex(root, LCLONE_ROOT_SIZE, text);
}

int lclone_root_parse(const char *text, u8 root[LCLONE_ROOT_SIZE])
{
	unsigned int byte;
	u32 i;

	if (strlen(text) != 2 * LCLONE_ROOT_SIZE ||
	    strspn(text, "0123456789abcdef") != 2 * LCLONE_ROOT_SIZE)
		return -EINVAL;
	for (i = 0; i < LCLONE_ROOT_SIZE; i++) {
		sscanf(text + 2 * i, "%2x", &byte);
		root[i] = byte;
	}
	return lclone_root_is_set(root) ? 0 : -EINVAL;
}
