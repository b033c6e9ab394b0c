// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pieces go round in a ring: those that are read already, or are in flight, and behind them what is
 * free.  A VHD is read through the page cache, whose read-ahead does what the ring does for others.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "format_user.h"
#include "host/file.h"
#include "host/nbd.h"
#include "offline/image-reader.h"
#include "offline/vhd.h"

#define SLOTS		16
#define SLOT_SECTORS	2048u	/* 1 MiB */
#define WAIT_MS		1000

struct slot {
	struct lclone_nbd_io io;
	struct lclone_image_reader *reader;
	struct lclone_piece piece;
	bool in_flight;
};

struct lclone_image_reader {
	const char *path;
	u64 sectors;
	struct lclone_nbd *nbd;		/* NULL: it is a VHD: */
	struct lclone_file file;
	struct lclone_vhd vhd;
	u8 *buffers;
	struct slot slot[SLOTS];
	u64 first, end;			/* slots from first to before end are in use; numbers grow */
	bool lent;			/* the first is the caller's */
	u64 sector;			/* where the next slot begins */
	int err;			/* the first of a request, with its sentence */
	char why[1024];
};

static int open_vhd(struct lclone_image_reader *r)
{
	int err = lclone_file_open_ready(&r->file, r->path, O_RDONLY) ?:
		  lclone_vhd_open(&r->vhd, &r->file.dev, r->path);

	if (!err)
		err = lclone_file_buffered(&r->file);
	r->sectors = r->vhd.sectors;
	return err;
}

static int open_nbd(struct lclone_image_reader *r, const char *format)
{
	const struct lclone_nbd_image image = { .path = r->path, .format = format, .fd = -1 };
	int err = lclone_nbd_open(&r->nbd, &image, false);

	if (!err && lclone_nbd_bytes(r->nbd) % 512)
		err = lclone_fail(-EPROTONOSUPPORT, "%s is a disk that does not end with a sector",
				  r->path);
	if (!err)
		r->sectors = lclone_nbd_bytes(r->nbd) >> 9;
	return err;
}

int lclone_image_reader_open(struct lclone_image_reader **reader, const char *path,
			     const char *format)
{
	struct lclone_image_reader *r = *reader = calloc(1, sizeof(*r));

	if (r)
		r->buffers = aligned_alloc(LCLONE_BLOCK_SIZE, (size_t)SLOTS * SLOT_SECTORS << 9);
	if (!r || !r->buffers)
		return lclone_fail(-ENOMEM, "out of memory");
	r->path = path;
	r->file.fd = -1;
	return strcmp(format, "vpc") ? open_nbd(r, format) : open_vhd(r);
}

void lclone_image_reader_close(struct lclone_image_reader *r)
{
	if (!r)
		return;
	lclone_nbd_close(r->nbd);
	lclone_vhd_close(&r->vhd);
	if (r->file.fd >= 0)
		lclone_file_close(&r->file);
	free(r->buffers);
	free(r);
}

u64 lclone_image_reader_sectors(const struct lclone_image_reader *r)
{
	return r->sectors;
}

static int look_vhd(struct lclone_image_reader *r, struct lclone_piece *piece, u64 *at)
{
	int ret = lclone_vhd_extent(&r->vhd, piece->sector, &piece->sectors, at);

	piece->kind = ret ? LCLONE_PIECE_DATA : r->vhd.type == LCLONE_VHD_DIFFERENCING ?
		      LCLONE_PIECE_BELOW : LCLONE_PIECE_ZERO;
	return ret < 0 ? ret : 0;
}

static int look_nbd(struct lclone_image_reader *r, struct lclone_piece *piece)
{
	struct lclone_nbd_extent extent;
	int err = lclone_nbd_extent_at(r->nbd, piece->sector << 9, &extent);

	if (err)
		return err;
	if (extent.bytes % 512)
		return lclone_fail(-EPROTONOSUPPORT, "%s changes within the sector %" PRIu64,
				   r->path, piece->sector + (extent.bytes >> 9));
	piece->sectors = extent.bytes >> 9;
	piece->kind = !extent.depth ? LCLONE_PIECE_BELOW : extent.zero ? LCLONE_PIECE_ZERO :
		      LCLONE_PIECE_DATA;
	return 0;
}

static int look(struct lclone_image_reader *r, u64 sector, struct lclone_piece *piece, u64 *at)
{
	*piece = (struct lclone_piece){ .sector = sector };
	return r->nbd ? look_nbd(r, piece) : look_vhd(r, piece, at);
}

int lclone_image_reader_look(struct lclone_image_reader *r, u64 sector, struct lclone_piece *piece)
{
	u64 at;

	return look(r, sector, piece, &at);
}

static void ended(struct lclone_nbd_io *io, int err)
{
	struct slot *slot = container_of(io, struct slot, io);
	struct lclone_image_reader *r = slot->reader;

	slot->in_flight = false;
	if (!err || r->err)
		return;
	r->err = err;
	snprintf(r->why, sizeof(r->why), "%s", lclone_why());
}

static int start(struct lclone_image_reader *r, struct slot *slot, u8 *buf, u64 at)
{
	struct lclone_piece *piece = &slot->piece;
	int err;

	piece->data = buf;
	if (!r->nbd) {
		err = lclone_dev_read(&r->file.dev, buf, at, piece->sectors);
		return err ? lclone_fail(err, "%s: cannot be read: %s", r->path, strerror(-err)) :
			     0;
	}
	slot->reader = r;
	slot->io.ended = ended;
	slot->in_flight = true;
	return lclone_nbd_read(r->nbd, &slot->io, buf, piece->sector << 9, piece->sectors << 9);
}

/* The next slot that is free gets the next piece. */
static int add_slot(struct lclone_image_reader *r)
{
	const u32 i = r->end % SLOTS;
	struct slot *slot = &r->slot[i];
	u64 at = 0;
	int err = look(r, r->sector, &slot->piece, &at);

	if (err)
		return err;
	r->end++;
	slot->in_flight = false;
	if (slot->piece.kind == LCLONE_PIECE_DATA) {
		slot->piece.sectors = min_u64(slot->piece.sectors, SLOT_SECTORS);
		err = start(r, slot, r->buffers + ((size_t)i * SLOT_SECTORS << 9), at);
	}
	r->sector += slot->piece.sectors;
	return err;
}

int lclone_image_reader_next(struct lclone_image_reader *r, struct lclone_piece *piece)
{
	const u32 slots = r->nbd ? SLOTS : 1;
	struct slot *slot;
	int err = 0;

	r->first += r->lent;
	r->lent = false;
	while (!err && r->sector < r->sectors && r->end - r->first < slots)
		err = add_slot(r);
	if (err || r->first == r->end)
		return err;
	slot = &r->slot[r->first % SLOTS];
	while (!err && !r->err && slot->in_flight)
		err = lclone_nbd_wait(r->nbd, WAIT_MS);
	if (r->err)
		return lclone_fail(r->err, "%s", r->why);
	if (err)
		return err;
	*piece = slot->piece;
	r->lent = true;
	return 1;
}
