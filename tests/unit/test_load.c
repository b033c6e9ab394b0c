// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rates: what two looks at the same clones tell.
 */
#include <stdio.h>

#include "clone/load.h"
#include "test.h"

static void counters_are_read(void **state)
{
	struct lclone_counters c;

	(void)state;
	assert_int_equal(lclone_counters_parse("     100        1     2000       30      400        5"
					       "    60000       70        8      900     1000"
					       "        1        2        3        4        5        6\n",
					       &c), 0);
	assert_int_equal(c.reads, 100);
	assert_int_equal(c.read_sectors, 2000);
	assert_int_equal(c.writes, 400);
	assert_int_equal(c.write_sectors, 60000);
	assert_int_equal(c.busy_ms, 900);
	assert_int_equal(lclone_counters_parse("1 2 3\n", &c), -EPROTO);
	assert_int_equal(lclone_counters_parse("", &c), -EPROTO);
}

static struct lclone_busy clone_of(const char *name, dev_t rdev, u64 count, u64 used)
{
	struct lclone_busy b = { .row = { .rdev = rdev, .used_bytes = used } };

	snprintf(b.row.name, sizeof(b.row.name), "%s", name);
	strcpy(b.row.delta, "/dev/vg/delta");
	b.counters = (struct lclone_counters){ count, 8 * count, 2 * count, 16 * count, count };
	return b;
}

static void rates_are_of_the_time_between(void **state)
{
	struct lclone_busy old[] = { clone_of("web1", 1, 1000, 5000) };
	struct lclone_busy new[] = { clone_of("web1", 1, 1800, 3000) };
	struct lclone_load before = { old, 1, 0, 10 }, now = { new, 1, 0, 12 };

	(void)state;
	lclone_load_rates(&now, &before);
	assert_float_equal(new[0].reads, 400, 1e-9);
	assert_float_equal(new[0].read_bytes, 400 * 8 * 512, 1e-6);
	assert_float_equal(new[0].writes, 800, 1e-9);
	assert_float_equal(new[0].write_bytes, 800 * 8 * 512, 1e-6);
	assert_float_equal(new[0].busy, 40, 1e-9);
	assert_float_equal(new[0].growth_bytes, -1000, 1e-9);
}

static void is_still(const struct lclone_busy *b)
{
	assert_true(!b->reads && !b->read_bytes && !b->writes && !b->write_bytes && !b->busy);
}

/* One that has come, one that took another's name or number, one whose counters began anew */
static void no_rates_of_others(void **state)
{
	struct lclone_busy old[] = { clone_of("web1", 1, 10, 0), clone_of("web2", 2, 10, 0),
				     clone_of("web4", 4, 1000, 0), clone_of("web5", 5, 10, 0) };
	struct lclone_busy new[] = { clone_of("new", 9, 99, 9), clone_of("web1", 2, 99, 9),
				     clone_of("web3", 1, 99, 9), clone_of("web4", 4, 7, 0),
				     clone_of("web5", 5, 10, 7) };
	struct lclone_load before = { old, 4, 0, 1 }, now = { new, 5, 0, 2 };

	(void)state;
	strcpy(new[4].row.delta, "/dev/vg/behind-a-snapshot");
	lclone_load_rates(&now, &before);
	for (size_t i = 0; i < 5; i++) {
		is_still(&new[i]);
		assert_true(!new[i].growth_bytes);
	}
}

/* The clock may not have gone on, and that of the counters runs at a pace of its own. */
static void clocks(void **state)
{
	struct lclone_busy old[] = { clone_of("web1", 1, 0, 0) };
	struct lclone_busy new[] = { clone_of("web1", 1, 1010, 0) };
	struct lclone_load before = { old, 1, 0, 5 }, now = { new, 1, 0, 5 };

	(void)state;
	lclone_load_rates(&now, &before);
	is_still(&new[0]);
	now.seconds = 6;
	lclone_load_rates(&now, &before);
	assert_float_equal(new[0].busy, 100, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_read),
		cmocka_unit_test(rates_are_of_the_time_between),
		cmocka_unit_test(no_rates_of_others),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests_name("what clones are doing", tests, NULL, NULL);
}
