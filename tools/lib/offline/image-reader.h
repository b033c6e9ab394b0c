/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One image file, by itself: what it has, in order, and not what it lies on.
 *
 * VHDs are read here, all other formats by qemu-nbd, with several requests in flight.  Memory is
 * 4 MiB, whatever the size, and less than 20 MiB of qemu-nbd's.
 *
 * Functions return 0 (or what they document), or a negative errno with the sentence in
 * lclone_why().
 */
#ifndef LCLONE_IMAGE_READER_H
#define LCLONE_IMAGE_READER_H

#include <stdbool.h>

#include "basic/watch.h"

enum lclone_piece_kind {
	LCLONE_PIECE_BELOW,		/* the image has nothing there */
	LCLONE_PIECE_ZERO,
	LCLONE_PIECE_DATA,
};

struct lclone_piece {
	u64 sector, sectors;
	enum lclone_piece_kind kind;
	const u8 *data;			/* of LCLONE_PIECE_DATA */
};

struct lclone_image_reader;

/* @path is a real one, and @format qemu's word for it. *reader is to be closed in any case. */
int lclone_image_reader_open(struct lclone_image_reader **reader, const char *path,
			     const char *format);
void lclone_image_reader_close(struct lclone_image_reader *reader);

/* Who is asked also while nothing comes: if he stops it, lclone_image_reader_next() is -EINTR. */
void lclone_image_reader_watch(struct lclone_image_reader *reader, const struct lclone_watch *watch,
			       const char *phase);

/* The size of the disk */
u64 lclone_image_reader_sectors(const struct lclone_image_reader *reader);

/* Of a piece that is at hand, without its data: the length of what is alike from @sector on */
int lclone_image_reader_look(struct lclone_image_reader *reader, u64 sector,
			     struct lclone_piece *piece);

/*
 * The next piece, from the first on without gaps: 1, or 0 at the end.  Its data, if it has some,
 * are at most 256 KiB, and there until the next call.
 */
int lclone_image_reader_next(struct lclone_image_reader *reader, struct lclone_piece *piece);

#endif /* LCLONE_IMAGE_READER_H */
