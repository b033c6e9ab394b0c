// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "image.h"

u64 image_random(struct image *img, u64 n)
{
	u64 z = img->random += 0x9e3779b97f4a7c15;	/* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

static void fill_random(struct image *img, u8 *p, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		u64 r = image_random(img, UINT64_MAX);

		memcpy(p + i, &r, 8);
	}
}

void *image_block(struct image *img, u64 block)
{
	return img->data + block * LCLONE_BLOCK_SIZE;
}

void image_write_sb(struct image *img)
{
	u8 *block;

	img->sb.seq++;
	block = image_block(img, img->sb.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B);
	memset(block, 0, LCLONE_BLOCK_SIZE);
	lclone_sb_pack(&img->sb, (struct lclone_sb_disk *)block);
}

void image_init(struct image *img, const struct image_size *size, u64 seed)
{
	u64 below, min;
	int err;

	memset(img, 0, sizeof(*img));
	img->random = seed;
	img->chunks = lclone_chunks(size->virtual_sectors, size->chunk_sectors);
	img->data = calloc(size->device_sectors, 512);
	img->base_data = calloc(size->base_sectors + 1, 512);
	img->clone = calloc(size->virtual_sectors, 512);
	img->exc = calloc(img->chunks, sizeof(u64));
	assert(img->data && img->base_data && img->clone && img->exc);
	lclone_memdev_init(&img->dev, img->data, size->device_sectors);
	lclone_memdev_init(&img->base, img->base_data, size->base_sectors);

	fill_random(img, img->base_data, size->base_sectors << 9);
	below = size->base_sectors < size->virtual_sectors ? size->base_sectors :
		size->virtual_sectors;
	memcpy(img->clone, img->base_data, below << 9);

	err = lclone_sb_init(&img->sb, size->device_sectors, size->virtual_sectors,
			     size->chunk_sectors, &min);
	assert(!err);
	if (size->log_blocks) {
		img->sb.log_blocks = size->log_blocks;
		img->sb.first_chunk = lclone_chunks((u64)(img->sb.log_start + size->log_blocks) *
						    LCLONE_BLOCK_SECTORS, size->chunk_sectors);
		img->sb.hwm = img->sb.first_chunk;
	}
	fill_random(img, img->sb.uuid, LCLONE_UUID_SIZE);
	if (size->base_sectors) {
		img->sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
		img->sb.base_sectors = size->base_sectors;
		err = lclone_fingerprint(&img->base.dev, &img->sb.base_fp);
		assert(!err);
	}
	img->next_phys = img->sb.first_chunk;
	img->next_commit = img->sb.log_commit;
	img->sb.seq = -1;
	image_write_sb(img);	/* B, 0 */
	image_write_sb(img);	/* A, 1 */
}

void image_free(struct image *img)
{
	free(img->data);
	free(img->base_data);
	free(img->clone);
	free(img->exc);
}

void image_activate(struct image *img)
{
	img->incarnation++;
	img->sb.incarnation = img->incarnation;
	img->sb.state &= ~LCLONE_STATE_CLEAN;
	image_write_sb(img);
}

/* Part of subchunk @i of @chunk that lies within the clone, in bytes; 0 if none does */
static size_t subchunk_bytes(const struct image *img, u64 chunk, u32 i, u64 *offset)
{
	u32 sub = img->sb.chunk_sectors / LCLONE_SUBCHUNKS;
	u64 sector = chunk * img->sb.chunk_sectors + i * sub;
	u64 left = sector < img->sb.virtual_sectors ? img->sb.virtual_sectors - sector : 0;

	*offset = sector << 9;
	return (left < sub ? left : sub) << 9;
}

