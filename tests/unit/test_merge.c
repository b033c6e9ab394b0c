// SPDX-License-Identifier: GPL-2.0-only
/* Merge on plain files: the result equals the model, also when it was killed midway. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "offline/check.h"
#include "basic/fail.h"
#include "clone/base.h"
#include "dir.h"
#include "host/machine.h"
#include "image.h"
#include "offline/copy-out.h"
#include "offline/measure.h"
#include "offline/merge-parent.h"
#include "offline/merge.h"
#include "clone/super.h"
#include "test.h"

static const struct image_size sizes[] = {
	{ 49152, 40960, 40960, 128 },
	{ 32768, 15000, 25001, 16 },	/* beyond the base; nothing is aligned to 4 KiB */
	{ 32768, 0, 20480, 64 },
	{ 131072, 65536, 40960, 2048 },
};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void write_file(const char *name, const void *data, u64 sectors)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, sectors << 9), sectors << 9);
	close(fd);
}

static u8 *read_file(const char *name, u64 *sectors)
{
	int fd = open(path_of(name), O_RDONLY);
	struct stat st;
	u8 *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc(st.st_size + 1);
	assert_int_equal(read(fd, data, st.st_size), st.st_size);
	close(fd);
	*sectors = st.st_size >> 9;
	return data;
}

static void make(struct image *img, const struct image_size *size, u32 changes)
{
	image_init(img, size, 99);
	image_populate(img, changes);
	write_file("delta", img->data, size->device_sectors);
	if (size->base_sectors)
		write_file("base", img->base_data, size->base_sectors);
	unlink(path_of("out"));
	write_file("out", "", 0);
	assert_int_equal(truncate(path_of("out"), size->virtual_sectors << 9), 0);
}

static int go_on(struct lclone_merge *merge, u64 done, u64 total)
{
	(void)merge;
	assert_true(done <= total);
	return 0;
}

static int stop_now(struct lclone_merge *merge, u64 done, u64 total)
{
	(void)merge;
	(void)done;
	(void)total;
	return 1;
}

static int merge_files(bool into_base, bool has_base, bool zero_target,
		       int (*progress)(struct lclone_merge *merge, u64 done, u64 total))
{
	struct lclone_file delta_file, base = { .fd = -1 }, out = { .fd = -1 };
	struct lclone_merge merge = { .progress = progress, .target_is_zero = zero_target };
	struct lclone_delta delta;
	struct lclone_chain chain = { 1, { &delta }, { &delta_file } };
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_file_open(&delta_file, path_of("delta"), O_RDWR | O_EXCL);
	if (!err && has_base)
		err = lclone_file_open(&base, path_of("base"), O_RDWR);
	if (!err && !into_base)
		err = lclone_file_open(&out, path_of("out"), O_RDWR | O_EXCL);
	if (!err)
		err = lclone_delta_open(&delta, &delta_file.dev);
	merge.chain = &chain;
	merge.base = has_base ? &base : NULL;
	merge.target = into_base ? &base : &out;
	if (!err)
		err = into_base ? lclone_merge_into_base(&merge) : lclone_merge_to(&merge);
	lclone_delta_close(&delta);
	lclone_file_close(&delta_file);
	lclone_file_close(&base);
	lclone_file_close(&out);
	return err;
}

static void count(const struct lclone_finding *f, void *ctx)
{
	print_message("%s\n", f->text);
	++*(int *)ctx;
}

/* What delta and base files make together now */
static void check_clone(struct image *img, bool has_base, bool with_checker)
{
	struct lclone_memdev delta_dev, base_dev;
	u64 size = img->sb.virtual_sectors, sectors;
	struct lclone_delta delta;
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	u8 *d, *b = NULL, *clone;
	int findings = 0;

	d = read_file("delta", &sectors);
	lclone_memdev_init(&delta_dev, d, sectors);
	if (has_base) {
		b = read_file("base", &sectors);
		lclone_memdev_init(&base_dev, b, sectors);
	}
	clone = malloc(size << 9);
	assert_int_equal(lclone_delta_open(&delta, &delta_dev.dev), 0);
	assert_int_equal(lclone_delta_read(&delta, has_base ? &base_dev.dev : NULL, clone, 0, size),
			 0);
	assert_memory_equal(clone, img->clone, size << 9);
	lclone_delta_close(&delta);
	if (with_checker) {
		lclone_check(&delta_dev.dev, has_base ? &base_dev.dev : NULL, count, &findings,
			     &usage, why);
		assert_int_equal(findings, 0);
	}
	free(clone);
	free(d);
	free(b);
}

