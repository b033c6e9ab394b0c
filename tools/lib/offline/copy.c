// SPDX-License-Identifier: GPL-2.0-only
/*
 * A batch is a contiguous range of the target: its pieces are read from
 * wherever they are, into one buffer, which then is one write.  A long range
 * of zeros is a batch of its own, without data.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "basic/clock.h"
#include "basic/dry.h"
#include "basic/zero.h"
#include "offline/copy.h"
#include "basic/fail.h"
#include "format_user.h"

#define BATCHES		64u			/* that are in flight, if the target is a device */
#define BATCH_SECTORS	1024u			/* 512 KiB */
#define PIECES		128			/* reads for one batch */
#define ZERO_SECTORS	512u			/* fewer zeros go along with the data */
#define SPARSE_BYTES	(64u << 10)		/* blocks of zeros that are left out */
#define ZERO_SECTORS_MAX (128u << 11)		/* at a time: 128 MiB */
#define TICK_MS		100			/* between two calls of progress() */
#define STUCK_MS	60000			/* so long nothing is taken, and nothing ends */
#define RETRIES		10000			/* of one I/O that the kernel has no memory for */

struct batch;

struct io {
	struct batch *batch;
	struct lclone_file *file;
	enum { IO_READ, IO_WRITE, IO_ZERO } op;
	u8 *buf;
	u64 offset, len;			/* bytes that are left */
	unsigned int retries;
};

struct batch {
	struct batch *next_free;
	u64 sector, sectors;
	u8 *buf;
	unsigned int reads;			/* in flight */
	int pieces;
	struct io piece[PIECES];
	struct io write;
};

struct lclone_copy {
	struct lclone_merge *merge;
	bool skip_base;
	bool no_zero_range;			/* the target cannot do it */
	struct lclone_copy_extents *given;	/* NULL: those of the clone */
	struct lclone_chain_extents extents;
	struct lclone_chain_extent extent;	/* what is left of the one at hand */
	struct io_uring ring;
	bool have_ring;
	struct batch *batches, *free;
	u8 *buffers;
	unsigned int busy;			/* batches */
	unsigned int started;			/* I/Os that have not ended */
	u64 sector;				/* all below was given to a batch */
	u64 done, total;			/* bytes */
	u64 next_tick;				/* in ms */
	u64 stuck;				/* since when the kernel takes nothing, 0: it does */
	int err;				/* the first: no more batches are started */
	bool lost;				/* what is in flight cannot be waited for */
	bool ended;
};

static bool wanted(const struct lclone_copy *c, const struct lclone_chain_extent *e)
{
	switch (e->source) {
	case LCLONE_FROM_BASE:
		return !c->skip_base;
	case LCLONE_FROM_ZERO:
		return !c->merge->target_is_zero;
	default:
		return true;
	}
}

static void start_extents(struct lclone_copy *c)
{
	if (c->given)
		c->given->start(c->given);
	else
		lclone_chain_extents_init(&c->extents, c->merge->chain, c->merge->chain->count,
					  c->sector, UINT64_MAX);
}

/* The next extent that has to be copied: 1, 0 or an error. */
static int next_wanted(struct lclone_copy *c, struct lclone_chain_extent *e)
{
	struct lclone_chain_extents *x = &c->extents;
	int ret;

	if (c->given)
		return c->given->next(c->given, e);
	do {
		ret = lclone_chain_extents_next(x, e);
	} while (ret > 0 && !wanted(c, e));
	if (ret < 0)
		return lclone_fail(ret, "%s: %s", x->chain->file[x->failed]->path,
				   x->chain->delta[x->failed]->why);
	return ret;
}

/* Submission */

static void complete(struct lclone_copy *c, struct io *io, int res);

static void start_sink(struct lclone_copy *c, struct io *io)
{
	int err = c->merge->sink->start(c->merge->sink, io->batch - c->batches,
					io->op == IO_ZERO ? NULL : io->buf, io->offset, io->len);

	if (err)
		complete(c, io, err);
}

