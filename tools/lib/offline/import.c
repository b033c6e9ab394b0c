// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/seal.h"
#include "clone/users.h"
#include "format_user.h"
#include "host/queue.h"
#include "host/stack.h"
#include "offline/image-header.h"
#include "offline/image-reader.h"
#include "offline/import.h"
#include "offline/writer.h"

#define PIECE_SECTORS	2048u

/* What lies below a file: the base, and the layers of the files between */
struct below {
	const struct lclone_file *base;
	struct disk *disk;		/* NULL: no layer */
	u64 sectors;			/* of the file right below, behind which zeros are read ... */
	u64 shown;			/* ... though up to here something else is further below */
};

static int stopped(const struct lclone_import *import, const char *phase, u64 sector, u64 total)
{
	return lclone_watch_stops(import->watch, phase, sector << 9, total << 9) ?
	       lclone_fail(-EINTR, "interrupted") : 0;
}

/* What is below */

static int refuse_unfit(const struct below *b, const char *path)
{
	const struct disk *disk = b->disk;

	if (!(disk->delta.sb.state & LCLONE_STATE_SEALED))
		return lclone_fail(-ESTALE, "%s is not sealed: nothing can lie on it", path);
	return lclone_verify_base(&b->disk->delta, (struct lclone_file *)b->base);
}

/* From here on its lock keeps it as it is. */
static int refuse_exchanged(const struct lclone_sb *sb, const struct lclone_sb *wanted,
			    const char *path)
{
	if (!memcmp(sb->uuid, wanted->uuid, LCLONE_UUID_SIZE) &&
	    sb->generation == wanted->generation)
		return 0;
	return lclone_fail(-ESTALE, "%s is another layer than it was a moment ago, as after a merge: run this again",
			   path);
}

static int open_below(struct below *b, const struct lclone_import *import,
		      const struct lclone_import_below *below)
{
	struct lclone_parents lower = below->layers;
	const char *path;
	int err;
	u32 i;

	*b = (struct below){ .base = import->base, .sectors = UINT64_MAX };
	if (!lower.count)
		return 0;
	b->disk = calloc(1, sizeof(*b->disk));
	if (!b->disk)
		return lclone_fail(-ENOMEM, "out of memory");
	path = below->layers.path[--lower.count];
	err = lclone_open_disk(path, O_RDONLY, &lower, b->disk) ?: refuse_unfit(b, path) ?:
	      refuse_exchanged(&b->disk->delta.sb, &below->last, path);
	b->sectors = b->disk->delta.sb.virtual_sectors;
	b->shown = import->base->dev.sectors;
	for (i = 1; !err && i < b->disk->chain.count; i++)
		if (b->disk->chain.delta[i]->sb.virtual_sectors > b->shown)
			b->shown = b->disk->chain.delta[i]->sb.virtual_sectors;
	return err;
}

static void close_below(struct below *b)
{
	if (b->disk)
		lclone_close_disk(b->disk);
	free(b->disk);
}

static int read_below(void *ctx, void *buf, u64 sector, u32 sectors)
{
	struct below *b = ctx;
	u32 n = sector >= b->sectors ? 0 : min_u64(sectors, b->sectors - sector);
	int err;

	memset((u8 *)buf + ((size_t)n << 9), 0, (size_t)(sectors - n) << 9);
	if (!n)
		return 0;
	if (b->disk)
		return lclone_chain_read(&b->disk->chain, b->base, buf, sector, n);
	err = lclone_dev_read_padded(&b->base->dev, buf, sector, n);
	return err ? lclone_fail(err, "%s: cannot be read: %s", b->base->path, strerror(-err)) : 0;
}

/* Comparing */

struct comparison {
	const struct lclone_import *import;
	const char *image, *other;	/* for sentences */
	int (*read)(void *ctx, void *buf, u64 sector, u32 sectors);	/* what is compared with */
	void *ctx;
	u8 *buf;
};

static u8 zeros[PIECE_SECTORS << 9];	/* never written */

