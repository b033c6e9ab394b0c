// SPDX-License-Identifier: GPL-2.0-only
/* Which volumes count as layers that a clone has left. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/name.h"
#include "host/device.h"
#include "online/leftover.h"
#include "test.h"

/*
 * A host: the volume vg/layer, on 250:1, was a layer of web1, whose delta is vg/web1, on 250:2; or
 * is not on this host.
 */
static bool elsewhere;
static int found;			/* by the name web1 */

int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv);
int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv)
{
	inv->count = elsewhere ? 1 : 2;
	inv->found = calloc(inv->count, sizeof(*inv->found));
	assert_non_null(inv->found);
	inv->found[0].path = strdup("/dev/mapper/vg-layer");
	inv->found[0].rdev = makedev(250, 1);
	memset(inv->found[0].sb.uuid, 1, LCLONE_UUID_SIZE);
	inv->found[0].sb.state = LCLONE_STATE_SEALED;
	if (elsewhere)
		return 0;
	inv->found[1].path = strdup("/dev/mapper/vg-web1");
	inv->found[1].rdev = makedev(250, 2);
	memset(inv->found[1].sb.uuid, 2, LCLONE_UUID_SIZE);
	return 0;
}

int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count);
int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count)
{
	*count = elsewhere ? 1 : 2;
	*lvs = calloc(*count, sizeof(**lvs));
	assert_non_null(*lvs);
	(*lvs)[0] = (struct lclone_lv){ .vg = "vg", .lv = "layer", .kind = LCLONE_LV_DELTA,
					.layer = "web1", .active = true };
	if (!elsewhere)
		(*lvs)[1] = (struct lclone_lv){ .vg = "vg", .lv = "web1", .kind = LCLONE_LV_DELTA,
						.name = "web1", .active = true };
	return 0;
}

int __wrap_lclone_name_find(const char *name, struct lclone_named *named);
int __wrap_lclone_name_find(const char *name, struct lclone_named *named)
{
	assert_string_equal(name, "web1");
	memset(named, 0, sizeof(*named));
	if (found)
		return lclone_fail(found, "there is no clone web1");
	strcpy(named->delta, "/dev/vg/web1");
	return 0;
}

dev_t __wrap_lclone_dev_at(const char *path);
dev_t __wrap_lclone_dev_at(const char *path)
{
	return !strcmp(path, "/dev/vg/layer") ? makedev(250, 1) :
	       !strcmp(path, "/dev/vg/web1") && !elsewhere ? makedev(250, 2) : 0;
}

static size_t leftovers(void)
{
	struct lclone_leftovers l;
	size_t n;

	assert_int_equal(lclone_leftovers_read(&l), 0);
	n = l.count;
	if (n)
		assert_string_equal(l.lv[0].lv, "layer");
	lclone_leftovers_free(&l);
	return n;
}

static void nothing_needs_it(void **state)
{
	(void)state;
	elsewhere = false;
	found = 0;
	assert_int_equal(leftovers(), 1);
}

/* Another host has the delta; or this one has a line of the clone, but not the device. */
static void needed_elsewhere(void **state)
{
	(void)state;
	elsewhere = true;
	found = -ENXIO;
	assert_int_equal(leftovers(), 0);
	found = 0;
	assert_int_equal(leftovers(), 0);
}

/* An import that was killed has made layers, but no delta with a name yet. */
static void not_named_yet(void **state)
{
	(void)state;
	elsewhere = false;
	found = -ENXIO;
	assert_int_equal(leftovers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_needs_it),
		cmocka_unit_test(needed_elsewhere),
		cmocka_unit_test(not_named_yet),
	};

	return cmocka_run_group_tests_name("leftover", tests, NULL, NULL);
}
