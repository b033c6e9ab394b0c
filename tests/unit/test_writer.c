// SPDX-License-Identifier: GPL-2.0-only
/*
 * A delta that is written whole, on plain files: it has what it was given, and wherever that is
 * cut off it is blank, refused as half written, or whole.
 *
 * The Makefile puts the functions named __wrap_ in the place of the library's: what is written is
 * recorded.
 */
#include <fcntl.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/chain.h"
#include "clone/delta-file.h"
#include "dir.h"
#include "host/queue.h"
#include "image.h"
#include "offline/check.h"
#include "offline/remove.h"
#include "offline/writer.h"
#include "test.h"

/* A write; a flush if it has no bytes */
struct op {
	u64 at;
	u32 len;
	u8 *data;
};

static struct op *op;
static size_t ops;
static bool recording;

static void record(const void *buf, u64 at, u32 len)
{
	if (!recording)
		return;
	op = reallocarray(op, ops + 1, sizeof(*op));
	op[ops] = (struct op){ .at = at, .len = len, .data = malloc(len + 1) };
	memcpy(op[ops++].data, buf, len);
}

static void forget_ops(void)
{
	while (ops)
		free(op[--ops].data);
}

int __real_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count)
{
	record(buf, sector << 9, count << 9);
	return __real_lclone_file_write(file, buf, sector, count);
}

int __real_lclone_file_sync(struct lclone_file *file);
int __wrap_lclone_file_sync(struct lclone_file *file);
int __wrap_lclone_file_sync(struct lclone_file *file)
{
	record("", 0, 0);
	return __real_lclone_file_sync(file);
}

int __real_lclone_queue_write(struct lclone_queue *q, struct lclone_flight *f,
			      struct lclone_file *file, u32 from, u32 len, u64 at);
int __wrap_lclone_queue_write(struct lclone_queue *q, struct lclone_flight *f,
			      struct lclone_file *file, u32 from, u32 len, u64 at);
int __wrap_lclone_queue_write(struct lclone_queue *q, struct lclone_flight *f,
			      struct lclone_file *file, u32 from, u32 len, u64 at)
{
	record(f->data + from, at, len);
	return __real_lclone_queue_write(q, f, file, from, len, at);
}

/* What is to be written */

enum kind { LEFT_OUT, DATA, ZERO };

struct piece {
	u64 sector;
	u32 sectors;
	enum kind kind;
};

struct job {
	u64 device_sectors, virtual_sectors;
	u32 chunk_sectors;
	u32 unit;			/* pieces are of whole units, in sectors */
	bool base;			/* something is below */
	struct piece piece[4096];
	u32 pieces;
	u8 *below, *model;		/* of the disk: below this delta, and with it */
	struct image random;
	uuid_t uuid;
	u64 generation;			/* if it is a layer */
};

static void make_job(struct job *j, u64 seed)
{
	const struct image_size size = { 65536, 0, 8, 128 };
	u64 at = 0, n;

	image_init(&j->random, &size, seed);
	j->below = calloc(j->virtual_sectors, 512);
	j->model = calloc(j->virtual_sectors, 512);
	for (u64 i = 0; j->base && i < j->virtual_sectors << 9; i++)
		j->below[i] = image_random(&j->random, 256);
	memcpy(j->model, j->below, j->virtual_sectors << 9);
	for (j->pieces = 0; at < j->virtual_sectors && j->pieces < 4096; at += n) {
		struct piece *p = &j->piece[j->pieces++];

		n = 1 + image_random(&j->random, image_random(&j->random, 4) ? 8 : 900);
		n = min_u64(n * j->unit, j->virtual_sectors - at);
		*p = (struct piece){ at, n, image_random(&j->random, 3) };
		if (p->kind == ZERO)
			memset(j->model + (at << 9), 0, n << 9);
		for (u64 i = at << 9; p->kind == DATA && i < (at + n) << 9; i++)
			j->model[i] = image_random(&j->random, 256);
	}
	uuid_generate(j->uuid);
	j->generation = 3;
}

static void free_job(struct job *j)
{
	free(j->below);
	free(j->model);
	image_free(&j->random);
}

static int read_below(void *ctx, void *buf, u64 sector, u32 sectors)
{
	const struct job *j = ctx;

	memcpy(buf, j->below + (sector << 9), (size_t)sectors << 9);
	return 0;
}

static void new_file(const char *name, u64 sectors)
{
	unlink(path_of(name));
	assert_true(open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600) >= 0);
	assert_int_equal(truncate(path_of(name), sectors << 9), 0);
}

