// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of a clone's line in lclonetab(5) when its table was exchanged. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/snapshot.h"
#include "dir.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/lv.h"
#include "host/stack.h"
#include "host/tab.h"
#include "online/follow.h"
#include "test.h"

/* A host of its own: /dev/N is the device 250:N */

static struct lclone_clone now;
static bool linear;
static const char *closed;	/* it is gone, and had this line */

int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone);
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	assert_string_equal(name, "web1");
	if (closed)
		return lclone_fail(-ENXIO, "there is no active clone web1");
	if (linear)
		return lclone_fail(-ENOTTY, "it is linear");
	*clone = now;
	return 0;
}

const char *__wrap_lclone_pending_after(const char *name);
const char *__wrap_lclone_pending_after(const char *name)
{
	assert_string_equal(name, "web1");
	return closed;
}

int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st)
{
	unsigned int minor;
	char more;

	if (sscanf(path, "/dev/%u%c", &minor, &more) != 1)
		return __real_stat(path, st);
	*st = (struct stat){ .st_mode = S_IFBLK, .st_rdev = makedev(250, minor) };
	return 0;
}

static bool volumes;		/* devices are those of LVM, which does not answer */

bool __wrap_lclone_dev_is_lv(dev_t dev);
bool __wrap_lclone_dev_is_lv(dev_t dev)
{
	return volumes && dev;
}

int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count);
int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count)
{
	*lvs = NULL;
	*count = 0;
	return lclone_fail(-EIO, "LVM does not answer");
}

int __wrap_lclone_lv_of(dev_t rdev, struct lclone_lv *lv);
int __wrap_lclone_lv_of(dev_t rdev, struct lclone_lv *lv)
{
	(void)lv;
	return lclone_dev_is_lv(rdev) ? lclone_fail(-EIO, "LVM does not answer") : 1;
}

/* From 250:40 on they are volumes of a group that hosts share. */
int __wrap_lclone_lv_names(dev_t rdev, char vg[LCLONE_NAME_SIZE], char lv[LCLONE_NAME_SIZE]);
int __wrap_lclone_lv_names(dev_t rdev, char vg[LCLONE_NAME_SIZE], char lv[LCLONE_NAME_SIZE])
{
	snprintf(vg, LCLONE_NAME_SIZE, "%s", minor(rdev) >= 40 ? "svg" : "vg");
	snprintf(lv, LCLONE_NAME_SIZE, "%u", minor(rdev));
	return 0;
}

bool __wrap_lclone_vg_is_shared(const char *vg);
bool __wrap_lclone_vg_is_shared(const char *vg)
{
	return !strcmp(vg, "svg");
}

/* /dev/4 is the delta of web1, and these it lies on. */
static const char *layer[3];

int __real_lclone_sb_of(const char *path, struct lclone_sb *sb);
int __wrap_lclone_sb_of(const char *path, struct lclone_sb *sb);
int __wrap_lclone_sb_of(const char *path, struct lclone_sb *sb)
{
	if (strcmp(path, "/dev/4"))
		return __real_lclone_sb_of(path, sb);
	*sb = (struct lclone_sb){ .label = "web1", .base_fp_alg = LCLONE_FP_CRC32C_SAMPLES };
	return 0;
}

int __wrap_lclone_layers_read(const char *delta, struct lclone_layers *layers);
int __wrap_lclone_layers_read(const char *delta, struct lclone_layers *layers)
{
	assert_string_equal(delta, "/dev/4");
	for (layers->count = 0; layer[layers->count]; layers->count++)
		layers->layer[layers->count].path = strdup(layer[layers->count]);
	return 0;
}

static struct lclone_clone before;

static void set_table(struct lclone_clone *clone, const char *params)
{
	*clone = (struct lclone_clone){ .name = "web1" };
	assert_int_equal(lclone_table_parse(params, &clone->table), 0);
}

static void write_tab(const char *line)
{
	FILE *f = fopen(lclone_tab_path(), "w");

	assert_non_null(f);
	assert_true(fprintf(f, "# mine\n%s\nweb2 - /dev/99\n", line) > 0);
	assert_int_equal(fclose(f), 0);
}

/* "": there is none */
static void has(const char *line)
{
	char buf[4096] = "", want[4096];
	FILE *f = fopen(lclone_tab_path(), "r");

	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) < sizeof(buf) - 1);
	assert_int_equal(fclose(f), 0);
	snprintf(want, sizeof(want), "# mine\n%s%sweb2 - /dev/99\n", line, *line ? "\n" : "");
	assert_string_equal(buf, want);
}

struct step {
	const char *before, *now, *device, *line, *followed;
};