void image_change(struct image *img, u64 chunk)
{
	u32 phys = lclone_exc_phys(img->exc[chunk]);
	u32 written = lclone_exc_written(img->exc[chunk]), zero = lclone_exc_zero(img->exc[chunk]);
	u32 sub = img->sb.chunk_sectors / LCLONE_SUBCHUNKS;
	u64 offset;

	for (u32 i = 0; i < LCLONE_SUBCHUNKS; i++) {
		size_t bytes = subchunk_bytes(img, chunk, i, &offset);
		u64 dice = image_random(img, 4);

		if (!bytes || dice >= 2)
			continue;
		if (!dice) {
			written &= ~(1u << i);
			zero |= 1u << i;
			memset(img->clone + offset, 0, bytes);
			continue;
		}
		if (!phys)
			phys = img->next_phys++;
		assert(phys < lclone_phys_end(&img->sb));
		zero &= ~(1u << i);
		written |= 1u << i;
		fill_random(img, img->clone + offset, bytes);
		memcpy(img->data + ((lclone_phys_sector(&img->sb, phys) + i * sub) << 9),
		       img->clone + offset, bytes);
	}
	img->exc[chunk] = lclone_exc_make(phys, written, zero);
}

bool image_commit(struct image *img, const u64 *chunks, u32 count)
{
	u32 half = img->sb.log_blocks / 2, blocks, done = 0, i;
	struct lclone_log_disk *d;

	blocks = (count + LCLONE_LOG_RECORDS - 1) / LCLONE_LOG_RECORDS;
	if (img->log_end + blocks > img->sb.log_pos + half)
		return false;
	for (i = 0; i < blocks; i++) {
		u32 n = count - done < LCLONE_LOG_RECORDS ? count - done : LCLONE_LOG_RECORDS;
		struct lclone_log log = {
			.incarnation = img->incarnation, .checkpoint = img->sb.checkpoint,
			.commit = img->next_commit, .index = i, .blocks = blocks, .count = n,
		};

		d = image_block(img, img->sb.log_start + img->log_end++);
		memset(d, 0, sizeof(*d));
		for (u32 k = 0; k < n; k++, done++)
			lclone_record_pack(&d->records[k], chunks[done], img->exc[chunks[done]]);
		lclone_log_seal(d, img->sb.uuid, &log);
	}
	img->next_commit++;
	return true;
}

/* Tree */

struct writer {
	struct image *img;
	u32 block, blocks_left;		/* in the chunk that nodes go to */
	u32 node_chunks;
};

static u64 new_block(struct writer *w)
{
	u32 per_chunk = w->img->sb.chunk_sectors / LCLONE_BLOCK_SECTORS;

	if (!w->blocks_left) {
		assert(w->img->next_phys < lclone_phys_end(&w->img->sb));
		w->block = (w->img->node_phys ? w->img->node_phys++ : w->img->next_phys++) *
			   per_chunk;
		w->blocks_left = per_chunk;
		w->node_chunks++;
	}
	w->blocks_left--;
	return w->block++;
}

static bool any_exception(const struct image *img, u64 first, u64 span)
{
	for (u64 i = first; i < first + span && i < img->chunks; i++)
		if (img->exc[i])
			return true;
	return false;
}

static struct lclone_ref write_node(struct writer *w, u32 level, u64 first)
{
	struct image *img = w->img;
	struct lclone_ref ref = { .block = 0 };
	union {
		struct lclone_node_disk head;
		struct lclone_leaf_disk leaf;
		struct lclone_index_disk index;
	} node;

	if (!any_exception(img, first, lclone_node_span(level)))
		return ref;
	memset(&node, 0, sizeof(node));
	for (u32 i = 0; !level && i < LCLONE_LEAF_EXCEPTIONS && first + i < img->chunks; i++)
		node.leaf.exceptions[i] = cpu_to_le64(img->exc[first + i]);
	for (u32 i = 0; level && i < LCLONE_NODE_REFS; i++) {
		u64 child = first + i * lclone_node_span(level - 1);

		if (child < img->chunks)
			lclone_ref_pack(write_node(w, level - 1, child), &node.index.refs[i]);
	}
	ref.block = new_block(w);
	lclone_node_seal(&node.head, img->sb.uuid, img->sb.checkpoint, first, level, &ref.csum);
	memcpy(image_block(img, ref.block), &node, sizeof(node));
	return ref;
}