static void write_base(const struct job *j)
{
	int fd = open(path_of("base"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, j->below, j->virtual_sectors << 9), j->virtual_sectors << 9);
	close(fd);
}

/* Writes the first @pieces of it, and ends it if that is all. */
static int run(struct job *j, u32 pieces, bool sealed, bool force)
{
	struct lclone_writer_options o = {
		.format = { .virtual_sectors = j->virtual_sectors,
			    .chunk_sectors = j->chunk_sectors, .label = "web1@monday",
			    .uuid = j->uuid },
		.sealed = sealed, .generation = sealed ? j->generation : 0, .sealed_at = 1234567,
		.force = force, .below = j->base ? read_below : NULL, .ctx = j,
	};
	struct lclone_file file, base = { .fd = -1 };
	struct lclone_writer *w = NULL;
	struct lclone_sb sb;
	int err;

	err = lclone_file_open(&file, path_of("delta"), O_RDWR | O_EXCL);
	if (!err && j->base) {
		write_base(j);
		err = lclone_file_open(&base, path_of("base"), O_RDONLY);
		o.base = &base;
	}
	if (!err)
		err = lclone_writer_begin(&w, &file, &o);
	for (u32 i = 0; !err && i < pieces && i < j->pieces; i++) {
		const struct piece *p = &j->piece[i];

		if (p->kind == DATA)
			err = lclone_writer_data(w, p->sector, j->model + (p->sector << 9),
						 p->sectors);
		else if (p->kind == ZERO)
			err = lclone_writer_zero(w, p->sector, p->sectors);
	}
	if (!err && pieces >= j->pieces)
		err = lclone_writer_end(w, &sb);
	lclone_writer_free(w);
	lclone_file_close(&file);
	lclone_file_close(&base);
	return err;
}

static void count(const struct lclone_finding *f, void *ctx)
{
	print_message("# %s\n", f->text);
	++*(int *)ctx;
}

static void ignore(const struct lclone_finding *f, void *ctx)
{
	(void)f;
	(void)ctx;
}

enum state { BLANK, HALF, WHOLE };

/* Half written it has nothing for anybody; whole it has all. */
static enum state look(struct job *j, const struct lclone_dev *dev)
{
	struct lclone_memdev below;
	struct lclone_usage usage;
	struct lclone_delta delta;
	char why[LCLONE_WHY_SIZE];
	int err, findings = 0;
	u8 *disk;

	err = lclone_delta_open(&delta, dev);
	if (err == -ENODATA) {
		lclone_delta_close(&delta);
		return BLANK;
	}
	assert_int_equal(err, 0);
	if (lclone_half_written(&delta.sb)) {
		struct lclone_file file = { .path = "delta" };
		const struct lclone_parents none = { .count = 0 };
		struct lclone_chain chain;

		assert_int_equal(lclone_chain_open(&chain, &delta, &file, &none), -EBUSY);
		lclone_delta_close(&delta);
		assert_int_equal(lclone_check(dev, NULL, ignore, NULL, &usage, why), 1);
		return HALF;
	}
	lclone_memdev_init(&below, j->below, j->base ? j->virtual_sectors : 0);
	disk = malloc(j->virtual_sectors << 9);
	assert_int_equal(lclone_delta_read(&delta, &below.dev, disk, 0, j->virtual_sectors), 0);
	assert_memory_equal(disk, j->model, j->virtual_sectors << 9);
	assert_int_equal(lclone_check(dev, j->base ? &below.dev : NULL, count, &findings, &usage,
				      why), 0);
	assert_int_equal(findings, 0);
	free(disk);
	lclone_delta_close(&delta);
	return WHOLE;
}

static enum state look_at_file(struct job *j)
{
	struct lclone_file file;
	enum state state;

	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDONLY), 0);
	state = look(j, &file.dev);
	lclone_file_close(&file);
	return state;
}

static struct job jobs[] = {
	{ .device_sectors = 65536, .virtual_sectors = 40960, .chunk_sectors = 128, .unit = 8 },
	{ .device_sectors = 65536, .virtual_sectors = 40960, .chunk_sectors = 128, .unit = 8,
	  .base = true },
	/* no piece fits to another; the disk ends in the middle of a subchunk */
	{ .device_sectors = 65536, .virtual_sectors = 25001, .chunk_sectors = 64, .unit = 1 },
	{ .device_sectors = 65536, .virtual_sectors = 25001, .chunk_sectors = 64, .unit = 3,
	  .base = true },
	{ .device_sectors = 65536, .virtual_sectors = 30000, .chunk_sectors = 16, .unit = 1,
	  .base = true },
	{ .device_sectors = 262144, .virtual_sectors = 50000, .chunk_sectors = 4096, .unit = 100,
	  .base = true },
};

