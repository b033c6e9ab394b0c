// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/users.h"
#include "format/stream.h"
#include "format_user.h"
#include "host/find.h"
#include "host/lock.h"
#include "offline/receive.h"
#include "offline/writer.h"

#define BUFFER		(1u << 20)

struct receive {
	struct lclone_receiving *receiving;
	u8 *buf, *data;			/* of the stream; of a record */
	size_t at, have;		/* in the buffer */
	u64 place;			/* byte of the stream that is next */
	bool ended;			/* nothing comes any more */

	u64 size;			/* of the disk, in bytes; 0: not told so far */
	u64 end;			/* all below was told, in bytes of the disk */
	struct lclone_sb to, from;	/* what the names say */
	bool has_parent, has_base;	/* what it is changed since */

	struct lclone_file file;	/* the target */
	struct lclone_file base_file, *base;
	struct disk parent;
	struct lclone_writer *writer;
};

static int broken(const struct receive *r, const char *what)
{
	return lclone_fail(-EBADMSG, "the stream is broken at byte %" PRIu64 ": %s", r->place, what);
}

/* The stream */

static int interrupted(void)
{
	return lclone_fail(-EINTR, "interrupted: run it again with the same stream, from its beginning");
}

static int fill(struct receive *r)
{
	ssize_t n;

	for (;;) {
		n = read(r->receiving->in, r->buf, BUFFER);
		if (n >= 0)
			break;
		if (errno != EINTR)
			return lclone_fail(-errno, "the stream cannot be read: %m");
		if (lclone_watch_stops(r->receiving->watch, "receiving", r->end, r->size))
			return interrupted();
	}
	r->at = 0;
	r->have = n;
	r->ended = !n;
	return 0;
}

/* So many bytes that must be there */
static int get(struct receive *r, void *to, size_t len)
{
	size_t n;
	int err;

	for (; len; len -= n) {
		if (r->at == r->have) {
			err = fill(r);
			if (err)
				return err;
			if (r->ended)
				return lclone_fail(-EBADMSG, "the stream is not whole: it ends at byte %"
						   PRIu64, r->place);
		}
		n = min_u64(len, r->have - r->at);
		memcpy(to, r->buf + r->at, n);
		to = (u8 *)to + n;
		r->at += n;
		r->place += n;
	}
	return 0;
}

static int get_u64(struct receive *r, u64 *value)
{
	__le64 le;
	int err = get(r, &le, sizeof(le));

	*value = le64_to_cpu(le);
	return err;
}

static int get_name(struct receive *r, char name[LCLONE_STREAM_NAME])
{
	__le32 le;
	u32 len;
	int err = get(r, &le, sizeof(le));

	len = le32_to_cpu(le);
	if (!err && (name[0] || !len || len >= LCLONE_STREAM_NAME))
		return broken(r, name[0] ? "a second name" : "the length of a name");
	if (!err)
		err = get(r, name, len);
	name[err ? 0 : len] = '\0';
	if (!err && strlen(name) != len)
		err = broken(r, "a name with a NUL");
	return err;
}

/* The records before the first of the content; @tag is the one that ends them. */
static int get_header(struct receive *r, u8 *tag)
{
	struct lclone_receiving *o = r->receiving;
	char magic[sizeof(LCLONE_STREAM_HEADER) - 1];
	int err = get(r, magic, sizeof(magic));

	if (err ? err == -EBADMSG && r->place < sizeof(magic) :
		  memcmp(magic, LCLONE_STREAM_HEADER, sizeof(magic)))
		return lclone_fail(-EMEDIUMTYPE, "this is not a stream of lclone send (rbd diff v1)");
	while (!err) {
		err = get(r, tag, 1);
		if (err)
			break;
		if (*tag == LCLONE_RECORD_FROM) {
			err = get_name(r, o->from);
		} else if (*tag == LCLONE_RECORD_TO) {
			err = get_name(r, o->to);
		} else if (*tag == LCLONE_RECORD_SIZE) {
			if (r->size)
				return broken(r, "a second size");
			err = get_u64(r, &r->size);
			if (!err && (!r->size || r->size % 512))
				err = broken(r, "the size of the disk");
		} else {
			break;
		}
	}
	if (!err && (!r->size || !o->to[0]))
		err = broken(r, "it does not tell the size and the name of the disk");
	return err;
}