/* Emptied by one more checkpoint, whose log is the other half: never over a log that counts. */
static void check_emptied(const struct lclone_sb *before)
{
	struct lclone_memdev dev;
	struct lclone_delta delta;
	u64 sectors;
	u8 *d = read_file("delta", &sectors);

	lclone_memdev_init(&dev, d, sectors);
	assert_int_equal(lclone_delta_open(&delta, &dev.dev), 0);
	assert_int_equal(delta.sb.checkpoint, before->checkpoint + 1);
	assert_int_not_equal(delta.sb.log_pos, before->log_pos);
	assert_int_equal(delta.sb.hwm, delta.sb.first_chunk);
	assert_int_equal(delta.sb.state, LCLONE_STATE_CLEAN);
	assert_int_equal(delta.commits, 0);
	assert_false(lclone_is_owned(&delta.sb));
	lclone_delta_close(&delta);
	free(d);
}

/* Other hosts see that this one is at it. */
static void check_noted(void)
{
	char owner[LCLONE_OWNER_SIZE];
	struct lclone_memdev dev;
	struct lclone_delta delta;
	u64 sectors;
	u8 *d = read_file("delta", &sectors);

	lclone_memdev_init(&dev, d, sectors);
	assert_int_equal(lclone_delta_open(&delta, &dev.dev), 0);
	assert_true(delta.sb.state & LCLONE_STATE_MERGING);
	assert_int_equal(lclone_is_owned(&delta.sb), lclone_this_host(owner));
	lclone_delta_close(&delta);
	free(d);
}

static void check_out(struct image *img)
{
	u64 sectors;
	u8 *out = read_file("out", &sectors);

	assert_int_equal(sectors, img->sb.virtual_sectors);
	assert_memory_equal(out, img->clone, sectors << 9);
	free(out);
}

static void to_a_file(void **state)
{
	struct image img;
	u32 i, zero;

	(void)state;
	for (i = 0; i < SIZES; i++) {
		for (zero = 0; zero < 2; zero++) {
			make(&img, &sizes[i], 300);
			if (!zero) {	/* what was there before must not shine through */
				u8 *ones = malloc(sizes[i].virtual_sectors << 9);

				memset(ones, 0xff, sizes[i].virtual_sectors << 9);
				write_file("out", ones, sizes[i].virtual_sectors);
				free(ones);
			}
			assert_int_equal(merge_files(false, sizes[i].base_sectors, zero, go_on), 0);
			check_out(&img);
			check_clone(&img, sizes[i].base_sectors, true);
			image_free(&img);
		}
	}
}

static void into_base(void **state)
{
	static const u32 fit[] = { 0, 3 };
	struct image img;
	u64 sectors;
	u32 i;
	u8 *b;

	(void)state;
	for (i = 0; i < 2; i++) {
		const struct image_size *size = &sizes[fit[i]];

		make(&img, size, 400);
		assert_int_equal(merge_files(true, true, false, go_on), 0);
		check_emptied(&img.sb);
		b = read_file("base", &sectors);
		assert_memory_equal(b, img.clone, size->virtual_sectors << 9);
		if (size->base_sectors > size->virtual_sectors)
			assert_memory_equal(b + (size->virtual_sectors << 9),
					    img.base_data + (size->virtual_sectors << 9),
					    (size->base_sectors - size->virtual_sectors) << 9);
		free(b);
		check_clone(&img, true, true);
		/* an empty delta: once more changes nothing */
		assert_int_equal(merge_files(true, true, false, go_on), 0);
		check_clone(&img, true, true);
		image_free(&img);
	}
}

static void small_base(void **state)
{
	struct image img;

	(void)state;
	make(&img, &sizes[1], 100);
	assert_int_equal(merge_files(true, true, false, go_on), -EFBIG);
	check_clone(&img, true, true);
	image_free(&img);
}

