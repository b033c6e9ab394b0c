// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers are filled in order of the disk by reads from wherever the data are, many of them in
 * flight, and written in the same order when they are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/zero.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/overlay.h"
#include "format/stream.h"
#include "format_user.h"
#include "host/find.h"
#include "host/queue.h"
#include "offline/merge.h"
#include "offline/send.h"

#define PIECES		128u			/* in a buffer */
#define AHEAD		(LCLONE_QUEUE_BUFFERS - 2)	/* buffers that are filled */
#define VECTORS		512			/* that are written at once */

struct piece {
	u64 sector, sectors;
	u32 from;			/* byte of the buffer; of data */
	bool zero;
};

struct load {
	struct lclone_flight *flight;
	struct piece piece[PIECES];
	u32 pieces, len;
};

struct head {
	u8 tag;
	__le64 at, len;
} __attribute__((packed));

struct send {
	struct lclone_sending *sending;
	struct lclone_chain *chain;
	struct lclone_file *base;	/* NULL: none is read */
	u32 levels;
	bool full;			/* the other side has nothing: zeros are left out */
	union {
		struct lclone_chain_extents disk;	/* full */
		struct lclone_overlay changes;
	} extents;
	struct lclone_chain_extent extent;	/* what is left of the one at hand */
	bool ended;
	struct lclone_queue *queue;
	struct load load[AHEAD];	/* a ring: */
	u32 first, loads;
	struct iovec vector[VECTORS];
	struct head head[VECTORS / 2];
	int vectors, heads;
	u64 done, total;		/* bytes */
};

/* Writing */

static int flush(struct send *s)
{
	struct iovec *v = s->vector;
	int left = s->vectors;
	ssize_t n;

	while (left) {
		n = writev(s->sending->out, v, left);
		if (n < 0 && errno == EINTR &&
		    !lclone_watch_stops(s->sending->watch, "sending", s->done, s->total))
			continue;
		if (n < 0 && errno == EINTR)
			return lclone_fail(-EINTR, "interrupted: what was sent so far is of no use");
		if (n < 0 && errno == EPIPE)
			return lclone_fail(-EPIPE, "the stream cannot be written: who reads it has ended");
		if (n < 0)
			return lclone_fail(-errno, "the stream cannot be written: %m");
		for (; left && (size_t)n >= v->iov_len; left--)
			n -= v++->iov_len;
		if (left) {
			v->iov_base = (u8 *)v->iov_base + n;
			v->iov_len -= n;
		}
	}
	s->vectors = s->heads = 0;
	return 0;
}

static void add_vector(struct send *s, const void *data, size_t len)
{
	s->vector[s->vectors++] = (struct iovec){ (void *)data, len };
}

/* A record; @data: NULL for zeros */
static int add_record(struct send *s, u64 at, const void *data, u64 len)
{
	struct head *head = &s->head[s->heads];

	*head = (struct head){ data ? LCLONE_RECORD_DATA : LCLONE_RECORD_ZERO, cpu_to_le64(at),
			       cpu_to_le64(len) };
	s->heads++;
	add_vector(s, head, sizeof(*head));
	if (data)
		add_vector(s, data, len);
	*(data ? &s->sending->data : &s->sending->zeros) += len;
	return s->vectors > VECTORS - 2 ? flush(s) : 0;
}

/* Of data on nothing, blocks of zeros need not be told. */
static int add_without_zeros(struct send *s, u64 at, const u8 *data, u64 len)
{
	u64 from = 0, to, n;
	int err = 0;

	for (to = 0; !err && to < len; to += n) {
		n = min_u64(LCLONE_BLOCK_SIZE, len - to);
		if (!lclone_is_zero(data + to, n))
			continue;
		if (to > from)
			err = add_record(s, at + from, data + from, to - from);
		from = to + n;
	}
	if (!err && to > from)
		err = add_record(s, at + from, data + from, to - from);
	return err;
}

static int write_load(struct send *s, struct load *l)
{
	int err = lclone_queue_wait(s->queue, l->flight);
	const u8 *data = l->flight->data;
	u32 i;

	for (i = 0; !err && i < l->pieces; i++) {
		const struct piece *p = &l->piece[i];
		u64 at = p->sector << 9, len = p->sectors << 9;

		if (p->zero)
			err = add_record(s, at, NULL, len);
		else if (s->full)
			err = add_without_zeros(s, at, data + p->from, len);
		else
			err = add_record(s, at, data + p->from, len);
	}
	if (!err)
		err = flush(s);
	s->done += l->len;
	lclone_queue_put(l->flight);
	return err;
}