/* Names are somebody else's, too: what is printed of them is plain. */
static int foreign_name(const char *name)
{
	char plain[4 * LCLONE_STREAM_NAME];

	return lclone_fail(-ESTALE, "the stream is of \"%s\", which is not the name of a layer of lclone",
			   lclone_text_plain(plain, sizeof(plain), name));
}

static int parse_names(struct receive *r)
{
	struct lclone_receiving *o = r->receiving;

	if (!lclone_stream_parse_name(o->to, &r->to))
		return foreign_name(o->to);
	if (!o->from[0])
		return 0;
	r->has_parent = lclone_stream_parse_name(o->from, &r->from);
	r->has_base = !r->has_parent && lclone_stream_parse_base(o->from, &r->from);
	if (!r->has_parent && !r->has_base)
		return foreign_name(o->from);
	if (r->has_parent && !uuid_compare(r->from.uuid, r->to.uuid))
		return lclone_fail(-ESTALE, "the stream is of %s since %s: a layer cannot lie on itself",
				   o->to, o->from);
	return 0;
}

/* What the layer lies on */

static int not_that(const struct receive *r, const char *path, const char *name)
{
	return lclone_fail(-ESTALE, "the stream is of what was changed since %s; %s is %s",
			   r->receiving->from, path, name);
}

static int find_parent(struct receive *r, char path[PATH_MAX])
{
	struct lclone_sb child = { .parent_generation = r->from.generation,
				   .chunk_sectors = r->receiving->chunk_sectors };
	const struct lclone_parents none = { .count = 0 };
	struct lclone_inventory inv = { .count = 0 };
	int err;

	memcpy(child.parent_uuid, r->from.uuid, LCLONE_UUID_SIZE);
	err = lclone_inventory_read(&inv);
	for (size_t i = 0; !err && !child.chunk_sectors && i < inv.count; i++)
		if (!uuid_compare(inv.found[i].sb.uuid, r->from.uuid))
			child.chunk_sectors = inv.found[i].sb.chunk_sectors;
	if (!err)
		err = lclone_parent_find("the stream", &child, &none, &inv, path);
	lclone_inventory_free(&inv);
	return err;
}

static int open_parent(struct receive *r)
{
	struct lclone_parents below = r->receiving->parents;
	char path[PATH_MAX], name[LCLONE_STREAM_NAME];
	struct lclone_sb *sb = &r->parent.delta.sb;
	u32 i;
	int err = 0;

	if (below.count)
		snprintf(path, sizeof(path), "%s", below.path[--below.count]);
	else
		err = find_parent(r, path);
	if (!err)
		err = lclone_open_disk(path, O_RDONLY, &below, &r->parent);
	if (err)
		return err;
	lclone_stream_name(sb, name);
	if (uuid_compare(sb->uuid, r->from.uuid) || sb->generation != r->from.generation)
		return not_that(r, path, name);
	if (!(sb->state & LCLONE_STATE_SEALED))
		return lclone_fail(-ESTALE, "%s is not sealed: nothing can lie on it", path);
	if (r->parent.chain.count >= LCLONE_LAYERS_MAX)
		return lclone_fail(-ESTALE, "%s lies on %u layers: one more is too much (lclone merge --into-parent)",
				   path, r->parent.chain.count - 1);
	for (i = 0; !err && i < r->parent.chain.count; i++)
		if (!uuid_compare(r->parent.chain.delta[i]->sb.uuid, r->to.uuid))
			err = lclone_fail(-EEXIST, "%s is here already: %s", r->receiving->to,
					  r->parent.chain.file[i]->path);
		else if (lclone_file_same(&r->file, r->parent.chain.file[i]))
			err = lclone_fail(-EBUSY, "%s cannot lie on itself", r->file.path);
		else
			err = lclone_refuse_common_sectors(&r->file, r->parent.chain.file[i]);
	return err;
}

