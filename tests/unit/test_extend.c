// SPDX-License-Identifier: GPL-2.0-only
/* When a delta is extended, and by how much. */
#include "online/extend.h"
#include "test.h"

static const struct lclone_autoextend how = { .threshold = 70, .percent = 20 };

static void when(void **state)
{
	struct lclone_status s = { .total = 1000 };

	(void)state;
	s.used = 699;
	assert_false(lclone_is_short(&s, &how));
	s.used = 700;
	assert_true(lclone_is_short(&s, &how));
	assert_true(lclone_is_nearly_short(&s, &how));
	s.used = 525;
	assert_true(lclone_is_nearly_short(&s, &how));
	s.used = 524;
	assert_false(lclone_is_nearly_short(&s, &how));
	/* a full one may have chunks that metadata needs */
	s.used = 1;
	s.full = true;
	assert_true(lclone_is_short(&s, &how));
}

/* When the kernel tells of fewer free chunks than the mark, the delta is short, and not before. */
static void mark(void **state)
{
	const u64 totals[] = { 1, 2, 3, 7, 100, 1000, 1001, 1ull << 30 };
	struct lclone_autoextend at = how;
	struct lclone_status s = { };
	size_t i;
	u64 m;

	(void)state;
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		for (at.threshold = 1; at.threshold < 100; at.threshold++) {
			s.total = totals[i];
			m = lclone_short_mark(&s, &at);
			assert_true(m >= 1 && m <= LCLONE_PHYS_MASK);
			if (m > s.total)
				continue;
			s.used = s.total - m + 1;	/* one fewer is free */
			assert_true(lclone_is_short(&s, &at));
			s.used -= 2;			/* one more */
			assert_true(s.used > s.total || !lclone_is_short(&s, &at));
		}
}

static void by_how_much(void **state)
{
	const u64 mib = 2048, clone = 1024 * mib;
	struct lclone_autoextend with_max = how;

	(void)state;
	assert_int_equal(lclone_extended_size(100 * mib, clone, false, &how), 120 * mib);
	/* never nothing */
	assert_true(lclone_extended_size(3, clone, false, &how) > 3);
	/* the whole clone fits: only what is full all the same gets more */
	assert_int_equal(lclone_extended_size(2 * clone, clone, false, &how), 2 * clone);
	assert_true(lclone_extended_size(2 * clone, clone, true, &how) > 2 * clone);
	with_max.max = 110 * mib;
	assert_int_equal(lclone_extended_size(100 * mib, clone, true, &with_max), 110 * mib);
	assert_int_equal(lclone_extended_size(110 * mib, clone, true, &with_max), 110 * mib);
	/* one that is larger already does not shrink */
	assert_int_equal(lclone_extended_size(200 * mib, clone, true, &with_max), 200 * mib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when),
		cmocka_unit_test(mark),
		cmocka_unit_test(by_how_much),
	};

	return cmocka_run_group_tests_name("extend", tests, NULL, NULL);
}
