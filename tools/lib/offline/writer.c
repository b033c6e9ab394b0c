// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks are taken from the device one after the other: data are collected in a buffer as long
 * as their chunks are contiguous, and nodes of the tree get a chunk in between when they need one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/overwrite.h"
#include "format/tree.h"
#include "format_user.h"
#include "host/queue.h"
#include "offline/writer.h"

struct lclone_writer {
	struct lclone_file *file;
	struct lclone_sb sb;		/* as it is on the device; the tree so far */
	bool sealed, hide;		/* hide: something is below, so that zeros must be noted */
	u64 generation, sealed_at;
	int (*below)(void *ctx, void *buf, u64 sector, u32 sectors);
	void *ctx;
	u32 sub;			/* sectors of a subchunk */
	u32 next;			/* phys that is free, and all behind it */

	/* Chunks that are contiguous on the device, and will be written together */
	struct lclone_queue *queue;
	struct lclone_flight *flight;
	u32 first, slots, filled;	/* phys of the first; chunks that have room; that are there */
	u32 from, len;			/* bytes of the buffer that are not yet given to the queue */

	/* The chunk at hand, behind those */
	u64 chunk;
	u64 sector;			/* all below was given, or left out */
	u32 written, zero;

	struct lclone_tree tree;
	union lclone_node leaf;
	u64 leaf_first;
	bool leaf_used;
};

static int no_memory(void)
{
	return lclone_fail(-ENOMEM, "out of memory");
}

/* Room on the device */

static int take_phys(struct lclone_writer *w, u32 *phys)
{
	u32 end = lclone_phys_end(&w->sb), reserve = w->sealed ? 0 : lclone_reserve_chunks(&w->sb);

	if (w->next + reserve >= end)
		return lclone_fail(-ENOSPC, "%s is too small: its %s are full with %s of %s written",
				   w->file->path, LCLONE_SIZE(w->file->dev.sectors),
				   LCLONE_SIZE(w->sector), LCLONE_SIZE(w->sb.virtual_sectors));
	*phys = w->next++;
	return 0;
}

static int take_node_chunk(struct lclone_tree *tree, u32 *phys)
{
	return take_phys(tree->ctx, phys);
}

static int write_node(struct lclone_tree *tree, u64 block, const union lclone_node *node)
{
	struct lclone_writer *w = tree->ctx;

	return lclone_file_write(w->file, node, block * LCLONE_BLOCK_SECTORS, LCLONE_BLOCK_SECTORS);
}

/* Data */

/* What is collected of the buffer goes to the device. */
static int write_run(struct lclone_writer *w)
{
	u64 at = (lclone_phys_sector(&w->sb, w->first) << 9) + w->from;
	int err = w->len ? lclone_queue_write(w->queue, w->flight, w->file, w->from, w->len, at) :
			   0;

	w->from += w->len;
	w->len = 0;
	return err;
}

static int new_buffer(struct lclone_writer *w)
{
	int err = 0;

	if (w->flight) {
		err = write_run(w);
		lclone_queue_put(w->flight);
		w->flight = NULL;
	}
	if (!err)
		err = lclone_queue_take(w->queue, &w->flight);
	w->filled = 0;
	w->from = w->len = 0;
	return err;
}

/* Bytes of the buffer where the chunk at hand is */
static u32 place(const struct lclone_writer *w)
{
	return w->filled * (w->sb.chunk_sectors << 9);
}

static int add_run(struct lclone_writer *w, u32 from, u32 len)
{
	int err;

	if (w->len && from != w->from + w->len) {
		err = write_run(w);
		if (err)
			return err;
	}
	if (!w->len)
		w->from = from;
	w->len += len;
	return 0;
}

