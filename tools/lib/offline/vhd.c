// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "format_user.h"
#include "offline/vhd.h"

#define FOOTER_COOKIE	"conectix"
#define HEADER_COOKIE	"cxsparse"
#define COOKIE_SIZE	8
#define VERSION		0x00010000u
#define HEADER_SECTORS	2u
#define LOCATORS	(LCLONE_VHD_NAMES - 1)
#define LOCATOR_MAX	4096u	/* bytes of a path */

/* All numbers are big-endian. */
struct footer {
	u8 cookie[COOKIE_SIZE];
	u32 features;
	u32 version;
	u64 header;
	u32 time;
	u8 creator[4];
	u32 creator_version;
	u8 creator_host[4];
	u64 original_size;
	u64 size;
	u32 geometry;
	u32 type;
	u32 checksum;
	u8 uuid[LCLONE_VHD_UUID_SIZE];
	u8 saved_state;
	u8 reserved[427];
} __attribute__((packed));

struct locator {
	u32 platform;
	u32 space;
	u32 length;
	u32 reserved;
	u64 offset;
} __attribute__((packed));

struct header {
	u8 cookie[COOKIE_SIZE];
	u64 next;
	u64 table;
	u32 version;
	u32 entries;
	u32 block_size;
	u32 checksum;
	u8 parent_uuid[LCLONE_VHD_UUID_SIZE];
	u32 parent_time;
	u32 reserved0;
	u8 parent_name[512];		/* UTF-16BE */
	struct locator locator[LOCATORS];
	u8 reserved[256];
} __attribute__((packed));

static_assert(sizeof(struct footer) == 512, "footer");
static_assert(sizeof(struct header) == HEADER_SECTORS << 9, "header");

/* The complement of the sum of all bytes, without those of the checksum itself */
static u32 checksum_of(const void *data, size_t size, u32 stored)
{
	const u8 *byte = data;
	u32 sum = 0;
	size_t i;

	for (i = 0; i < size; i++)
		sum += byte[i];
	for (i = 0; i < sizeof(stored); i++)
		sum -= stored >> 8 * i & 0xff;
	return ~sum;
}

static int damaged(const struct lclone_vhd *vhd, const char *what)
{
	return lclone_fail(-EUCLEAN, "%s is damaged, or not whole: %s", vhd->path, what);
}

static int read_sectors(const struct lclone_vhd *vhd, void *buf, u64 sector, u32 count)
{
	int err = lclone_dev_read(vhd->dev, buf, sector, count);

	if (err == -ENXIO)
		return damaged(vhd, "it ends before what it should have");
	return err ? lclone_fail(err, "%s: cannot be read: %s", vhd->path, strerror(-err)) : 0;
}

/* One that was cut off has no footer any more, but the copy at its start. */
static int read_footer(struct lclone_vhd *vhd, struct footer *footer)
{
	int err;

	if (vhd->dev->sectors < 2)
		return damaged(vhd, "it is too small");
	err = read_sectors(vhd, footer, vhd->dev->sectors - 1, 1);
	if (err)
		return err;
	if (memcmp(footer->cookie, FOOTER_COOKIE, COOKIE_SIZE))
		return damaged(vhd, "it does not end with a footer, as if something was cut off");
	if (be32toh(footer->checksum) !=
	    checksum_of(footer, sizeof(*footer), footer->checksum))
		return damaged(vhd, "its footer has a wrong checksum");
	if (be32toh(footer->version) != VERSION)
		return lclone_fail(-EPROTONOSUPPORT, "%s is of version %#x of VHD, which is not read",
				   vhd->path, be32toh(footer->version));
	return 0;
}

