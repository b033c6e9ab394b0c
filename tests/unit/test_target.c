// SPDX-License-Identifier: GPL-2.0-only
/* The target's lines, from literal strings. */
#include "host/target.h"
#include "test.h"

static void round_trip(const char *line)
{
	static struct lclone_table table;
	char out[LCLONE_PARAMS_SIZE];

	assert_int_equal(lclone_table_parse(line, &table), 0);
	assert_int_equal(lclone_table_print(&table, out, sizeof(out)), 0);
	assert_string_equal(out, line);
}

static void tables(void **state)
{
	(void)state;
	round_trip("254:0 254:1");
	round_trip("- 254:1");
	round_trip("/dev/vg/base /dev/vg/delta 1 read_only");
	round_trip("254:0 254:1 2 no_space_timeout 0");
	round_trip("254:0 254:1 2 chunk_size 128");
	round_trip("254:0 254:1 3 merge chunk_size 64");
	round_trip("254:0 254:1 2 merge rebase");
	round_trip("254:0 254:1 3 parent 254:2 flatten");
	round_trip("254:0 254:1 3 takeover owner host-a/0123456789abcdef/01234567");
	round_trip("254:0 254:1 4 parent 254:2 flatten_layer rebase");
	round_trip("254:0 254:1 4 parent 254:2 parent 254:3");
	round_trip("- 254:1 5 parent /dev/vg/layer parent 254:3 read_only");
	round_trip("7:0 7:1 11 read_only error_if_no_space no_space_timeout 4294967295 low_water_mark 1000 commit_interval 3600000 no_discard_passdown chunk_size 4096");
	round_trip("7:0 7:1 3 no_discard_passdown base_cache flatten");
}

static void bad_tables(void **state)
{
	static const char * const lines[] = {
		"", "254:0", "a b 1 frobnicate", "a b 1 no_space_timeout",
		"a b 2 no_space_timeout -1", "a b 2 no_space_timeout 4294967296",
		"a b 2 low_water_mark 5x", "a b 1 parent", "a b 1 owner",
		"a b 2 owner 0123456789012345678901234567890123456789012345678901234567890123",
		 "a b 2 commit_interval 18446744073709551616",
	};
	static struct lclone_table table;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(lclone_table_parse(lines[i], &table), -EPROTO);
}

static void long_table(void **state)
{
	static struct lclone_table table;
	char out[20];

	(void)state;
	strcpy(table.base, "/dev/vg/base");
	strcpy(table.delta, "/dev/vg/delta");
	assert_int_equal(lclone_table_print(&table, out, sizeof(out)), -E2BIG);
}

/* As many layers as the target takes, each by its name and in its place, and not one more. */
static void layers(void **state)
{
	static struct lclone_table table, again;
	char out[LCLONE_PARAMS_SIZE], name[32];
	u32 i;

	(void)state;
	strcpy(table.base, "-");
	strcpy(table.delta, "254:1");
	for (i = 0; i < LCLONE_LAYERS_MAX; i++) {
		snprintf(name, sizeof(name), "254:%u", 1000000 + i);
		assert_int_equal(lclone_table_add_parent(&table, name), 0);
	}
	assert_int_equal(lclone_table_add_parent(&table, "254:2"), -E2BIG);
	assert_int_equal(table.parents, LCLONE_LAYERS_MAX);
	assert_int_equal(lclone_table_print(&table, out, sizeof(out)), 0);
	assert_int_equal(lclone_table_parse(out, &again), 0);
	assert_int_equal(again.parents, LCLONE_LAYERS_MAX);
	for (i = 0; i < LCLONE_LAYERS_MAX; i++) {
		snprintf(name, sizeof(name), "254:%u", 1000000 + i);
		assert_string_equal(lclone_table_parent(&again, i), name);
	}
	/* without the topmost, and with another in its place */
	again.parents = 1;
	assert_int_equal(lclone_table_add_parent(&again, "/dev/vg/a longer name"), 0);
	assert_int_equal(lclone_table_print(&again, out, sizeof(out)), 0);
	assert_string_equal(out, "- 254:1 4 parent 254:1000000 parent /dev/vg/a longer name");
}

/* Names that no table has room for are refused, and what was there stays. */
static void long_names(void **state)
{
	static char name[PATH_MAX] = "/dev/";
	static struct lclone_table table;

	(void)state;
	memset(name + 5, 'x', sizeof(name) - 6);
	assert_int_equal(lclone_table_add_parent(&table, name), 0);
	assert_int_equal(lclone_table_add_parent(&table, name), 0);
	assert_int_equal(lclone_table_add_parent(&table, "a"), -E2BIG);
	assert_int_equal(table.parents, 2);
	assert_string_equal(lclone_table_parent(&table, 1), name);
}