/* The chunk at hand lies behind the others in the buffer: it has its place there already. */
static int keep_chunk(struct lclone_writer *w, u32 *phys)
{
	u32 bytes = w->sub << 9, todo = w->written, first, n;
	struct lclone_flight *old = w->flight;
	u32 at = place(w);
	int err;

	err = take_phys(w, phys);
	if (err)
		return err;
	if (w->filled && *phys != w->first + w->filled) {	/* nodes have come in between */
		err = write_run(w);
		w->flight = NULL;
		if (!err)
			err = new_buffer(w);
		if (!err)
			memcpy(w->flight->data, old->data + at, w->sb.chunk_sectors << 9);
		lclone_queue_put(old);
		if (err)
			return err;
	}
	if (!w->filled)
		w->first = *phys;
	for (; !err && todo; todo &= ~(((1u << n) - 1) << first)) {
		first = __builtin_ctz(todo);
		n = __builtin_ctz(~(todo >> first));
		err = add_run(w, place(w) + first * bytes, n * bytes);
	}
	w->filled++;
	return err;
}

/* Chunks */

static int end_leaf(struct lclone_writer *w)
{
	int err = 0;

	if (w->leaf_used)
		err = lclone_tree_leaf(&w->tree, w->leaf_first, &w->leaf);
	if (w->leaf_used)
		memset(&w->leaf, 0, sizeof(w->leaf));
	w->leaf_used = false;
	return err == -ENOMEM ? no_memory() : err;
}

/* The chunk at hand has all that it will have. */
static int end_chunk(struct lclone_writer *w)
{
	u64 first = w->chunk - w->chunk % LCLONE_LEAF_EXCEPTIONS;
	u32 phys = 0;
	int err = 0;

	if (!w->written && !(w->zero && w->hide))
		goto out;
	if (w->leaf_used && first != w->leaf_first)
		err = end_leaf(w);
	if (!err && w->written)
		err = keep_chunk(w, &phys);
	if (err)
		return err;
	w->leaf_first = first;
	w->leaf_used = true;
	w->leaf.leaf.exceptions[w->chunk - first] =
		cpu_to_le64(lclone_exc_make(phys, w->written, w->hide ? w->zero : 0));
	if (w->filled == w->slots)
		err = new_buffer(w);
out:
	w->written = w->zero = 0;
	return err;
}

/* @buf: NULL for zeros.  All in one chunk, which is the one at hand. */
static void put(struct lclone_writer *w, u64 sector, const u8 *buf, u32 sectors)
{
	u32 offset = sector % w->sb.chunk_sectors, i, n;
	u8 *to = w->flight->data + place(w);

	for (; sectors; offset += n, sectors -= n) {
		i = offset / w->sub;
		n = w->sub - offset % w->sub;
		n = n < sectors ? n : sectors;
		if (buf) {
			memcpy(to + (offset << 9), buf, n << 9);
			buf += n << 9;
			w->written |= 1u << i;
			w->zero &= ~(1u << i);
			continue;
		}
		if (n < w->sub)		/* there may be data beside them */
			memset(to + (offset << 9), 0, n << 9);
		if (!(w->written & 1u << i))
			w->zero |= 1u << i;
	}
}

/* A part of a subchunk that was not given: what the disk has there, so that all of it is here. */
static int fill_up(struct lclone_writer *w, u64 to)
{
	u8 buf[LCLONE_CHUNK_SECTORS_MAX / LCLONE_SUBCHUNKS << 9];
	u32 n = to - w->sector;
	int err = 0;

	if (w->hide && !w->below)
		return lclone_fail(-ERANGE, "%s: the %u sectors from %" PRIu64 " on are less than a piece of %u bytes, which is the least that chunks of %s can have",
				   w->file->path, n, w->sector, w->sub << 9,
				   LCLONE_SIZE(w->sb.chunk_sectors));
	if (w->below)
		err = w->below(w->ctx, buf, w->sector, n);
	if (!err)
		put(w, w->sector, w->below ? buf : NULL, n);
	w->sector = to;
	return err;
}

/* What follows begins at @sector. */
static int go_to(struct lclone_writer *w, u64 sector)
{
	u64 end = min_u64((w->sector + w->sub - 1) / w->sub * w->sub, w->sb.virtual_sectors);
	u64 begin = sector / w->sub * w->sub, chunk = sector / w->sb.chunk_sectors;
	int err = 0;

	if (w->sector < end && w->sector < sector)
		err = fill_up(w, min_u64(sector, end));
	if (!err && chunk != w->chunk)
		err = end_chunk(w);
	w->chunk = chunk;
	if (begin > w->sector)
		w->sector = begin;
	if (!err && w->sector < sector && sector < w->sb.virtual_sectors)
		err = fill_up(w, sector);
	w->sector = sector;
	return err;
}