static const struct step steps[] = {
	/* snapshot: layers that are named, all of them, and others */
	{ "250:1 250:2", "250:1 250:3 2 parent 250:2", "/dev/3", "web1 /dev/1 /dev/2 host",
	  "web1\t/dev/1\t/dev/3\thost,parent=/dev/2" },
	{ "250:1 250:3 2 parent 250:2", "250:1 250:4 4 parent 250:2 parent 250:3", "/dev/4",
	  "web1 /dev/1 /dev/3 parent=/dev/2,host", "web1\t/dev/1\t/dev/4\tparent=/dev/2,host,parent=/dev/3" },
	{ "250:1 250:3 2 parent 250:2", "250:1 250:4 4 parent 250:2 parent 250:3", "/dev/4",
	  "web1 /dev/1 /dev/3 host", "web1\t/dev/1\t/dev/4\thost" },
	/* revert */
	{ "250:1 250:3 2 parent 250:2", "250:1 250:4 2 parent 250:2", "/dev/4",
	  "web1 /dev/1 /dev/3 parent=/dev/2", "web1\t/dev/1\t/dev/4\tparent=/dev/2" },
	/* flatten, and that of a layer; a layer that was merged away */
	{ "250:1 250:3 2 parent 250:2", "- 250:3", NULL, "web1 /dev/1 /dev/3 parent=/dev/2,noauto",
	  "web1\t-\t/dev/3\tnoauto" },
	{ "250:1 250:4 4 parent 250:2 parent 250:3", "250:1 250:4 2 parent 250:2", NULL,
	  "web1 /dev/1 /dev/4 parent=/dev/2,parent=/dev/3", "web1\t/dev/1\t/dev/4\tparent=/dev/2" },
	/* flatten to a device */
	{ "250:1 250:3 2 parent 250:2", "250:5 250:3 2 merge rebase", "/dev/5",
	  "web1 /dev/1 /dev/3 parent=/dev/2", "web1\t/dev/5\t/dev/3" },
	/* to and from a group that hosts share; a layer is still there */
	{ "250:1 250:3", "250:1 250:44 2 parent 250:3", "/dev/44", "web1 /dev/1 /dev/3 host",
	  "web1\t/dev/1\t/dev/44\thost,shared,parent=/dev/3" },
	{ "250:1 250:44", "250:1 250:4 2 parent 250:44", "/dev/4", "web1 /dev/1 /dev/44 shared,host",
	  "web1\t/dev/1\t/dev/4\tshared,host,parent=/dev/44" },
	{ "250:1 250:4 2 parent 250:44", "250:1 250:4", NULL,
	  "web1 /dev/1 /dev/4 shared,host,parent=/dev/44", "web1\t/dev/1\t/dev/4\thost" },
	/* nothing that a line says has changed; and it is another's */
	{ "250:1 250:3", "250:1 250:3 1 merge", NULL, "web1 /dev/1 /dev/3   host",
	  "web1 /dev/1 /dev/3   host" },
	{ "250:1 250:3", "250:1 250:4 2 parent 250:3", "/dev/4", "web1 /dev/1 /dev/6",
	  "web1 /dev/1 /dev/6" },
	{ "250:1 250:3", "250:1 250:4 2 parent 250:3", "/dev/4", "web3 /dev/1 /dev/3",
	  "web3 /dev/1 /dev/3" },
};

static void tables(void **state)
{
	size_t i;

	(void)state;
	linear = false;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		set_table(&before, steps[i].before);
		set_table(&now, steps[i].now);
		write_tab(steps[i].line);
		assert_int_equal(lclone_follow(&before, steps[i].device, NULL), 0);
		has(steps[i].followed);
		/* once more, as the run after one that was killed */
		assert_int_equal(lclone_follow(&before, steps[i].device, NULL), 0);
		has(steps[i].followed);
	}
}

static void no_clone(void **state)
{
	bool removed = false;

	(void)state;
	linear = true;
	set_table(&before, "250:1 250:3");
	write_tab("web1 /dev/1 /dev/4");
	assert_int_equal(lclone_follow(&before, NULL, &removed), 0);
	assert_false(removed);
	write_tab("web1 /dev/1 /dev/3");
	assert_int_equal(lclone_follow(&before, NULL, &removed), 0);
	assert_true(removed);
	has("");
}

/* Somebody has closed it before its line was changed: it comes by what it had. */
static void closed_meanwhile(void **state)
{
	bool removed = false;

	(void)state;
	linear = false;
	set_table(&before, "250:1 250:3");
	write_tab("web1 /dev/1 /dev/3 host");
	closed = "0 2048 lclone 250:1 250:4 2 parent 250:3";
	assert_int_equal(lclone_follow(&before, "/dev/4", &removed), 0);
	has("web1\t/dev/1\t/dev/4\thost,parent=/dev/3");
	assert_false(removed);
	/* it was a merge's end */
	write_tab("web1 /dev/1 /dev/3");
	closed = "0 2048 linear 250:1 0";
	assert_int_equal(lclone_follow(&before, NULL, &removed), 0);
	has("");
	assert_true(removed);
	/* its end was all that was noted */
	closed = "";
	assert_int_equal(lclone_follow(&before, NULL, &removed), -ENXIO);
	closed = NULL;
}