/* The base was enlarged while a merge into it was interrupted. */
static void larger_base(void **state)
{
	u64 sectors = sizes[0].base_sectors;
	struct lclone_memdev base;
	char why[LCLONE_WHY_SIZE];
	struct image img;
	u8 *data;

	(void)state;
	make(&img, &sizes[0], 100);
	assert_int_equal(merge_files(true, true, false, stop_now), -EINTR);
	check_noted();
	data = read_file("base", &sectors);
	data = realloc(data, (sectors + 4096) << 9);
	memset(data + (sectors << 9), 0x5a, 4096 << 9);
	write_file("base", data, sectors + 4096);
	img.sb.state |= LCLONE_STATE_MERGING;
	lclone_memdev_init(&base, data, sectors + 4096);
	assert_int_equal(lclone_base_verify(&img.sb, &base.dev, why), 0);
	base.dev.sectors = sectors - 8;
	assert_int_equal(lclone_base_verify(&img.sb, &base.dev, why), -ESTALE);
	img.sb.state &= ~LCLONE_STATE_MERGING;
	base.dev.sectors = sectors + 4096;
	assert_int_equal(lclone_base_verify(&img.sb, &base.dev, why), -ESTALE);
	free(data);
	assert_int_equal(merge_files(true, true, false, go_on), 0);
	check_clone(&img, true, true);		/* what it has recorded is the larger base */
	image_free(&img);
}

static int with_delta(const char *name,
		      int (*ask)(struct lclone_delta *delta, struct lclone_file *base))
{
	struct lclone_file delta_file, base;
	struct lclone_delta delta;
	int ret;

	assert_int_equal(lclone_file_open(&delta_file, path_of("delta"), O_RDONLY), 0);
	assert_int_equal(lclone_file_open(&base, path_of(name), O_RDONLY), 0);
	assert_int_equal(lclone_delta_open(&delta, &delta_file.dev), 0);
	ret = ask(&delta, &base);
	lclone_delta_close(&delta);
	lclone_file_close(&delta_file);
	lclone_file_close(&base);
	return ret;
}

static int begun_in(const char *name)
{
	return with_delta(name, lclone_verify_base_of_merge);
}

static void set_cursor(u64 chunk)
{
	struct lclone_file file;
	struct lclone_delta delta;
	struct lclone_sb sb;

	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR), 0);
	assert_int_equal(lclone_delta_open(&delta, &file.dev), 0);
	sb = delta.sb;
	sb.state |= LCLONE_STATE_MERGING;
	sb.merge_cursor = chunk;
	assert_int_equal(lclone_super_write(&file, &sb), 0);
	lclone_delta_close(&delta);
	lclone_file_close(&file);
}

/* What is below the cursor tells the base from others; nothing below it tells nothing. */
static void base_of_a_merge(void **state)
{
	const struct image_size *size = &sizes[0];
	struct image img;

	(void)state;
	make(&img, size, 300);
	assert_int_equal(begun_in("base"), 0);
	set_cursor(0);
	assert_int_equal(begun_in("base"), 0);
	set_cursor(size->virtual_sectors / img.sb.chunk_sectors / 2);
	assert_int_equal(begun_in("base"), -ESTALE);
	assert_non_null(strstr(lclone_why(), "is not the base that the merge was begun in"));
	write_file("out", img.clone, size->virtual_sectors);
	assert_int_equal(begun_in("out"), 1);
	image_free(&img);
}

/* A larger device with @data at its start */
static void write_larger(const u8 *data, u64 sectors)
{
	u8 *larger = calloc(sectors + 4096, 512);

	assert_non_null(larger);
	memcpy(larger, data, sectors << 9);
	write_file("larger", larger, sectors + 4096);
	free(larger);
}

/* Before the cursor is recorded, a base that was enlarged is told from another by the samples. */
static void larger_base_of_a_merge(void **state)
{
	u64 sectors = sizes[0].base_sectors, i;
	struct image img;
	u8 *data;

	(void)state;
	make(&img, &sizes[0], 300);
	set_cursor(0);
	data = read_file("base", &sectors);
	write_larger(data, sectors);
	assert_int_equal(with_delta("larger", lclone_verify_base), 0);
	/* the merge has written all that the delta has */
	write_larger(img.clone, sectors);
	assert_int_equal(with_delta("larger", lclone_verify_base), 0);
	/* it has written the start; the kernel has given it free in the delta */
	memset(data, 0xa5, 64 << 10);
	write_larger(data, sectors);
	assert_int_equal(with_delta("larger", lclone_verify_base), 0);
	/* another one */
	for (i = 0; i < sectors << 9; i++)
		data[i] = i * 7 + i / 4096;
	write_larger(data, sectors);
	assert_int_equal(with_delta("larger", lclone_verify_base), -ESTALE);
	assert_non_null(strstr(lclone_why(), "lclone merge --into-base"));
	assert_int_equal(begun_in("larger"), 0);
	free(data);
	image_free(&img);
}