static u64 first_difference(const u8 *a, const u8 *b, u64 n)
{
	u64 i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* @data: NULL for zeros */
static int compare(const struct comparison *c, u64 sector, const u8 *data, u64 sectors)
{
	const u8 *wanted = zeros;
	int err = 0;
	u32 n;

	for (; !err && sectors; sector += n, sectors -= n) {
		n = min_u64(sectors, PIECE_SECTORS);
		err = c->read(c->ctx, c->buf, sector, n);
		if (data)
			wanted = data;
		if (!err && memcmp(c->buf, wanted, (size_t)n << 9))
			err = lclone_fail(-ESTALE, "%s has not what %s has: they differ at byte %" PRIu64,
					  c->other, c->image, (sector << 9) +
					  first_difference(c->buf, wanted, (u64)n << 9));
		if (data)
			data += (size_t)n << 9;
	}
	return err;
}

/* The base, in order, with several blocks of it in flight ahead of who reads */

#define AHEAD		8u
#define AHEAD_SECTORS	(LCLONE_QUEUE_BYTES >> 9)

struct ahead {
	struct lclone_file *base;
	struct lclone_queue *queue;
	struct lclone_flight *flight[AHEAD];
	u64 first, end;			/* blocks that are there, or in flight; all before were */
};

static int go_ahead(struct ahead *a, u64 block)
{
	const u64 total = a->base->dev.sectors << 9;
	struct lclone_flight **flight;
	int err = 0;
	u64 at;

	for (; a->first < block && a->first < a->end; a->first++)
		lclone_queue_put(a->flight[a->first % AHEAD]);
	while (!err && a->end < block + AHEAD && a->end * LCLONE_QUEUE_BYTES < total) {
		flight = &a->flight[a->end % AHEAD];
		at = a->end * LCLONE_QUEUE_BYTES;
		err = lclone_queue_take(a->queue, flight);
		if (err)
			break;
		a->end++;
		err = lclone_queue_read(a->queue, *flight, a->base, 0,
					min_u64(LCLONE_QUEUE_BYTES, total - at), at);
	}
	return err ?: lclone_queue_wait(a->queue, a->flight[block % AHEAD]);
}

/* From one call to the next no block is gone back. */
static int read_base(void *ctx, void *buf, u64 sector, u32 sectors)
{
	struct ahead *a = ctx;
	const u64 total = a->base->dev.sectors;
	u64 end = min_u64(sector + sectors, total), n;
	u8 *to = buf;
	int err = 0;

	for (; !err && sector < end; sector += n, sectors -= n, to += n << 9) {
		n = min_u64(end - sector, AHEAD_SECTORS - sector % AHEAD_SECTORS);
		err = go_ahead(a, sector / AHEAD_SECTORS);
		if (!err)
			memcpy(to, a->flight[sector / AHEAD_SECTORS % AHEAD]->data +
			       (sector % AHEAD_SECTORS << 9), n << 9);
	}
	memset(to, 0, (size_t)sectors << 9);
	return err;
}

static int compare_all(struct comparison *c, struct lclone_image_reader *reader)
{
	const u64 end = lclone_image_reader_sectors(reader), total = c->import->base->dev.sectors;
	struct lclone_piece piece;
	u64 sector, n;
	int ret;

	lclone_image_reader_watch(reader, c->import->watch, "comparing");
	while ((ret = lclone_image_reader_next(reader, &piece)) > 0) {
		if (piece.sector >= total && piece.kind != LCLONE_PIECE_DATA)
			continue;	/* behind the base there are zeros, too */
		for (sector = piece.sector; sector < piece.sector + piece.sectors; sector += n) {
			n = min_u64(piece.sector + piece.sectors - sector, PIECE_SECTORS);
			ret = stopped(c->import, "comparing", sector, end) ?:
			      compare(c, sector, piece.kind == LCLONE_PIECE_DATA ? piece.data :
				      NULL, n);
			if (ret)
				return ret;
		}
	}
	if (!ret)
		ret = stopped(c->import, "comparing", end, end);
	return ret || end >= total ? ret : compare(c, end, NULL, total - end);
}

int lclone_import_verify(const struct lclone_import *import)
{
	const struct lclone_image_file *lowest = &import->images->file[import->images->count - 1];
	struct comparison c = {
		.import = import, .image = lowest->path, .other = import->base->path,
		.read = read_base,
	};
	struct ahead ahead = { .base = import->base };
	struct lclone_image_reader *reader = NULL;
	int err;

	c.ctx = &ahead;
	c.buf = aligned_alloc(LCLONE_BLOCK_SIZE, PIECE_SECTORS << 9);
	err = c.buf ? lclone_queue_new(&ahead.queue) : lclone_fail(-ENOMEM, "out of memory");
	if (!err)
		err = lclone_image_reader_open(&reader, lowest->path, lowest->format) ?:
		      compare_all(&c, reader) ?: lclone_image_refuse_changed(lowest);
	lclone_image_reader_close(reader);
	lclone_queue_free(ahead.queue);
	free(c.buf);
	return err;
}

/* Sizes */

/* Chunks that a file takes, as its pieces come in order */
struct need {
	u32 chunk_sectors;
	u64 chunks, next;		/* of data; all below was counted */
	u64 leaves, next_leaf;
};

static void count(struct need *n, u64 from, u64 to, bool data)
{
	u64 first = from / n->chunk_sectors, end = (to - 1) / n->chunk_sectors + 1;
	u64 leaf = first / LCLONE_LEAF_EXCEPTIONS;
	u64 leaf_end = (end - 1) / LCLONE_LEAF_EXCEPTIONS + 1;

	leaf = leaf > n->next_leaf ? leaf : n->next_leaf;
	if (leaf_end > leaf) {
		n->leaves += leaf_end - leaf;
		n->next_leaf = leaf_end;
	}
	first = first > n->next ? first : n->next;
	if (data && end > first) {
		n->chunks += end - first;
		n->next = end;
	}
}

/* A subchunk that is zero in part is filled up by data, unless the disk ends in it. */
static void count_zeros(struct need *n, u64 from, u64 to, u64 total)
{
	const u32 sub = n->chunk_sectors / LCLONE_SUBCHUNKS;

	if (from % sub)
		count(n, from, from + 1, true);
	count(n, from, to, false);
	if (to % sub && to < total)
		count(n, to - 1, to, true);
}

/* As write_piece() does it */
static void count_piece(struct need *n, const struct below *b, const struct lclone_piece *piece,
			u64 total)
{
	u64 from = piece->sector, to = piece->sector + piece->sectors;

	if (piece->kind == LCLONE_PIECE_BELOW) {
		from = from > b->sectors ? from : b->sectors;
		to = min_u64(to, b->shown);
	}
	if (piece->kind == LCLONE_PIECE_DATA)
		count(n, from, to, true);
	else if (from < to)
		count_zeros(n, from, to, total);
}

static int count_file(const struct lclone_import *import, const struct lclone_image_file *file,
		      const struct below *b, struct need *n, u64 *total)
{
	struct lclone_image_reader *reader;
	struct lclone_piece piece;
	struct lclone_sb sb;
	u64 sector, least;
	int err;

	err = lclone_image_reader_open(&reader, file->path, file->format);
	if (!err)
		*total = lclone_image_reader_sectors(reader);
	if (!err && lclone_sb_init(&sb, 1ULL << 45, *total, n->chunk_sectors, &least) == -EFBIG)
		err = lclone_fail(-ERANGE, "%s is too large for chunks of %s", file->path,
				  LCLONE_SIZE(n->chunk_sectors));
	for (sector = 0; !err && sector < *total; sector += piece.sectors) {
		err = stopped(import, "measuring", sector, *total) ?:
		      lclone_image_reader_look(reader, sector, &piece);
		if (!err)
			count_piece(n, b, &piece, *total);
	}
	lclone_image_reader_close(reader);
	return err;
}

int lclone_import_sectors(const struct lclone_import *import, u32 i,
			  const struct lclone_import_below *below, u32 chunk_sectors, u64 *sectors)
{
	struct need n = { .chunk_sectors = chunk_sectors ?: LCLONE_CHUNK_SECTORS_DEFAULT };
	u64 total = 0, nodes, least;
	struct lclone_sb sb;
	struct below b;
	int err;

	err = open_below(&b, import, below);
	if (!err && b.disk && !chunk_sectors)
		n.chunk_sectors = b.disk->delta.sb.chunk_sectors;
	err = err ?: count_file(import, &import->images->file[i], &b, &n, &total);
	close_below(&b);
	if (err)
		return err;
	/* index nodes are fewer than leaves by far, and a chunk of nodes may be half used */
	nodes = (n.leaves + n.leaves / 100 + LCLONE_LEVELS) /
		(n.chunk_sectors / LCLONE_BLOCK_SECTORS) + 2;
	lclone_sb_init(&sb, 0, total, n.chunk_sectors, &least);
	*sectors = least + (n.chunks + nodes) * n.chunk_sectors;
	return 0;
}

/* Writing */

/* Where the file right below has ended its zeros are ours, if something else would be seen. */
static int write_below(struct lclone_writer *w, const struct below *b,
		       const struct lclone_piece *piece)
{
	const u64 end = min_u64(piece->sector + piece->sectors, b->shown);
	const u64 from = piece->sector > b->sectors ? piece->sector : b->sectors;

	return from < end ? lclone_writer_zero(w, from, end - from) : 0;
}

static int write_piece(struct lclone_writer *w, const struct below *b,
		       const struct lclone_piece *piece)
{
	switch (piece->kind) {
	case LCLONE_PIECE_DATA:
		return lclone_writer_data(w, piece->sector, piece->data, piece->sectors);
	case LCLONE_PIECE_ZERO:
		return lclone_writer_zero(w, piece->sector, piece->sectors);
	default:
		return write_below(w, b, piece);
	}
}

static int write_all(const struct lclone_import *import, struct lclone_writer *w,
		     struct lclone_image_reader *reader, const struct below *b)
{
	const u64 total = lclone_image_reader_sectors(reader);
	struct lclone_piece piece;
	int ret;

	lclone_image_reader_watch(reader, import->watch, "importing");
	while ((ret = lclone_image_reader_next(reader, &piece)) > 0) {
		ret = stopped(import, "importing", piece.sector, total) ?:
		      write_piece(w, b, &piece);
		if (ret)
			return ret;
	}
	return ret ?: stopped(import, "importing", total, total);
}

/* What a run that was killed has left of the same is gone over. */
static bool is_rest(const struct lclone_import_target *target, const struct below *b, u64 sectors,
		    u8 uuid[LCLONE_UUID_SIZE])
{
	static const u8 none[LCLONE_UUID_SIZE];
	const u8 *parent = b->disk ? b->disk->delta.sb.uuid : none;
	struct lclone_delta delta;
	bool rest;

	rest = !lclone_delta_open_sb(&delta, &target->file->dev) && lclone_half_written(&delta.sb) &&
	       delta.sb.virtual_sectors == sectors &&
	       !memcmp(delta.sb.parent_uuid, parent, LCLONE_UUID_SIZE) &&
	       !strcmp(delta.sb.label, target->label ?: "");
	memcpy(uuid, delta.sb.uuid, LCLONE_UUID_SIZE);
	lclone_delta_close(&delta);
	return rest;
}

/* Also by a loop device that shows it: what is imported would be overwritten while it is read. */
static int refuse_image(const struct lclone_file *file, const struct lclone_image_file *image)
{
	struct lclone_backing shown;
	struct stat st;
	int ret;

	if (!file->block && fstat(file->fd, &st))
		return lclone_fail(-errno, "%s: %m", file->path);
	if (!file->block)
		shown = (struct lclone_backing){ .fs = st.st_dev, .inode = st.st_ino };
	else if (!lclone_dev_backing(file->rdev, &shown))
		return 0;
	ret = shown.fs == image->dev && shown.inode == image->ino ? 1 :
	      lclone_image_has_part(image->path, image->format, shown.fs, shown.inode);
	return ret <= 0 ? ret : lclone_fail(-EBUSY, "%s is what would be imported, or a part of it: it cannot be overwritten",
					    file->path);
}

static int refuse_parts(const struct lclone_import *import, const struct lclone_file *file,
			const struct below *b)
{
	u32 i;
	int err = 0;

	for (i = 0; !err && i < import->images->count; i++)
		err = refuse_image(file, &import->images->file[i]);
	if (err)
		return err;
	if (lclone_file_same(file, b->base))
		return lclone_fail(-EBUSY, "%s cannot be base and delta at once", file->path);
	err = lclone_refuse_common_sectors(file, b->base);
	for (i = 0; !err && b->disk && i < b->disk->chain.count; i++)
		if (lclone_file_same(file, b->disk->chain.file[i]))
			err = lclone_fail(-EBUSY, "%s cannot lie on itself", file->path);
		else
			err = lclone_refuse_common_sectors(file, b->disk->chain.file[i]);
	return err;
}

static int write_file(const struct lclone_import *import, const struct lclone_image_file *image,
		      const struct lclone_import_target *target, struct below *b,
		      struct lclone_image_reader *reader, struct lclone_sb *sb)
{
	u8 uuid[LCLONE_UUID_SIZE], root[LCLONE_ROOT_SIZE];
	struct lclone_writer_options options = {
		.format = {
			.virtual_sectors = lclone_image_reader_sectors(reader),
			.chunk_sectors = target->chunk_sectors,
			.label = target->label,
			.uuid = target->uuid,
			.parent = b->disk ? &b->disk->delta.sb : NULL,
			.block_size = b->disk ? lclone_chain_block_size(&b->disk->chain) : 0,
		},
		.base = import->base,
		.sealed = target->sealed,
		.generation = target->sealed,
		.sealed_at = target->sealed ? time(NULL) : 0,
		.force = target->force,
		.below = read_below,
		.ctx = b,
	};
	struct lclone_writer *writer = NULL;
	int err = 0;

	if (!b->disk || !lclone_root_is_set(b->disk->delta.sb.base_root)) {
		err = lclone_seal_root(import->base, root);
		options.format.base_root = root;
	}
	if (!target->uuid && is_rest(target, b, options.format.virtual_sectors, uuid))
		options.format.uuid = uuid;
	err = err ?: lclone_writer_begin(&writer, target->file, &options) ?:
	      write_all(import, writer, reader, b) ?: lclone_image_refuse_changed(image) ?:
	      lclone_writer_end(writer, sb);
	lclone_writer_free(writer);
	return err;
}

int lclone_import_file(const struct lclone_import *import, u32 i,
		       const struct lclone_import_target *target, struct lclone_sb *sb)
{
	const struct lclone_image_file *image = &import->images->file[i];
	struct lclone_image_reader *reader = NULL;
	struct below b;
	int err;

	err = open_below(&b, import, target->below) ?: refuse_parts(import, target->file, &b) ?:
	      lclone_image_reader_open(&reader, image->path, image->format) ?:
	      write_file(import, image, target, &b, reader, sb);
	lclone_image_reader_close(reader);
	close_below(&b);
	return err;
}

/* A layer that is there */

/* Reads a layer as it is over what is below the file: of what it has itself, its own. */
struct layer {
	struct below *below;
	struct lclone_file file;
	struct lclone_delta delta;
};

/* Behind the end of what is right below, the layer lets be seen what is further below. */
static int refuse_shown(const struct layer *l, u64 sector, u64 sectors)
{
	const u64 end = min_u64(sector + sectors, l->below->shown);
	const u64 from = sector > l->below->sectors ? sector : l->below->sectors;

	return from < end ? lclone_fail(-ESTALE, "%s has no zeros from sector %" PRIu64 " on",
					l->file.path, from) : 0;
}

static int read_own(const struct layer *l, void *to, const struct lclone_extent *e)
{
	int err = lclone_dev_read(&l->file.dev, to, e->delta_sector, e->sectors);

	return err ? lclone_fail(err, "%s: cannot be read: %s", l->file.path, strerror(-err)) : 0;
}

static int read_layer(void *ctx, void *buf, u64 sector, u32 sectors)
{
	struct layer *l = ctx;
	struct lclone_extents x;
	struct lclone_extent e;
	int ret = 0, err = 0;
	u8 *to;

	lclone_extents_init(&x, &l->delta, sector, sectors);
	x.base_sectors = UINT64_MAX;
	while (!err && (ret = lclone_extents_next(&x, &e)) > 0) {
		to = (u8 *)buf + ((e.sector - sector) << 9);
		if (e.source == LCLONE_FROM_BASE)
			err = refuse_shown(l, e.sector, e.sectors) ?:
			      read_below(l->below, to, e.sector, e.sectors);
		else if (e.source == LCLONE_FROM_ZERO)
			memset(to, 0, e.sectors << 9);
		else
			err = read_own(l, to, &e);
	}
	return err || !ret ? err : lclone_fail(ret, "%s: %s", l->file.path, l->delta.why);
}

/* Where neither has anything they are alike: how far is that so from @sector on? */
static int skip_alike(struct layer *l, u64 sector, u64 end, u64 *next)
{
	struct lclone_extents x;
	struct lclone_extent e;
	int ret;

	lclone_extents_init(&x, &l->delta, sector, end - sector);
	x.base_sectors = UINT64_MAX;
	ret = lclone_extents_next(&x, &e);
	*next = sector;
	if (ret > 0 && e.source == LCLONE_FROM_BASE)
		*next = e.sector + e.sectors;
	return ret < 0 ? lclone_fail(ret, "%s: %s", l->file.path, l->delta.why) : 0;
}

/* The file has nothing there: what the layer has must be what is below it. */
static int compare_below(const struct comparison *c, struct layer *l,
			 const struct lclone_piece *piece, u8 *buf)
{
	const u64 end = piece->sector + piece->sectors;
	u64 sector = piece->sector, next;
	int err = 0;
	u32 n;

	while (!err && sector < end) {
		err = skip_alike(l, sector, end, &next) ?: refuse_shown(l, sector, next - sector);
		if (err || next > sector) {
			sector = next;
			continue;
		}
		n = min_u64(end - sector, PIECE_SECTORS);
		err = read_below(l->below, buf, sector, n) ?: compare(c, sector, buf, n);
		sector += n;
	}
	return err;
}

static int compare_layer(struct comparison *c, struct layer *l, struct lclone_image_reader *reader)
{
	const u64 total = lclone_image_reader_sectors(reader);
	struct lclone_piece piece;
	int ret, err = 0;
	u8 *buf = aligned_alloc(LCLONE_BLOCK_SIZE, PIECE_SECTORS << 9);

	if (!buf)
		return lclone_fail(-ENOMEM, "out of memory");
	lclone_image_reader_watch(reader, c->import->watch, "comparing");
	while (!err && (ret = lclone_image_reader_next(reader, &piece)) > 0) {
		err = stopped(c->import, "comparing", piece.sector, total);
		if (!err)
			err = piece.kind == LCLONE_PIECE_BELOW ? compare_below(c, l, &piece, buf) :
			      compare(c, piece.sector, piece.data, piece.sectors);
	}
	free(buf);
	return err ?: ret;
}

static bool lies_there(const struct lclone_sb *sb, const struct below *b, bool sealed)
{
	const struct lclone_sb *parent = b->disk ? &b->disk->delta.sb : NULL;

	if (!!(sb->state & LCLONE_STATE_SEALED) != sealed || sb->state & LCLONE_STATE_MERGING ||
	    lclone_has_parent(sb) != !!parent)
		return false;
	return !parent || (!memcmp(sb->parent_uuid, parent->uuid, LCLONE_UUID_SIZE) &&
			   sb->parent_generation == parent->generation);
}

static int open_layer(struct layer *l, const char *path, bool sealed)
{
	int err;

	err = lclone_file_open_ready(&l->file, path, O_RDONLY) ?:
	      lclone_lock(&l->file, LCLONE_LOCK_SHARED);
	if (err)
		return err;
	err = lclone_delta_open(&l->delta, &l->file.dev);
	if (err)
		return lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path,
				   l->delta.why);
	if (!lies_there(&l->delta.sb, l->below, sealed))
		return lclone_fail(-ESTALE, "%s is no %s on the same", path,
				   sealed ? "layer" : "delta");
	return lclone_verify_base(&l->delta, (struct lclone_file *)l->below->base);
}