void image_checkpoint(struct image *img)
{
	struct writer w = { .img = img };
	struct lclone_sb *sb = &img->sb;
	u32 used = 0, level = 0;
	struct lclone_ref root;

	sb->checkpoint++;
	for (u64 i = 0; i < img->chunks; i++) {
		if (lclone_exc_phys(img->exc[i]))
			used++;
		if (img->exc[i])
			level = lclone_tree_level(i + 1);
	}
	if (image_random(img, 2))	/* as low as it can be, or as high as it will ever be */
		level = lclone_tree_level(img->chunks);
	root = write_node(&w, level, 0);
	sb->root_block = root.block;
	sb->root_csum = root.csum;
	sb->root_level = root.block ? level : 0;
	sb->hwm = img->next_phys;
	sb->freed = sb->hwm - sb->first_chunk - used - w.node_chunks;
	sb->state |= LCLONE_STATE_CLEAN;
	sb->log_pos = sb->log_pos ? 0 : sb->log_blocks / 2;
	sb->log_commit = img->next_commit;
	img->log_end = sb->log_pos;
	image_write_sb(img);
}

/* Chunks that are left: a checkpoint must find room for a whole tree. */
static bool has_room(const struct image *img, u32 data)
{
	return img->next_phys + data + lclone_reserve_chunks(&img->sb) + 8 <
	       lclone_phys_end(&img->sb);
}

bool image_populate(struct image *img, u32 changes)
{
	u64 chunks[600];

	image_activate(img);
	while (changes) {
		u32 n = 1 + image_random(img, image_random(img, 4) ? 8 : 600);

		if (n > changes)
			n = changes;
		if (!has_room(img, n))
			return false;
		for (u32 i = 0; i < n; i++) {
			chunks[i] = image_random(img, img->chunks);
			image_change(img, chunks[i]);
		}
		changes -= n;
		if (!image_commit(img, chunks, n))
			image_checkpoint(img);	/* has it all, too */
		switch (image_random(img, 12)) {
		case 0:
			image_checkpoint(img);
			break;
		case 1:
			image_activate(img);
			break;
		}
	}
	return true;
}

u64 image_used_chunk(struct image *img)
{
	u64 chunk;

	do {
		chunk = image_random(img, img->chunks);
	} while (!lclone_exc_written(img->exc[chunk]));
	return chunk;
}

void image_rewrite(struct image *img)
{
	img->sb.state &= ~LCLONE_STATE_CLEAN;
	image_checkpoint(img);
	img->sb.state &= ~LCLONE_STATE_CLEAN;
	image_write_sb(img);
}

void image_link(struct image *img, const struct image *below, bool sealed)
{
	if (below) {
		memcpy(img->sb.parent_uuid, below->sb.uuid, LCLONE_UUID_SIZE);
		img->sb.parent_generation = below->sb.generation;
	}
	if (sealed) {
		img->sb.state |= LCLONE_STATE_SEALED;
		img->sb.generation++;
	}
	image_write_sb(img);
	image_write_sb(img);
}

u8 *image_cover(const struct image *img, const u8 *below, u64 below_sectors)
{
	u32 cs = img->sb.chunk_sectors, sub = cs / LCLONE_SUBCHUNKS;
	u8 *disk = calloc(img->sb.virtual_sectors, 512);

	memcpy(disk, below, below_sectors << 9);
	for (u64 s = 0; s < img->sb.virtual_sectors; s++) {
		u64 exc = img->exc[s / cs];
		u32 bit = 1u << s % cs / sub;

		if (lclone_exc_written(exc) & bit)
			memcpy(disk + (s << 9), img->clone + (s << 9), 512);
		else if (lclone_exc_zero(exc) & bit)
			memset(disk + (s << 9), 0, 512);
	}
	return disk;
}
