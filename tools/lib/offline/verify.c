// SPDX-License-Identifier: GPL-2.0-only
/* The kernel verifies: what a device of dm-verity does not let be read is rotten. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/crew.h"
#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/family.h"
#include "clone/name.h"
#include "clone/super.h"
#include "clone/verified.h"
#include "host/find.h"
#include "host/ranges.h"
#include "offline/template.h"
#include "offline/verify.h"

#define JOB_BYTES	(16u << 20)	/* that a process reads before it takes more */
#define PIECE_BYTES	(1u << 20)

/* Which base */

static int find_base(const char *word, char path[PATH_MAX], u8 root[LCLONE_ROOT_SIZE])
{
	static struct lclone_named named;
	struct lclone_sb sb;
	int err;

	memset(root, 0, LCLONE_ROOT_SIZE);
	err = lclone_template_path(word, path);
	if (err != -ENOENT)
		return err;
	err = lclone_name_find(word, &named);
	if (err == -ENXIO)
		err = lclone_fail(err, "there is no template and no clone %s", word);
	if (!err)
		err = lclone_named_activate(&named) ?: lclone_sb_of(named.delta, &sb);
	if (!err && !named.base[0])
		err = lclone_no_base(word, &named.may, "verify that by its own name");
	else if (!err && !strcmp(named.base, "-"))
		err = lclone_fail(-ENOENT, "%s has no base", word);
	if (!err) {
		strcpy(path, named.base);
		memcpy(root, sb.base_root, LCLONE_ROOT_SIZE);
	}
	lclone_named_free(&named);
	return err;
}

/* What is rotten */

static int add_rot(struct lclone_verify *v, u64 start, u64 bytes)
{
	struct lclone_rot *last = v->count ? &v->rot[v->count - 1] : NULL, *bigger;

	if (last && last->start + last->bytes == start) {
		last->bytes += bytes;
		return 0;
	}
	bigger = reallocarray(v->rot, v->count + 1, sizeof(*bigger));
	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	v->rot = bigger;
	v->rot[v->count++] = (struct lclone_rot){ .start = start, .bytes = bytes };
	return 0;
}

struct walk {
	struct lclone_verify *v;
	int fd;
	u32 block;
	void *buf;
	bool *bad;			/* for each job */
	size_t jobs;
	u64 done;
	int failure;
	char why[512];
	const struct lclone_watch *watch;
};

static bool can_read(const struct walk *w, u64 from, u64 bytes)
{
	return pread(w->fd, w->buf, bytes, from) == (ssize_t)bytes;
}

static u64 job_bytes(const struct walk *w, size_t job)
{
	const u64 from = (u64)job * JOB_BYTES;

	return w->v->bytes - from < JOB_BYTES ? w->v->bytes - from : JOB_BYTES;
}

static int read_job(size_t job, void *ctx)
{
	const struct walk *w = ctx;
	const u64 end = (u64)job * JOB_BYTES + job_bytes(w, job);
	u64 from = (u64)job * JOB_BYTES, n;

	for (; from < end; from += n) {
		n = end - from < PIECE_BYTES ? end - from : PIECE_BYTES;
		if (!can_read(w, from, n))
			return lclone_fail(-EIO, "not all can be read");
	}
	return 0;
}

static int job_ended(size_t job, int err, void *ctx)
{
	struct walk *w = ctx;

	w->done += job_bytes(w, job);
	w->bad[job] = err == -EIO;
	if (err && err != -EIO && !w->failure) {
		w->failure = err;
		snprintf(w->why, sizeof(w->why), "%s", lclone_why());
	}
	if (!w->failure && lclone_watch_stops(w->watch, "verifying", w->done, w->v->bytes)) {
		w->failure = -EINTR;
		snprintf(w->why, sizeof(w->why), "interrupted");
	}
	return w->failure;
}

/* Which blocks of it are rotten: halves of what is are looked at by themselves. */
static int narrow(struct walk *w, u64 from, u64 bytes)
{
	u64 half;

	/* Each read of what cannot be read may take long */
	if (lclone_watch_stops(w->watch, "narrowing", from, w->v->bytes))
		return lclone_fail(-EINTR, "interrupted");
	if (bytes <= PIECE_BYTES && can_read(w, from, bytes))
		return 0;
	if (bytes <= w->block)
		return add_rot(w->v, from, bytes);
	for (half = w->block; 2 * half < bytes; half *= 2)
		;
	return narrow(w, from, half) ?: narrow(w, from + half, bytes - half);
}

