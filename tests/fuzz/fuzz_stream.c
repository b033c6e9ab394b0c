// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a stream that is received, by itself or onto a layer.
 *
 * The first byte of the input says what the rest is: the stream as it is, what comes behind a
 * header that is right, or records to be made, for which a model says what the disk has then.
 *
 * What is refused leaves no layer; what is taken is healthy, and has what the stream said.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/disk.h"
#include "clone/super.h"
#include "format/stream.h"
#include "format_user.h"
#include "host/find.h"
#include "must.h"
#include "offline/check.h"
#include "offline/receive.h"

#define DISK_SECTORS	4099u
#define DEVICE_SECTORS	16384u
#define STREAM_MAX	(4u << 20)

static const char lower_name[] = "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@1";
static const char upper_name[] = "7a1e55b0-1c42-4f6e-8d5b-90ab12cd34ef@3";

static struct file {
	int fd;
	char path[32];
} lower, upper, stream;

static u8 text[STREAM_MAX];
static size_t len;
static u8 below[DISK_SECTORS << 9], model[DISK_SECTORS << 9], have[DISK_SECTORS << 9];

int __wrap_lclone_find_deltas(const struct lclone_finder *finder);
int __wrap_lclone_find_deltas(const struct lclone_finder *finder)
{
	(void)finder;
	return 0;
}

int __wrap_lclone_each_block_device(int (*visit)(const char *, dev_t, u64, void *), void *ctx);
int __wrap_lclone_each_block_device(int (*visit)(const char *, dev_t, u64, void *), void *ctx)
{
	(void)visit;
	(void)ctx;
	return 0;
}

int __wrap_lclone_dm_list(struct lclone_clone **clones, size_t *count,
			  int (*unseen)(const char *, const char *, void *), void *ctx);
int __wrap_lclone_dm_list(struct lclone_clone **clones, size_t *count,
			  int (*unseen)(const char *, const char *, void *), void *ctx)
{
	(void)unseen;
	(void)ctx;
	*clones = NULL;
	*count = 0;
	return 0;
}

static void make_file(struct file *file, const char *name)
{
	file->fd = memfd_create(name, MFD_CLOEXEC);
	MUST(file->fd >= 0);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static void put(const void *data, size_t n)
{
	if (n > sizeof(text) - len)
		n = sizeof(text) - len;
	memcpy(text + len, data, n);
	len += n;
}

static void put_number(char tag, u64 value)
{
	put(&tag, 1);
	put(&value, sizeof(value));
}

static void put_name(char tag, const char *name)
{
	u32 n = strlen(name);

	put(&tag, 1);
	put(&n, sizeof(n));
	put(name, n);
}

static void put_header(const char *to, const char *from)
{
	put(LCLONE_STREAM_HEADER, sizeof(LCLONE_STREAM_HEADER) - 1);
	if (from)
		put_name(LCLONE_RECORD_FROM, from);
	put_name(LCLONE_RECORD_TO, to);
	put_number(LCLONE_RECORD_SIZE, DISK_SECTORS << 9);
}

static void put_record(bool data, u64 sector, u64 sectors, u8 with)
{
	u64 bytes = sectors << 9;

	put_number(data ? LCLONE_RECORD_DATA : LCLONE_RECORD_ZERO, sector << 9);
	put(&bytes, sizeof(bytes));
	memset(model + (sector << 9), data ? with : 0, bytes);
	if (data)
		put(model + (sector << 9), bytes);
}

static int receive(const struct file *to, const struct file *parent, u32 chunk_sectors)
{
	struct lclone_receiving r = { .in = stream.fd, .layer = to->path,
				      .chunk_sectors = chunk_sectors };

	if (parent)
		MUST(!lclone_add_parent(&r.parents, parent->path));
	MUST(!ftruncate(stream.fd, 0) && pwrite(stream.fd, text, len, 0) == (ssize_t)len);
	MUST(!lseek(stream.fd, 0, SEEK_SET));
	return lclone_receive(&r);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_file(&lower, "lower");
	make_file(&upper, "upper");
	make_file(&stream, "stream");
	MUST(!ftruncate(lower.fd, DEVICE_SECTORS << 9));
	put_header(lower_name, NULL);
	put_record(true, 3, 700, 0xa5);
	put_record(true, 2001, 2000, 0x5a);
	put("e", 1);
	MUST(!receive(&lower, NULL, 32));
	memcpy(below, model, sizeof(below));
	return 0;
}

static void found(const struct lclone_finding *finding, void *ctx)
{
	(void)ctx;
	fprintf(stderr, "%s\n", finding->text);
	abort();
}

static void must_be_right(bool on_lower, bool made)
{
	static struct lclone_pair pair;
	struct lclone_parents parents = { .count = 0 };
	char why[LCLONE_WHY_SIZE];
	struct lclone_usage usage;

	if (on_lower)
		MUST(!lclone_add_parent(&parents, lower.path));
	MUST(!lclone_open_pair("-", upper.path, &parents, &pair));
	MUST(!lclone_check(&pair.disk.file.dev, NULL, found, NULL, &usage, why));
	if (made) {
		MUST(!lclone_chain_read(&pair.disk.chain, NULL, have, 0, DISK_SECTORS));
		MUST(!memcmp(have, model, sizeof(have)));
	}
	lclone_close_pair(&pair);
}

/* Five bytes for a record: a gap before it, its length, what it has; few break the order. */
static bool make_records(const u8 *data, size_t size)
{
	u64 at = 0, n;
	bool right = true;

	for (; size >= 4 && at < DISK_SECTORS; data += 4, size -= 4) {
		at += data[0];
		n = 1 + data[1] * (data[3] & 2 ? 16 : 1);
		if (data[3] == 0xff && at) {
			at--;		/* which is in the one before, if there was no gap */
			right = false;
		}
		if (at >= DISK_SECTORS)
			break;
		n = min_u64(n, DISK_SECTORS - at);
		put_record(data[3] & 1, at, n, data[2]);
		at += n;
	}
	put("e", 1);
	return right;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	bool on_lower, right = false;
	struct lclone_sb sb;
	u8 kind;
	int err;

	if (size < 1)
		return 0;
	kind = data[0] % 3;
	on_lower = data[0] & 4;
	len = 0;
	memcpy(model, on_lower ? below : have, sizeof(model));
	if (!on_lower)
		memset(model, 0, sizeof(model));
	if (kind)
		put_header(upper_name, on_lower ? lower_name : NULL);
	if (kind == 2)
		right = make_records(data + 1, size - 1);
	else
		put(data + 1, size - 1);
	MUST(!ftruncate(upper.fd, 0) && !ftruncate(upper.fd, DEVICE_SECTORS << 9));
	err = receive(&upper, on_lower ? &lower : NULL, on_lower ? 0 : 16 << (data[0] >> 4 & 3));
	MUST(!err || lclone_why()[0]);
	MUST(!right || !err);
	if (!err)
		must_be_right(on_lower, right);
	else
		MUST(lclone_sb_of(upper.path, &sb) == -ENODATA || lclone_half_written(&sb));
	return 0;
}
