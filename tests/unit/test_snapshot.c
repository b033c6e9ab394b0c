// SPDX-License-Identifier: GPL-2.0-only
/* The names of snapshots. */
#include <errno.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/snapshot.h"
#include "test.h"

static void labels(void **state)
{
	char label[LCLONE_LABEL_SIZE], clone[LCLONE_NAME_SIZE], name[64];

	(void)state;
	assert_int_equal(lclone_snapshot_label("web1", "before-upgrade", label), 0);
	assert_string_equal(label, "web1@before-upgrade");
	assert_string_equal(lclone_snapshot_split(label, clone), "before-upgrade");
	assert_string_equal(clone, "web1");
	assert_null(lclone_snapshot_split("web1", clone));
	assert_int_equal(lclone_snapshot_label("web1", "a@b", label), -ERANGE);
	assert_int_equal(lclone_snapshot_label("web1", "a b", label), -ERANGE);
	assert_int_equal(lclone_snapshot_label("web1", "", label), -ERANGE);
	assert_int_equal(lclone_snapshot_label("web1", "-x", label), -ERANGE);
	memset(name, 'x', sizeof(name));
	name[58] = '\0';
	assert_int_equal(lclone_snapshot_label("web1", name, label), 0);
	name[58] = 'x';
	name[59] = '\0';
	assert_int_equal(lclone_snapshot_label("web1", name, label), -ENAMETOOLONG);
	/* device-mapper takes an @ in the name of a clone */
	assert_int_equal(lclone_snapshot_label("a@b", "c", label), 0);
	assert_string_equal(lclone_snapshot_split(label, clone), "c");
	assert_string_equal(clone, "a@b");
}

static struct lclone_sb layer(const char *label, u32 state)
{
	struct lclone_sb sb = { .state = state };

	strcpy(sb.label, label);
	return sb;
}

/* Only a sealed layer is a snapshot, and only that of the clone that is meant. */
static void found(void **state)
{
	static struct lclone_layers layers;
	struct lclone_sb sb = layer("web1@a", 0);

	(void)state;
	assert_null(lclone_snapshot_name(&sb));
	sb = layer("web1@", LCLONE_STATE_SEALED);
	assert_null(lclone_snapshot_name(&sb));
	sb = layer("@a", LCLONE_STATE_SEALED);
	assert_null(lclone_snapshot_name(&sb));
	layers.count = 3;
	layers.layer[0].sb = layer("web1", LCLONE_STATE_SEALED);
	layers.layer[1].sb = layer("web11@a", LCLONE_STATE_SEALED);
	layers.layer[2].sb = layer("web1@a", LCLONE_STATE_SEALED);
	assert_int_equal(lclone_snapshot_at(&layers, "web1", "a"), 2);
	assert_int_equal(lclone_snapshot_at(&layers, "web11", "a"), 1);
	assert_int_equal(lclone_snapshot_at(&layers, "web", "1@a"), 3);
	assert_int_equal(lclone_snapshot_at(&layers, "web1", "b"), 3);
	layers.count = 0;
}

static void times(void **state)
{
	char text[LCLONE_TIME_SIZE];

	(void)state;
	setenv("TZ", "UTC", 1);
	lclone_time_text(1700000000, text);
	assert_string_equal(text, "2023-11-14 22:13:20");
	lclone_time_text(0, text);
	assert_string_equal(text, "");
	lclone_time_text(UINT64_MAX, text);	/* whatever it is, it ends */
	assert_true(strlen(text) < sizeof(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels),
		cmocka_unit_test(found),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