static int put_text(u8 *to, u8 tag, const char *text)
{
	__le32 len = cpu_to_le32(strlen(text));

	to[0] = tag;
	memcpy(to + 1, &len, sizeof(len));
	memcpy(to + 5, text, strlen(text));
	return 5 + strlen(text);
}

static int write_header(struct send *s)
{
	const struct lclone_sending *o = s->sending;
	__le64 size = cpu_to_le64(s->chain->delta[0]->sb.virtual_sectors << 9);
	u8 text[2 * LCLONE_STREAM_NAME + 64];
	int len = sizeof(LCLONE_STREAM_HEADER) - 1;

	memcpy(text, LCLONE_STREAM_HEADER, len);
	if (o->from[0])
		len += put_text(text + len, LCLONE_RECORD_FROM, o->from);
	len += put_text(text + len, LCLONE_RECORD_TO, o->to);
	text[len++] = LCLONE_RECORD_SIZE;
	memcpy(text + len, &size, sizeof(size));
	add_vector(s, text, len + sizeof(size));
	return flush(s);
}

static int write_end(struct send *s)
{
	static const u8 end = LCLONE_RECORD_END;

	add_vector(s, &end, 1);
	return flush(s);
}

/* Of what is sent to a file it is said that it is there: then that is also so after a power cut. */
static int make_durable(const struct send *s)
{
	struct stat st;

	if (fstat(s->sending->out, &st) || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) ||
	    !fsync(s->sending->out))
		return 0;
	return lclone_fail(-errno, "the stream cannot be written: %m");
}

/* Reading */

static void start_extents(struct send *s)
{
	if (s->full)
		lclone_chain_extents_init(&s->extents.disk, s->chain, s->levels, 0, UINT64_MAX);
	else
		lclone_overlay_start(&s->extents.changes, s->chain, s->levels);
	s->extent.sectors = 0;
	s->ended = false;
}

/* What is not zero */
static int next_of_disk(struct send *s)
{
	struct lclone_chain_extents *x = &s->extents.disk;
	int ret;

	do {
		ret = lclone_chain_extents_next(x, &s->extent);
	} while (ret > 0 && s->extent.source == LCLONE_FROM_ZERO);
	return ret < 0 ? lclone_fail(ret, "%s: %s", s->chain->file[x->failed]->path,
				     s->chain->delta[x->failed]->why) : ret;
}

/* The extent at hand is the next that has something: 1, 0 if there is none, or an error. */
static int next_extent(struct send *s)
{
	int ret;

	if (s->extent.sectors)
		return 1;
	ret = s->full ? next_of_disk(s) : lclone_overlay_next(&s->extents.changes, &s->extent);
	if (ret <= 0)
		s->extent.sectors = 0;
	return ret;
}

static int count_bytes(struct send *s)
{
	int ret;

	start_extents(s);
	while ((ret = next_extent(s)) > 0) {
		if (s->extent.source != LCLONE_FROM_ZERO)
			s->total += s->extent.sectors << 9;
		s->extent.sectors = 0;
	}
	start_extents(s);
	return ret;
}

static int add_piece(struct send *s, struct load *l)
{
	struct lclone_chain_extent *e = &s->extent;
	struct piece *p = &l->piece[l->pieces++];
	bool delta = e->source == LCLONE_FROM_DELTA;
	int err = 0;

	*p = (struct piece){ .sector = e->sector, .sectors = e->sectors, .from = l->len,
			     .zero = e->source == LCLONE_FROM_ZERO };
	if (!p->zero) {
		p->sectors = min_u64(e->sectors, (LCLONE_QUEUE_BYTES - l->len) >> 9);
		l->len += p->sectors << 9;
		err = lclone_queue_read(s->queue, l->flight,
					delta ? s->chain->file[e->level] : s->base, p->from,
					p->sectors << 9,
					(delta ? e->delta_sector : e->sector) << 9);
	}
	e->sector += p->sectors;
	e->delta_sector += p->sectors;
	e->sectors -= p->sectors;
	return err;
}

/* One more buffer is on its way: 1, 0 if there is no more, or an error. */
static int start_load(struct send *s)
{
	struct load *l = &s->load[(s->first + s->loads) % AHEAD];
	int ret = next_extent(s);

	if (ret <= 0) {
		s->ended = true;
		return ret;
	}
	ret = lclone_queue_take(s->queue, &l->flight);
	if (ret)
		return ret;
	l->pieces = l->len = 0;
	s->loads++;
	while (l->pieces < PIECES && l->len < LCLONE_QUEUE_BYTES && (ret = next_extent(s)) > 0) {
		ret = add_piece(s, l);
		if (ret)
			return ret;
	}
	return ret < 0 ? ret : 1;
}