#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void content(void **state)
{
	struct lclone_sb sb;

	(void)state;
	for (u32 i = 0; i < 2 * JOBS; i++) {
		struct job *j = &jobs[i % JOBS];

		make_job(j, 10 + i);
		new_file("delta", j->device_sectors);
		if (run(j, UINT32_MAX, i % 2, false))
			fail_msg("%s", lclone_why());
		assert_int_equal(look_at_file(j), WHOLE);
		assert_int_equal(lclone_sb_of(path_of("delta"), &sb), 0);
		assert_memory_equal(sb.uuid, j->uuid, sizeof(j->uuid));
		assert_string_equal(sb.label, "web1@monday");
		assert_int_equal(sb.generation, i % 2 ? 3 : 0);
		assert_int_equal(sb.sealed_at, i % 2 ? 1234567 : 0);
		assert_int_equal(sb.state, LCLONE_STATE_CLEAN |
					   (i % 2 ? LCLONE_STATE_SEALED : 0));
		free_job(j);
	}
}

/* A piece stays what it was given as: zeros are no data, and what was left out is neither. */
static void kinds(void **state)
{
	struct job *j = &jobs[1];
	struct lclone_extents x;
	struct lclone_extent e;
	struct lclone_delta delta;
	struct lclone_file file;
	u64 have[3] = { 0 }, want[3] = { 0 };

	(void)state;
	make_job(j, 77);
	new_file("delta", j->device_sectors);
	assert_int_equal(run(j, UINT32_MAX, true, false), 0);
	for (u32 i = 0; i < j->pieces; i++)
		want[j->piece[i].kind] += j->piece[i].sectors;
	assert_int_equal(lclone_open_delta(path_of("delta"), O_RDONLY, &file, &delta), 0);
	lclone_extents_init(&x, &delta, 0, UINT64_MAX);
	while (lclone_extents_next(&x, &e) > 0)
		have[e.source == LCLONE_FROM_DELTA ? DATA :
		     e.source == LCLONE_FROM_ZERO ? ZERO : LEFT_OUT] += e.sectors;
	assert_memory_equal(have, want, sizeof(have));
	lclone_close_delta(&file, &delta);
	free_job(j);
}

/* The device after a crash: all before the last flush, and of the others what @random says */
static void crash(u8 *disk, const u8 *before, u64 sectors, size_t end, int how,
		  struct image *random)
{
	size_t flush = 0, i;

	memcpy(disk, before, sectors << 9);
	for (i = 0; i < end; i++)
		if (!op[i].len)
			flush = i;
	for (i = 0; i < end; i++)
		if (i < flush || how == 0 || (how == 1 && i + 1 == end) ||
		    (how == 2 && image_random(random, 2)))
			memcpy(disk + op[i].at, op[i].data, op[i].len);
}

/* Goes on where a crash left it, and ends it. */
static void go_on(struct job *j, const u8 *disk)
{
	int fd = open(path_of("delta"), O_WRONLY);

	recording = false;
	assert_int_equal(pwrite(fd, disk, j->device_sectors << 9, 0), j->device_sectors << 9);
	close(fd);
	assert_int_equal(run(j, UINT32_MAX, true, false), 0);
	assert_int_equal(look_at_file(j), WHOLE);
}

static void cut(void **state)
{
	struct job *j = &jobs[3];
	u64 sectors = j->device_sectors;
	u8 *disk = malloc(sectors << 9), *before = calloc(sectors, 512);
	u32 states[3] = { 0 };
	struct lclone_memdev mem;
	enum state is, last;

	(void)state;
	make_job(j, 99);
	new_file("delta", sectors);
	/* from a blank device, then from the rest of an earlier run */
	for (int rest = 0; rest < 2; rest++) {
		recording = true;
		assert_int_equal(run(j, UINT32_MAX, true, false), 0);
		recording = false;
		last = rest ? HALF : BLANK;
		for (size_t end = 0; end <= ops; end++) {
			for (int how = 0; how < 3; how++) {
				crash(disk, before, sectors, end, how, &j->random);
				lclone_memdev_init(&mem, disk, sectors);
				is = look(j, &mem.dev);
				states[is]++;
				assert_true(how || is >= last);
				last = how ? last : is;
				if (is != WHOLE && end % 16 == 0)
					go_on(j, disk);
			}
		}
		assert_int_equal(last, WHOLE);
		crash(before, before, sectors, ops / 2, 0, &j->random);
		forget_ops();
		new_file("delta", sectors);
		assert_int_equal(run(j, j->pieces / 2, true, false), 0);
		assert_int_equal(look_at_file(j), HALF);
		int fd = open(path_of("delta"), O_RDONLY);

		assert_int_equal(read(fd, before, sectors << 9), sectors << 9);
		close(fd);
	}
	print_message("# %u blank, %u half written, %u whole\n", states[BLANK], states[HALF],
		      states[WHOLE]);
	assert_true(states[HALF] > 20);
	free(disk);
	free(before);
	free_job(j);
}