/* The child is killed after a random time; returns whether it came to its end. */
static bool merge_and_kill(bool into, u32 usecs)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(merge_files(into, true, false, go_on) ? 1 : 0);
	usleep(usecs);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return false;
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

/* The promise: at every point the clone's content is unchanged, and it ends. */
static void killed_into_base(void **state)
{
	struct image img;
	u32 i, killed = 0;

	(void)state;
	make(&img, &sizes[0], 300);
	for (i = 0; i < 12; i++) {
		if (!merge_and_kill(true, image_random(&img, 20000)))
			killed++;
		check_clone(&img, true, true);
	}
	assert_true(killed > 0);
	assert_int_equal(merge_files(true, true, false, go_on), 0);
	check_clone(&img, true, true);
	image_free(&img);
}

static void killed_to_a_file(void **state)
{
	struct image img;
	u32 i;

	(void)state;
	make(&img, &sizes[0], 300);
	for (i = 0; i < 4; i++)
		merge_and_kill(false, image_random(&img, 20000));
	assert_int_equal(merge_files(false, true, false, go_on), 0);
	check_out(&img);
	check_clone(&img, true, true);
	image_free(&img);
}

static void stopped_by_user(void **state)
{
	struct image img;

	(void)state;
	make(&img, &sizes[0], 300);
	assert_int_equal(merge_files(true, true, false, stop_now), -EINTR);
	check_clone(&img, true, true);
	assert_int_equal(merge_files(true, true, false, go_on), 0);
	check_clone(&img, true, true);
	image_free(&img);
}

static bool is_taken;

/* The delta is another host's from the first call on. */
static int take_over(struct lclone_merge *merge, u64 done, u64 total)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;

	(void)merge;
	(void)done;
	(void)total;
	if (is_taken)
		return 0;
	is_taken = true;
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR), 0);
	assert_int_equal(lclone_delta_open_sb(&delta, &file.dev), 0);
	sb = delta.sb;
	assert_int_equal(lclone_super_write(&file, &sb), 0);
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	return 0;
}

/* It is not emptied: whoever has it has written to it. */
static void taken_over(void **state)
{
	struct image img;

	(void)state;
	make(&img, &sizes[0], 300);
	is_taken = false;
	assert_int_equal(merge_files(true, true, false, take_over), -EBUSY);
	assert_non_null(strstr(lclone_why(), "was changed meanwhile"));
	check_clone(&img, true, true);
	check_noted();
	image_free(&img);
}

static u64 total_seen;

static int note_total(struct lclone_merge *merge, u64 done, u64 total)
{
	(void)merge;
	(void)done;
	total_seen = total;
	return 0;
}

/* What lies below the cursor is in the base already and is not copied again. */
static void goes_on_at_the_cursor(void **state)
{
	u64 chunk_bytes = sizes[0].chunk_sectors << 9, all = 0, rest = 0, i;
	struct image img;

	(void)state;
	make(&img, &sizes[0], 300);
	for (i = 0; i < img.chunks; i++) {
		u32 subchunks = __builtin_popcount(lclone_exc_written(img.exc[i]) |
						   lclone_exc_zero(img.exc[i]));

		all += subchunks * chunk_bytes / LCLONE_SUBCHUNKS;
		if (i >= img.chunks / 2)
			rest += subchunks * chunk_bytes / LCLONE_SUBCHUNKS;
	}
	img.sb.state |= LCLONE_STATE_MERGING;
	img.sb.merge_cursor = img.chunks / 2;
	image_write_sb(&img);
	write_file("delta", img.data, sizes[0].device_sectors);
	memcpy(img.base_data, img.clone, img.chunks / 2 * chunk_bytes);
	write_file("base", img.base_data, sizes[0].base_sectors);
	check_clone(&img, true, true);
	assert_int_equal(merge_files(true, true, false, note_total), 0);
	assert_true(rest < all);
	assert_int_equal(total_seen, rest);
	check_clone(&img, true, true);
	image_free(&img);
}

/* Into the layer below */

/* "delta" on "lower"; returns what they are together. */
static u8 *make_layers(struct image img[2], const struct image_size *size)
{
	u8 *below, *model;

	make(&img[1], size, 200);		/* the lower one */
	image_checkpoint(&img[1]);
	image_link(&img[1], NULL, true);
	write_file("lower", img[1].data, size->device_sectors);
	image_init(&img[0], size, 100);
	image_populate(&img[0], 200);
	memcpy(img[0].base_data, img[1].base_data, size->base_sectors << 9);
	image_link(&img[0], &img[1], false);
	write_file("delta", img[0].data, size->device_sectors);
	below = image_cover(&img[1], img[1].clone, size->virtual_sectors);
	model = image_cover(&img[0], below, size->virtual_sectors);
	free(below);
	return model;
}

