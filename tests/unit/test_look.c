// SPDX-License-Identifier: GPL-2.0-only
/* Looks at devices that are slow, or do not answer: files, the reads of which wait. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "dir.h"
#include "host/look.h"
#include "test.h"

#define SECTORS	65536u
#define STUCK	20u
#define SLOW_NS	(LCLONE_LOOK_SECONDS * 1000000000ll * 3 / 2 / LCLONE_FP_SAMPLES)

static struct {
	ino_t slow, stuck;
	unsigned int reads;		/* that the stuck file answers before it is stuck */
} fault;

ssize_t __real_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at)
{
	const struct timespec slow = { .tv_sec = SLOW_NS / 1000000000,
				       .tv_nsec = SLOW_NS % 1000000000 };
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (st.st_ino == fault.slow)
		nanosleep(&slow, NULL);
	else if (st.st_ino == fault.stuck && !fault.reads--)
		for (;;)
			pause();
	return __real_pread(fd, buf, size, at);
}

/* A file with something in it, and what its fingerprint is */
static ino_t make_file(const char *name, u64 *fp)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct lclone_file file;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SECTORS * 512ull), 0);
	assert_int_equal(pwrite(fd, name, strlen(name), 0), strlen(name));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(lclone_file_open(&file, path_of(name), O_RDONLY), 0);
	assert_int_equal(lclone_fingerprint(&file.dev, fp), 0);
	lclone_file_close(&file);
	return st.st_ino;
}

static void add(struct lclone_place *place, const char *name)
{
	*place = (struct lclone_place){ .sectors = SECTORS, .fingerprint = true };
	assert_true(snprintf(place->path, sizeof(place->path), "%s", path_of(name)) <
		    (int)sizeof(place->path));
}

static void did_not_answer(const struct lclone_place *place)
{
	char why[128];

	assert_int_equal(place->err, -ETIMEDOUT);
	assert_int_equal(place->seen, LCLONE_SEEN_TIMEOUT);
	lclone_look_why(place, why, sizeof(why));
	assert_string_equal(why, "did not answer within 3 seconds");
}

/* All its reads take longer than one may, each of them does not. */
static void slow_is_waited_for(void **state)
{
	struct lclone_place place;
	u64 fp;

	(void)state;
	memset(&fault, 0, sizeof(fault));
	fault.slow = make_file("slow", &fp);
	add(&place, "slow");
	assert_int_equal(lclone_look(&place, 1), 0);
	assert_int_equal(place.err, 0);
	assert_int_equal(place.fp, fp);
}

/* One that has answered a few times is given up, too. */
static void stuck_is_given_up(void **state)
{
	struct lclone_place place[2];
	ino_t stuck;
	u64 fp;

	(void)state;
	memset(&fault, 0, sizeof(fault));
	stuck = make_file("stuck", &fp);
	make_file("good", &fp);
	fault.stuck = stuck;
	fault.reads = 7;
	add(&place[0], "stuck");
	add(&place[1], "good");
	assert_int_equal(lclone_look(place, 2), 0);
	did_not_answer(&place[0]);
	assert_int_equal(place[1].err, 0);
	assert_int_equal(place[1].fp, fp);
}

/* Many are given up together, and what is behind them is seen. */
static void many_are_stuck(void **state)
{
	struct lclone_place place[2 * STUCK];
	u64 began, fp;
	ino_t stuck;
	u32 i;

	(void)state;
	memset(&fault, 0, sizeof(fault));
	stuck = make_file("stuck", &fp);
	make_file("good", &fp);
	fault.stuck = stuck;
	for (i = 0; i < 2 * STUCK; i++)
		add(&place[i], i < STUCK ? "stuck" : "good");
	began = lclone_now_ms();
	assert_int_equal(lclone_look(place, 2 * STUCK), 0);
	assert_true(lclone_now_ms() - began < 5 * LCLONE_LOOK_SECONDS * 1000);
	for (i = 0; i < STUCK; i++)
		did_not_answer(&place[i]);
	for (; i < 2 * STUCK; i++) {
		assert_int_equal(place[i].err, 0);
		assert_int_equal(place[i].fp, fp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_is_waited_for),
		cmocka_unit_test(stuck_is_given_up),
		cmocka_unit_test(many_are_stuck),
	};

	return cmocka_run_group_tests_name("look", tests, make_dir, remove_dir);
}
