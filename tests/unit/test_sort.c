// SPDX-License-Identifier: GPL-2.0-only
/* Arrays in order: they are sorted, and what is looked for is found in them. */
#include "basic/sort.h"
#include "test.h"

#define COUNT	1000

struct thing {
	u32 rank;
	u64 key;
};

static u64 key_of(const void *thing)
{
	return ((const struct thing *)thing)->key;
}

static int compare(const void *a, const void *b)
{
	const struct thing *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static void bound_is_the_first_that_is_not_below(void **state)
{
	struct thing thing[8] = {};
	u64 key, end = 8;
	size_t count, i, at;

	(void)state;
	for (count = 0; count <= end; count++) {
		for (i = 0; i < count; i++)
			thing[i].key = 2 + i / 2 * 2;	/* 2 2 4 4 6 6 8 8 */
		for (key = 0; key < 12; key++) {
			for (i = 0; i < count && thing[i].key < key; i++)
				;
			at = lclone_lower_bound(thing, count, sizeof(thing[0]), key, key_of);
			assert_int_equal(at, i);
		}
	}
	assert_int_equal(lclone_lower_bound(NULL, 0, sizeof(thing[0]), 1, key_of), 0);
	thing[0].key = UINT64_MAX;
	assert_int_equal(lclone_lower_bound(thing, 1, sizeof(thing[0]), UINT64_MAX, key_of), 0);
}

static void all_that_is_sorted_is_found(void **state)
{
	static struct thing thing[COUNT];
	size_t i, at;

	(void)state;
	for (i = 0; i < COUNT; i++) {
		thing[i].key = i * 7919 % COUNT;	/* each number once */
		thing[i].rank = thing[i].key;
	}
	lclone_sort(thing, COUNT, sizeof(thing[0]), compare);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(thing[i].rank, i);
		at = lclone_lower_bound(thing, COUNT, sizeof(thing[0]), i, key_of);
		assert_int_equal(at, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_is_the_first_that_is_not_below),
		cmocka_unit_test(all_that_is_sorted_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