static int open_base(struct receive *r)
{
	char path[PATH_MAX], name[LCLONE_STREAM_NAME];
	struct lclone_names may = { .count = 0 };
	struct lclone_sb sb = r->from;
	int err = 0;

	if (r->receiving->base)
		snprintf(path, sizeof(path), "%s", r->receiving->base);
	else
		err = lclone_find_base(&r->from, path, &may);
	if (!err && !path[0])
		return lclone_fail(-ESTALE, "the stream is of what is not in the base %s, which %s%s (--base)",
				   r->receiving->from, may.count ? "may be here: " :
				   "is not found here", may.text);
	if (!err)
		err = lclone_open_base(path, &r->base_file, &r->base);
	if (err || !r->base)
		return err ?: lclone_fail(-ESTALE, "the stream is of what is not in the base %s",
					  r->receiving->from);
	if (lclone_file_same(&r->file, r->base))
		return lclone_fail(-EBUSY, "%s cannot be base and layer at once", r->file.path);
	err = lclone_refuse_common_sectors(&r->file, r->base) ?: lclone_set_base_of(&sb, r->base);
	if (err)
		return err;
	lclone_stream_base_name(&sb, name);
	return sb.base_fp == r->from.base_fp && sb.base_sectors == r->from.base_sectors ? 0 :
	       not_that(r, path, name);
}

/* The base of the layer below, if it was named: for what is less than a subchunk. */
static int open_base_of_parent(struct receive *r)
{
	int err = lclone_open_base(r->receiving->base, &r->base_file, &r->base);

	return err ?: lclone_verify_base(&r->parent.delta, r->base);
}

static int open_below(struct receive *r)
{
	const struct lclone_receiving *o = r->receiving;
	int err = 0;

	if (!r->has_parent && o->parents.count)
		return lclone_fail(-ESTALE, "the stream is of %s, and does not lie on %s",
				   o->from[0] ? "what is not in a base" : "a whole disk",
				   o->parents.path[o->parents.count - 1]);
	if (!o->from[0] && o->base)
		return lclone_fail(-ESTALE, "the stream is of a whole disk, which lies on no base");
	if (r->has_base)
		return open_base(r);
	if (r->has_parent)
		err = open_parent(r);
	return err || !r->has_parent || !o->base ? err : open_base_of_parent(r);
}

static int read_base(void *ctx, void *buf, u64 sector, u32 sectors)
{
	struct receive *r = ctx;
	int err = lclone_dev_read_padded(&r->base->dev, buf, sector, sectors);

	return err ? lclone_fail(err, "%s: cannot be read: %s", r->base->path, strerror(-err)) : 0;
}

static int read_parent(void *ctx, void *buf, u64 sector, u32 sectors)
{
	struct receive *r = ctx;

	return lclone_chain_read_below(&r->parent.chain, r->base, buf, sector, sectors);
}

static bool is_received(const struct receive *r)
{
	struct lclone_delta delta;
	bool is;

	is = !lclone_delta_open_sb(&delta, &r->file.dev) &&
	     !uuid_compare(delta.sb.uuid, r->to.uuid) && !lclone_half_written(&delta.sb);
	lclone_delta_close(&delta);
	return is;
}

/*
 * Two of one identity on a host are taken for each other. A plain file is no device, where nobody
 * looks for layers: it is a backup also beside what it was made of.
 */
static int refuse_twin(struct receive *r)
{
	struct lclone_inventory inv = { .count = 0 };
	int err;

	if (is_received(r) && !r->receiving->force)
		return lclone_fail(-EEXIST, "%s is here already: %s", r->receiving->to,
				   r->file.path);
	err = r->file.block ? lclone_inventory_read(&inv) : 0;

	for (size_t i = 0; !err && i < inv.count; i++) {
		const struct lclone_found *found = &inv.found[i];

		if (uuid_compare(found->sb.uuid, r->to.uuid) || found->rdev == r->file.rdev)
			continue;
		err = lclone_fail(-EEXIST, "%s is here already: %s%s", r->receiving->to, found->path,
				  lclone_half_written(&found->sb) ?
				  ", half written: receive it there, or remove that" : "");
	}
	lclone_inventory_free(&inv);
	return err;
}

static int begin(struct receive *r)
{
	const struct lclone_receiving *o = r->receiving;
	struct lclone_writer_options options = {
		.format = { .virtual_sectors = r->size / 512, .chunk_sectors = o->chunk_sectors,
			    .label = o->label, .uuid = r->to.uuid },
		.base = r->has_base ? r->base : NULL, .sealed = true,
		.generation = r->to.generation, .sealed_at = time(NULL), .force = o->force,
		.ctx = r,
	};
	bool all = r->has_parent &&
		   (r->base || r->parent.delta.sb.base_fp_alg == LCLONE_FP_NONE);

	if (r->has_base)
		options.below = read_base;
	else if (all)
		options.below = read_parent;
	if (r->has_parent)
		options.format.parent = &r->parent.delta.sb;
	return lclone_writer_begin(&r->writer, &r->file, &options);
}

