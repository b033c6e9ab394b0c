// SPDX-License-Identifier: GPL-2.0-only
/* Many new deltas on devices that were made for them: none takes a look at all of the host's. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/make.h"
#include "clone/overwrite.h"
#include "clone/users.h"
#include "dir.h"
#include "test.h"

static unsigned int looks;

int __real_lclone_refuse_as_base(const struct lclone_file *base, const char *option,
				 struct lclone_inventory *inv);
int __wrap_lclone_refuse_as_base(const struct lclone_file *base, const char *option,
				 struct lclone_inventory *inv);
int __wrap_lclone_refuse_as_base(const struct lclone_file *base, const char *option,
				 struct lclone_inventory *inv)
{
	looks++;
	return __real_lclone_refuse_as_base(base, option, inv);
}

int __real_lclone_may_overwrite(const struct lclone_file *file, bool force,
				struct lclone_inventory *inv);
int __wrap_lclone_may_overwrite(const struct lclone_file *file, bool force,
				struct lclone_inventory *inv);
int __wrap_lclone_may_overwrite(const struct lclone_file *file, bool force,
				struct lclone_inventory *inv)
{
	looks++;
	return __real_lclone_may_overwrite(file, force, inv);
}

static void make_file(const char *name, const char *content)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(ftruncate(fileno(f), 8 << 20), 0);
	assert_int_equal(fclose(f), 0);
}

static int format(bool fresh)
{
	const struct format_arguments args = { .fresh = fresh };
	char base[PATH_MAX], delta[PATH_MAX];
	struct lclone_sb sb;

	snprintf(base, sizeof(base), "%s", path_of("base"));
	snprintf(delta, sizeof(delta), "%s", path_of("delta"));
	looks = 0;
	return lclone_format_delta(base, delta, &args, &sb);
}

static void fresh(void **state)
{
	(void)state;
	make_file("base", "base");
	make_file("delta", "");
	assert_int_equal(format(true), 0);
	assert_int_equal(looks, 0);
	/* and yet nothing is lost that is there by mistake */
	assert_int_equal(format(true), -EADDRINUSE);
	make_file("delta", "something else");
	assert_int_equal(format(true), -EADDRINUSE);
}

static void any(void **state)
{
	(void)state;
	make_file("base", "base");
	make_file("delta", "");
	assert_int_equal(format(false), 0);
	assert_int_equal(looks, 2);
	assert_int_equal(format(false), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh),
		cmocka_unit_test(any),
	};

	return cmocka_run_group_tests_name("make", tests, make_dir, remove_dir);
}