static void end_batch(struct lclone_copy *c, struct batch *b)
{
	b->next_free = c->free;
	c->free = b;
	c->busy--;
	if (!c->err)
		c->done += b->sectors << 9;
}

static void start_io(struct lclone_copy *c, struct io *io)
{
	struct io_uring_sqe *sqe;
	int mode;

	if (c->merge->sink && io->op != IO_READ) {
		start_sink(c, io);
		return;
	}
	sqe = io_uring_get_sqe(&c->ring);
	assert(sqe);		/* there is an entry for every I/O that there can be */
	switch (io->op) {
	case IO_READ:
		io_uring_prep_read(sqe, io->file->fd, io->buf, io->len, io->offset);
		break;
	case IO_WRITE:
		io_uring_prep_write(sqe, io->file->fd, io->buf, io->len, io->offset);
		break;
	case IO_ZERO:
		mode = io->file->block ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
		io_uring_prep_fallocate(sqe, io->file->fd, mode | FALLOC_FL_KEEP_SIZE, io->offset,
					io->len);
		break;
	}
	io_uring_sqe_set_data(sqe, io);
	c->started++;
}

/* The length of the blocks from @at, of a batch of @size bytes, that are (not) all zero */
static u64 run_of(const struct batch *b, u64 at, u64 size, bool zero)
{
	u64 end = at, n;

	for (; end < size; end += n) {
		n = min_u64(size - end, SPARSE_BYTES - (((b->sector << 9) + end) % SPARSE_BYTES));
		if (lclone_is_zero(b->buf + end, n) != zero)
			break;
	}
	return end - at;
}

/* From @at on, in the batch: all of it, or what comes next that is not zero. */
static void start_write(struct lclone_copy *c, struct batch *b, u64 at)
{
	u64 size = b->sectors << 9;

	if (c->merge->sparse)
		at += run_of(b, at, size, true);
	if (at == size) {
		end_batch(c, b);
		return;
	}
	b->write.op = IO_WRITE;
	b->write.buf = b->buf + at;
	b->write.offset = (b->sector << 9) + at;
	b->write.len = c->merge->sparse ? run_of(b, at, size, false) : size - at;
	b->write.retries = 0;
	start_io(c, &b->write);
}

static void add_piece(struct lclone_copy *c, struct batch *b, u64 sectors)
{
	struct lclone_chain_extent *e = &c->extent;
	u8 *buf = b->buf + (b->sectors << 9);
	struct io *io;

	if (e->source == LCLONE_FROM_ZERO) {
		memset(buf, 0, sectors << 9);
	} else {
		bool delta = e->source == LCLONE_FROM_DELTA;

		io = &b->piece[b->pieces++];
		io->batch = b;
		io->op = IO_READ;
		io->file = delta ? c->merge->chain->file[e->level] : c->merge->base;
		io->offset = (delta ? e->delta_sector : e->sector) << 9;
		io->buf = buf;
		io->len = sectors << 9;
		io->retries = 0;
	}
	b->sectors += sectors;
}

static void consume(struct lclone_copy *c, u64 sectors)
{
	c->extent.sector += sectors;
	c->extent.delta_sector += sectors;
	c->extent.sectors -= sectors;
	c->sector = c->extent.sector;
}

/*
 * A device zeroes whole logical blocks.  How much of the extent can go that way, at once;
 * *before: how much of it has to go before that, as data.
 */
static u64 long_zero(const struct lclone_copy *c, u64 *before)
{
	u64 block, skip;

	*before = 0;
	if (c->merge->sink)
		return c->extent.source == LCLONE_FROM_ZERO ?
		       min_u64(c->extent.sectors, ZERO_SECTORS_MAX) : 0;
	if (c->extent.source != LCLONE_FROM_ZERO || c->no_zero_range ||
	    c->extent.sectors < ZERO_SECTORS)
		return 0;
	block = c->merge->target->logical_block >> 9;
	skip = (block - c->extent.sector % block) % block;
	if (c->extent.sectors < ZERO_SECTORS + skip)
		return 0;
	*before = skip;
	return skip ? 0 : min_u64(c->extent.sectors / block * block, ZERO_SECTORS_MAX);
}

