// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of volumes that hosts share: what LVM is told when, and what is given back.  LVM is a
 * program that the test has put in its place; volumes and clones are the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/device.h"
#include "host/lock.h"
#include "host/lv-lock.h"
#include "host/stack.h"
#include "test.h"

/* Volumes have the numbers 1 to 4, what lies on them 9. */
static const char * const volume[] = { "", "s-g/base", "s-g/web-1", "s-g/layer", "plain/lv" };
static bool active[5];
static bool used[5];			/* by the clone */
static bool merges;
static bool busy;			/* another run has it */

#define OURS	"lv_tags={\"lclone.delta\" || \"lclone.base\" || \"lclone.filling\" || " \
		"\"lclone.target\" || \"lclone.verity\"}"

static dev_t number(const char *name)
{
	dev_t i;

	for (i = 1; i < 5; i++)
		if (!strcmp(volume[i], name))
			return i;
	return 0;
}

int __wrap_access(const char *path, int mode);
int __wrap_access(const char *path, int mode)
{
	(void)mode;
	return strcmp(path, "/dev/mapper/s--g-lvmlock") ? -1 : 0;
}

bool __wrap_lclone_dev_is_lv(dev_t dev);
bool __wrap_lclone_dev_is_lv(dev_t dev)
{
	return dev && dev < 5;
}

bool __wrap_lclone_dev_is_dm(dev_t dev);
bool __wrap_lclone_dev_is_dm(dev_t dev)
{
	return dev;
}

void __wrap_lclone_dev_name(dev_t rdev, char name[PATH_MAX]);
void __wrap_lclone_dev_name(dev_t rdev, char name[PATH_MAX])
{
	static const char * const names[] = { "", "s--g-base", "s--g-web--1", "s--g-layer",
					      "plain-lv" };

	snprintf(name, PATH_MAX, "/dev/mapper/%s", rdev == 9 ? "web" : names[rdev]);
}

dev_t __wrap_lclone_dev_at(const char *path);
dev_t __wrap_lclone_dev_at(const char *path)
{
	dev_t i = number(path + 5);

	return active[i] ? i : 0;
}

int __wrap_lclone_dev_each(dev_t rdev, const char *which, int (*visit)(dev_t, void *), void *ctx);
int __wrap_lclone_dev_each(dev_t rdev, const char *which, int (*visit)(dev_t, void *), void *ctx)
{
	dev_t i;
	int ret = 0;

	if (!strcmp(which, "holders"))
		return used[rdev] ? visit(9, ctx) : 0;
	for (i = 1; !ret && i < 5; i++)
		ret = used[i] ? visit(i, ctx) : 0;
	return ret;
}

int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone);
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	assert_string_equal(name, "web");
	memset(clone, 0, sizeof(*clone));
	strcpy(clone->table.base, "0:1");
	strcpy(clone->table.delta, "0:2");
	clone->table.features.merge = merges;
	return 0;
}

int __wrap_lclone_lock_volume(const char *name, enum lclone_lock_kind kind);
int __wrap_lclone_lock_volume(const char *name, enum lclone_lock_kind kind)
{
	char file[] = "lock-0";

	assert_true(number(name));
	if (busy && kind == LCLONE_LOCK_EXCLUSIVE)
		return lclone_fail(-EBUSY, "busy");
	file[5] += number(name);
	return open(path_of(file), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What LVM was told since this was asked last */
static void told(const char *expected)
{
	char text[1024] = "";
	FILE *f = fopen(path_of("told"), "r");

	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
		unlink(path_of("told"));
	}
	assert_string_equal(text, expected);
}

static int begin(void **state)
{
	(void)state;
	memset(active, 0, sizeof(active));
	memset(used, 0, sizeof(used));
	merges = busy = false;
	write_file("complaint", "");
	told("");
	return 0;
}

static void names(void **state)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];

	(void)state;
	assert_int_equal(lclone_lv_names(2, vg, lv), 0);
	assert_string_equal(vg, "s-g");
	assert_string_equal(lv, "web-1");
	assert_int_equal(lclone_lv_names(9, vg, lv), -ENXIO);
	assert_true(lclone_vg_is_shared("s-g"));
	assert_false(lclone_vg_is_shared("plain"));
}