/* Merges (@into), or writes what there is to "out"; if it is merged already: the lower one alone */
static int layers(bool into, bool has_base)
{
	struct lclone_file file[2] = { { .fd = -1 }, { .fd = -1 } }, base = { .fd = -1 };
	struct lclone_file out = { .fd = -1 };
	struct lclone_delta delta[2];
	struct lclone_chain chain = { 2, { &delta[0], &delta[1] }, { &file[0], &file[1] } };
	struct lclone_merge merge = { .chain = &chain, .progress = go_on };
	int err;

	memset(delta, 0, sizeof(delta));
	err = lclone_file_open(&file[0], path_of("delta"), O_RDWR | O_EXCL);
	if (!err)
		err = lclone_file_open(&file[1], path_of("lower"), O_RDWR | O_EXCL);
	if (!err && has_base)
		err = lclone_file_open(&base, path_of("base"), O_RDONLY);
	if (!err)
		err = lclone_file_open(&out, path_of("out"), O_RDWR);
	for (int i = 0; !err && i < 2; i++)
		err = lclone_delta_open(&delta[i], &file[i].dev);
	if (!err && lclone_left_over(&delta[0].sb, &delta[1].sb)) {
		chain = (struct lclone_chain){ 1, { &delta[1] }, { &file[1] } };
		if (into)
			goto out;
	}
	merge.base = has_base ? &base : NULL;
	merge.target = into ? &file[1] : &out;
	if (!err)
		err = into ? lclone_merge_into_parent(&merge) : lclone_merge_to(&merge);
out:
	for (int i = 0; i < 2; i++) {
		lclone_delta_close(&delta[i]);
		lclone_file_close(&file[i]);
	}
	lclone_file_close(&base);
	lclone_file_close(&out);
	return err;
}

/* What was killed may have its files for a moment more, for I/O that is in flight. */
static void wait_for_lock(void)
{
	struct lclone_file file;

	for (u32 i = 0; i < 1000; i++) {
		int err = lclone_file_open(&file, path_of("lower"), O_RDONLY | O_EXCL);

		lclone_file_close(&file);
		if (!err)
			return;
		usleep(10000);
	}
}

static void check_layers(const struct image_size *size, const u8 *model)
{
	u64 sectors;
	u8 *out;

	wait_for_lock();
	assert_int_equal(layers(false, size->base_sectors), 0);
	out = read_file("out", &sectors);
	assert_memory_equal(out, model, size->virtual_sectors << 9);
	free(out);
}

static void into_parent(void **state)
{
	struct image img[2];
	int status;
	pid_t pid;
	u8 *model;

	(void)state;
	for (u32 i = 0; i < SIZES; i += 2) {
		model = make_layers(img, &sizes[i]);
		check_layers(&sizes[i], model);
		for (u32 kill_it = 0; kill_it < 3; kill_it++) {
			fflush(NULL);
			pid = fork();
			if (!pid)
				_exit(layers(true, sizes[i].base_sectors) ? 1 : 0);
			usleep(image_random(img, 20000));
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFSIGNALED(status) || !WEXITSTATUS(status));
			check_layers(&sizes[i], model);
		}
		assert_int_equal(layers(true, sizes[i].base_sectors), 0);
		check_layers(&sizes[i], model);
		free(model);
		image_free(&img[0]);
		image_free(&img[1]);
	}
}

/* A delta on a file: format, and what it refuses without writing anything. */

