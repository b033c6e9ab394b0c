// SPDX-License-Identifier: GPL-2.0-only
/* A clone that gets the content of images, and what a run that was killed has left in its place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/file.h"
#include "online/deploy.h"
#include "online/half-made.h"
#include "test.h"

/* A host with a template, and perhaps a volume that a killed run has made; what is done is noted. */
static struct {
	bool earlier;
	enum lclone_half_made made;
	bool no_open, no_fill, filled;
	bool local;			/* the delta is in a group that is not the template's, which is shared */
	int lock;			/* the other end of a pipe */
	const struct lclone_file *open;
	char done[256];
} host;

static void note(const char *what)
{
	strcat(host.done, what);
}

int __wrap_lclone_lock_creation(int kind);
int __wrap_lclone_lock_creation(int kind)
{
	int ends[2];

	(void)kind;
	close(host.lock);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	host.lock = ends[0];
	return ends[1];
}

static bool is_locked(void)
{
	struct pollfd end = { .fd = host.lock };

	return !poll(&end, 1, 0);
}

int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags);
int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags)
{
	assert_string_equal(path, host.local ? "/dev/local/web1-delta" : "/dev/vg/web1-delta");
	assert_int_equal(flags, O_RDWR | O_EXCL);
	assert_true(is_locked());
	host.open = file;
	return 0;
}

void __wrap_lclone_file_close(struct lclone_file *file);
void __wrap_lclone_file_close(struct lclone_file *file)
{
	if (file == host.open)
		host.open = NULL;
}

int __wrap_lclone_template_find(const char *name, struct lclone_lv *lv);
int __wrap_lclone_template_find(const char *name, struct lclone_lv *lv)
{
	*lv = (struct lclone_lv){ .kind = LCLONE_LV_BASE, .vg = "vg", .sectors = 2048 };
	strcpy(lv->name, name);
	strcpy(lv->lv, name);
	return 0;
}

bool __wrap_lclone_vg_is_shared(const char *vg);
bool __wrap_lclone_vg_is_shared(const char *vg)
{
	return host.local && !strcmp(vg, "vg");
}

int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count);
int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count)
{
	*lvs = calloc(1, sizeof(**lvs));
	**lvs = (struct lclone_lv){ .kind = LCLONE_LV_DELTA, .vg = "vg", .lv = "web1-delta",
				    .name = "web1", .from = "deb", .is_new = !host.filled };
	if (host.local)
		strcpy((*lvs)->vg, "local");
	*count = host.earlier || host.filled;
	return 0;
}

int __wrap_lclone_half_made(const struct lclone_lv *lv, const char *base,
			    const struct lclone_parents *parents,
			    const struct lclone_features *features, enum lclone_half_made *made);
int __wrap_lclone_half_made(const struct lclone_lv *lv, const char *base,
			    const struct lclone_parents *parents,
			    const struct lclone_features *features, enum lclone_half_made *made)
{
	(void)lv;
	(void)base;
	(void)parents;
	(void)features;
	*made = host.made;
	return 0;
}

int __wrap_lclone_open_base(const char *path, struct lclone_file *file, struct lclone_file **base);
int __wrap_lclone_open_base(const char *path, struct lclone_file *file, struct lclone_file **base)
{
	(void)path;
	(void)file;
	*base = NULL;
	return 0;
}

int __wrap_lclone_lv_create_many(const struct lclone_lv *lvs, size_t count, bool *made);
int __wrap_lclone_lv_create_many(const struct lclone_lv *lvs, size_t count, bool *made)
{
	(void)lvs;
	if (!count)
		return 0;
	assert_int_equal(count, 1);
	*made = true;
	note("created ");
	return 0;
}

int __wrap_lclone_open_clone(const char *name, const char *base, const char *delta,
			     const struct lclone_parents *parents,
			     const struct lclone_features *features, bool on_host);
int __wrap_lclone_open_clone(const char *name, const char *base, const char *delta,
			     const struct lclone_parents *parents,
			     const struct lclone_features *features, bool on_host)
{
	(void)name;
	(void)base;
	(void)delta;
	(void)parents;
	(void)features;
	(void)on_host;
	note("opened ");
	return host.no_open ? lclone_fail(-EBUSY, "it is in use") : 0;
}

/* Alike for all that is only noted, or is nothing here */
#define NOTED(name, type, what)						\
int __wrap_##name(type arg);						\
int __wrap_##name(type arg)						\
{									\
	(void)arg;							\
	note(what);							\
	return 0;							\
}

NOTED(lclone_lv_activate, const struct lclone_lv *, "")
NOTED(lclone_check_free_name, const char *, "")
NOTED(lclone_wipe_recycled, const char *, "")
NOTED(lclone_lv_remove, const struct lclone_lv *, "removed ")