static int send_content(struct send *s)
{
	int err = count_bytes(s), ret = 1;

	while (!err && (s->loads || !s->ended)) {
		while (!s->ended && s->loads < AHEAD && ret > 0)
			ret = start_load(s);
		if (ret < 0)
			return ret;
		if (!s->loads)
			break;
		s->loads--;
		err = write_load(s, &s->load[s->first]);
		s->first = (s->first + 1) % AHEAD;
		if (!err && lclone_watch_stops(s->sending->watch, "sending", s->done, s->total))
			err = lclone_fail(-EINTR, "interrupted: what was sent so far is of no use");
	}
	return err;
}

/* What is read, and what must not change meanwhile */

static int open_files(struct send *s)
{
	u32 i, levels = s->levels;
	int err;

	err = lclone_queue_new(&s->queue);
	for (i = 0; !err && i < levels; i++)
		err = lclone_chain_match_direct(s->chain, s->chain->file[i]);
	if (!err && s->base)
		err = lclone_chain_match_direct(s->chain, s->base);
	return err;
}

static int refuse_changed(const struct send *s)
{
	int err = lclone_chain_unchanged(s->chain);

	if (!err && s->base)
		err = lclone_file_not_mounted_rw(s->base) ?:
		      lclone_verify_base(s->chain->delta[0], s->base);
	return err;
}

static int send_disk(struct lclone_sending *o, struct disk *disk, u32 levels,
		     struct lclone_file *base)
{
	struct send *s = calloc(1, sizeof(*s));
	u32 i;
	int err = 0;

	if (!s)
		return lclone_fail(-ENOMEM, "out of memory");
	*s = (struct send){ .sending = o, .chain = &disk->chain, .levels = levels,
			    .full = !o->since && !o->since_base, .base = base };
	for (i = 0; !err && i < disk->chain.count; i++)
		err = lclone_refuse_damaged(disk->chain.file[i]);
	if (!err && o->since)
		lclone_stream_name(&disk->chain.delta[s->levels]->sb, o->from);
	else if (!err && o->since_base)
		lclone_stream_base_name(&disk->delta.sb, o->from);
	lclone_stream_name(&disk->delta.sb, o->to);
	if (!err)
		err = open_files(s);
	if (!err)
		err = write_header(s);
	if (!err)
		err = send_content(s) ?: refuse_changed(s) ?: write_end(s) ?: make_durable(s);
	lclone_queue_free(s->queue);
	free(s);
	return err;
}

static int refuse_delta(const struct disk *disk)
{
	if (disk->delta.sb.state & LCLONE_STATE_SEALED)
		return 0;
	return lclone_fail(-EBUSY, "%s is not sealed, and changes: make a snapshot, and send that",
			   disk->file.path);
}

/* Of the whole disk the base is a part, and of what shows it behind the end of a shorter one. */
static int open_base_of(const struct lclone_sending *o, struct disk *disk, u32 levels,
			struct lclone_file *file, struct lclone_file **base)
{
	struct lclone_names may;
	char path[PATH_MAX];
	int err = 0;

	*base = NULL;
	if (o->since_base || (o->since && !lclone_overlay_shows_base(&disk->chain, levels)))
		return 0;
	snprintf(path, sizeof(path), "%s", o->base ?: "-");
	if (!o->base && disk->delta.sb.base_fp_alg != LCLONE_FP_NONE) {
		err = lclone_find_base(&disk->delta.sb, path, &may);
		if (!err && !path[0])
			err = lclone_no_base(o->layer, &may, "name it before");
	}
	if (!err)
		err = lclone_open_base(path, file, base);
	return err ?: lclone_verify_base(&disk->delta, *base);
}

int lclone_send(struct lclone_sending *o)
{
	struct lclone_file base_file, *base = NULL;
	static struct disk disk;
	u32 levels;
	int err;

	o->from[0] = o->to[0] = '\0';
	err = lclone_open_disk(o->layer, O_RDONLY, &o->parents, &disk);
	if (!err)
		err = refuse_delta(&disk);
	if (!err && o->since_base && disk.delta.sb.base_fp_alg == LCLONE_FP_NONE)
		err = lclone_fail(-ESTALE, "%s has no base", o->layer);
	levels = disk.chain.count;
	if (!err && o->since)
		err = lclone_disk_levels_above(&disk, o->since, &levels);
	if (!err)
		err = open_base_of(o, &disk, levels, &base_file, &base);
	if (!err)
		err = send_disk(o, &disk, levels, base);
	lclone_close_base(base);
	lclone_close_disk(&disk);
	return err;
}