/* Nothing is asked or told, whatever is done. */
static void not_shared(void **state)
{
	(void)state;
	active[4] = true;
	assert_int_equal(lclone_lv_have_alone(4), 0);
	lclone_lv_made("plain", "lv");
	lclone_lv_let_go(4);
	used[4] = true;
	lclone_lv_leave(9);
	used[4] = false;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
}

static void opened(void **state)
{
	(void)state;
	assert_int_equal(lclone_lv_have("s-g", "web-1", true), 0);
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	told("--quiet --activate ey s-g/web-1\n--quiet --activate sy s-g/base\n");
	active[1] = active[2] = used[1] = used[2] = true;
	assert_int_equal(lclone_lv_have_alone(2), 0);	/* so it is */
	assert_true(lclone_lv_is_alone(2) && !lclone_lv_is_alone(1) && !lclone_lv_is_alone(3));
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);	/* by another clone */
	told("");
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
}

/* Who could not open it has given all back. */
static void failed(void **state)
{
	(void)state;
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	active[1] = true;
	write_file("complaint", "  WARNING: x\n  LV locked by other host: s-g/web-1\n  Failed.\n");
	assert_int_equal(lclone_lv_have("s-g", "web-1", true), -EBUSY);
	assert_string_equal(lclone_why(), "s-g/web-1 is in use on another host, and needed here alone (LV locked by other host: s-g/web-1)");
	assert_int_equal(lclone_lv_have("s-g", "layer", false), -EBUSY);
	assert_string_equal(lclone_why(), "s-g/layer is in use on another host, which has it alone (LV locked by other host: s-g/web-1)");
	write_file("complaint", "  VG s-g lock failed: lockspace is stopping\n");
	assert_int_equal(lclone_lv_have("s-g", "layer", false), -EIO);
	assert_string_equal(lclone_why(), "s-g/layer cannot be activated: VG s-g lock failed: lockspace is stopping");
	write_file("complaint", "");
	told("--quiet --activate sy s-g/base\n--quiet --activate ey s-g/web-1\n"
	     "--quiet --activate sy s-g/layer\n--quiet --activate sy s-g/layer\n");
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate n s-g/base\n");
}

/* A volume without our tags, which a user has activated, stays. */
static void closed(void **state)
{
	(void)state;
	active[1] = active[2] = active[3] = true;
	used[1] = used[2] = used[3] = true;
	lclone_lv_leave(9);
	used[2] = used[3] = false;		/* the base has another clone */
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate n --select " OURS " s-g/web-1 s-g/layer\n");
}

/* What this run has activated goes, whosever it is. */
static void activated(void **state)
{
	(void)state;
	active[3] = used[3] = true;
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	assert_int_equal(lclone_lv_have("s-g", "web-1", true), 0);
	active[1] = active[2] = true;
	lclone_lv_leave(9);
	used[3] = false;
	told("--quiet --activate sy s-g/base\n--quiet --activate ey s-g/web-1\n");
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate n s-g/base s-g/web-1\n"
	     "--quiet --activate n --select " OURS " s-g/layer\n");
}

static void snapshot(void **state)
{
	(void)state;
	active[2] = active[3] = used[2] = used[3] = true;
	lclone_lv_made("s-g", "web-1");
	lclone_lv_let_go(3);
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate sy s-g/layer\n");
}

/* What was let go was had together only, maybe by other hosts, too, until it is got alone. */
static void removed(void **state)
{
	(void)state;
	active[3] = true;
	lclone_lv_let_go(3);
	assert_false(lclone_lv_is_alone(3));
	assert_int_equal(lclone_lv_have_alone(3), 0);
	assert_true(lclone_lv_is_alone(3));
	told("--quiet --activate ey s-g/layer\n");
	active[3] = false;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
}

static void on_signal(int number)
{
	(void)number;
}

/* A signal that comes while LVM is waited for does not keep the wait from its end. */
static void interrupted(void **state)
{
	const struct sigaction act = { .sa_handler = on_signal };
	struct sigaction old;

	(void)state;
	write_file("kill", "");
	assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
	alarm(60);
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	alarm(0);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
	assert_int_equal(unlink(path_of("kill")), 0);
	told("--quiet --activate sy s-g/base\n");
	assert_int_equal(lclone_lv_give_back(), 0);
}

