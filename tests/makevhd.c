// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "makevhd.h"

#define FOOTER_TIME	24
#define FOOTER_CHECKSUM	64
#define FOOTER_UUID	68
#define HEADER_AT	512u
#define HEADER_CHECKSUM	36
#define HEADER_SIZE	1024u
#define NONE		0xffffffffu

void vhd_put32(u8 *at, u32 value)
{
	int i;

	for (i = 3; i >= 0; i--, value >>= 8)
		at[i] = value;
}

void vhd_put64(u8 *at, u64 value)
{
	vhd_put32(at, value >> 32);
	vhd_put32(at + 4, value);
}

static u32 get32(const u8 *at)
{
	return (u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static u64 random_of(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

static bool dynamic(const struct vhd_image *vhd)
{
	return vhd->wish.type != 2;
}

u8 *vhd_footer(struct vhd_image *vhd)
{
	return vhd->data + vhd->size - 512;
}

u8 *vhd_header(struct vhd_image *vhd)
{
	return vhd->data + HEADER_AT;
}

static void sum(u8 *at, size_t size, size_t checksum)
{
	u32 value = 0;
	size_t i;

	vhd_put32(at + checksum, 0);
	for (i = 0; i < size; i++)
		value += at[i];
	vhd_put32(at + checksum, ~value);
}

void vhd_seal(struct vhd_image *vhd)
{
	sum(vhd_footer(vhd), 512, FOOTER_CHECKSUM);
	if (!dynamic(vhd))
		return;
	sum(vhd_header(vhd), HEADER_SIZE, HEADER_CHECKSUM);
	memcpy(vhd->data, vhd_footer(vhd), 512);
}

static void make_footer(struct vhd_image *vhd)
{
	u8 *f = vhd_footer(vhd);

	memset(f, 0, 512);
	memcpy(f, "conectix", 8);
	vhd_put32(f + 8, 2);
	vhd_put32(f + 12, 0x10000);
	vhd_put64(f + 16, dynamic(vhd) ? HEADER_AT : UINT64_MAX);
	vhd_put32(f + FOOTER_TIME, 800000000 + vhd->wish.seed);
	memcpy(f + 28, "win ", 4);	/* whose disks have the size that is written, not the geometry */
	vhd_put32(f + 32, 0xa0000);
	memcpy(f + 36, "Wi2k", 4);
	vhd_put64(f + 40, vhd->wish.sectors << 9);
	vhd_put64(f + 48, vhd->wish.sectors << 9);
	vhd_put32(f + 56, 0x00100411);
	vhd_put32(f + 60, vhd->wish.type);
	memset(f + FOOTER_UUID, 0x40 + vhd->wish.seed, 16);
}

/* Three ways to write one path: relative and absolute as Windows has it, and as a URL */
static void make_locators(struct vhd_image *vhd)
{
	static const char *const platform[] = { "W2ru", "W2ku", "MacX" };
	static const char *const before[] = { ".\\", "C:\\vms\\", "file://./" };
	u8 *h = vhd_header(vhd), *entry, *text;
	char path[256];
	size_t i, k, len;

	for (i = 0; i < 3; i++) {
		entry = h + 576 + 24 * i;
		text = vhd->data + vhd->locators + 1024 * i;
		len = snprintf(path, sizeof(path), "%s%s", before[i], vhd->wish.parent_name);
		for (k = 0; i < 2 && k < len; k++)
			text[2 * k] = path[k] == '/' ? '\\' : path[k];
		if (i == 2)
			memcpy(text, path, len);
		memcpy(entry, platform[i], 4);
		vhd_put32(entry + 4, 2);
		vhd_put32(entry + 8, i < 2 ? 2 * len : len);
		vhd_put64(entry + 16, vhd->locators + 1024 * i);
	}
	for (k = 0; vhd->wish.parent_name[k] && k < 255; k++)
		h[64 + 2 * k + 1] = vhd->wish.parent_name[k];
}

static void make_header(struct vhd_image *vhd, u32 blocks)
{
	u8 *h = vhd_header(vhd);

	memcpy(h, "cxsparse", 8);
	memset(h + 8, 0xff, 8);
	vhd_put64(h + 16, vhd->table);
	vhd_put32(h + 24, 0x10000);
	vhd_put32(h + 28, blocks);
	vhd_put32(h + 32, vhd->wish.block_size);
	if (vhd->wish.type != 4)
		return;
	memset(h + 40, 0x40 + vhd->wish.parent->wish.seed, 16);
	vhd_put32(h + 56, 800000000 + vhd->wish.parent->wish.seed);
	if (vhd->wish.parent_name)
		make_locators(vhd);
}

/* Where a sector lies in the file, whose block is there, or is made at its end */
static u8 *place(struct vhd_image *vhd, u64 sector)
{
	const u32 in_block = vhd->wish.block_size / 512, bitmap = (in_block + 4095) / 4096 * 512;
	u8 *entry;

	if (!dynamic(vhd))
		return vhd->data + (sector << 9);
	entry = vhd->data + vhd->table + sector / in_block * 4;
	if (get32(entry) == NONE) {
		vhd_put32(entry, (vhd->size - 512) >> 9);
		vhd->size += bitmap + vhd->wish.block_size;
		memset(vhd->data + vhd->size - 512 - bitmap - vhd->wish.block_size, 0,
		       bitmap + vhd->wish.block_size);
	}
	return vhd->data + ((u64)get32(entry) << 9) + bitmap + (sector % in_block << 9);
}

static void write_sector(struct vhd_image *vhd, u64 sector, u64 *random)
{
	const u32 in_block = vhd->wish.block_size / 512;
	u8 *at = place(vhd, sector), *bitmap;
	u64 value;
	size_t i;

	for (i = 0; i < 512; i += sizeof(value)) {
		value = random_of(random);
		memcpy(at + i, &value, sizeof(value));
	}
	memcpy(vhd->disk + (sector << 9), at, 512);
	vhd->own[sector] = 1;
	if (!dynamic(vhd))
		return;
	bitmap = vhd->data + ((u64)get32(vhd->data + vhd->table + sector / in_block * 4) << 9);
	bitmap[sector % in_block / 8] |= 0x80 >> sector % in_block % 8;
}

static void change(struct vhd_image *vhd, u64 *random)
{
	u64 sector = random_of(random) % vhd->wish.sectors, end = sector + 1 + random_of(random) % 40;

	for (; sector < end && sector < vhd->wish.sectors; sector++)
		write_sector(vhd, sector, random);
}

static void begin_disk(struct vhd_image *vhd)
{
	const struct vhd_image *parent = vhd->wish.parent;
	u64 sectors = vhd->wish.sectors;

	vhd->disk = calloc(sectors, 512);
	vhd->own = calloc(sectors, 1);
	if (!vhd->disk || !vhd->own)
		abort();
	if (!parent)
		return;
	if (sectors > parent->wish.sectors)
		sectors = parent->wish.sectors;
	memcpy(vhd->disk, parent->disk, sectors << 9);
}

void vhd_make(struct vhd_image *vhd, const struct vhd_wish *wish)
{
	const u64 blocks = dynamic(&(struct vhd_image){ .wish = *wish }) ?
		((wish->sectors << 9) + wish->block_size - 1) / wish->block_size : 0;
	const u64 most = 65536 + blocks * 4 + blocks * (wish->block_size * 2ULL + 1024) +
			 (wish->sectors << 9);
	u64 random = wish->seed * 0x9e3779b97f4a7c15ULL + 1;
	u32 i;

	*vhd = (struct vhd_image){ .wish = *wish };
	vhd->data = calloc(1, most);
	if (!vhd->data)
		abort();
	begin_disk(vhd);
	vhd->locators = HEADER_AT + HEADER_SIZE;
	vhd->table = vhd->locators + 3 * 1024;
	if (dynamic(vhd)) {
		vhd->size = vhd->table + (blocks * 4 + 511) / 512 * 512 + 512;
		memset(vhd->data + vhd->table, 0xff, (blocks * 4 + 511) / 512 * 512);
		make_header(vhd, blocks);
	} else {
		vhd->size = (wish->sectors << 9) + 512;
	}
	for (i = 0; i < wish->changes; i++)
		change(vhd, &random);
	make_footer(vhd);
	vhd_seal(vhd);
}

void vhd_free(struct vhd_image *vhd)
{
	free(vhd->data);
	free(vhd->disk);
	free(vhd->own);
}