int lclone_import_is_made(const struct lclone_import *import, u32 i,
			  const struct lclone_import_below *below, const char *path, bool sealed,
			  struct lclone_sb *sb)
{
	const struct lclone_image_file *image = &import->images->file[i];
	struct lclone_image_reader *reader = NULL;
	struct below b;
	struct layer l = { .below = &b, .file = { .fd = -1 } };
	struct comparison c = {
		.import = import, .image = image->path, .other = path, .read = read_layer,
		.ctx = &l,
	};
	int err;

	c.buf = aligned_alloc(LCLONE_BLOCK_SIZE, PIECE_SECTORS << 9);
	err = open_below(&b, import, below);
	if (!err && !c.buf)
		err = lclone_fail(-ENOMEM, "out of memory");
	err = err ?: open_layer(&l, path, sealed) ?:
	      lclone_image_reader_open(&reader, image->path, image->format);
	if (!err && l.delta.sb.virtual_sectors != lclone_image_reader_sectors(reader))
		err = lclone_fail(-ESTALE, "%s is of another size", path);
	if (!err)
		err = compare_layer(&c, &l, reader) ?: lclone_image_refuse_changed(image);
	if (!err && !lclone_delta_unchanged(&l.delta))
		err = lclone_fail(-ESTALE, "%s was changed while it was compared", path);
	*sb = l.delta.sb;
	lclone_image_reader_close(reader);
	lclone_delta_close(&l.delta);
	if (l.file.fd >= 0)
		lclone_file_close(&l.file);
	close_below(&b);
	free(c.buf);
	return !err ? 1 : err == -ESTALE ? 0 : err;
}