static void status(void **state)
{
	struct lclone_status s;

	(void)state;
	assert_int_equal(lclone_status_parse("rw 128 34/1024 5 2 17 3 - -", &s), 0);
	assert_string_equal(s.mode, "rw");
	assert_int_equal(s.chunk_sectors, 128);
	assert_int_equal(s.used, 34);
	assert_int_equal(s.total, 1024);
	assert_int_equal(s.cached_leaves, 5);
	assert_int_equal(s.dirty_leaves, 2);
	assert_int_equal(s.commits, 17);
	assert_int_equal(s.checkpoints, 3);
	assert_false(s.needs_check || s.full);
	assert_int_equal(lclone_status_parse("ro 16 0/1 0 0 0 0 needs_check full", &s), 0);
	assert_true(s.needs_check && s.full);
	assert_string_equal(s.task, "");
	assert_false(lclone_task_runs(&s));
	assert_int_equal(lclone_status_parse("rw 128 34/1024 5 2 17 3 - - merging 7 448 3/9", &s), 0);
	assert_string_equal(s.task, "merging");
	assert_true(lclone_task_runs(&s));
	assert_int_equal(s.task_chunks, 7);
	assert_int_equal(s.task_sectors, 448);
	assert_int_equal(s.task_at, 3);
	assert_int_equal(s.task_end, 9);
	assert_int_equal(lclone_status_parse("rw 128 34/1024 5 2 17 3 - - flatten_failed 7 448 3/9", &s), 0);
	assert_string_equal(s.task, "flatten_failed");
	assert_false(lclone_task_runs(&s));
}

static void progress_is(const char *tail, u64 done, u64 total)
{
	char line[128] = "rw 128 100/1024 5 2 17 3 - - ";
	struct lclone_status s;
	u64 is, of;

	assert_int_equal(lclone_status_parse(strcat(line, tail), &s), 0);
	lclone_task_progress(&s, &is, &of);
	assert_int_equal(is, done);
	assert_int_equal(of, total);
}

static void progress(void **state)
{
	(void)state;
	/* what is in the delta still comes; nothing is known of its chunks yet, or they are half full */
	progress_is("merging 0 0 0/9", 0, 100 * 65536);
	progress_is("merging 10 640 8/9", 640 * 512, 640 * 512 + 100 * 32768);
	progress_is("merged 10 640 9/9", 640 * 512, 640 * 512);
	/* in order; of what it has not come to, all may have to be copied */
	progress_is("flattening 10 1280 1/4", 1280 * 512,
		    1280 * 512 + 3ull * LCLONE_LEAF_EXCEPTIONS * 65536);
	progress_is("flattening 0 0 0/4", 0, 4ull * LCLONE_LEAF_EXCEPTIONS * 65536);
	progress_is("flattening 10 1280 4/4", 1280 * 512, 1280 * 512 + 65536);
	progress_is("flattened 10 1280 4/4", 1280 * 512, 1280 * 512);
}

static void bad_status(void **state)
{
	static const char * const lines[] = {
		"", "Fail", "rw 128 34/1024 5 2 17 3 -", "rw 128 34/1024 5 2 17 3 - - -",
		"xx 128 34/1024 5 2 17 3 - -", "rw 128 34 1024 5 2 17 3 - -",
		"rw 128 34/ 5 2 17 3 - -", "rw -1 34/1024 5 2 17 3 - -",
		"rw 128 34/1024 5 2 17 3 full -", "rw 128 34/1024 5 2 17 99999999999999999999 - -",
		"rw 128 34/1024 5 2 17 3 - - merging 7 448", "rw 128 34/1024 5 2 17 3 - - merges 7 448 3/9",
		"rw 128 34/1024 5 2 17 3 - - merged 7 448 3/9 -", "rw 128 34/1024 5 2 17 3 - - merged 7 448 3",
	};
	struct lclone_status s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(lclone_status_parse(lines[i], &s), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(bad_tables),
		cmocka_unit_test(long_table),
		cmocka_unit_test(layers),
		cmocka_unit_test(long_names),
		cmocka_unit_test(status),
		cmocka_unit_test(progress),
		cmocka_unit_test(bad_status),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
