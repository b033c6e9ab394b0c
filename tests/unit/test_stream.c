// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams of changes, on plain files: what is received is what was sent, or is refused.
 *
 * The Makefile puts fsync() out of the way: what a crash leaves is for test_writer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/disk.h"
#include "clone/overlay.h"
#include "dir.h"
#include "format/stream.h"
#include "image.h"
#include "offline/check.h"
#include "offline/receive.h"
#include "offline/send.h"
#include "offline/writer.h"
#include "test.h"

static int sync_errno;

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	errno = sync_errno;
	return sync_errno ? -1 : 0;
}

/* A target that is said to be a block device, and the lock that whoever receives on one has */

static bool device;
static int lock_fd = -1;
static int looks, begins;		/* behind the lock */

static bool is_locked(void)
{
	return lock_fd >= 0 && fcntl(lock_fd, F_GETFD) >= 0;
}

int __real_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags);
int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags);
int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags)
{
	int err = __real_lclone_file_open_ready(file, path, flags);

	if (!err && device && (flags & O_ACCMODE) == O_RDWR)
		file->block = true;
	return err;
}

int __wrap_lclone_lock_receive(void);
int __wrap_lclone_lock_receive(void)
{
	lock_fd = open("/dev/null", O_RDONLY);
	return lock_fd;
}

int __real_lclone_inventory_read(struct lclone_inventory *inv);
int __wrap_lclone_inventory_read(struct lclone_inventory *inv);
int __wrap_lclone_inventory_read(struct lclone_inventory *inv)
{
	if (!device)
		return __real_lclone_inventory_read(inv);
	memset(inv, 0, sizeof(*inv));
	looks += is_locked();
	return 0;
}

int __real_lclone_writer_begin(struct lclone_writer **w, struct lclone_file *file,
			       const struct lclone_writer_options *o);
int __wrap_lclone_writer_begin(struct lclone_writer **w, struct lclone_file *file,
			       const struct lclone_writer_options *o);
int __wrap_lclone_writer_begin(struct lclone_writer **w, struct lclone_file *file,
			       const struct lclone_writer_options *o)
{
	int err = __real_lclone_writer_begin(w, file, o);

	begins += is_locked();
	return err;
}

/* Layers L0 on a base, L1 on L0, L2 on L1, as files, and what each disk has */

#define LEVELS	3

static struct image dice;
static u64 disk_sectors;
static u8 *base_data, *model[LEVELS];
static const char * const layer[LEVELS] = { "L0", "L1", "L2" };

static void new_file(const char *name, u64 sectors)
{
	int fd;

	unlink(path_of(name));
	fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sectors << 9), 0);
	close(fd);
}

static void write_file(const char *name, const void *data, size_t bytes)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
	close(fd);
}