/* Fills a batch from the extents: 1, 0 if there are no more, or an error. */
static int fill_batch(struct lclone_copy *c, struct batch *b)
{
	u64 n, before;
	int ret;

	b->sectors = 0;
	b->pieces = 0;
	for (;;) {
		if (!c->extent.sectors) {
			ret = next_wanted(c, &c->extent);
			if (ret < 0)
				return ret;
			if (!ret) {
				c->ended = true;
				return b->sectors != 0;
			}
		}
		if (!b->sectors)
			b->sector = c->extent.sector;
		n = long_zero(c, &before);
		if (n && b->sectors)
			return 1;
		if (n) {
			b->write.op = IO_ZERO;
			b->sectors = n;
			consume(c, n);
			return 1;
		}
		b->write.op = IO_WRITE;
		if (c->extent.sector != b->sector + b->sectors || b->sectors == BATCH_SECTORS ||
		    b->pieces == PIECES)
			return 1;
		n = min_u64(before ?: c->extent.sectors, BATCH_SECTORS - b->sectors);
		add_piece(c, b, n);
		consume(c, n);
	}
}

static void start_batch(struct lclone_copy *c, struct batch *b)
{
	int i;

	c->busy++;
	if (b->write.op == IO_ZERO) {
		b->write.offset = b->sector << 9;
		b->write.len = b->sectors << 9;
		b->write.retries = 0;
		start_io(c, &b->write);
		return;
	}
	b->reads = b->pieces;
	if (!b->reads)
		start_write(c, b, 0);
	for (i = 0; i < b->pieces; i++)
		start_io(c, &b->piece[i]);
}

/* Completion */

static void io_failed(struct lclone_copy *c, const struct io *io, int err)
{
	if (!c->err && c->merge->sink && io->op != IO_READ)
		c->err = err;		/* has its sentence */
	else if (!c->err)
		c->err = lclone_fail(lclone_io_error(err, io->op != IO_READ),
				     "%s: %s error at byte %" PRIu64 ": %s", io->file->path,
				     io->op == IO_READ ? "read" : "write", io->offset,
				     strerror(-err));
}

/* A zero range that is written in pieces of a buffer, because the target wants it so */
static void write_zeros(struct lclone_copy *c, struct batch *b)
{
	u64 at = b->write.offset, end = (b->sector + b->sectors) << 9;

	b->write.op = IO_WRITE;
	b->write.buf = b->buf;
	b->write.offset = at;
	b->write.len = min_u64(end - at, BATCH_SECTORS << 9);
	start_io(c, &b->write);
}

static void end_write(struct lclone_copy *c, struct batch *b)
{
	u64 end = (b->sector + b->sectors) << 9;

	if (!c->err && b->write.offset < end && c->merge->sparse)
		start_write(c, b, b->write.offset - (b->sector << 9));
	else if (!c->err && b->write.offset < end)
		write_zeros(c, b);
	else
		end_batch(c, b);
}

static void complete(struct lclone_copy *c, struct io *io, int res)
{
	struct batch *b = io->batch;

	if (io->op == IO_ZERO && (res == -EOPNOTSUPP || res == -EINVAL)) {
		c->no_zero_range = true;
		memset(b->buf, 0, BATCH_SECTORS << 9);
		write_zeros(c, b);
		return;
	}
	if ((res == -EAGAIN || res == -EINTR) && !c->err && io->retries++ < RETRIES) {
		start_io(c, io);
		return;
	}
	if (io->op == IO_ZERO && !res) {
		io->offset += io->len;
		io->len = 0;
	} else if (res > 0) {
		io->buf += res;
		io->offset += res;
		io->len -= res;
	} else {
		io_failed(c, io, res ?: -EIO);
	}
	if (!c->err && io->len) {	/* a short transfer goes on */
		start_io(c, io);
		return;
	}
	if (io->op != IO_READ) {
		end_write(c, b);
	} else if (!--b->reads) {
		if (c->err)
			end_batch(c, b);
		else
			start_write(c, b, 0);
	}
}