static int refuse(const struct lclone_writer *w, u64 sector, u64 sectors)
{
	const u64 size = w->sb.virtual_sectors;

	if (sector < w->sector)
		return lclone_fail(-ERANGE, "sector %" PRIu64 " comes behind sector %" PRIu64
				   ": they are not in order", sector, w->sector);
	if (sector > size || sectors > size - sector)
		return lclone_fail(-ERANGE, "%" PRIu64 " sectors from %" PRIu64
				   " on lie beyond the end of a disk of %s", sectors, sector,
				   LCLONE_SIZE(size));
	return 0;
}

static int add(struct lclone_writer *w, u64 sector, const u8 *buf, u64 sectors)
{
	u64 n;
	int err = refuse(w, sector, sectors);

	for (; !err && sectors; sectors -= n) {
		err = go_to(w, sector);
		if (err)
			break;
		n = min_u64(sectors, w->sb.chunk_sectors - sector % w->sb.chunk_sectors);
		put(w, sector, buf, n);
		buf = buf ? buf + (n << 9) : NULL;
		sector += n;
		w->sector = sector;
	}
	return err;
}

int lclone_writer_data(struct lclone_writer *w, u64 sector, const void *buf, u32 sectors)
{
	return add(w, sector, buf, sectors);
}

/* Where nothing is below all is zero that is not written. */
int lclone_writer_zero(struct lclone_writer *w, u64 sector, u64 sectors)
{
	int err;

	if (w->hide)
		return add(w, sector, NULL, sectors);
	err = refuse(w, sector, sectors);
	return err || !sectors ? err : go_to(w, sector + sectors);
}

/* Begin and end */

static bool is_rest_of(const struct lclone_delta *delta, int err, const u8 *uuid)
{
	return !err && uuid && lclone_half_written(&delta->sb) &&
	       !uuid_compare(delta->sb.uuid, uuid);
}

/* Another one that is called the same is not gone over: somebody else may want to end that. */
static bool is_same(const struct lclone_sb *rest, const struct lclone_sb *wanted)
{
	return rest->generation == wanted->generation &&
	       rest->virtual_sectors == wanted->virtual_sectors &&
	       !uuid_compare(rest->parent_uuid, wanted->parent_uuid) &&
	       rest->parent_generation == wanted->parent_generation &&
	       rest->base_fp == wanted->base_fp && rest->base_sectors == wanted->base_sectors;
}

/*
 * The nodes of an earlier run are of the same uuid, and may be anywhere: those of this one are
 * of a later checkpoint, so that who looks for lost nodes takes none of them.
 */
static int begin_again(struct lclone_writer *w, const struct lclone_delta *delta)
{
	const struct lclone_slot *slot = delta->slot;
	u64 seq = delta->sb.seq, checkpoint = delta->sb.checkpoint;
	int i, err;

	for (i = 0; i < 2; i++) {
		if (slot[i].err)
			continue;
		seq = slot[i].sb.seq > seq ? slot[i].sb.seq : seq;
		checkpoint = slot[i].sb.checkpoint > checkpoint ? slot[i].sb.checkpoint :
								  checkpoint;
	}
	w->sb.seq = seq;
	w->sb.checkpoint = checkpoint + 1;
	err = lclone_super_write(w->file, &w->sb);
	return err ?: lclone_super_write(w->file, &w->sb);
}

static void inherit_base(struct lclone_sb *sb, const struct lclone_sb *parent)
{
	sb->base_fp_alg = parent->base_fp_alg;
	sb->base_sectors = parent->base_sectors;
	sb->base_fp = parent->base_fp;
	memcpy(sb->base_root, parent->base_root, LCLONE_ROOT_SIZE);
}

static void set_super(struct lclone_writer *w, const struct lclone_writer_options *o)
{
	const struct lclone_sb *parent = o->format.parent;

	if (!o->base && parent)
		inherit_base(&w->sb, parent);
	if (parent)
		w->sb.block_size = parent->block_size;
	w->hide = parent || w->sb.base_fp_alg != LCLONE_FP_NONE;
	w->sb.checkpoint = 1;
	w->sb.generation = o->generation;
	w->sb.state = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;
	lclone_owner_set(&w->sb, w->sb.uuid);
}