/* As long as it is merged into it is needed alone. */
static void merged(void **state)
{
	(void)state;
	active[1] = used[1] = true;
	assert_int_equal(lclone_lv_have_alone(1), 0);
	merges = true;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate ey s-g/base\n");
	assert_int_equal(lclone_lv_have_alone(1), 0);
	merges = false;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate ey s-g/base\n--quiet --activate sy s-g/base\n");
}

/* Another run is about to use it. */
static void shared_by_runs(void **state)
{
	(void)state;
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	active[1] = true;
	busy = true;
	lclone_fail(-EIO, "of before");
	assert_int_equal(lclone_lv_give_back(), 0);
	assert_string_equal(lclone_why(), "of before");
	told("--quiet --activate sy s-g/base\n");
	/* that one has not activated it, but knows who has; the next does not */
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	busy = false;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate n s-g/base\n");
	assert_int_equal(lclone_lv_have("s-g", "base", false), 0);
	used[1] = true;
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
}

/* A layer that was let go is had together when the run that reads it has ended. */
static void shared_later(void **state)
{
	(void)state;
	active[3] = used[3] = busy = true;
	lclone_lv_let_go(3);
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
	busy = false;
	assert_int_equal(lclone_lv_have("s-g", "layer", false), 0);
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate sy s-g/layer\n");
	assert_int_equal(lclone_lv_have("s-g", "layer", false), 0);
	assert_int_equal(lclone_lv_give_back(), 0);
	told("");
}

static void paths(void **state)
{
	(void)state;
	assert_int_equal(lclone_lv_have_path("/dev/mapper/s--g-base", true), -EINVAL);
	assert_int_equal(lclone_lv_have_path("/dev/plain/lv", true), -EAGAIN);
	active[4] = true;		/* a volume of this host only, that a clone also lies on */
	assert_int_equal(lclone_lv_have_path("/dev/plain/lv", true), 0);
	assert_int_equal(lclone_lv_have_path("/dev/s-g/layer", true), 0);
	assert_int_equal(lclone_lv_give_back(), 0);
	told("--quiet --activate ey s-g/layer\n");
}

/* It is said what other hosts cannot have. */
static void stays(void **state)
{
	(void)state;
	lclone_lv_made("s-g", "base");
	active[1] = true;
	write_file("complaint", "  Logical volume s-g/base in use.\n");
	assert_int_equal(lclone_lv_give_back(), -ECHILD);
	assert_string_equal(lclone_why(), "not all volumes could be given back to other hosts: Logical volume s-g/base in use.");
	told("--quiet --activate n s-g/base\n");
}

static int setup(void **state)
{
	char path[4096];
	int err;

	err = make_dir(state);
	if (err)
		return err;
	write_file("lvchange", "#!/bin/sh\n"
			       "echo \"$@\" >>\"${0%/*}/told\"\n"
			       "[ ! -e \"${0%/*}/kill\" ] || { /bin/sleep 1; kill -USR1 $PPID; /bin/sleep 1; }\n"
			       "[ ! -s \"${0%/*}/complaint\" ] || { /bin/cat \"${0%/*}/complaint\" >&2; exit 5; }\n");
	assert_int_equal(chmod(path_of("lvchange"), 0755), 0);
	snprintf(path, sizeof(path), "%s", path_of("lvchange"));
	*strrchr(path, '/') = '\0';
	return setenv("PATH", path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names, begin),
		cmocka_unit_test_setup(not_shared, begin),
		cmocka_unit_test_setup(opened, begin),
		cmocka_unit_test_setup(failed, begin),
		cmocka_unit_test_setup(closed, begin),
		cmocka_unit_test_setup(activated, begin),
		cmocka_unit_test_setup(snapshot, begin),
		cmocka_unit_test_setup(removed, begin),
		cmocka_unit_test_setup(interrupted, begin),
		cmocka_unit_test_setup(merged, begin),
		cmocka_unit_test_setup(shared_by_runs, begin),
		cmocka_unit_test_setup(shared_later, begin),
		cmocka_unit_test_setup(paths, begin),
		cmocka_unit_test_setup(stays, begin),
	};

	return cmocka_run_group_tests_name("lv-lock", tests, setup, remove_dir);
}
