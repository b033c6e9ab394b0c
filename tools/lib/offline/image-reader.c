// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pieces go round in a ring: those that are read already, or are in flight, and behind them what is
 * free; and so does the memory of their data.  They are given back in the order in which they were
 * taken.  A VHD is read through the page cache, whose read-ahead does what the ring does for others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "format_user.h"
#include "host/nbd.h"
#include "offline/image-reader.h"
#include "offline/vhd-file.h"

#define SLOTS		128
#define PIECE_SECTORS	512u	/* what caches of processors hold is copied faster */
#define MEMORY		(4u << 20)	/* as many as qemu-nbd takes at a time */
#define WAIT_MS		1000

struct slot {
	struct lclone_nbd_io io;
	struct lclone_image_reader *reader;
	struct lclone_piece piece;
	u64 memory_end;			/* behind its data; of a piece without, as before it */
	bool in_flight;
};

struct lclone_image_reader {
	const char *path;
	u64 sectors;
	struct lclone_nbd *nbd;		/* NULL: it is a VHD: */
	struct lclone_vhd_file vhd;
	struct slot slot[SLOTS];
	u64 first, end;			/* slots from first to before end are in use; numbers grow */
	u8 *memory;
	u64 memory_first, memory_end;	/* the same, of bytes */
	bool lent;			/* the first is the caller's */
	struct lclone_piece next;	/* the next slot's, if it was looked at: else no sectors ... */
	u64 next_at;			/* ... and where it is in a VHD */
	u64 sector;			/* where it begins */
	const struct lclone_watch *watch;	/* see lclone_image_reader_watch() */
	const char *phase;
	int err;			/* the first of a request, with its sentence */
	char why[1024];
};

static int open_vhd(struct lclone_image_reader *r)
{
	int err = lclone_vhd_file_open(&r->vhd, r->path);

	if (!err)
		err = lclone_file_buffered(&r->vhd.file);
	r->sectors = r->vhd.vhd.sectors;
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
	int err;

	if (r) {
		r->vhd.file.fd = -1;
		r->memory = aligned_alloc(LCLONE_BLOCK_SIZE, MEMORY);
	}
	if (!r || !r->memory)
		return lclone_fail(-ENOMEM, "out of memory");
	r->path = path;
	err = strcmp(format, "vpc") ? open_nbd(r, format) : open_vhd(r);
	return err || r->sectors ? err :
	       lclone_fail(-ERANGE, "%s is a disk of no size", path);
}

void lclone_image_reader_close(struct lclone_image_reader *r)
{
	if (!r)
		return;
	lclone_nbd_close(r->nbd);
	lclone_vhd_file_close(&r->vhd);
	free(r->memory);
	free(r);
}

void lclone_image_reader_watch(struct lclone_image_reader *r, const struct lclone_watch *watch,
			       const char *phase)
{
	r->watch = watch;
	r->phase = phase;
}

u64 lclone_image_reader_sectors(const struct lclone_image_reader *r)
{
	return r->sectors;
}

static int look_vhd(struct lclone_image_reader *r, struct lclone_piece *piece, u64 *at)
{
	int ret = lclone_vhd_extent(&r->vhd.vhd, piece->sector, &piece->sectors, at);

	piece->kind = ret ? LCLONE_PIECE_DATA : r->vhd.vhd.type == LCLONE_VHD_DIFFERENCING ?
		      LCLONE_PIECE_BELOW : LCLONE_PIECE_ZERO;
	return ret < 0 ? ret : 0;
}

static int look_nbd(struct lclone_image_reader *r, struct lclone_piece *piece)
{
	struct lclone_nbd_extent extent;
	int err = lclone_nbd_extent_at(r->nbd, piece->sector << 9, &extent);
	bool ends;

	if (err)
		return err;
	/* a raw file may end within its last sector, whose rest is zero */
	ends = extent.depth && piece->sector + (extent.bytes >> 9) + 1 == r->sectors;
	if (extent.bytes % 512 && ends)
		extent.bytes = (extent.bytes + 511) / 512 * 512;
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
		err = lclone_dev_read(&r->vhd.file.dev, buf, at, piece->sectors);
		return err ? lclone_fail(err, "%s: cannot be read: %s", r->path, strerror(-err)) :
			     0;
	}
	slot->reader = r;
	slot->io.ended = ended;
	slot->in_flight = true;
	return lclone_nbd_read(r->nbd, &slot->io, buf, piece->sector << 9, piece->sectors << 9);
}

/* So many bytes in one piece, or NULL: they have to be given back before. */
static u8 *take_memory(struct lclone_image_reader *r, u64 size)
{
	const u64 left = MEMORY - r->memory_end % MEMORY, skip = left < size ? left : 0;
	u8 *p = r->memory + (r->memory_end + skip) % MEMORY;

	if (r->memory_end + skip + size - r->memory_first > MEMORY)
		return NULL;
	r->memory_end += skip + size;
	return p;
}

/* The next slot, which is free, gets the next piece: 1, or 0 if there is no memory for its data. */
static int add_slot(struct lclone_image_reader *r)
{
	struct slot *slot = &r->slot[r->end % SLOTS];
	u8 *data = NULL;
	int err = r->next.sectors ? 0 : look(r, r->sector, &r->next, &r->next_at);

	if (!err && r->next.kind == LCLONE_PIECE_DATA) {
		r->next.sectors = min_u64(r->next.sectors, PIECE_SECTORS);
		data = take_memory(r, r->next.sectors << 9);
		if (!data)
			return 0;
	}
	if (err)
		return err;
	*slot = (struct slot){ .piece = r->next, .memory_end = r->memory_end };
	r->end++;
	r->sector += r->next.sectors;
	r->next.sectors = 0;
	return (data ? start(r, slot, data, r->next_at) : 0) ?: 1;
}

/* What the caller has had is not needed any more. */
static void give_back(struct lclone_image_reader *r)
{
	if (!r->lent)
		return;
	r->memory_first = r->slot[r->first++ % SLOTS].memory_end;
	r->lent = false;
}

int lclone_image_reader_next(struct lclone_image_reader *r, struct lclone_piece *piece)
{
	const u32 slots = r->nbd ? SLOTS : 1;
	struct slot *slot;
	int ret = 1, err = 0;

	give_back(r);
	while (ret > 0 && r->sector < r->sectors && r->end - r->first < slots)
		ret = add_slot(r);
	if (ret < 0 || r->first == r->end)
		return ret < 0 ? ret : 0;
	slot = &r->slot[r->first % SLOTS];
	while (!err && !r->err && slot->in_flight) {
		err = lclone_nbd_wait(r->nbd, WAIT_MS);
		if (!err && slot->in_flight &&
		    lclone_watch_stops(r->watch, r->phase, slot->piece.sector << 9, r->sectors << 9))
			err = lclone_fail(-EINTR, "interrupted");
	}
	if (r->err)
		return lclone_fail(r->err, "%s", r->why);
	if (err)
		return err;
	*piece = slot->piece;
	r->lent = true;
	return 1;
}