static size_t read_file(const char *name, u8 **data)
{
	int fd = open(path_of(name), O_RDONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*data = malloc(st.st_size + 1);
	assert_int_equal(read(fd, *data, st.st_size), st.st_size);
	close(fd);
	return st.st_size;
}

static void make_layer(int i, u64 below, u32 chunk, u32 unit, bool on_base)
{
	struct lclone_writer_options o = {
		.format = { .virtual_sectors = disk_sectors, .chunk_sectors = i ? 0 : chunk },
		.sealed = true, .generation = i + 1,
	};
	struct lclone_file file, base = { .fd = -1 };
	struct lclone_writer *w;
	struct lclone_sb sb;
	u64 at = 0, n;

	model[i] = malloc(disk_sectors << 9);
	memcpy(model[i], base_data, disk_sectors << 9);
	if (i)		/* of a larger disk the base shows behind its end */
		memcpy(model[i], model[i - 1], below << 9);
	new_file(layer[i], disk_sectors + 32768);
	assert_int_equal(lclone_file_open(&file, path_of(layer[i]), O_RDWR | O_EXCL), 0);
	if (!i && on_base) {
		assert_int_equal(lclone_file_open(&base, path_of("base"), O_RDONLY), 0);
		o.base = &base;
	}
	if (i) {
		assert_int_equal(lclone_sb_of(path_of(layer[i - 1]), &sb), 0);
		o.format.parent = &sb;
	}
	assert_int_equal(lclone_writer_begin(&w, &file, &o), 0);
	for (; at < disk_sectors; at += n) {
		n = min_u64(unit * (1 + image_random(&dice, 60)), disk_sectors - at);
		switch (image_random(&dice, 4)) {
		case 0:
			for (u64 k = at << 9; k < (at + n) << 9; k++)
				model[i][k] = image_random(&dice, 256);
			assert_int_equal(lclone_writer_data(w, at, model[i] + (at << 9), n), 0);
			break;
		case 1:
			memset(model[i] + (at << 9), 0, n << 9);
			assert_int_equal(lclone_writer_zero(w, at, n), 0);
			break;
		}
	}
	assert_int_equal(lclone_writer_end(w, &sb), 0);
	lclone_writer_free(w);
	lclone_file_close(&file);
	lclone_file_close(&base);
}

/* Each disk is at least as large as the one below. */
static void make_layers_of(const u64 sizes[LEVELS], u32 chunk, bool on_base, u64 seed)
{
	const struct image_size size = { 65536, 0, 8, 128 };
	u64 sectors = sizes[LEVELS - 1], end = sectors / 3 * 2;	/* of the base */

	image_init(&dice, &size, seed);
	base_data = calloc(sectors, 512);
	for (u64 k = 0; on_base && k < end << 9; k++)	/* with holes of zeros */
		base_data[k] = k >> 14 & 1 ? image_random(&dice, 256) : 0;
	write_file("base", base_data, end << 9);
	for (int i = 0; i < LEVELS; i++) {
		disk_sectors = sizes[i];
		make_layer(i, i ? sizes[i - 1] : 0, chunk, chunk / LCLONE_SUBCHUNKS, on_base);
	}
}

static void make_layers(u64 sectors, u32 chunk, bool on_base, u64 seed)
{
	make_layers_of((u64[]){ sectors, sectors, sectors }, chunk, on_base, seed);
}

static void free_layers(void)
{
	for (int i = 0; i < LEVELS; i++)
		free(model[i]);
	free(base_data);
	image_free(&dice);
}

/* Layers are named from the bottom: R0, R1, ... below R2 */
static void name_below(struct lclone_parents *parents, const char *name, int levels)
{
	static char path[8][512];
	static int next;
	char below[16];

	for (int i = 0; i < levels; i++) {
		snprintf(below, sizeof(below), "%c%d", name[0], i);
		next = (next + 1) % 8;
		snprintf(path[next], sizeof(path[next]), "%s", path_of(below));
		assert_int_equal(lclone_add_parent(parents, path[next]), 0);
	}
}

static int send_to(const char *stream, int i, const char *base, int since, bool since_base)
{
	char to[512], base_path[512], from[512];
	struct lclone_sending s = { .since_base = since_base };
	int err;

	snprintf(to, sizeof(to), "%s", path_of(layer[i]));
	snprintf(base_path, sizeof(base_path), "%s", strcmp(base, "-") ? path_of(base) : "-");
	if (since >= 0)
		snprintf(from, sizeof(from), "%s", path_of(layer[since]));
	s.layer = to;
	s.base = base_path;
	s.since = since >= 0 ? from : NULL;
	name_below(&s.parents, "L", i);
	s.out = open(path_of(stream), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	err = lclone_send(&s);
	close(s.out);
	return err;
}

static int receive_on(const char *stream, const char *target, int levels, const char *base,
		      u32 chunk)
{
	struct lclone_receiving r = { .chunk_sectors = chunk, .label = "web1@monday" };
	char path[512], base_path[512];
	int err;

	snprintf(path, sizeof(path), "%s", path_of(target));
	r.layer = path;
	if (base) {
		snprintf(base_path, sizeof(base_path), "%s", path_of(base));
		r.base = base_path;
	}
	name_below(&r.parents, "R", levels);
	r.in = open(path_of(stream), O_RDONLY);
	assert_true(r.in >= 0);
	err = lclone_receive(&r);
	close(r.in);
	return err;
}

static void must(int err)
{
	if (err)
		fail_msg("%d: %s", err, lclone_why());
}

static void count(const struct lclone_finding *f, void *ctx)
{
	print_message("# %s\n", f->text);
	++*(int *)ctx;
}

/* It is healthy, and together with what it lies on the disk @want. */
static void check_disk(const char *name, int levels, const char *base, const u8 *want)
{
	struct lclone_parents parents = { .count = 0 };
	static struct lclone_pair pair;
	char path[512], base_path[512];
	char why[LCLONE_WHY_SIZE];
	struct lclone_usage usage;
	int findings = 0;
	u8 *have = malloc(disk_sectors << 9);

	snprintf(path, sizeof(path), "%s", path_of(name));
	snprintf(base_path, sizeof(base_path), "%s", base ? path_of(base) : "-");
	name_below(&parents, name, levels);
	must(lclone_open_pair(base_path, path, &parents, &pair));
	must(lclone_chain_read(&pair.disk.chain, pair.base, have, 0, disk_sectors));
	assert_memory_equal(have, want, disk_sectors << 9);
	assert_int_equal(lclone_check(&pair.disk.file.dev, NULL, count, &findings, &usage, why), 0);
	lclone_close_pair(&pair);
	free(have);
}

/* They have the same of the same, and one identity. */
static void check_same(const char *a, const char *b)
{
	struct lclone_extent e[2];
	struct lclone_extents x[2];
	struct lclone_delta delta[2];
	struct lclone_file file[2];
	int ret;

	for (int i = 0; i < 2; i++) {
		must(lclone_file_open(&file[i], path_of(i ? b : a), O_RDONLY));
		assert_int_equal(lclone_delta_open(&delta[i], &file[i].dev), 0);
		lclone_extents_init(&x[i], &delta[i], 0, UINT64_MAX);
	}
	do {
		memset(e, 0, sizeof(e));
		ret = lclone_extents_next(&x[0], &e[0]);
		assert_int_equal(lclone_extents_next(&x[1], &e[1]), ret);
		assert_int_equal(e[0].sector, e[1].sector);
		assert_int_equal(e[0].sectors, e[1].sectors);
		assert_int_equal(e[0].source, e[1].source);
	} while (ret > 0);
	assert_memory_equal(delta[0].sb.uuid, delta[1].sb.uuid, LCLONE_UUID_SIZE);
	assert_int_equal(delta[0].sb.generation, delta[1].sb.generation);
	assert_int_equal(delta[1].sb.state, LCLONE_STATE_SEALED | LCLONE_STATE_CLEAN);
	for (int i = 0; i < 2; i++) {
		lclone_delta_close(&delta[i]);
		lclone_file_close(&file[i]);
	}
}

static void new_targets(void)
{
	for (int i = 0; i < LEVELS; i++)
		new_file((const char *[]){ "R0", "R1", "R2" }[i], disk_sectors + 32768);
}

/* All of a disk, from a base and layers, needs nothing where it is received. */
static void full(void **state)
{
	(void)state;
	for (int based = 0; based < 2; based++) {
		make_layers(20001 + 7 * based, based ? 64 : 128, based, 3 + based);
		for (int i = 0; i < LEVELS; i++) {
			new_targets();
			must(send_to("stream", i, based ? "base" : "-", -1, false));
			must(receive_on("stream", "R0", 0, NULL, 0));
			check_disk("R0", 0, NULL, model[i]);
		}
		free_layers();
	}
}

/* What is zero is not in it. */
static void full_is_sparse(void **state)
{
	struct stat st;

	(void)state;
	make_layers(40000, 128, true, 7);
	must(send_to("stream", 0, "base", -1, false));
	assert_int_equal(stat(path_of("stream"), &st), 0);
	assert_true((u64)st.st_size < (disk_sectors << 9) * 6 / 10);
	free_layers();
}

static void incremental(void **state)
{
	(void)state;
	for (int based = 0; based < 2; based++) {
		const char *base = based ? "base" : NULL;

		make_layers(30000 - based, 128, based, 11 + based);
		new_targets();
		if (based)
			must(send_to("s0", 0, "-", -1, true));
		else
			must(send_to("s0", 0, "-", -1, false));
		must(send_to("s1", 1, "-", 0, false));
		must(send_to("s2", 2, "-", 1, false));
		must(receive_on("s0", "R0", 0, base, 0));
		must(receive_on("s1", "R1", 1, NULL, 0));
		must(receive_on("s2", "R2", 2, NULL, 0));
		for (int i = 0; i < LEVELS; i++)
			check_disk((const char *[]){ "R0", "R1", "R2" }[i], i, base, model[i]);
		if (based)
			check_same("L0", "R0");
		check_same("L1", "R1");
		check_same("L2", "R2");
		/* both at once, as one layer */
		new_file("R1", disk_sectors + 32768);
		must(send_to("s1", 2, "-", 0, false));
		must(receive_on("s1", "R1", 1, NULL, 0));
		check_disk("R1", 1, base, model[2]);
		free_layers();
	}
}

/* Pieces that are less than what the layers here can have: the rest comes from below. */
static void other_chunks(void **state)
{
	(void)state;
	make_layers(20000, 16, false, 21);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	must(send_to("s1", 1, "-", 0, false));
	must(receive_on("s0", "R0", 0, NULL, 256));
	must(receive_on("s1", "R1", 1, NULL, 0));
	check_disk("R1", 1, NULL, model[1]);
	free_layers();

	/* what is below is not known here as long as the base is not named */
	make_layers(20000, 16, true, 22);
	new_targets();
	must(send_to("s0", 0, "-", -1, true));
	must(send_to("s1", 1, "-", 0, false));
	must(receive_on("s0", "R0", 0, "base", 256));
	assert_int_equal(receive_on("s1", "R1", 1, NULL, 0), -ERANGE);
	must(receive_on("s1", "R1", 1, "base", 0));
	check_disk("R1", 1, "base", model[1]);
	free_layers();
}

static void sender_refuses(void **state)
{
	struct lclone_writer_options o = { .format = { .virtual_sectors = 8000 } };
	struct lclone_file file;
	struct lclone_writer *w;
	struct lclone_sb sb;

	(void)state;
	make_layers(8000, 128, true, 31);
	assert_int_equal(send_to("s", 0, "-", 1, false), -ESTALE);	/* not below it */
	assert_int_equal(send_to("s", 1, "-", 1, false), -ESTALE);	/* itself */
	assert_int_equal(send_to("s", 2, "-", -1, false), -ESTALE);	/* without its base */
	write_file("other", model[2], 8000 << 9);
	assert_int_equal(send_to("s", 2, "other", -1, false), -ESTALE);
	/* a delta, which changes */
	new_file("L0", disk_sectors + 32768);
	must(lclone_file_open(&file, path_of("L0"), O_RDWR | O_EXCL));
	must(lclone_writer_begin(&w, &file, &o));
	must(lclone_writer_end(w, &sb));
	lclone_writer_free(w);
	lclone_file_close(&file);
	assert_int_equal(send_to("s", 0, "-", -1, false), -EBUSY);
	free_layers();
}

/* A file that is full only when the page cache is written is not called sent. */
static void not_durable(void **state)
{
	(void)state;
	make_layers(8000, 128, false, 35);
	sync_errno = EDQUOT;
	assert_int_equal(send_to("s", 0, "-", -1, false), -EDQUOT);
	sync_errno = 0;
	must(send_to("s", 0, "-", -1, false));
	free_layers();
}

enum is { BLANK, HALF, WHOLE };

static enum is target_is(const char *name)
{
	struct lclone_sb sb;
	int err = lclone_sb_of(path_of(name), &sb);

	if (err == -ENODATA)
		return BLANK;
	must(err);
	return lclone_half_written(&sb) ? HALF : WHOLE;
}

/* Where records begin, by a reader of its own */
static size_t boundaries(const u8 *s, size_t len, size_t *at)
{
	size_t n = 0, i = sizeof(LCLONE_STREAM_HEADER) - 1;
	u64 value;

	while (i < len) {
		at[n++] = i;
		value = 0;
		switch (s[i]) {
		case 'f':
		case 't':
			memcpy(&value, s + i + 1, 4);
			i += 5 + value;
			break;
		case 's':
			i += 9;
			break;
		case 'w':
			memcpy(&value, s + i + 9, 8);
			i += 17 + value;
			break;
		case 'z':
			i += 17;
			break;
		default:
			assert_int_equal(s[i++], 'e');
		}
	}
	assert_int_equal(i, len);
	return n;
}

/* Wherever it is cut off, nothing is whole; the whole one can be received then. */
static void cut_off(void **state)
{
	static size_t at[4096], places[3 * 4096];
	size_t len, n, count = 0, i;
	u8 *s;

	(void)state;
	make_layers(16000, 128, false, 41);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	must(receive_on("s0", "R0", 0, NULL, 0));
	must(send_to("s", 1, "-", 0, false));
	len = read_file("s", &s);
	n = boundaries(s, len, at);
	for (i = 0; i < at[4]; i++)
		places[count++] = i;
	for (i = 4; i < n; i++) {
		places[count++] = at[i];
		places[count++] = at[i] + 1 + image_random(&dice, 17);
		places[count++] = at[i] + 1 + image_random(&dice, len - at[i] - 1 ?: 1);
	}
	for (i = 0; i < count && places[i] < len; i++) {
		int err;

		write_file("part", s, places[i]);
		err = receive_on("part", "R1", 1, NULL, 0);
		assert_int_equal(err, places[i] < 12 ? -EMEDIUMTYPE : -EBADMSG);
		assert_true(target_is("R1") != WHOLE);
		assert_int_equal(target_is("R1"), places[i] > at[3] ? HALF : BLANK);
		if (i % 16 == 0 && target_is("R1") == HALF) {
			must(receive_on("s", "R1", 1, NULL, 0));
			check_disk("R1", 1, NULL, model[1]);
			check_same("L1", "R1");
			new_file("R1", disk_sectors + 32768);
		}
	}
	print_message("# %zu records, cut at %zu places\n", n, i);
	free(s);
	free_layers();
}

/* A bit of what is not data: it is refused, or it is another layer that is healthy. */
static void bit_flips(void **state)
{
	static size_t at[4096];
	size_t len, n, i, k, flips = 0, taken = 0;
	u8 *s;

	(void)state;
	make_layers(6000, 128, false, 51);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	must(receive_on("s0", "R0", 0, NULL, 0));
	must(send_to("s", 1, "-", 0, false));
	len = read_file("s", &s);
	n = boundaries(s, len, at);
	for (i = 0; i < n; i++) {
		size_t head = i < 3 ? at[i + 1] - at[i] : i + 1 == n ? 1 : 17;

		for (k = at[i]; k < at[i] + head; k++, flips++) {
			u8 bit = 1 << image_random(&dice, 8);
			char why[LCLONE_WHY_SIZE];
			struct lclone_usage usage;
			struct lclone_file file;
			int findings = 0;

			s[k] ^= bit;
			write_file("flipped", s, len);
			s[k] ^= bit;
			new_file("R1", disk_sectors + 32768);
			if (receive_on("flipped", "R1", 1, NULL, 0)) {
				assert_true(target_is("R1") != WHOLE);
				continue;
			}
			taken++;
			must(lclone_file_open(&file, path_of("R1"), O_RDONLY));
			assert_int_equal(lclone_check(&file.dev, NULL, count, &findings, &usage,
						      why), 0);
			lclone_file_close(&file);
		}
	}
	print_message("# %zu flips, %zu of them make another stream\n", flips, taken);
	assert_true(taken < flips / 4);
	free(s);
	free_layers();
}

/* Streams by hand */

static u8 text[1 << 16];
static size_t text_len;

static void put(const void *data, size_t len)
{
	memcpy(text + text_len, data, len);
	text_len += len;
}

static void put_name(char tag, const char *name)
{
	u32 len = strlen(name);

	put(&tag, 1);
	put(&len, 4);
	put(name, len);
}

static void put_number(char tag, u64 value)
{
	put(&tag, 1);
	put(&value, 8);
}

static void put_range(char tag, u64 at, u64 len)
{
	put_number(tag, at);
	put(&len, 8);
}

static void put_data(u64 at, u64 len)
{
	put_range('w', at, len);
	memset(text + text_len, 0x77, len);
	text_len += len;
}

static const char a_name[] = "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@1";

static void start(void)
{
	text_len = 0;
	put(LCLONE_STREAM_HEADER, sizeof(LCLONE_STREAM_HEADER) - 1);
}

static void start_disk(u64 size)
{
	start();
	put_name('t', a_name);
	put_number('s', size);
}

static int receive_text(void)
{
	write_file("text", text, text_len);
	new_file("R0", 65536);
	return receive_on("text", "R0", 0, NULL, 0);
}

static void expect(int want)
{
	int err = receive_text();

	if (err != want)
		fail_msg("%d, not %d: %s", err, want, lclone_why());
	assert_true(!want || target_is("R0") != WHOLE);
}

static void by_hand(void **state)
{
	(void)state;
	start_disk(1 << 20);
	put_data(4096, 8192);
	put_range('z', 65536, 4096);
	put("e", 1);
	expect(0);
	start_disk(1 << 20);
	put("e", 1);
	expect(0);				/* of nothing but zeros */
	/* the order of what comes first is free */
	start();
	put_number('s', 1 << 20);
	put_name('t', a_name);
	put("e", 1);
	expect(0);
}

/*
 * A disk was enlarged over a base that is longer than it was: what it shows of the base is in the
 * stream, also for who has the layer below without a base.
 */
static void grown(void **state)
{
	static const u64 sizes[LEVELS] = { 10001, 14001, 25001 };
	static const char *const target[LEVELS] = { "R0", "R1", "R2" };
	struct lclone_sb sb;
	char name[LCLONE_STREAM_NAME];
	u8 *want;

	(void)state;
	make_layers_of(sizes, 128, true, 21);
	for (int based = 0; based < 2; based++) {
		const char *base = based ? "base" : NULL;

		new_targets();
		must(send_to("s0", 0, based ? "-" : "base", -1, based));
		assert_int_equal(send_to("s1", 1, "-", 0, false), -ESTALE);
		must(send_to("s1", 1, "base", 0, false));
		must(send_to("s2", 2, "base", 1, false));
		must(receive_on("s0", "R0", 0, base, 0));
		must(receive_on("s1", "R1", 1, base, 0));
		must(receive_on("s2", "R2", 2, base, 0));
		for (int i = 0; i < LEVELS; i++) {
			disk_sectors = sizes[i];
			check_disk(target[i], i, base, model[i]);
		}
		new_file("R1", disk_sectors + 32768);
		must(send_to("s1", 2, "base", 0, false));
		must(receive_on("s1", "R1", 1, base, 0));
		check_disk("R1", 1, base, model[2]);
	}

	/* who copies the ranges that changed has the disk, too */
	for (int i = 0; i < LEVELS - 1; i++) {
		static struct lclone_overlay overlay;
		struct lclone_parents parents = { .count = 0 };
		struct lclone_chain_extent e;
		static struct disk d;

		name_below(&parents, "L", 2);
		must(lclone_open_disk(path_of("L2"), O_RDONLY, &parents, &d));
		want = calloc(disk_sectors, 512);
		memcpy(want, model[i], sizes[i] << 9);
		lclone_overlay_start(&overlay, &d.chain, 2 - i);
		while (lclone_overlay_next(&overlay, &e) > 0)
			memcpy(want + (e.sector << 9), model[2] + (e.sector << 9), e.sectors << 9);
		assert_memory_equal(want, model[2], disk_sectors << 9);
		free(want);
		lclone_close_disk(&d);
	}

	/* and by somebody else: the rest of a subchunk is the base's */
	new_targets();
	must(send_to("s0", 0, "-", -1, true));
	must(receive_on("s0", "R0", 0, "base", 2048));
	must(lclone_sb_of(path_of("R0"), &sb));
	lclone_stream_name(&sb, name);
	start();
	put_name('f', name);
	put_name('t', a_name);
	put_number('s', sizes[1] << 9);
	put_data(12001 << 9, 4096);
	put("e", 1);
	write_file("text", text, text_len);
	must(receive_on("text", "R1", 1, "base", 0));
	want = malloc(sizes[1] << 9);
	memcpy(want, base_data, sizes[1] << 9);
	memcpy(want, model[0], sizes[0] << 9);
	memset(want + (12001 << 9), 0x77, 4096);
	disk_sectors = sizes[1];
	check_disk("R1", 1, "base", want);
	free(want);
	free_layers();
}

static void bad_content(void **state)
{
	static const struct {
		const char *what;
		u64 at, len;
	} ranges[] = {
		{ "before", 0, 4096 }, { "twice", 12288, 512 }, { "in part", 16000, 4096 },
		{ "odd", 20001, 512 }, { "odd length", 20480, 511 }, { "none", 20480, 0 },
		{ "beyond the end", 1 << 20, 512 }, { "over the end", (1 << 20) - 512, 1024 },
		{ "far beyond", 1ull << 60, 512 }, { "no such length", 20480, 1ull << 62 },
		{ "wraps", 20480, -20480ull }, { "wraps, too", -512ull, 1024 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		for (int zero = 0; zero < 2; zero++) {
			print_message("# %s\n", ranges[i].what);
			start_disk(1 << 20);
			put_data(8192, 8192);
			put_range(zero ? 'z' : 'w', ranges[i].at, ranges[i].len);
			put(text, 8192);
			put("e", 1);
			expect(-EBADMSG);
		}
	}
	start_disk(1 << 20);
	put_data(4096, 512);
	put("e\n", 2);				/* something behind it */
	expect(-EBADMSG);
	start_disk(1 << 20);
	put_data(4096, 512);
	put_range('x', 8192, 512);		/* no such record */
	expect(-EBADMSG);
	start_disk(1 << 20);
	put_data(4096, 512);
	put_name('t', a_name);			/* too late */
	expect(-EBADMSG);
}

static void bad_header(void **state)
{
	char name[300];
	u32 len = UINT32_MAX;

	(void)state;
	text_len = 0;
	expect(-EMEDIUMTYPE);			/* nothing */
	put("rbd diff v2\n", 12);
	expect(-EMEDIUMTYPE);
	start();
	put("e", 1);
	expect(-EBADMSG);			/* no name, no size */
	start();
	put_name('t', a_name);
	put("e", 1);
	expect(-EBADMSG);
	start();
	put_number('s', 1 << 20);
	put("e", 1);
	expect(-EBADMSG);
	start_disk(1 << 20);
	put_name('t', a_name);
	expect(-EBADMSG);
	start_disk(1 << 20);
	put_number('s', 1 << 20);
	expect(-EBADMSG);
	start_disk(0);
	expect(-EBADMSG);
	start_disk(1000);
	expect(-EBADMSG);
	start();
	put("t", 1);
	put(&len, 4);
	expect(-EBADMSG);			/* a name of 4 GiB */
	start();
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	put_name('t', name);
	expect(-EBADMSG);
	/* a disk that no delta can be of, and zeros beyond all reason */
	start_disk(UINT64_MAX / 512 * 512);
	put("e", 1);
	expect(-ERANGE);
	start_disk(1ull << 50);
	put_range('z', 0, 1ull << 50);
	put_data((1ull << 50) - 512, 512);
	expect(-EBADMSG);
}

static void foreign_names(void **state)
{
	static const char * const names[] = {
		"snap1", "", "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f", "@1",
		"0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@", "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@01",
		"0F3A7C4E-52D1-4A7B-9C33-6A1B2C3D4E5F@1", "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@-1",
		"0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@99999999999999999999",
		"0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@1\n", "\033[2J",
		/* that no layer can have */
		"0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@0",
		"0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@18446744073709551615",
		"00000000-0000-0000-0000-000000000000@1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int want = names[i][0] ? -ESTALE : -EBADMSG;

		start();
		put_name('t', names[i]);
		put_number('s', 1 << 20);
		put("e", 1);
		expect(want);
		assert_null(strchr(lclone_why(), '\033'));
		start();
		put_name('f', names[i]);
		put_name('t', a_name);
		put_number('s', 1 << 20);
		put("e", 1);
		expect(want);
	}
	start();				/* since itself */
	put_name('f', "0f3a7c4e-52d1-4a7b-9c33-6a1b2c3d4e5f@2");
	put_name('t', a_name);
	put_number('s', 1 << 20);
	put("e", 1);
	expect(-ESTALE);
}

/* It goes to the layer that it was made since, and to no other. */
static void wrong_parent(void **state)
{
	char name[LCLONE_STREAM_NAME];
	struct lclone_sb sb;
	struct lclone_file file;

	(void)state;
	make_layers(8000, 128, true, 61);
	new_targets();
	must(send_to("s0", 0, "-", -1, true));
	must(send_to("s1", 1, "-", 0, false));
	must(send_to("s2", 2, "-", 1, false));
	must(receive_on("s0", "R0", 0, "base", 0));
	assert_int_equal(receive_on("s2", "R1", 1, NULL, 0), -ESTALE);
	must(lclone_sb_of(path_of("L1"), &sb));
	lclone_stream_name(&sb, name);		/* both names are told */
	assert_non_null(strstr(lclone_why(), name));
	must(lclone_sb_of(path_of("R0"), &sb));
	lclone_stream_name(&sb, name);
	assert_non_null(strstr(lclone_why(), name));
	assert_int_equal(target_is("R1"), BLANK);
	/* none is named, and there is none on any device */
	assert_int_equal(receive_on("s1", "R1", 0, NULL, 0), -ESTALE);
	/* another base, and none where there is one */
	write_file("other", model[2], 8000 << 9);
	assert_int_equal(receive_on("s0", "R1", 0, "other", 0), -ESTALE);
	assert_int_equal(receive_on("s1", "R1", 1, "other", 0), -ESTALE);
	assert_int_equal(receive_on("s0", "R1", 1, "base", 0), -ESTALE);
	must(send_to("full", 0, "base", -1, false));
	assert_int_equal(receive_on("full", "R1", 0, "base", 0), -ESTALE);
	assert_int_equal(receive_on("full", "R1", 1, NULL, 0), -ESTALE);
	/* it was repaired since, and has lost something */
	must(lclone_file_open(&file, path_of("R0"), O_RDWR | O_EXCL));
	sb.generation++;
	must(lclone_super_write(&file, &sb));
	must(lclone_super_write(&file, &sb));
	lclone_file_close(&file);
	assert_int_equal(receive_on("s1", "R1", 1, NULL, 0), -ESTALE);
	assert_int_equal(target_is("R1"), BLANK);
	/* onto itself */
	assert_true(receive_on("s1", "R0", 1, NULL, 0) < 0);
	free_layers();
}

/* Nothing is lost that is not its own. */
static void target(void **state)
{
	u8 *s;
	size_t len;

	(void)state;
	make_layers(8000, 128, false, 71);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	must(send_to("other", 1, "-", -1, false));
	len = read_file("s0", &s);
	write_file("part", s, len / 2);
	free(s);
	memset(text, 0x55, sizeof(text));
	write_file("R0", text, sizeof(text));
	assert_int_equal(receive_on("s0", "R0", 0, NULL, 0), -EADDRINUSE);
	new_targets();
	assert_int_equal(receive_on("part", "R0", 0, NULL, 0), -EBADMSG);
	assert_int_equal(target_is("R0"), HALF);
	assert_int_equal(receive_on("other", "R0", 0, NULL, 0), -EADDRINUSE);
	must(receive_on("s0", "R0", 0, NULL, 0));
	check_disk("R0", 0, NULL, model[0]);
	assert_int_equal(receive_on("s0", "R0", 0, NULL, 0), -EEXIST);
	assert_int_equal(receive_on("part", "R0", 0, NULL, 0), -EEXIST);
	assert_int_equal(receive_on("other", "R0", 0, NULL, 0), -EADDRINUSE);
	check_disk("R0", 0, NULL, model[0]);
	/* too small */
	new_file("R1", 5000);
	assert_int_equal(receive_on("s0", "R1", 0, NULL, 0), -ENOSPC);
	free_layers();
}

/* Two that receive the same at once would both find nothing, and both begin. */
static void alone(void **state)
{
	(void)state;
	make_layers(8000, 128, false, 75);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	device = true;
	must(receive_on("s0", "R0", 0, NULL, 0));
	device = false;
	assert_true(looks > 0);
	assert_int_equal(begins, 1);
	assert_false(is_locked());
	check_disk("R0", 0, NULL, model[0]);
	free_layers();
}

/* Ceph's own program reads two streams and makes one of them. */
static void merged_by_rbd(void **state)
{
	char command[3 * 512 + 64];

	(void)state;
	if (system("rbd --version >/dev/null 2>&1")) {
		print_message("# rbd (ceph-common) is not installed\n");
		skip();
	}
	make_layers(30000, 128, false, 81);
	new_targets();
	must(send_to("s0", 0, "-", -1, false));
	must(send_to("s1", 1, "-", 0, false));
	must(send_to("s2", 2, "-", 1, false));
	must(receive_on("s0", "R0", 0, NULL, 0));
	snprintf(command, sizeof(command), "rbd --no-progress merge-diff %s %s %s 2>/dev/null", path_of("s1"), path_of("s2"),
		 path_of("s12"));
	assert_int_equal(system(command), 0);
	must(receive_on("s12", "R1", 1, NULL, 0));
	check_disk("R1", 1, NULL, model[2]);
	/* a whole disk and its changes are the whole disk of then */
	snprintf(command, sizeof(command), "rbd --no-progress merge-diff %s %s %s 2>/dev/null", path_of("s0"), path_of("s12"),
		 path_of("s012"));
	assert_int_equal(system(command), 0);
	new_file("R0", disk_sectors + 32768);
	must(receive_on("s012", "R0", 0, NULL, 0));
	check_disk("R0", 0, NULL, model[2]);
	/* what does not belong together it refuses, by the names */
	snprintf(command, sizeof(command), "rbd --no-progress merge-diff %s %s %s 2>/dev/null", path_of("s2"),
		 path_of("s1"), path_of("s21"));
	assert_int_not_equal(system(command), 0);
	free_layers();
}

/* As the guide has it for backup software: all that was changed is there, and nothing else. */
static void changes_by_nbd(void **state)
{
	char command[8 * 512], disk[512], extents[512], copy[512];
	struct lclone_parents parents = { .count = 0 };
	struct lclone_chain_extent e;
	static struct lclone_chain_extents x;
	static struct disk d;
	u8 *want, *have;
	FILE *f;

	(void)state;
	if (system("nbdkit --version >/dev/null 2>&1 && qemu-img --version >/dev/null 2>&1")) {
		print_message("# nbdkit, or qemu-img, is not installed\n");
		skip();
	}
	make_layers(24000, 128, true, 91);
	want = calloc(disk_sectors, 512);
	snprintf(disk, sizeof(disk), "%s", path_of("disk"));
	snprintf(extents, sizeof(extents), "%s", path_of("extents"));
	snprintf(copy, sizeof(copy), "%s", path_of("copy"));
	write_file("disk", model[2], disk_sectors << 9);
	f = fopen(extents, "w");
	name_below(&parents, "L", 2);
	must(lclone_open_disk(path_of("L2"), O_RDONLY, &parents, &d));
	lclone_chain_extents_init(&x, &d.chain, 1, 0, UINT64_MAX);
	x.base_sectors = UINT64_MAX;
	while (lclone_chain_extents_next(&x, &e) > 0) {
		if (e.source == LCLONE_FROM_BASE)
			continue;
		fprintf(f, "%llu %llu %s\n", (unsigned long long)e.sector * 512,
			(unsigned long long)e.sectors * 512,
			e.source == LCLONE_FROM_ZERO ? "zero" : "");
		memcpy(want + (e.sector << 9), model[2] + (e.sector << 9), e.sectors << 9);
	}
	fclose(f);
	lclone_close_disk(&d);
	snprintf(command, sizeof(command),
		 "nbdkit --readonly --unix - --filter=extentlist file %s extentlist=%s --run 'qemu-img convert -f raw -O raw \"$uri\" %s'",
		 disk, extents, copy);
	assert_int_equal(system(command), 0);
	read_file("copy", &have);
	assert_memory_equal(have, want, disk_sectors << 9);
	free(have);
	free(want);
	free_layers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full),
		cmocka_unit_test(full_is_sparse),
		cmocka_unit_test(incremental),
		cmocka_unit_test(other_chunks),
		cmocka_unit_test(sender_refuses),
		cmocka_unit_test(not_durable),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(by_hand),
		cmocka_unit_test(grown),
		cmocka_unit_test(bad_content),
		cmocka_unit_test(bad_header),
		cmocka_unit_test(foreign_names),
		cmocka_unit_test(wrong_parent),
		cmocka_unit_test(target),
		cmocka_unit_test(alone),
		cmocka_unit_test(merged_by_rbd),
		cmocka_unit_test(changes_by_nbd),
	};

	/* of the machine that this runs on nothing lies on these files */
	lclone_assume_no_other_clones();
	return cmocka_run_group_tests_name("stream", tests, make_dir, remove_dir);
}