int __wrap_lclone_lv_keep(const struct lclone_lv *lv);
int __wrap_lclone_lv_keep(const struct lclone_lv *lv)
{
	(void)lv;
	assert_non_null(host.open);
	note("kept ");
	return 0;
}

bool __wrap_lclone_is_open_so(void);
bool __wrap_lclone_is_open_so(void)
{
	return false;
}

int __wrap_lclone_lv_remove_new_many(const struct lclone_lv *lvs, size_t count);
int __wrap_lclone_lv_remove_new_many(const struct lclone_lv *lvs, size_t count)
{
	(void)lvs;
	if (count) {
		assert_true(is_locked());
		note("removed-new ");
	}
	return 0;
}

static int fill(void *ctx, struct lclone_file *file, const struct format_arguments *format)
{
	(void)ctx;
	(void)format;
	/* others need not wait, and cannot take it */
	assert_true(file == host.open);
	assert_false(is_locked());
	note("filled ");
	return host.no_fill ? lclone_fail(-ENOSPC, "it is full") : 0;
}

static void told(void *ctx, const char *name, const struct lclone_lv *lv, const char *why)
{
	(void)ctx;
	(void)name;
	(void)lv;
	assert_null(why);
	note("told ");
}

static int deploy(void)
{
	static const struct lclone_features features;
	static const struct format_arguments format;
	const struct creation creation = { .format = &format, .features = &features };
	const struct deployment d = { .from = "deb", .vg = host.local ? "local" : NULL, .creation = &creation, .fill = fill, .filled = host.filled,
				      .told = told };
	const char *const name = "web1";
	struct lclone_names failed;

	setenv("LCLONE_TAB", path_of("tab"), 1);
	return lclone_deploy(&name, 1, &d, &failed);
}

static int begin(void **state)
{
	(void)state;
	unlink(path_of("tab"));
	memset(&host, 0, sizeof(host));
	host.lock = -1;
	return 0;
}

/* What a run that was killed has opened may have the content of another image, or of none. */
static void not_taken_over(void **state)
{
	(void)state;
	host.earlier = true;
	host.made = LCLONE_MADE_ACTIVE;
	assert_int_equal(deploy(), -EEXIST);
	assert_non_null(strstr(lclone_why(), "remove it (lclone remove web1)"));
	host.made = LCLONE_MADE_OPENED;
	assert_int_equal(deploy(), -EEXIST);
	assert_string_equal(host.done, "");
}

/* Nor does another take over what has content of an image: it is kept before it is opened. */
static void kept_first(void **state)
{
	(void)state;
	host.no_open = true;
	assert_int_equal(deploy(), -EBUSY);
	assert_string_equal(host.done, "created filled kept opened removed ");
	begin(NULL);
	host.no_open = host.earlier = true;
	assert_int_equal(deploy(), -EBUSY);
	assert_string_equal(host.done, "removed-new created filled kept opened removed ");
}

static void is_entered(const char *line)
{
	char text[64] = "";
	FILE *tab = fopen(path_of("tab"), "r");

	assert_non_null(tab);
	assert_non_null(fgets(text, sizeof(text), tab));
	fclose(tab);
	assert_string_equal(text, line);
}

/* What such a run has kept is opened and entered. */
static void filled(void **state)
{
	(void)state;
	host.filled = true;
	assert_int_equal(deploy(), 0);
	assert_string_equal(host.done, "opened told ");
	is_entered("web1\t/dev/vg/deb\t/dev/vg/web1-delta\n");
	/* then it is any clone */
	assert_int_equal(deploy(), -EEXIST);
	assert_non_null(strstr(lclone_why(), "is a clone already"));
}

/* At boot nobody else activates the template. */
static void on_shared(void **state)
{
	(void)state;
	host.filled = host.local = true;
	assert_int_equal(deploy(), 0);
	is_entered("web1\t/dev/vg/deb\t/dev/local/web1-delta\tshared\n");
}

/* While nobody can have made another of its name */
static void not_filled(void **state)
{
	(void)state;
	host.no_fill = true;
	assert_int_equal(deploy(), -ENOSPC);
	assert_string_equal(host.done, "created filled removed-new ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(not_taken_over, begin),
		cmocka_unit_test_setup(kept_first, begin),
		cmocka_unit_test_setup(not_filled, begin),
		cmocka_unit_test_setup(filled, begin),
		cmocka_unit_test_setup(on_shared, begin),
	};

	return cmocka_run_group_tests_name("deploy", tests, make_dir, remove_dir);
}