static int take_footer(struct lclone_vhd *vhd, const struct footer *footer)
{
	const u64 size = be64toh(footer->size), header = be64toh(footer->header);
	const u32 type = be32toh(footer->type);

	if (!size || size % 512)
		return damaged(vhd, "the size of the disk is wrong");
	if (type == LCLONE_VHD_DIFFERENCING && !memcmp(footer->creator, "tap", 4) &&
	    be32toh(footer->creator_version) == 1)
		return lclone_fail(-EPROTONOSUPPORT, "%s was made by the first version of tapdisk, whose bitmaps are the other way round and are not read",
				   vhd->path);
	vhd->type = type;
	vhd->sectors = size >> 9;
	memcpy(vhd->uuid, footer->uuid, sizeof(vhd->uuid));
	vhd->time = be32toh(footer->time);
	switch (type) {
	case LCLONE_VHD_FIXED:
		return vhd->sectors < vhd->dev->sectors ? 0 :
		       damaged(vhd, "it is smaller than the disk");
	case LCLONE_VHD_DYNAMIC:
	case LCLONE_VHD_DIFFERENCING:
		vhd->header = header >> 9;
		return header % 512 ? damaged(vhd, "its header is between sectors") : 0;
	default:
		return lclone_fail(-EPROTONOSUPPORT, "%s is a VHD of type %u, which is not read",
				   vhd->path, type);
	}
}

static int read_header(const struct lclone_vhd *vhd, struct header *header)
{
	int err = read_sectors(vhd, header, vhd->header, HEADER_SECTORS);

	if (err)
		return err;
	if (memcmp(header->cookie, HEADER_COOKIE, COOKIE_SIZE))
		return damaged(vhd, "it has no header");
	if (be32toh(header->checksum) !=
	    checksum_of(header, sizeof(*header), header->checksum))
		return damaged(vhd, "its header has a wrong checksum");
	if (be32toh(header->version) != VERSION)
		return lclone_fail(-EPROTONOSUPPORT, "%s has a header of version %#x, which is not read",
				   vhd->path, be32toh(header->version));
	return 0;
}

/* How many sectors of the disk a block has: the last one may reach beyond its end. */
static u32 sectors_in(const struct lclone_vhd *vhd, u32 block)
{
	const u64 left = vhd->sectors - (u64)block * vhd->block_sectors;

	return left < vhd->block_sectors ? left : vhd->block_sectors;
}

static int take_header(struct lclone_vhd *vhd, const struct header *header)
{
	const u32 block_size = be32toh(header->block_size);
	u64 blocks;

	if (block_size < 512 || !is_power_of_2(block_size))
		return damaged(vhd, "the size of its blocks is wrong");
	vhd->block_sectors = block_size >> 9;
	vhd->bitmap_sectors = (vhd->block_sectors + 4095) / 4096;
	blocks = (vhd->sectors + vhd->block_sectors - 1) / vhd->block_sectors;
	if (blocks > LCLONE_VHD_TABLE_MAX)
		return lclone_fail(-EPROTONOSUPPORT, "%s has too many blocks to be read", vhd->path);
	if (blocks > be32toh(header->entries))
		return damaged(vhd, "its table is too small for the disk");
	vhd->blocks = blocks;
	memcpy(vhd->parent_uuid, header->parent_uuid, sizeof(vhd->parent_uuid));
	vhd->parent_time = be32toh(header->parent_time);
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/*
 * No block lies on another, on the table @table, which is so large, or on the header.  The order
 * of the blocks on the file is @sorted.
 */
static int verify_order(const struct lclone_vhd *vhd, const u32 *sorted, u64 table, u64 table_end)
{
	const u64 each = vhd->bitmap_sectors + (u64)vhd->block_sectors;
	u64 end;
	u32 i;

	for (i = 0; i < vhd->blocks && sorted[i] != LCLONE_VHD_UNUSED; i++) {
		end = sorted[i] + each;
		if (!sorted[i] || (sorted[i] < table_end && end > table) ||
		    (sorted[i] < vhd->header + HEADER_SECTORS && end > vhd->header))
			return damaged(vhd, "a block lies where the file has something else");
		if (i + 1 < vhd->blocks && sorted[i + 1] < end)
			return damaged(vhd, "two blocks lie in one place");
	}
	return 0;
}

static int verify_table(const struct lclone_vhd *vhd, u64 table, u64 table_end)
{
	const u64 end = vhd->dev->sectors - 1;	/* where the footer is */
	u32 *sorted = malloc((size_t)vhd->blocks * sizeof(*sorted));
	int err = 0;
	u32 i;

	if (!sorted)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; !err && i < vhd->blocks; i++) {
		sorted[i] = vhd->table[i];
		if (sorted[i] != LCLONE_VHD_UNUSED &&
		    sorted[i] + (u64)vhd->bitmap_sectors + sectors_in(vhd, i) > end)
			err = damaged(vhd, "a block lies beyond its end");
	}
	if (!err) {
		qsort(sorted, vhd->blocks, sizeof(*sorted), by_place);
		err = verify_order(vhd, sorted, table, table_end);
	}
	free(sorted);
	return err;
}

