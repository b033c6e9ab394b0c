/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Images in formats of others, qcow2 or VMDK: qemu-nbd opens them, and libnbd talks to it.
 *
 * Both may be missing.  libnbd is loaded when it is needed first, so that a host without it has
 * all the rest of the tool.  Nothing is guessed: the format is what the caller says, the file is
 * never taken for the name of a protocol, and it lies on what the caller names, whatever its
 * header has.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().  -EPROTONOSUPPORT:
 * there is no libnbd, -ENOENT: no qemu-nbd; -EPIPE: qemu-nbd has ended meanwhile; -EINTR: it was
 * killed by us.
 */
#ifndef LCLONE_NBD_H
#define LCLONE_NBD_H

#include "format/dev.h"

struct pollfd;

struct lclone_nbd_image {
	const char *path;
	const char *format;		/* qemu's word for it */
	/*
	 * The file or device, if it is open: then @path is only for sentences.  Its lock lasts as
	 * long as qemu-nbd does, which bypasses the page cache if this does (O_DIRECT).
	 * -1: @path is opened, and if it has more files, those beside it.
	 */
	int fd;
	bool no_flush;			/* nothing is made durable: who has opened the file does that */
	const struct lclone_nbd_image *backing;	/* what it lies on, or NULL: reads as zeros */
	/*
	 * Of the topmost: asked a few times a second while a call waits for qemu-nbd.  True: qemu-nbd
	 * is killed, and the call fails with -EINTR, as all that follow do.  May be NULL.
	 */
	bool (*stop)(void *ctx);
	void *ctx;
};

struct lclone_nbd;

/* Opens it, and all that it lies on, to be read, or (the topmost) to be written, too. */
int lclone_nbd_open(struct lclone_nbd **nbd, const struct lclone_nbd_image *image, bool write);
/*
 * All requests end, and no call waits any more: for who does not want what is there, and for a
 * qemu-nbd that does not answer.
 */
void lclone_nbd_kill(struct lclone_nbd *nbd);
/* Durable is only what was flushed before.  @nbd may be NULL. */
void lclone_nbd_close(struct lclone_nbd *nbd);

/* The size of the disk that the image has */
u64 lclone_nbd_bytes(const struct lclone_nbd *nbd);

/* As a device of whole sectors, which is read one piece after the other */
const struct lclone_dev *lclone_nbd_dev(const struct lclone_nbd *nbd);

/* A request in flight; it, and the buffer, are the caller's until it has ended. */
struct lclone_nbd_io {
	/*
	 * Called while others are started, waited for or asked for; here that would wait for itself.
	 * @err has its sentence.
	 */
	void (*ended)(struct lclone_nbd_io *io, int err);
	void *ctx;
	struct lclone_nbd *nbd;		/* the rest is for us */
	const char *what;
	u64 at;
};

/* Start one, of up to 32 MiB, a zero of up to 1 GiB.  If that fails, ended() is not called. */
int lclone_nbd_read(struct lclone_nbd *nbd, struct lclone_nbd_io *io, void *buf, u64 at, u64 bytes);
int lclone_nbd_write(struct lclone_nbd *nbd, struct lclone_nbd_io *io, const void *buf, u64 at,
		     u64 bytes);
int lclone_nbd_zero(struct lclone_nbd *nbd, struct lclone_nbd_io *io, u64 at, u64 bytes);

/* Sends, receives and ends requests; returns after the first of that, or @ms milliseconds. */
int lclone_nbd_wait(struct lclone_nbd *nbd, int ms);

/* For who waits for other things as well: what to poll for, and what to do with the answer */
void lclone_nbd_poll_for(struct lclone_nbd *nbd, struct pollfd *p);
int lclone_nbd_polled(struct lclone_nbd *nbd, const struct pollfd *p);

/* What was written, and has ended, is in the file, and (not with no_flush) durable then. */
int lclone_nbd_flush(struct lclone_nbd *nbd);

/* A range that is all alike */
struct lclone_nbd_extent {
	u64 at, bytes;
	u32 depth;			/* 1: the image's own; 2: what it lies on has it, or ends before; 0: nobody's */
	bool zero;			/* reads as zeros */
};

/*
 * What is at this byte, below the disk's end, and how far from there.  Neighbours may be alike.
 * Those that follow are known already, mostly; may be called while requests are in flight.
 */
int lclone_nbd_extent_at(struct lclone_nbd *nbd, u64 at, struct lclone_nbd_extent *extent);

#endif /* LCLONE_NBD_H */