void lclone_copy_ended(struct lclone_copy *c, unsigned int slot, int err)
{
	struct io *io = &c->batches[slot].write;

	complete(c, io, err ?: io->op == IO_ZERO ? 0 : (int)io->len);
}

static void tick(struct lclone_copy *c, bool last)
{
	u64 now = lclone_now_ms();

	if (!last && now < c->next_tick)
		return;
	c->next_tick = now + TICK_MS;
	if (!c->merge->progress(c->merge, c->done, c->total))
		return;
	if (!c->err)
		c->err = lclone_fail(-EINTR, "interrupted: run it again to go on");
	if (c->merge->sink && c->busy)
		c->merge->sink->stop(c->merge->sink);
}

/* The kernel may lack memory for a moment. */
static int stuck(struct lclone_copy *c, int err)
{
	u64 now = lclone_now_ms();

	if (!c->stuck)
		c->stuck = now;
	if ((err == -EINTR || err == -EAGAIN || err == -EBUSY) && now - c->stuck < STUCK_MS)
		return 0;
	return lclone_fail(err, "io_uring: %s", strerror(-err));
}

/* The ring can be polled, too. */
static int wait_with_sink(struct lclone_copy *c)
{
	struct lclone_copy_sink *sink = c->merge->sink;
	struct pollfd p[2] = { { .fd = c->ring.ring_fd, .events = POLLIN } };
	int ret, err;

	ret = io_uring_submit(&c->ring);
	if (ret < 0)
		return ret;
	poll(p, 2, sink->poll_for(sink, &p[1]) ? TICK_MS : 0);
	err = sink->polled(sink, &p[1]);
	if (err && !c->err)
		c->err = err;
	return 0;
}

static int wait_some(struct lclone_copy *c)
{
	struct __kernel_timespec ts = { .tv_nsec = TICK_MS * 1000000 };
	struct io_uring_cqe *cqe;
	struct io *io;
	int ret, res, err;

	if (c->merge->sink)
		ret = wait_with_sink(c);
	else
		ret = io_uring_submit_and_wait_timeout(&c->ring, &cqe, 1, &ts, NULL);
	err = ret < 0 && ret != -ETIME ? stuck(c, ret) : 0;
	if (err)
		return err;
	if (ret >= 0)
		c->stuck = 0;
	while (!io_uring_peek_cqe(&c->ring, &cqe)) {
		c->stuck = 0;
		io = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&c->ring, cqe);
		if (!io)
			continue;
		c->started--;
		complete(c, io, res);
	}
	return 0;
}

/*
 * Nothing is started any more, but what the kernel has of it reads into our buffers, and writes to
 * a target that others may have next: it is waited for, however long it takes.
 */
static void drain(struct lclone_copy *c)
{
	struct __kernel_timespec ts = { .tv_nsec = TICK_MS * 1000000 };
	struct io_uring_cqe *cqe;
	int ret = 0;

	while (c->started > io_uring_sq_ready(&c->ring)) {
		ret = io_uring_wait_cqe_timeout(&c->ring, &cqe, &ts);
		if (!ret) {
			c->started -= !!io_uring_cqe_get_data(cqe);
			io_uring_cqe_seen(&c->ring, cqe);
		} else if (ret != -ETIME && ret != -EINTR && ret != -EAGAIN) {
			break;
		}
		tick(c, false);
	}
	c->lost = c->started > io_uring_sq_ready(&c->ring);
}

