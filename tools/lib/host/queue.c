// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "host/queue.h"

#define IOS		512u		/* that can be in flight */
#define RETRIES		10000		/* of one I/O that the kernel has no memory for */

struct io {
	struct io *next_free;
	struct lclone_flight *flight;
	struct lclone_file *file;
	bool write;
	u8 *buf;
	u32 len;			/* that is left ... */
	u64 at;				/* ... from here on */
	unsigned int retries;
};

struct lclone_queue {
	struct io_uring ring;
	bool have_ring;
	struct lclone_flight flight[LCLONE_QUEUE_BUFFERS];
	u8 *memory;
	struct io io[IOS], *free;
	unsigned int busy;		/* I/Os in flight */
	unsigned int prepared;		/* of these, the kernel knows nothing of so many */
	int err;			/* the first */
	char why[512];
};

static int keep_error(struct lclone_queue *q, int err)
{
	q->err = err;
	snprintf(q->why, sizeof(q->why), "%s", lclone_why());
	return err;
}

static int failed(const struct lclone_queue *q)
{
	return q->err ? lclone_fail(q->err, "%s", q->why) : 0;
}

/* There is an entry of the ring for every io. */
static void start(struct lclone_queue *q, struct io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	if (io->write)
		io_uring_prep_write(sqe, io->file->fd, io->buf, io->len, io->at);
	else
		io_uring_prep_read(sqe, io->file->fd, io->buf, io->len, io->at);
	io_uring_sqe_set_data(sqe, io);
	q->prepared++;
}

static void io_failed(struct lclone_queue *q, const struct io *io, int err)
{
	if (q->err)
		return;
	keep_error(q, lclone_fail(lclone_io_error(err, io->write), "%s: %s error at byte %" PRIu64
				  ": %s", io->file->path, io->write ? "write" : "read", io->at,
				  strerror(-err)));
}

static void complete(struct lclone_queue *q, struct io *io, int res)
{
	if ((res == -EAGAIN || res == -EINTR) && !q->err && io->retries++ < RETRIES) {
		start(q, io);
		return;
	}
	if (res > 0) {
		io->buf += res;
		io->at += res;
		io->len -= res;
		if (io->len && !q->err) {	/* a short transfer goes on */
			start(q, io);
			return;
		}
	} else {			/* 0: a file that has become shorter */
		io_failed(q, io, res ?: -EIO);
	}
	io->flight->pending--;
	io->next_free = q->free;
	q->free = io;
	q->busy--;
}

/* Gives the kernel what is prepared, and takes what has ended: at least one with @wait. */
static int turn(struct lclone_queue *q, bool wait)
{
	struct io_uring_cqe *cqe;
	struct io *io;
	int ret, res;

	ret = wait ? io_uring_submit_and_wait(&q->ring, 1) : io_uring_submit(&q->ring);
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
		if (!q->err)
			keep_error(q, lclone_fail(ret, "io_uring: %s", strerror(-ret)));
		return ret;
	}
	if (ret >= 0)
		q->prepared = 0;
	while (!io_uring_peek_cqe(&q->ring, &cqe)) {
		io = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&q->ring, cqe);
		complete(q, io, res);
	}
	return 0;
}

static int begin(struct lclone_queue *q, struct lclone_flight *f, const struct io *what)
{
	struct io *io;
	int err;

	while (!q->err && !q->free) {
		err = turn(q, true);
		if (err)
			return failed(q);
	}
	if (q->err)
		return failed(q);
	io = q->free;
	q->free = io->next_free;
	*io = *what;
	io->flight = f;
	f->pending++;
	q->busy++;
	start(q, io);
	return 0;
}

int lclone_queue_read(struct lclone_queue *q, struct lclone_flight *f, struct lclone_file *file,
		      u32 from, u32 len, u64 at)
{
	const struct io io = { .file = file, .buf = f->data + from, .len = len, .at = at };

	return begin(q, f, &io);
}

int lclone_queue_write(struct lclone_queue *q, struct lclone_flight *f, struct lclone_file *file,
		       u32 from, u32 len, u64 at)
{
	const struct io io = { .file = file, .write = true, .buf = f->data + from, .len = len,
			       .at = at };

	return begin(q, f, &io);
}

int lclone_queue_wait(struct lclone_queue *q, const struct lclone_flight *f)
{
	while (f->pending && !turn(q, true))
		;
	return failed(q);
}

int lclone_queue_drain(struct lclone_queue *q)
{
	while (q->busy && !turn(q, true))
		;
	return failed(q);
}

static struct lclone_flight *find_idle(struct lclone_queue *q)
{
	int i;

	for (i = 0; i < LCLONE_QUEUE_BUFFERS; i++)
		if (!q->flight[i].lent && !q->flight[i].pending)
			return &q->flight[i];
	return NULL;
}

int lclone_queue_take(struct lclone_queue *q, struct lclone_flight **flight)
{
	*flight = NULL;
	if (q->prepared)
		turn(q, false);
	while (!q->err && !(*flight = find_idle(q)) && !turn(q, true))
		;
	if (q->err)
		return failed(q);
	(*flight)->lent = true;
	(*flight)->next = NULL;
	return 0;
}

void lclone_queue_put(struct lclone_flight *f)
{
	f->lent = false;
}

int lclone_queue_new(struct lclone_queue **queue)
{
	struct lclone_queue *q = *queue = calloc(1, sizeof(*q));
	u32 i;
	int err;

	if (!q || posix_memalign((void **)&q->memory, LCLONE_BLOCK_SIZE,
				 (size_t)LCLONE_QUEUE_BUFFERS * LCLONE_QUEUE_BYTES))
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < LCLONE_QUEUE_BUFFERS; i++)
		q->flight[i].data = q->memory + (size_t)i * LCLONE_QUEUE_BYTES;
	for (i = 0; i < IOS; i++) {
		q->io[i].next_free = q->free;
		q->free = &q->io[i];
	}
	err = io_uring_queue_init(IOS, &q->ring, 0);
	if (err)
		return lclone_fail(err, "io_uring is not available: %s", strerror(-err));
	q->have_ring = true;
	/* a program that is started meanwhile has no part in it */
	err = io_uring_ring_dontfork(&q->ring);
	return err ? lclone_fail(err, "io_uring: %s", strerror(-err)) : 0;
}

void lclone_queue_free(struct lclone_queue *q)
{
	if (!q)
		return;
	while (q->have_ring && q->busy && !turn(q, true))
		;
	if (q->have_ring)
		io_uring_queue_exit(&q->ring);
	free(q->memory);
	free(q);
}
