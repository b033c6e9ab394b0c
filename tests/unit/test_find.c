// SPDX-License-Identifier: GPL-2.0-only
/* The base that a delta has recorded, among devices of its own, which are three. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dir.h"
#include "basic/fail.h"
#include "host/device.h"
#include "host/find.h"
#include "host/look.h"
#include "host/ranges.h"
#include "host/volumes.h"

#define SECTORS	65536u
#define FP	0x5eed

static const unsigned int a = 1, b = 2, other = 3;	/* minor numbers */
static bool same;			/* a and b show the same */
static u64 a_fp, b_sectors, b_fp, inactive_sectors, inactive_size;
static const char *inactive_why;
static bool b_suspended;
static int b_err;

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

bool __wrap_lclone_dev_suspended(dev_t dev, dev_t *which);
bool __wrap_lclone_dev_suspended(dev_t dev, dev_t *which)
{
	*which = dev;
	return minor(dev) == b && b_suspended;
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

	for (i = 0; i < count; i++) {
		places[i].err = minor(places[i].rdev) == b ? b_err : 0;
		places[i].fp = !places[i].rdev ? FP : minor(places[i].rdev) == a ? a_fp :
			       minor(places[i].rdev) == b ? b_fp : 1;
	}
	return 0;
}

static void make_device(const char *name)
{
	FILE *f = __real_fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

/* One volume that is not active, of that size */
int __wrap_lclone_volumes_read(struct lclone_volumes *v);
int __wrap_lclone_volumes_read(struct lclone_volumes *v)
{
	*v = (struct lclone_volumes){ .asked = true };
	v->volume = calloc(1, sizeof(*v->volume));
	assert_non_null(v->volume);
	v->count = 1;
	v->volume->sectors = inactive_sectors;
	v->volume->size = inactive_size;
	strcpy(v->volume->unseen, inactive_why);
	strcpy(v->volume->name, "vg/off");
	return 0;
}

/* What is found, and what is told if that is not one alone, in one or the other order. */
static void is_found_of(const char *only, const char *may, const char *or)
{
	const struct lclone_sb sb = { .base_sectors = SECTORS, .base_fp = FP };
	struct lclone_names names;
	char path[PATH_MAX];

	assert_int_equal(lclone_find_base(&sb, path, &names), 0);
	assert_string_equal(path, only);
	if (strcmp(names.text, or))
		assert_string_equal(names.text, may);
	assert_int_equal(lclone_likely_base(&sb, path), 0);
	assert_int_equal(!!path[0], a_fp == FP);
}

static void is_found(const char *only, const char *may)
{
	is_found_of(only, may, may);
}

/* A snapshot of LVM's, or a copy, has the same fingerprint: only a person knows which it is. */
static void several(void **state)
{
	(void)state;
	is_found("1", "1");
	b_fp = FP;
	is_found_of("", "1, 2", "2, 1");
	/* one that is larger may be the base, and the other a snapshot of before it was enlarged */
	b_sectors = 2 * SECTORS;
	is_found("", "1, 2");
	/* ... but not one that is smaller */
	b_sectors = SECTORS / 2;
	is_found("1", "1");
}

/* What is not active may be the base as well. */
static void inactive(void **state)
{
	const struct lclone_names one = { .text = "vg/off (not active)", .count = 1 };

	(void)state;
	inactive_sectors = SECTORS;
	is_found("", "1, vg/off (not active)");
	a_fp = 1;
	is_found("", "vg/off (not active)");
	assert_int_equal(lclone_no_base("web1", &one, "name it"), -ENOENT);
	assert_string_equal(lclone_why(),
			    "the base of web1 may be vg/off (not active): activate that, or name it");
	inactive_sectors = inactive_size = SECTORS - 1;
	is_found("", "");
}

/* What cannot be looked at may be the base, if it is of that size, or nobody knows of which. */
static void unseen(void **state)
{
	(void)state;
	/* it goes on elsewhere */
	inactive_sectors = SECTORS - 1;
	inactive_size = SECTORS;
	is_found("", "vg/off (not active), 1");
	inactive_why = "is not active (lvchange -ay)";
	is_found("", "vg/off (not active), 1");
	inactive_size = SECTORS + 1;
	is_found("1", "1");
	inactive_size = 0;
	is_found("", "vg/off (not active), 1");
	inactive_size = SECTORS + 1;
	b_err = -EIO;
	is_found("", "2 (cannot be read), 1");
	b_sectors = SECTORS + 1;
	is_found("1", "1");
	b_sectors = SECTORS;
	b_err = -ENOMEDIUM;
	is_found("1", "1");
	b_err = 0;
	b_suspended = true;
	is_found("", "2 (suspended), 1");
}

/* What shows the base is the base, by another name. */
static void by_two_names(void **state)
{
	const struct lclone_sb sb = { .base_sectors = SECTORS, .base_fp = FP };
	struct lclone_names names;
	char path[PATH_MAX];

	(void)state;
	b_fp = FP;
	same = true;
	assert_int_equal(lclone_find_base(&sb, path, &names), 0);
	assert_true(path[0]);
	assert_int_equal(names.count, 1);
}

static int as_at_first(void **state)
{
	(void)state;
	a_fp = FP;
	b_fp = 2;
	b_sectors = SECTORS;
	inactive_sectors = 0;
	inactive_size = 1;
	inactive_why = "";
	b_suspended = false;
	b_err = 0;
	same = false;
	return 0;
}

static int make_devices(void **state)
{
	int err = make_dir(state);

	make_device("1");
	make_device("2");
	make_device("3");
	return err;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(several, as_at_first),
		cmocka_unit_test_setup(inactive, as_at_first),
		cmocka_unit_test_setup(unseen, as_at_first),
		cmocka_unit_test_setup(by_two_names, as_at_first),
	};

	return cmocka_run_group_tests_name("find", tests, make_devices, remove_dir);
}