/* Only what an own run has left is gone over without being asked. */
static void overwrite(void **state)
{
	struct job *j = &jobs[0];
	uuid_t own;

	(void)state;
	make_job(j, 5);
	new_file("delta", j->device_sectors);
	assert_int_equal(run(j, 3, true, false), 0);
	memcpy(own, j->uuid, sizeof(own));
	uuid_generate(j->uuid);
	assert_int_equal(run(j, UINT32_MAX, true, false), -EADDRINUSE);
	memcpy(j->uuid, own, sizeof(own));
	/* of the same name, and something else */
	j->generation++;
	assert_int_equal(run(j, UINT32_MAX, true, false), -EADDRINUSE);
	j->generation--;
	j->virtual_sectors -= 8;
	assert_int_equal(run(j, 0, true, false), -EADDRINUSE);
	j->virtual_sectors += 8;
	j->base = true;
	assert_int_equal(run(j, 0, true, false), -EADDRINUSE);
	j->base = false;
	assert_int_equal(run(j, UINT32_MAX, true, false), 0);
	assert_int_equal(run(j, UINT32_MAX, true, false), -EADDRINUSE);
	assert_int_equal(look_at_file(j), WHOLE);
	assert_int_equal(run(j, 3, true, true), 0);
	assert_int_equal(look_at_file(j), HALF);
	assert_int_equal(lclone_remove_delta(path_of("delta")), 0);
	assert_int_equal(look_at_file(j), BLANK);
	free_job(j);
}

static void refused(void **state)
{
	struct lclone_writer_options o = { .format = { .virtual_sectors = 1000 }, .sealed = true };
	struct lclone_writer *w;
	struct lclone_file file;
	static u8 buf[4096];

	(void)state;
	new_file("delta", 65536);
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_writer_begin(&w, &file, &o), 0);
	assert_int_equal(lclone_writer_data(w, 8, buf, 8), 0);
	assert_int_equal(lclone_writer_data(w, 15, buf, 1), -ERANGE);	/* twice */
	assert_int_equal(lclone_writer_zero(w, 0, 1), -ERANGE);		/* not in order */
	assert_int_equal(lclone_writer_data(w, 996, buf, 5), -ERANGE);	/* beyond the end */
	assert_int_equal(lclone_writer_zero(w, 17, UINT64_MAX - 16), -ERANGE);
	assert_int_equal(lclone_writer_zero(w, UINT64_MAX, 2), -ERANGE);
	lclone_writer_free(w);
	lclone_file_close(&file);
}

/* A part of what a subchunk is, of a disk whose rest is not known here */
static void part_unknown(void **state)
{
	struct lclone_writer_options o = { .format = { .virtual_sectors = 4096 }, .sealed = true };
	struct lclone_file file, base;
	struct lclone_writer *w;
	static u8 buf[4096];
	struct lclone_sb sb;

	(void)state;
	new_file("delta", 65536);
	new_file("base", 4096);
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_file_open(&base, path_of("base"), O_RDONLY), 0);
	o.base = &base;
	assert_int_equal(lclone_writer_begin(&w, &file, &o), 0);
	assert_int_equal(lclone_writer_data(w, 8, buf, 4), 0);
	assert_int_equal(lclone_writer_end(w, &sb), -ERANGE);
	lclone_writer_free(w);
	assert_int_equal(lclone_sb_of(path_of("delta"), &sb), 0);
	assert_true(lclone_half_written(&sb));
	lclone_file_close(&file);
	lclone_file_close(&base);
}

