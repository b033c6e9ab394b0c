/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes with many in flight, by io_uring, through buffers of one size.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().  The first I/O that
 * fails is the error of all that is called later.  Not thread-safe.
 */
#ifndef LCLONE_QUEUE_H
#define LCLONE_QUEUE_H

#include "host/file.h"

#define LCLONE_QUEUE_BUFFERS	16
#define LCLONE_QUEUE_BYTES	(LCLONE_CHUNK_SECTORS_MAX << 9)	/* of a buffer: 2 MiB */

struct lclone_queue;

/* A buffer, aligned for O_DIRECT, and the I/O that it is the memory of */
struct lclone_flight {
	u8 *data;
	struct lclone_flight *next;	/* for who has it */
	unsigned int pending;		/* I/Os in flight */
	bool lent;			/* somebody has it */
};

/* To be freed in any case. */
int lclone_queue_new(struct lclone_queue **queue);
/* Waits for all that is in flight, for the memory is the kernel's until then. */
void lclone_queue_free(struct lclone_queue *queue);

/* A buffer that nothing is in flight of.  If none is left it is waited for one. */
int lclone_queue_take(struct lclone_queue *queue, struct lclone_flight **flight);
/* It may be taken again as soon as its I/O has ended. */
void lclone_queue_put(struct lclone_flight *flight);

/* Begins to read or write @len bytes, at byte @from of the buffer, from byte @at of the file on. */
int lclone_queue_read(struct lclone_queue *queue, struct lclone_flight *flight,
		      struct lclone_file *file, u32 from, u32 len, u64 at);
int lclone_queue_write(struct lclone_queue *queue, struct lclone_flight *flight,
		       struct lclone_file *file, u32 from, u32 len, u64 at);

/* Till the I/O of this buffer has ended, or all. */
int lclone_queue_wait(struct lclone_queue *queue, const struct lclone_flight *flight);
int lclone_queue_drain(struct lclone_queue *queue);

#endif /* LCLONE_QUEUE_H */
