// SPDX-License-Identifier: GPL-2.0-only
/* When a delta is extended, and by how much. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "dir.h"
#include "host/lv-extend.h"
#include "host/stack.h"
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

/* The group of a volume is its major number. */
void __wrap_lclone_dev_vg(dev_t dev, char vg[LCLONE_VG_UUID_SIZE]);

void __wrap_lclone_dev_vg(dev_t dev, char vg[LCLONE_VG_UUID_SIZE])
{
	snprintf(vg, LCLONE_VG_UUID_SIZE, "%u", major(dev));
}

/* lvextend is @text, which is told the path as $path. */
static void make_lvextend(const char *text)
{
	char script[4096];
	FILE *f;

	snprintf(script, sizeof(script), "%s", path_of("lvextend"));
	f = fopen(script, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "#!/bin/sh\nfor path; do :; done\n%s\n", text) > 0);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	assert_int_equal(fclose(f), 0);
}

/* One that does not end is not waited for by other groups, nor started twice. */
static void hangs(void **state)
{
	char path[4096], text[4096];
	u64 start;
	int i;

	(void)state;
	snprintf(path, sizeof(path), "%s:%s", path_of(""), getenv("PATH"));
	assert_int_equal(setenv("PATH", path, 1), 0);
	snprintf(text, sizeof(text),
		 "echo $path >>%s\n[ $path != slow ] || while [ ! -e %s ]; do sleep 0.1; done",
		 path_of("runs"), path_of("go"));
	make_lvextend(text);

	start = lclone_now_ms();
	assert_int_equal(lclone_lv_extend(makedev(1, 1), "slow", 8), -ETIMEDOUT);
	assert_string_equal(lclone_why(), "lvextend has not ended yet");
	assert_true(lclone_now_ms() - start < 20000);
	start = lclone_now_ms();
	assert_int_equal(lclone_lv_extend(makedev(1, 2), "other", 8), -ETIMEDOUT);
	assert_true(lclone_now_ms() - start < 1000);
	assert_int_equal(lclone_lv_extend(makedev(2, 1), "fast", 8), 0);
	assert_int_equal(truncate(path_of("runs"), 0), 0);
	fclose(fopen(path_of("go"), "w"));
	for (i = 0; i < 100 && lclone_lv_extend(makedev(1, 2), "other", 8); i++)
		usleep(100000);
	assert_true(i < 100);
	assert_int_equal(lclone_lv_extend(makedev(1, 1), "slow", 8), 0);
}

static void complains(void **state)
{
	(void)state;
	make_lvextend("echo WARNING: of no use >&2; echo '  No space left.' >&2; exit 5");
	assert_int_equal(lclone_lv_extend(makedev(1, 1), "full", 8), -ECHILD);
	assert_string_equal(lclone_why(), "lvextend failed: No space left.");
	make_lvextend("exit 5");
	assert_int_equal(lclone_lv_extend(makedev(1, 1), "full", 8), -ECHILD);
	assert_string_equal(lclone_why(), "lvextend failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when),
		cmocka_unit_test(mark),
		cmocka_unit_test(by_how_much),
		cmocka_unit_test(hangs),
		cmocka_unit_test(complains),
	};

	return cmocka_run_group_tests_name("extend", tests, make_dir, remove_dir);
}
