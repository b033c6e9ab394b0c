// SPDX-License-Identifier: GPL-2.0-only
/* Who lies on whom, as superblocks say that may have been written by anybody. */
#include <stdio.h>

#include "clone/family.h"
#include "host/find.h"
#include "test.h"

#define DELTAS	6

/* The parent of each, by its number; -1: none */
static int parent_of[DELTAS];

static u8 uuid_byte(int i)
{
	return i < 0 ? 0 : i + 1;
}

int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv);
int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv)
{
	char path[24];

	inv->found = calloc(DELTAS, sizeof(*inv->found));
	inv->count = DELTAS;
	for (int i = 0; i < DELTAS; i++) {
		struct lclone_sb *sb = &inv->found[i].sb;

		snprintf(path, sizeof(path), "/dev/d%d", i);
		inv->found[i].path = strdup(path);
		*sb = (struct lclone_sb){ .chunk_sectors = 128, .state = LCLONE_STATE_SEALED };
		memset(sb->uuid, uuid_byte(i), LCLONE_UUID_SIZE);
		memset(sb->parent_uuid, uuid_byte(parent_of[i]), LCLONE_UUID_SIZE);
	}
	return 0;
}

int __wrap_lclone_likely_base(const struct lclone_sb *sb, char base[PATH_MAX]);
int __wrap_lclone_likely_base(const struct lclone_sb *sb, char base[PATH_MAX])
{
	(void)sb;
	base[0] = '\0';
	return 0;
}

/* Below each comes an end; how far that is, which is 0 for who lies on nobody */
static int depth_of(const struct member *n)
{
	int depth = 0;

	for (; n->parent; n = n->parent) {
		depth++;
		assert_true(depth < DELTAS);
	}
	return depth;
}

static void a_chain(void **state)
{
	struct family t = { .node = NULL };

	(void)state;
	memcpy(parent_of, (int[]){ -1, 0, 1, 2, 3, 4 }, sizeof(parent_of));
	assert_int_equal(lclone_family_read(&t), 0);
	for (int i = 0; i < DELTAS; i++) {
		assert_int_equal(depth_of(&t.node[i]), i);
		assert_string_equal(t.node[i].broken, "");
	}
	lclone_family_free(&t);
}

/* One lies on itself, two on each other, and one on these: all have a place, and an end. */
static void circles(void **state)
{
	struct family t = { .node = NULL };

	(void)state;
	memcpy(parent_of, (int[]){ 0, 2, 3, 1, 2, 0 }, sizeof(parent_of));
	assert_int_equal(lclone_family_read(&t), 0);
	assert_int_equal(depth_of(&t.node[0]), 0);
	assert_string_equal(t.node[0].broken, "its parent layer /dev/d0 lies on it");
	assert_int_equal(depth_of(&t.node[1]), 0);
	assert_string_equal(t.node[1].broken, "its parent layer /dev/d2 lies on it");
	assert_int_equal(depth_of(&t.node[3]), 1);
	assert_int_equal(depth_of(&t.node[2]), 2);
	assert_int_equal(depth_of(&t.node[4]), 3);
	assert_int_equal(depth_of(&t.node[5]), 1);
	lclone_family_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain),
		cmocka_unit_test(circles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