int lclone_copy_run(struct lclone_copy *c, unsigned int ms)
{
	u64 end = lclone_now_ms() + ms;
	struct batch *b;
	int ret;

	for (;;) {
		while (!c->err && !c->ended && c->free && lclone_now_ms() < end) {
			b = c->free;
			ret = fill_batch(c, b);
			if (ret < 0)
				c->err = ret;
			if (ret <= 0)
				break;
			c->free = b->next_free;
			start_batch(c, b);
		}
		if (!c->busy && (c->err || c->ended || lclone_now_ms() >= end))
			break;
		if (c->busy) {
			ret = wait_some(c);
			if (ret) {
				c->err = ret;	/* the sentence is of this */
				drain(c);
				return ret;
			}
		}
		tick(c, false);
	}
	tick(c, c->ended);
	return c->err ?: !c->ended;
}

u64 lclone_copy_sector(const struct lclone_copy *c)
{
	return c->ended ? c->merge->chain->delta[0]->sb.virtual_sectors : c->sector;
}

/* Construction */

static int count_bytes(struct lclone_copy *c)
{
	struct lclone_chain_extent e;
	int ret;

	start_extents(c);
	while ((ret = next_wanted(c, &e)) > 0)
		c->total += e.sectors << 9;
	return ret;
}

static int make_batches(struct lclone_copy *c)
{
	const u32 count = c->merge->sink ? LCLONE_COPY_SLOTS : BATCHES;
	size_t size = BATCH_SECTORS << 9;
	u32 i;

	c->batches = calloc(count, sizeof(*c->batches));
	if (!c->batches ||
	    posix_memalign((void **)&c->buffers, LCLONE_BLOCK_SIZE, count * size))
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < count; i++) {
		struct batch *b = &c->batches[i];

		b->buf = c->buffers + i * size;
		b->write.batch = b;
		b->write.file = c->merge->target;
		b->next_free = c->free;
		c->free = b;
	}
	return 0;
}

static int copy_init(struct lclone_copy *c)
{
	/* every I/O that can be in flight finds its place, and its completion, too */
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE,
					  .cq_entries = BATCHES * PIECES };
	struct lclone_merge *merge = c->merge;
	int err = lclone_change();
	u32 i;

	for (i = 0; !err && i < merge->chain->count; i++)
		err = lclone_chain_match_direct(merge->chain, merge->chain->file[i]);
	if (!err && merge->base)
		err = lclone_chain_match_direct(merge->chain, merge->base);
	if (!err && merge->sink)
		merge->sink->copy = c;
	else if (!err)
		err = lclone_chain_match_direct(merge->chain, merge->target);
	if (!err)
		err = make_batches(c);
	if (!err)
		err = count_bytes(c);
	if (err)
		return err;
	err = io_uring_queue_init_params(BATCHES * PIECES, &c->ring, &params);
	if (err)
		return lclone_fail(err, "io_uring is not available: %s", strerror(-err));
	c->have_ring = true;
	start_extents(c);
	return 0;
}

int lclone_copy_new(struct lclone_copy **copy, struct lclone_merge *merge, u64 sector,
		    bool skip_base)
{
	struct lclone_copy *c = *copy = calloc(1, sizeof(*c));

	if (!c)
		return lclone_fail(-ENOMEM, "out of memory");
	c->merge = merge;
	c->skip_base = skip_base;
	c->sector = sector;
	return copy_init(c);
}

int lclone_copy_new_extents(struct lclone_copy **copy, struct lclone_merge *merge,
			    struct lclone_copy_extents *extents)
{
	struct lclone_copy *c = *copy = calloc(1, sizeof(*c));

	if (!c)
		return lclone_fail(-ENOMEM, "out of memory");
	c->merge = merge;
	c->given = extents;
	return copy_init(c);
}

void lclone_copy_free(struct lclone_copy *c)
{
	if (!c)
		return;
	if (c->have_ring)
		io_uring_queue_exit(&c->ring);
	if (!c->lost)		/* else the kernel may still write to them */
		free(c->buffers);
	free(c->batches);
	free(c);
}