/* A device that is too small says so; a delta keeps the room that the kernel needs. */
static void no_room(void **state)
{
	struct job *j = &jobs[0];
	struct lclone_sb sb;

	(void)state;
	make_job(j, 6);
	for (int sealed = 0; sealed < 2; sealed++) {
		j->device_sectors = 65536;
		new_file("delta", j->device_sectors);
		assert_int_equal(run(j, UINT32_MAX, sealed, false), 0);
		assert_int_equal(lclone_sb_of(path_of("delta"), &sb), 0);
		j->device_sectors = lclone_phys_sector(&sb, sb.hwm);
		if (!sealed)
			j->device_sectors += lclone_phys_sector(&sb, lclone_reserve_chunks(&sb));
		new_file("delta", j->device_sectors);
		assert_int_equal(run(j, UINT32_MAX, sealed, false), 0);
		assert_int_equal(look_at_file(j), WHOLE);
		j->device_sectors -= j->chunk_sectors;
		new_file("delta", j->device_sectors);
		assert_int_equal(run(j, UINT32_MAX, sealed, false), -ENOSPC);
		assert_int_equal(look_at_file(j), HALF);
	}
	free_job(j);
	j->device_sectors = 65536;
}

/* A large disk: index nodes of two levels, and zeros over all of a leaf */
static void large(void **state)
{
	const u64 size = 3ull << 30;	/* 1.5 TiB in sectors */
	struct lclone_writer_options o = { .format = { .virtual_sectors = size }, .sealed = true };
	struct lclone_file file, base;
	struct lclone_delta delta;
	struct lclone_writer *w;
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	static u8 buf[65536], got[65536];
	struct lclone_sb sb;
	int findings = 0;
	u64 exc;

	(void)state;
	memset(buf, 0x5a, sizeof(buf));
	new_file("delta", 1 << 20);
	new_file("base", 8);
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_file_open(&base, path_of("base"), O_RDONLY), 0);
	o.base = &base;
	assert_int_equal(lclone_writer_begin(&w, &file, &o), 0);
	for (u64 at = 0; at + 128 < size; at += size / 200 / 128 * 128 + 128)
		assert_int_equal(lclone_writer_data(w, at, buf, 128), 0);
	assert_int_equal(lclone_writer_zero(w, size - 128 * 1000, 128 * 1000), 0);
	assert_int_equal(lclone_writer_end(w, &sb), 0);
	lclone_writer_free(w);
	assert_int_equal(sb.root_level, 2);
	assert_int_equal(lclone_check(&file.dev, NULL, count, &findings, &usage, why), 0);
	assert_int_equal(usage.zero, 16000);
	assert_int_equal(lclone_delta_open(&delta, &file.dev), 0);
	assert_int_equal(lclone_delta_read(&delta, NULL, got, size / 200 / 128 * 128 + 128, 128),
			 0);
	assert_memory_equal(buf, got, sizeof(buf));
	assert_int_equal(lclone_delta_lookup(&delta, delta.chunks - 1, &exc), 0);
	assert_int_equal(exc, lclone_exc_make(0, 0, 0xffff));
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	lclone_file_close(&base);
}

/* It lies on a layer: what is known of the base is that layer's. */
static void on_a_layer(void **state)
{
	struct lclone_writer_options o = { .sealed = true };
	struct job *j = &jobs[1];
	struct lclone_sb lower, upper;
	struct lclone_writer *w;
	struct lclone_file file;
	char why[LCLONE_WHY_SIZE];

	(void)state;
	make_job(j, 8);
	new_file("delta", j->device_sectors);
	assert_int_equal(run(j, UINT32_MAX, true, false), 0);
	assert_int_equal(lclone_sb_of(path_of("delta"), &lower), 0);
	new_file("upper", 65536);
	assert_int_equal(lclone_file_open(&file, path_of("upper"), O_RDWR | O_EXCL), 0);
	o.format.parent = &lower;
	assert_int_equal(lclone_writer_begin(&w, &file, &o), 0);
	assert_int_equal(lclone_writer_end(w, &upper), 0);
	lclone_writer_free(w);
	lclone_file_close(&file);
	assert_int_equal(lclone_link_check(&upper, &lower, why), 0);
	assert_int_equal(upper.base_fp, lower.base_fp);
	assert_int_equal(upper.base_sectors, lower.base_sectors);
	assert_int_equal(upper.virtual_sectors, lower.virtual_sectors);
	free_job(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content),
		cmocka_unit_test(kinds),
		cmocka_unit_test(cut),
		cmocka_unit_test(overwrite),
		cmocka_unit_test(refused),
		cmocka_unit_test(part_unknown),
		cmocka_unit_test(no_room),
		cmocka_unit_test(large),
		cmocka_unit_test(on_a_layer),
	};

	/* of the machine that this runs on nothing lies on these files */
	lclone_assume_no_other_clones();
	return cmocka_run_group_tests_name("writer", tests, make_dir, remove_dir);
}