/* Of two who receive the same at once, the second sees the superblock of the first. */
static int begin_alone(struct receive *r)
{
	int lock = -1, err;

	if (r->file.block) {
		lock = lclone_lock_receive();
		if (lock < 0)
			return lock;
	}
	err = refuse_twin(r) ?: begin(r);
	if (lock >= 0)
		close(lock);
	return err;
}

/* The content */

static int get_range(struct receive *r, u64 *at, u64 *len)
{
	int err = get_u64(r, at) ?: get_u64(r, len);

	if (err)
		return err;
	if (*at % 512 || *len % 512 || !*len)
		return broken(r, "a range that is not of whole sectors");
	if (*at > r->size || *len > r->size - *at)
		return broken(r, "a range beyond the end of the disk");
	if (*at < r->end)
		return broken(r, "a range that comes before, or was told twice");
	r->end = *at + *len;
	return 0;
}

static int get_data(struct receive *r, u64 at, u64 len)
{
	u32 n;
	int err = 0;

	r->receiving->data += len;
	for (; !err && len; at += n, len -= n) {
		n = min_u64(len, BUFFER);
		err = get(r, r->data, n);
		if (!err)
			err = lclone_writer_data(r->writer, at >> 9, r->data, n >> 9);
		if (!err && lclone_watch_stops(r->receiving->watch, "receiving", at, r->size))
			err = interrupted();
	}
	return err;
}

static int get_zero(struct receive *r, u64 at, u64 len)
{
	u64 n;
	int err = 0;

	r->receiving->zeros += len;
	for (; !err && len; at += n, len -= n) {
		n = min_u64(len, 1ull << 40);	/* may take long, on a large disk */
		err = lclone_writer_zero(r->writer, at >> 9, n >> 9);
		if (!err && lclone_watch_stops(r->receiving->watch, "receiving", at, r->size))
			err = interrupted();
	}
	return err;
}

static int get_content(struct receive *r, u8 tag)
{
	u64 at, len;
	int err = 0;

	while (!err && tag != LCLONE_RECORD_END) {
		if (tag != LCLONE_RECORD_DATA && tag != LCLONE_RECORD_ZERO)
			return broken(r, "no record is known that begins so");
		err = get_range(r, &at, &len);
		if (!err)
			err = tag == LCLONE_RECORD_DATA ? get_data(r, at, len) : get_zero(r, at, len);
		if (!err)
			err = get(r, &tag, 1);
	}
	if (!err && r->at == r->have)
		err = fill(r);
	if (!err && !r->ended)
		err = broken(r, "something comes behind its end");
	return err;
}

static int receive(struct receive *r)
{
	struct lclone_sb sb;
	u8 tag;
	int err;

	err = get_header(r, &tag) ?: parse_names(r);
	if (!err)
		err = lclone_file_open_ready(&r->file, r->receiving->layer, O_RDWR | O_EXCL);
	if (!err)
		err = open_below(r) ?: begin_alone(r);
	if (!err)
		err = get_content(r, tag);
	if (!err && r->has_parent)
		err = lclone_chain_unchanged(&r->parent.chain);
	if (!err)
		err = lclone_writer_end(r->writer, &sb);
	if (!err)
		lclone_watch_stops(r->receiving->watch, "receiving", r->size, r->size);
	return err;
}

int lclone_receive(struct lclone_receiving *o)
{
	static struct receive r;
	int err;

	memset(&r, 0, sizeof(r));
	r.receiving = o;
	r.file.fd = r.parent.file.fd = -1;
	o->from[0] = o->to[0] = '\0';
	o->data = o->zeros = 0;
	r.buf = malloc(BUFFER);
	r.data = malloc(BUFFER);
	err = r.buf && r.data ? receive(&r) : lclone_fail(-ENOMEM, "out of memory");
	lclone_writer_free(r.writer);
	lclone_close_base(r.base);
	lclone_close_disk(&r.parent);
	lclone_file_close(&r.file);
	free(r.data);
	free(r.buf);
	return err;
}