static void format_file(void **state)
{
	static const u8 null[LCLONE_UUID_SIZE];
	struct lclone_format_options options = { .label = "a label" };
	struct lclone_file delta, base;
	u8 block[LCLONE_BLOCK_SIZE];
	struct lclone_sb sb;
	struct image img;
	u32 i;

	(void)state;
	make(&img, &sizes[0], 300);
	assert_int_equal(lclone_file_open(&delta, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_file_open(&base, path_of("base"), O_RDONLY), 0);

	options.chunk_sectors = 24;
	assert_int_equal(lclone_format(&delta, &base, &options, &sb), -ERANGE);
	options.chunk_sectors = 8;
	assert_int_equal(lclone_format(&delta, &base, &options, &sb), -ERANGE);
	options.chunk_sectors = 4096;
	delta.dev.sectors = 8192;
	assert_int_equal(lclone_format(&delta, &base, &options, &sb), -ENOSPC);
	delta.dev.sectors = sizes[0].device_sectors;
	assert_int_equal(lclone_format(&delta, NULL, &(struct lclone_format_options){ 0 }, &sb),
			 -ERANGE);
	assert_int_equal(lclone_format(&delta, &delta, &(struct lclone_format_options){ 0 }, &sb),
			 -EBUSY);
	options.chunk_sectors = 0;
	options.uuid = null;			/* what lies on it would lie on nothing */
	assert_int_equal(lclone_format(&delta, &base, &options, &sb), -ERANGE);
	options.uuid = NULL;
	check_clone(&img, true, true);		/* still the old one */

	options.virtual_sectors = 0;
	assert_int_equal(lclone_format(&delta, &base, &options, &sb), 0);
	assert_string_equal(sb.label, "a label");
	memcpy(img.clone, img.base_data, sizes[0].virtual_sectors << 9);
	check_clone(&img, true, true);		/* the base's content, nothing of the old delta */
	for (i = 1; i < LCLONE_LOG_START + LCLONE_LOG_BLOCKS; i++) {
		assert_int_equal(lclone_dev_read(&delta.dev, block, i * LCLONE_BLOCK_SECTORS,
						 LCLONE_BLOCK_SECTORS), 0);
		assert_true(i == LCLONE_SB_SLOT_B ||
			    (!block[0] && !memcmp(block, block + 1, sizeof(block) - 1)));
	}

	assert_int_equal(lclone_super_wipe(&delta), 0);
	assert_int_equal(lclone_file_is_blank(&delta), 0);
	lclone_file_close(&delta);
	lclone_file_close(&base);
	image_free(&img);
}

/* Another measure does not add to what was measured. */
static void measured_twice(void **state)
{
	struct lclone_parents none = { .count = 0 };
	struct plan first[PLANS_MAX], second[PLANS_MAX];
	char base[PATH_MAX], delta[PATH_MAX];
	struct image img;
	int i, n;

	(void)state;
	make(&img, &sizes[0], 300);
	snprintf(base, sizeof(base), "%s", path_of("base"));
	snprintf(delta, sizeof(delta), "%s", path_of("delta"));
	n = lclone_measure(base, delta, &none, first);
	if (n < 0)
		fail_msg("%s", lclone_why());
	assert_int_equal(lclone_measure(base, delta, &none, second), n);
	for (i = 0; i < n; i++) {
		assert_int_equal(first[i].copy, second[i].copy);
		assert_int_equal(first[i].zero, second[i].zero);
		assert_int_equal(first[i].space, second[i].space);
	}
	image_free(&img);
}

static int change_base(struct lclone_merge *merge, u64 done, u64 total)
{
	int fd = open(path_of("base"), O_WRONLY);

	(void)merge;
	(void)done;
	(void)total;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "written by somebody", 19, 0), 19);
	close(fd);
	return 0;
}

/* A base that others write to while it is copied makes no disk, and takes no name. */
static void base_changes(void **state)
{
	static const struct image_size size = { 32768, 4096, 4096, 128 };
	const struct copy_target to = { .path = strdup(path_of("disk")) };
	struct lclone_merge merge = { .progress = change_base };
	const struct lclone_parents none = { .count = 0 };
	char *base, *delta;
	struct image img;

	(void)state;
	make(&img, &size, 20);
	base = strdup(path_of("base"));
	delta = strdup(path_of("delta"));
	assert_int_equal(lclone_copy_out(base, delta, &none, &to, &merge), -EBUSY);
	assert_non_null(strstr(lclone_why(), "changed while it was read"));
	assert_int_equal(access(to.path, F_OK), -1);
	image_free(&img);
	free(base);
	free(delta);
	free((char *)to.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_a_file),
		cmocka_unit_test(into_base),
		cmocka_unit_test(small_base),
		cmocka_unit_test(larger_base),
		cmocka_unit_test(base_of_a_merge),
		cmocka_unit_test(larger_base_of_a_merge),
		cmocka_unit_test(killed_into_base),
		cmocka_unit_test(killed_to_a_file),
		cmocka_unit_test(stopped_by_user),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(goes_on_at_the_cursor),
		cmocka_unit_test(into_parent),
		cmocka_unit_test(format_file),
		cmocka_unit_test(measured_twice),
		cmocka_unit_test(base_changes),
	};

	return cmocka_run_group_tests_name("merge", tests, make_dir, remove_dir);
}
