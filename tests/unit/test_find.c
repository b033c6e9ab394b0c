// SPDX-License-Identifier: GPL-2.0-only
/* The base that a delta has recorded, among devices of its own, which are three. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dir.h"
#include "host/device.h"
#include "host/find.h"
#include "host/look.h"
#include "host/ranges.h"

#define SECTORS	65536u
#define FP	0x5eed

static const unsigned int a = 1, b = 2, other = 3;	/* minor numbers */
static bool same;			/* a and b show the same */
static u64 b_sectors, b_fp;

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	return __real_opendir(strcmp(path, "/sys/class/block") ? path : path_of("."));
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	static char number[] = "240:0\n";

	if (sscanf(path, "/sys/class/block/%c/dev", &number[4]) != 1)
		return __real_fopen(path, mode);
	return fmemopen(number, strlen(number), "r");
}

u64 __wrap_lclone_dev_attribute(dev_t rdev, const char *attribute);
u64 __wrap_lclone_dev_attribute(dev_t rdev, const char *attribute)
{
	if (strcmp(attribute, "size"))
		return 0;
	return minor(rdev) == b ? b_sectors : SECTORS;
}

void __wrap_lclone_dev_name(dev_t rdev, char path[PATH_MAX]);
void __wrap_lclone_dev_name(dev_t rdev, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%u", minor(rdev));
}

bool __wrap_lclone_shows_same(dev_t one, dev_t two);
bool __wrap_lclone_shows_same(dev_t one, dev_t two)
{
	return one == two || (same && minor(one) != other && minor(two) != other);
}

int __wrap_lclone_look(struct lclone_place *places, size_t count);
int __wrap_lclone_look(struct lclone_place *places, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		places[i].fp = minor(places[i].rdev) == a ? FP : minor(places[i].rdev) == b ? b_fp : 1;
	return 0;
}

static void make_device(const char *name)
{
	FILE *f = __real_fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

static void is_only(const char *only)
{
	const struct lclone_sb sb = { .base_sectors = SECTORS, .base_fp = FP };
	char path[PATH_MAX];

	assert_int_equal(lclone_find_only_base(&sb, path), 0);
	assert_string_equal(path, only);
	assert_int_equal(lclone_find_base(&sb, path), 0);
	assert_true(!strcmp(path, "1") || (!only[0] && !strcmp(path, "2")));
}

/* A snapshot of LVM's, or a copy, has the same fingerprint: which is the base only a person knows. */
static void several(void **state)
{
	(void)state;
	make_device("1");
	make_device("2");
	make_device("3");
	b_sectors = SECTORS;
	b_fp = 2;
	is_only("1");
	b_fp = FP;
	is_only("");
	/* one that is larger counts if there is no other */
	b_sectors = 2 * SECTORS;
	is_only("1");
}

/* What shows the base is the base, by another name. */
static void by_two_names(void **state)
{
	const struct lclone_sb sb = { .base_sectors = SECTORS, .base_fp = FP };
	char path[PATH_MAX];

	(void)state;
	b_sectors = SECTORS;
	same = true;
	assert_int_equal(lclone_find_only_base(&sb, path), 0);
	assert_true(path[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(several),
		cmocka_unit_test(by_two_names),
	};

	return cmocka_run_group_tests_name("find", tests, make_dir, remove_dir);
}
