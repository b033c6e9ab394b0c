// SPDX-License-Identifier: GPL-2.0-only
/*
 * What device-mapper has, and what of it is a clone: the devices are these, and the kernel is
 * not asked.
 */
#include <errno.h>
#include <libdevmapper.h>
#include <string.h>

#include "clone/chain.h"
#include "basic/fail.h"
#include "test.h"

#define NAME_SIZE	16

struct device {
	char name[NAME_SIZE];
	const char *type;		/* NULL: it went away after it was listed */
	char *params;
};

static const struct device devices[] = {
	{ "web2", "lclone", "1:0 1:1" },
	{ "disk", "linear", "1:0 0" },
	{ "newer", "lclone", "a table that only a newer version knows" },
	{ "gone", NULL, NULL },
	{ "web1", "lclone", "1:0 1:2" },
};

#define COUNT	(sizeof(devices) / sizeof(devices[0]))

/* What dm_task_get_names() gives, and which device is asked for */
static struct {
	struct dm_names head;
	char name[NAME_SIZE];
} names[COUNT];
static const struct device *asked;

struct dm_task *__wrap_dm_task_create(int type);
struct dm_task *__wrap_dm_task_create(int type)
{
	(void)type;
	return (struct dm_task *)names;
}

int __wrap_dm_task_set_name(struct dm_task *dmt, const char *name);
int __wrap_dm_task_set_name(struct dm_task *dmt, const char *name)
{
	(void)dmt;
	for (asked = devices; strcmp(asked->name, name); asked++)
		;
	return 1;
}

void __wrap_dm_task_destroy(struct dm_task *dmt);
void __wrap_dm_task_destroy(struct dm_task *dmt)
{
	(void)dmt;
}

int __wrap_dm_task_run(struct dm_task *dmt);
int __wrap_dm_task_run(struct dm_task *dmt)
{
	(void)dmt;
	return 1;
}

struct dm_names *__wrap_dm_task_get_names(struct dm_task *dmt);
struct dm_names *__wrap_dm_task_get_names(struct dm_task *dmt)
{
	size_t i;

	(void)dmt;
	for (i = 0; i < COUNT; i++) {
		names[i].head.dev = 1 + i;
		names[i].head.next = i + 1 < COUNT ? sizeof(names[0]) : 0;
		strcpy((char *)&names[i] + offsetof(struct dm_names, name), devices[i].name);
	}
	return &names[0].head;
}

int __wrap_dm_task_get_info(struct dm_task *dmt, struct dm_info *info);
int __wrap_dm_task_get_info(struct dm_task *dmt, struct dm_info *info)
{
	(void)dmt;
	memset(info, 0, sizeof(*info));
	info->exists = !!asked->type;
	return 1;
}

void *__wrap_dm_get_next_target(struct dm_task *dmt, void *next, uint64_t *start,
				uint64_t *length, char **type, char **params);
void *__wrap_dm_get_next_target(struct dm_task *dmt, void *next, uint64_t *start,
				uint64_t *length, char **type, char **params)
{
	(void)dmt;
	(void)next;
	*start = 0;
	*length = 2048;
	*type = (char *)asked->type;
	*params = asked->params;
	return NULL;
}

/* A clone whose table is not understood is neither hidden, nor does it hide the others. */
static void all_are_told(void **state)
{
	struct lclone_inventory inv = { .count = 0 };

	(void)state;
	assert_int_equal(lclone_inventory_ask_clones(&inv), 0);
	assert_int_equal(inv.clone_count, 2);
	assert_string_equal(inv.clones[0].name, "web1");
	assert_string_equal(inv.clones[1].name, "web2");
	assert_int_equal(inv.unseen_count, 1);
	assert_string_equal(inv.unseen[0].path, "/dev/mapper/newer");
	/* it may be on anything */
	assert_int_equal(lclone_refuse_unseen(&inv, "layer"), -EBUSY);
	assert_non_null(strstr(lclone_why(), "/dev/mapper/newer has a table that is not understood"));
	lclone_inventory_free(&inv);
}

/* The option is named only where there is one, and long names do not cut it off. */
static void option_is_told(void **state)
{
	char path[900];
	struct lclone_unseen unseen = { .path = path, .why = path };
	const struct lclone_inventory inv = { .unseen = &unseen, .unseen_count = 1 };

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(lclone_refuse_unseen(&inv, "layer"), -EBUSY);
	assert_null(strstr(lclone_why(), "--assume"));
	assert_non_null(strstr(lclone_why(), "resume or repair"));
	lclone_can_assume_no_other_clones();
	assert_int_equal(lclone_refuse_unseen(&inv, "layer"), -EBUSY);
	assert_non_null(strstr(lclone_why(), "--assume-no-other-clones)"));
	lclone_assume_no_other_clones();
	assert_int_equal(lclone_refuse_unseen(&inv, "layer"), 0);
}

static int refuse(const char *name, const char *why, void *ctx)
{
	(void)name;
	(void)why;
	(void)ctx;
	return -EBUSY;
}

/* Who cannot go on without it gets nothing. */
static void a_refusal_ends_it(void **state)
{
	struct lclone_clone *clones;
	size_t count;

	(void)state;
	assert_int_equal(lclone_dm_list(&clones, &count, refuse, NULL), -EBUSY);
	assert_null(clones);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_told),
		cmocka_unit_test(a_refusal_ends_it),
		cmocka_unit_test(option_is_told),
	};

	return cmocka_run_group_tests_name("what device-mapper has", tests, NULL, NULL);
}
