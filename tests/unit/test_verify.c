// SPDX-License-Identifier: GPL-2.0-only
/* A base of which nothing can be read verified: a device that is too short stands for dm-verity's. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clone/verified.h"
#include "dir.h"
#include "offline/verify.h"

#define BYTES	(64ull << 20)

static unsigned int narrowed;

int __wrap_lclone_verified_open(const struct lclone_file *base, const u8 *root, bool own,
				struct lclone_verified *verified);
int __wrap_lclone_verified_open(const struct lclone_file *base, const u8 *root, bool own,
				struct lclone_verified *verified)
{
	(void)base;
	(void)root;
	(void)own;
	*verified = (struct lclone_verified){ .fd = open(path_of("short"), O_RDONLY), .block = 4096 };
	assert_true(verified->fd >= 0);
	return 0;
}

static void make_file(const char *name, off_t size)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(close(fd), 0);
}

static int stops_then(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	assert_int_equal(total, BYTES);
	assert_true(done <= total);
	return !strcmp(phase, "narrowing") && ++narrowed == 100;
}

/* Which blocks it are is looked for one by one, which may take long: it ends when it is told to. */
static void is_interrupted(void **state)
{
	const struct lclone_watch watch = { .progress = stops_then };
	struct lclone_verify v;

	(void)state;
	make_file("base", BYTES);
	make_file("short", 0);
	assert_int_equal(lclone_verify(path_of("base"), &watch, &v), -EINTR);
	assert_int_equal(narrowed, 100);
	lclone_verify_free(&v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_interrupted),
	};

	return cmocka_run_group_tests_name("verify", tests, make_dir, remove_dir);
}