static int read_all(struct walk *w)
{
	const struct lclone_crew crew = { .work = read_job, .ended = job_ended, .ctx = w };
	size_t i;
	int err;

	w->jobs = (w->v->bytes + JOB_BYTES - 1) / JOB_BYTES;
	w->bad = calloc(w->jobs + 1, sizeof(*w->bad));
	w->buf = aligned_alloc(LCLONE_BLOCK_SIZE, PIECE_BYTES);
	err = w->bad && w->buf ? lclone_crew_work(&crew, w->jobs) :
				 lclone_fail(-ENOMEM, "out of memory");
	if (!err && w->failure)
		err = lclone_fail(w->failure, "%s", w->why);
	for (i = 0; !err && i < w->jobs; i++)
		if (w->bad[i])
			err = narrow(w, (u64)i * JOB_BYTES, job_bytes(w, i));
	free(w->bad);
	free(w->buf);
	return err;
}

static int verify_base(const char *path, const u8 *root, const struct lclone_watch *watch,
		       struct lclone_verify *v, dev_t *rdev)
{
	struct lclone_verified verified = { .fd = -1 };
	struct lclone_file file, *base;
	int err;

	err = lclone_open_base(path, &file, &base) ?:
	      lclone_verified_open(&file, root, true, &verified);
	if (!err) {
		struct walk w = { .v = v, .fd = verified.fd, .block = verified.block,
				  .watch = watch };

		*rdev = file.rdev;
		v->bytes = file.dev.sectors << 9;
		lclone_root_text(verified.root, v->root);
		err = read_all(&w);
	}
	lclone_verified_close(&verified);
	lclone_close_base(base);
	return err;
}

/* Who reads it */

static const char *name_of(const struct member *n)
{
	return n->clone ? n->clone->name : n->found->sb.label[0] ? n->found->sb.label :
								   n->found->path;
}

static enum lclone_reads reads_base(struct disk *disk, const struct lclone_rot *rot)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	const u64 end = (rot->start + rot->bytes + 511) >> 9;
	int ret;

	lclone_chain_extents_init(&x, &disk->chain, disk->chain.count, rot->start >> 9,
				  end - (rot->start >> 9));
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0)
		if (e.source == LCLONE_FROM_BASE)
			return LCLONE_READS;
	return ret ? LCLONE_MAY_READ : LCLONE_READS_NOT;
}

static void look_at(const struct member *n, struct lclone_verify *v)
{
	const struct lclone_parents none = { .count = 0 };
	static struct disk disk;
	bool seen;
	size_t i;

	disk.file.fd = -1;
	seen = n->found->rdev && !lclone_open_disk_now(n->found->path, &none, &disk);
	for (i = 0; i < v->count; i++)
		v->rot[i].reads[v->disks] = seen ? reads_base(&disk, &v->rot[i]) : LCLONE_MAY_READ;
	if (n->found->rdev)
		lclone_close_disk(&disk);
	snprintf(v->disk[v->disks++], PATH_MAX, "%s", name_of(n));
}

static int find_readers(dev_t base, struct lclone_verify *v)
{
	struct family t = { .node = NULL };
	size_t i, k;
	int err;

	err = lclone_family_read(&t);
	if (!err)
		v->disk = calloc(t.inv.count + 1, sizeof(*v->disk));
	if (!err && !v->disk)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; !err && i < v->count; i++) {
		v->rot[i].reads = calloc(t.inv.count + 1, sizeof(*v->rot[i].reads));
		if (!v->rot[i].reads)
			err = lclone_fail(-ENOMEM, "out of memory");
	}
	for (k = 0; !err && k < t.inv.count; k++)
		if (lclone_shows_same(lclone_dev_at(t.node[k].base), base))
			look_at(&t.node[k], v);
	lclone_family_free(&t);
	return err;
}

int lclone_verify(const char *word, const struct lclone_watch *watch, struct lclone_verify *v)
{
	u8 root[LCLONE_ROOT_SIZE];
	dev_t rdev = 0;
	int err;

	*v = (struct lclone_verify){ .count = 0 };
	err = find_base(word, v->base, root) ?: verify_base(v->base, root, watch, v, &rdev);
	return err || !v->count ? err : find_readers(rdev, v);
}

void lclone_verify_free(struct lclone_verify *v)
{
	size_t i;

	for (i = 0; i < v->count; i++)
		free(v->rot[i].reads);
	free(v->rot);
	free(v->disk);
}