/* It is told what has to be there, or not to be. */
static void not_written(void **state)
{
	char next[PATH_MAX];
	bool removed = false;

	(void)state;
	linear = false;
	snprintf(next, sizeof(next), "%s.lclone-new", lclone_tab_path());
	assert_int_equal(mkdir(next, 0700), 0);
	set_table(&before, "250:1 250:3");
	set_table(&now, "250:1 250:4 2 parent 250:3");
	write_tab("web1 /dev/1 /dev/3 host");
	assert_int_equal(lclone_follow(&before, "/dev/4", &removed), -ECANCELED);
	assert_non_null(strstr(lclone_why(), "has to be: web1 /dev/1 /dev/4 host,parent=/dev/3"));
	linear = true;
	assert_int_equal(lclone_follow(&before, NULL, &removed), -ECANCELED);
	assert_non_null(strstr(lclone_why(), "take it out"));
	assert_false(removed);
	has("web1 /dev/1 /dev/3 host");
	assert_int_equal(rmdir(next), 0);
}

static void rebased(void **state)
{
	(void)state;
	write_tab("web1 /dev/1 /dev/3 parent=/dev/2");
	assert_int_equal(lclone_follow_base("/dev/3", "/dev/7"), 0);
	has("web1\t/dev/7\t/dev/3\tparent=/dev/2");
	assert_int_equal(lclone_follow_base("/dev/8", "/dev/9"), 0);
	has("web1\t/dev/7\t/dev/3\tparent=/dev/2");
}

/* Tags are as they were if LVM cannot be asked for them: nobody may take that for an end. */
static void not_tagged(void **state)
{
	(void)state;
	linear = false;
	volumes = true;
	set_table(&before, "250:1 250:3");
	set_table(&now, "250:1 250:4 2 parent 250:3");
	write_tab("web1 /dev/1 /dev/3");
	assert_int_equal(lclone_follow(&before, "/dev/4", NULL), -ECANCELED);
	assert_string_equal(lclone_why(),
			    "web1 is changed, but not the tags of its volumes, which \"lclone scan\" puts right: LVM does not answer");
	has("web1\t/dev/1\t/dev/4\tparent=/dev/3");
	set_table(&before, "250:1 250:4 2 parent 250:3");
	assert_int_equal(lclone_follow(&before, NULL, NULL), 0);
	assert_int_equal(lclone_follow_merged_tags("/dev/4", "/dev/3"), -ECANCELED);
	assert_string_equal(lclone_why(),
			    "/dev/3 has what was merged into it, but not the tags, which \"lclone scan\" puts right: LVM does not answer");
	volumes = false;
}

/* What one call gave is given to the next, and can be read behind it. */
static void late(void **state)
{
	const struct lclone_tab_entry entry = {
		.name = "web1", .base = "/dev/1", .delta = "/dev/4",
		.options = "host,parent=/dev/2,parent=/dev/3",
	};
	struct lclone_tab_entry once, again;

	(void)state;
	write_tab("web1 /dev/1 /dev/4 host,parent=/dev/2,parent=/dev/3");
	layer[0] = "/dev/3";
	layer[1] = "/dev/2";
	assert_false(lclone_follow_late(&entry, &once));
	layer[1] = NULL;
	assert_true(lclone_follow_late(&entry, &once));
	assert_string_equal(once.options, "host,parent=/dev/3");
	has("web1\t/dev/1\t/dev/4\thost,parent=/dev/3");
	assert_false(lclone_follow_late(&once, &again));
	assert_false(lclone_follow_late(&once, &again));
	assert_string_equal(once.options, "host,parent=/dev/3");
	layer[0] = NULL;
	assert_true(lclone_follow_late(&once, &again));
	assert_string_equal(again.options, "host");
}

static int setup(void **state)
{
	return make_dir(state) || setenv("LCLONE_TAB", path_of("tab"), 1);
}

/* Lines of clones that are not active name what has taken over a layer, or their delta. */
static void merged(void **state)
{
	(void)state;
	write_tab("web1 /dev/1 /dev/4 host,parent=/dev/2,parent=/dev/3");
	assert_int_equal(lclone_follow_merged("/dev/3", "/dev/2"), 0);
	has("web1\t/dev/1\t/dev/4\thost,parent=/dev/2");
	write_tab("web1 /dev/1 /dev/4 parent=/dev/3");
	assert_int_equal(lclone_follow_merged("/dev/4", "/dev/3"), 0);
	has("web1\t/dev/1\t/dev/3");
	write_tab("web1 /dev/1 /dev/4 parent=/dev/3");
	assert_int_equal(lclone_follow_merged("/dev/5", "/dev/6"), 0);
	assert_int_equal(lclone_follow_merged_tags(NULL, "/dev/6"), 0);
	has("web1 /dev/1 /dev/4 parent=/dev/3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(no_clone),
		cmocka_unit_test(closed_meanwhile),
		cmocka_unit_test(not_written),
		cmocka_unit_test(rebased),
		cmocka_unit_test(merged),
		cmocka_unit_test(not_tagged),
		cmocka_unit_test(late),
	};

	return cmocka_run_group_tests_name("follow", tests, setup, remove_dir);
}
