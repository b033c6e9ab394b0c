// SPDX-License-Identifier: GPL-2.0-only
/* Much I/O in flight: all of it arrives, and the first error is told to whoever calls next. */
#include <fcntl.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/queue.h"
#include "image.h"
#include "test.h"

#define SECTORS	131072u		/* 64 MiB: more than all buffers have */

static struct lclone_file file;
static struct lclone_queue *queue;

static void begin(int flags, u64 sectors)
{
	int fd = open(path_of("file"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sectors << 9), 0);
	close(fd);
	assert_int_equal(lclone_file_open(&file, path_of("file"), flags), 0);
	assert_int_equal(lclone_queue_new(&queue), 0);
}

static void end(void)
{
	lclone_queue_free(queue);
	lclone_file_close(&file);
}

/* What is at byte @at of the file, in units of 8 bytes */
static u64 word(u64 at)
{
	return at * 0x9e3779b97f4a7c15;
}

static void all_arrives(void **state)
{
	const struct image_size size = { 65536, 0, 8, 128 };
	struct lclone_flight *f;
	struct image dice;
	u64 at, i;
	u32 from, n;

	(void)state;
	image_init(&dice, &size, 1);
	begin(O_RDWR, SECTORS);
	for (at = 0; at < SECTORS << 9; at += LCLONE_QUEUE_BYTES) {
		assert_int_equal(lclone_queue_take(queue, &f), 0);
		for (i = 0; i < LCLONE_QUEUE_BYTES; i += 8)
			*(u64 *)(f->data + i) = word(at + i);
		for (from = 0; from < LCLONE_QUEUE_BYTES; from += n) {
			n = 4096 * (1 + image_random(&dice, 64));
			n = min_u64(n, LCLONE_QUEUE_BYTES - from);
			assert_int_equal(lclone_queue_write(queue, f, &file, from, n, at + from),
					 0);
		}
		lclone_queue_put(f);
	}
	assert_int_equal(lclone_queue_drain(queue), 0);
	for (at = 0; at < SECTORS << 9; at += LCLONE_QUEUE_BYTES) {
		assert_int_equal(lclone_queue_take(queue, &f), 0);
		assert_int_equal(lclone_queue_read(queue, f, &file, 0, LCLONE_QUEUE_BYTES, at), 0);
		assert_int_equal(lclone_queue_wait(queue, f), 0);
		for (i = 0; i < LCLONE_QUEUE_BYTES; i += 8)
			if (*(u64 *)(f->data + i) != word(at + i))
				fail_msg("byte %llu", (unsigned long long)(at + i));
		lclone_queue_put(f);
	}
	end();
	image_free(&dice);
}

/* Beyond the end of a file nothing can be read; then nothing else goes on, either. */
static void read_error(void **state)
{
	struct lclone_flight *f, *other;

	(void)state;
	begin(O_RDWR, 64);
	assert_int_equal(lclone_queue_take(queue, &f), 0);
	assert_int_equal(lclone_queue_read(queue, f, &file, 0, 65536, 16384), 0);
	assert_int_equal(lclone_queue_wait(queue, f), -EIO);
	assert_non_null(strstr(lclone_why(), "read error at byte 32768"));
	lclone_fail(0, "%s", "");
	assert_int_equal(lclone_queue_take(queue, &other), -EIO);
	assert_int_equal(lclone_queue_write(queue, f, &file, 0, 4096, 0), -EIO);
	assert_int_equal(lclone_queue_drain(queue), -EIO);
	assert_non_null(strstr(lclone_why(), "read error at byte 32768"));
	end();
}

static void write_error(void **state)
{
	struct lclone_flight *f;

	(void)state;
	begin(O_RDONLY, 64);
	assert_int_equal(lclone_queue_take(queue, &f), 0);
	assert_int_equal(lclone_queue_write(queue, f, &file, 0, 4096, 4096), 0);
	lclone_queue_put(f);
	assert_int_equal(lclone_queue_drain(queue), -EIO);
	assert_non_null(strstr(lclone_why(), "write error at byte 4096"));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrives),
		cmocka_unit_test(read_error),
		cmocka_unit_test(write_error),
	};

	return cmocka_run_group_tests_name("queue", tests, make_dir, remove_dir);
}