static int begin(struct lclone_writer *w, const struct lclone_writer_options *o)
{
	struct lclone_delta delta;
	bool again;
	int err;

	err = lclone_delta_open_sb(&delta, &w->file->dev);
	again = is_rest_of(&delta, err, o->format.uuid);
	err = again ? 0 : lclone_may_overwrite(w->file, o->force, NULL);
	if (!err)
		err = lclone_new_super(w->file, o->base, &o->format, &w->sb);
	if (!err)
		set_super(w, o);
	if (!err && again && !is_same(&delta.sb, &w->sb)) {
		again = false;
		err = lclone_may_overwrite(w->file, o->force, NULL);
	}
	if (!err)
		err = again ? begin_again(w, &delta) : lclone_super_format(w->file, &w->sb);
	lclone_delta_close(&delta);
	return err;
}

/* What a filesystem wants of O_DIRECT may be more than a subchunk. */
static int prepare(struct lclone_writer *w)
{
	w->sub = w->sb.chunk_sectors / LCLONE_SUBCHUNKS;
	w->slots = LCLONE_QUEUE_BYTES / (w->sb.chunk_sectors << 9);
	w->next = w->sb.first_chunk;
	w->tree = (struct lclone_tree){
		.sb = &w->sb, .take = take_node_chunk, .write = write_node, .ctx = w,
	};
	if (w->file->direct && (w->sub << 9) % w->file->logical_block)
		return lclone_file_buffered(w->file);
	return 0;
}

int lclone_writer_begin(struct lclone_writer **writer, struct lclone_file *file,
			const struct lclone_writer_options *o)
{
	struct lclone_writer *w = *writer = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return no_memory();
	w->file = file;
	w->sealed = o->sealed;
	w->generation = o->generation;
	w->sealed_at = o->sealed_at;
	w->below = o->below;
	w->ctx = o->ctx;
	err = begin(w, o);
	if (!err)
		err = prepare(w);
	if (!err)
		err = lclone_queue_new(&w->queue);
	return err ?: new_buffer(w);
}

void lclone_writer_free(struct lclone_writer *w)
{
	if (!w)
		return;
	lclone_queue_free(w->queue);
	lclone_tree_free(&w->tree);
	free(w);
}

/* The rest of a subchunk that the disk ends in */
static int end_data(struct lclone_writer *w)
{
	u64 size = w->sb.virtual_sectors, end = (w->sector + w->sub - 1) / w->sub * w->sub;
	int err = 0;

	if (w->sector % w->sub)
		err = w->sector < size ? fill_up(w, min_u64(end, size)) : 0;
	if (!err && w->sector % w->sub)
		put(w, w->sector, NULL, end - w->sector);
	return err ?: end_chunk(w) ?: end_leaf(w);
}

static void become_whole(struct lclone_writer *w)
{
	struct lclone_sb *sb = &w->sb;

	sb->state = LCLONE_STATE_CLEAN | (w->sealed ? LCLONE_STATE_SEALED : 0);
	memset(sb->owner, 0, sizeof(sb->owner));
	sb->sealed_at = w->sealed ? w->sealed_at : 0;
	sb->hwm = w->next;
	sb->freed = 0;
}

/* To both slots, for a layer is not written any more that one of them could be lost without. */
int lclone_writer_end(struct lclone_writer *w, struct lclone_sb *sb)
{
	int err;

	err = end_data(w);
	if (!err)
		err = write_run(w);
	if (!err)
		err = lclone_queue_drain(w->queue);
	if (!err) {
		err = lclone_tree_end(&w->tree, &w->sb);
		if (err == -ENOMEM)
			no_memory();
	}
	if (!err)
		err = lclone_file_sync(w->file);
	if (err)
		return err;
	become_whole(w);
	lclone_log_set_ended(&w->sb);
	err = lclone_super_write(w->file, &w->sb);
	lclone_log_set_ended(&w->sb);
	if (!err)
		err = lclone_super_write(w->file, &w->sb);
	*sb = w->sb;
	return err;
}