static int read_table(struct lclone_vhd *vhd, const struct header *header)
{
	const u64 offset = be64toh(header->table), table = offset >> 9;
	const u32 count = ((u64)vhd->blocks * sizeof(*vhd->table) + 511) >> 9;
	u32 i;
	int err;

	if (offset % 512)
		return damaged(vhd, "its table is between sectors");
	if (table >= vhd->dev->sectors || count > vhd->dev->sectors - 1 - table)
		return damaged(vhd, "its table lies beyond its end");
	vhd->table = malloc((size_t)count << 9);
	vhd->bitmap = malloc((size_t)vhd->bitmap_sectors << 9);
	if (!vhd->table || !vhd->bitmap)
		return lclone_fail(-ENOMEM, "out of memory");
	err = read_sectors(vhd, vhd->table, table, count);
	for (i = 0; !err && i < vhd->blocks; i++)
		vhd->table[i] = be32toh(vhd->table[i]);
	return err ?: verify_table(vhd, table, table + count);
}

int lclone_vhd_open(struct lclone_vhd *vhd, const struct lclone_dev *dev, const char *path)
{
	struct footer footer;
	struct header header;
	int err;

	*vhd = (struct lclone_vhd){ .dev = dev, .path = path, .bitmap_block = UINT32_MAX };
	err = read_footer(vhd, &footer) ?: take_footer(vhd, &footer);
	if (err || vhd->type == LCLONE_VHD_FIXED)
		return err;
	return read_header(vhd, &header) ?: take_header(vhd, &header) ?:
	       read_table(vhd, &header);
}

void lclone_vhd_close(struct lclone_vhd *vhd)
{
	free(vhd->table);
	free(vhd->bitmap);
	vhd->table = NULL;
	vhd->bitmap = NULL;
}

static int read_bitmap(struct lclone_vhd *vhd, u32 block)
{
	int err;

	if (vhd->bitmap_block == block)
		return 0;
	vhd->bitmap_block = UINT32_MAX;
	err = read_sectors(vhd, vhd->bitmap, vhd->table[block], vhd->bitmap_sectors);
	if (!err)
		vhd->bitmap_block = block;
	return err;
}

static bool has_sector(const struct lclone_vhd *vhd, u32 i)
{
	return vhd->bitmap[i / 8] & 0x80 >> i % 8;
}

/*
 * Neighbours in the table need not be so in the file: an extent with data ends with its block.
 * What a dynamic one has of a block is all of it.
 */
static int extent_in_block(struct lclone_vhd *vhd, u32 block, u32 i, u64 *sectors, u64 *at)
{
	const u32 end = sectors_in(vhd, block);
	u32 n = i + 1;
	bool has;
	int err;

	*at = vhd->table[block] + (u64)vhd->bitmap_sectors + i;
	*sectors = end - i;
	if (vhd->type != LCLONE_VHD_DIFFERENCING)
		return 1;
	err = read_bitmap(vhd, block);
	if (err)
		return err;
	has = has_sector(vhd, i);
	while (n < end && has_sector(vhd, n) == has)
		n++;
	*sectors = n - i;
	return has;
}

int lclone_vhd_extent(struct lclone_vhd *vhd, u64 sector, u64 *sectors, u64 *at)
{
	u32 block;

	*at = sector;
	*sectors = vhd->sectors - sector;
	if (vhd->type == LCLONE_VHD_FIXED)
		return 1;
	block = sector / vhd->block_sectors;
	if (vhd->table[block] != LCLONE_VHD_UNUSED)
		return extent_in_block(vhd, block, sector % vhd->block_sectors, sectors, at);
	while (++block < vhd->blocks && vhd->table[block] == LCLONE_VHD_UNUSED)
		;
	if (block < vhd->blocks)
		*sectors = (u64)block * vhd->block_sectors - sector;
	return 0;
}

/* Names: text of 8 or 16 bits */

/* One character of UTF-16, as UTF-8 behind @name.  False: it is none. */
static bool add_character(char *name, size_t *len, size_t room, u32 c)
{
	u8 bytes[4];
	u32 n, i;

	if (c < 0x80)
		n = 1;
	else if (c < 0x800)
		n = 2;
	else if (c < 0x10000)
		n = 3;
	else
		n = 4;
	if ((c >= 0xd800 && c < 0xe000) || *len + n >= room)
		return false;
	for (i = n; i-- > 1; c >>= 6)
		bytes[i] = 0x80 | (c & 0x3f);
	bytes[0] = n == 1 ? c : (0xf00 >> n & 0xff) | c;
	memcpy(name + *len, bytes, n);
	*len += n;
	return true;
}

static u32 unit(const u8 *text, bool big)
{
	return big ? text[0] << 8 | text[1] : text[1] << 8 | text[0];
}

/* Of a path only the last part counts, whichever way it is written. */
static bool from_utf16(char name[NAME_MAX + 1], const u8 *text, size_t size, bool big)
{
	size_t len = 0, i;
	u32 c, low;

	for (i = 0; i + 1 < size; i += 2) {
		c = unit(text + i, big);
		if (!c)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 3 < size) {
			low = unit(text + i + 2, big);
			if (low < 0xdc00 || low >= 0xe000)
				return false;
			c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
			i += 2;
		}
		if (c == '/' || c == '\\')
			len = 0;
		else if (!add_character(name, &len, NAME_MAX + 1, c))
			return false;
	}
	name[len] = '\0';
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ?
	       (c | 0x20) - 'a' + 10 : -1;
}

/* "file://./parent.vhd", with %20 for a blank */
static bool from_url(char name[NAME_MAX + 1], const char *text, size_t size)
{
	size_t len = 0, i;
	char c;

	for (i = 0; i < size && text[i]; i++) {
		c = text[i];
		if (c == '/') {
			len = 0;
			continue;
		}
		if (c == '%' && i + 2 < size && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
			c = hex(text[i + 1]) << 4 | hex(text[i + 2]);
			i += 2;
		}
		if (!c || c == '/' || len == NAME_MAX)
			return false;
		name[len++] = c;
	}
	name[len] = '\0';
	return true;
}

static int from_locator(const struct lclone_vhd *vhd, const struct locator *locator,
			char name[NAME_MAX + 1])
{
	const u32 length = be32toh(locator->length), platform = be32toh(locator->platform);
	const u64 offset = be64toh(locator->offset);
	u8 text[LOCATOR_MAX + 2 * 512];
	bool found;
	int err;

	if (!length || length > LOCATOR_MAX)
		return 0;
	err = read_sectors(vhd, text, offset >> 9, (offset % 512 + length + 511) >> 9);
	if (err)
		return err;
	switch (platform) {
	case 0x57327275:	/* "W2ru": relative; and absolute */
	case 0x57326b75:	/* "W2ku" */
		found = from_utf16(name, text + offset % 512, length, false);
		break;
	case 0x4d616358:	/* "MacX" */
		found = from_url(name, (char *)text + offset % 512, length);
		break;
	default:
		found = false;
	}
	return found;
}

int lclone_vhd_parent_name(const struct lclone_vhd *vhd, u32 i, char name[NAME_MAX + 1])
{
	struct header header;
	int ret = read_header(vhd, &header);

	name[0] = '\0';
	if (ret)
		return ret;
	ret = i < LOCATORS ? from_locator(vhd, &header.locator[i], name) :
	      from_utf16(name, header.parent_name, sizeof(header.parent_name), true);
	return ret > 0 ? name[0] && strcmp(name, ".") && strcmp(name, "..") : ret;
}
