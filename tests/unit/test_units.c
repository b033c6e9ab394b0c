// SPDX-License-Identifier: GPL-2.0-only
/* Units of systemd for lclonetab(5): what is in them, and that systemd takes them. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/tab.h"
#include "host/unit-name.h"
#include "host/units.h"
#include "test.h"

#define PROGRAM	"/bin/true"

static char complaints[4096];

static void complain(unsigned int line, const char *reason, void *ctx)
{
	size_t len = strlen(complaints);

	assert_null(ctx);
	snprintf(complaints + len, sizeof(complaints) - len, "%u: %s\n", line, reason);
}

static int shell(const char *command)
{
	int status;

	fflush(NULL);
	status = system(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The units of such a file, in a new directory "units"; what the last one returned */
static int write_units(const char *text)
{
	char command[1024];
	struct lclone_tab tab;
	FILE *f = fopen(lclone_tab_path(), "w");
	int err;

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof(command), "rm -rf %s", path_of("units"));
	assert_int_equal(shell(command), 0);
	assert_int_equal(mkdir(path_of("units"), 0755), 0);
	complaints[0] = '\0';
	assert_int_equal(lclone_tab_read(&tab, complain, NULL), 0);
	err = lclone_units_write(&tab, path_of("units"), PROGRAM, complain, NULL);
	lclone_tab_free(&tab);
	return err;
}

static const char *unit_of(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "units/%s", name);
	return path_of(path);
}

/* What the unit has behind its first three lines, which name this file */
static void has(const char *name, const char *text)
{
	char buf[4096] = "", *at;
	FILE *f = fopen(unit_of(name), "r");

	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) < sizeof(buf) - 1);
	assert_int_equal(fclose(f), 0);
	at = strstr(buf, "SourcePath=");
	at = at ? strchr(at, '\n') + 1 : strchr(buf, '[');
	assert_string_equal(at, text);
}

static void links(const char *name, const char *to)
{
	char target[512] = "";

	assert_true(readlink(unit_of(name), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, to);
}

static void missing(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(unit_of(name), &st), -1);
}

/* systemd itself understands what is there. */
static void verified(void)
{
	char command[1024];

	if (shell("command -v systemd-analyze >/dev/null"))
		return;
	snprintf(command, sizeof(command),
		 "systemd-analyze verify --man=no %s/*.service >%s 2>&1 && ! grep . %s",
		 path_of("units"), path_of("verify"), path_of("verify"));
	assert_int_equal(shell(command), 0);
}

static void needed(void **state)
{
	(void)state;
	assert_int_equal(write_units("web-1 /dev/vg/deb-12 /dev/vg/web1\n"), 0);
	assert_string_equal(complaints, "");
	has("lclone@web\\x2d1.service",
	    "DefaultDependencies=no\n"
	    "IgnoreOnIsolate=yes\n"
	    "Requires=dev-vg-deb\\x2d12.device\n"
	    "After=dev-vg-deb\\x2d12.device\n"
	    "Requires=dev-vg-web1.device\n"
	    "After=dev-vg-web1.device\n"
	    "Wants=blockdev@dev-mapper-web\\x2d1.target\n"
	    "Before=blockdev@dev-mapper-web\\x2d1.target\n"
	    "Before=lclone.target\n"
	    "Conflicts=umount.target\n"
	    "Before=umount.target\n"
	    "\n"
	    "[Service]\n"
	    "Type=oneshot\n"
	    "RemainAfterExit=yes\n"
	    "TimeoutSec=infinity\n"
	    "ExecStart=\"" PROGRAM "\" unit start web-1\n"
	    "ExecStop=\"" PROGRAM "\" unit stop web-1\n");
	links("lclone.target.requires/lclone@web\\x2d1.service", "../lclone@web\\x2d1.service");
	links("dev-mapper-web\\x2d1.device.requires/lclone@web\\x2d1.service",
	      "../lclone@web\\x2d1.service");
	has("dev-mapper-web\\x2d1.device.d/40-device-timeout.conf",
	    "[Unit]\nJobTimeoutSec=infinity\n");
	missing("lclone.target.wants");
	verified();
}

/* Nothing that is waited for at boot is behind it. */
static void nofail(void **state)
{
	(void)state;
	assert_int_equal(write_units("a - /dev/a nofail,parent=/dev/l1,parent=/dev/l2\n"), 0);
	has("lclone@a.service",
	    "DefaultDependencies=no\n"
	    "IgnoreOnIsolate=yes\n"
	    "Requires=dev-l1.device\n"
	    "After=dev-l1.device\n"
	    "Requires=dev-l2.device\n"
	    "After=dev-l2.device\n"
	    "Requires=dev-a.device\n"
	    "After=dev-a.device\n"
	    "Wants=blockdev@dev-mapper-a.target\n"
	    "Before=blockdev@dev-mapper-a.target\n"
	    "Conflicts=umount.target\n"
	    "Before=umount.target\n"
	    "\n"
	    "[Service]\n"
	    "Type=oneshot\n"
	    "RemainAfterExit=yes\n"
	    "TimeoutSec=infinity\n"
	    "ExecStart=\"" PROGRAM "\" unit start a\n"
	    "ExecStop=\"" PROGRAM "\" unit stop a\n");
	links("lclone.target.wants/lclone@a.service", "../lclone@a.service");
	links("dev-mapper-a.device.requires/lclone@a.service", "../lclone@a.service");
	missing("lclone.target.requires");
	missing("dev-mapper-a.device.d");
	verified();
}

static void noauto(void **state)
{
	char command[1024];

	(void)state;
	assert_int_equal(write_units("a /dev/b /dev/a noauto,_netdev\n"), 0);
	links("dev-mapper-a.device.requires/lclone@a.service", "../lclone@a.service");
	missing("lclone.target.requires");
	missing("lclone.target.wants");
	missing("dev-mapper-a.device.d");
	snprintf(command, sizeof(command), "grep -qx 'After=network-online.target remote-fs-pre.target' %s && ! grep lclone.target %s",
		 unit_of("lclone@a.service"), unit_of("lclone@a.service"));
	assert_int_equal(shell(command), 0);
	verified();
}

/* Its volumes have no units: they become active with it, when there are locks. */
static void shared(void **state)
{
	(void)state;
	assert_int_equal(write_units("a /dev/vg/b /dev/vg/a shared,nofail,parent=/dev/vg/l\n"), 0);
	has("lclone@a.service",
	    "DefaultDependencies=no\n"
	    "IgnoreOnIsolate=yes\n"
	    "Wants=lvmlocks.service\n"
	    "After=lvmlocks.service lvmlockd.service\n"
	    "Wants=blockdev@dev-mapper-a.target\n"
	    "Before=blockdev@dev-mapper-a.target\n"
	    "Conflicts=umount.target\n"
	    "Before=umount.target\n"
	    "\n"
	    "[Service]\n"
	    "Type=oneshot\n"
	    "RemainAfterExit=yes\n"
	    "TimeoutSec=infinity\n"
	    "ExecStart=\"" PROGRAM "\" unit start a\n"
	    "ExecStop=\"" PROGRAM "\" unit stop a\n");
	verified();
}

/* Broken lines, bytes that mean something in a unit, and a name that no unit can have */
static void hostile(void **state)
{
	char name[LCLONE_UNIT_NAME_SIZE], tab[2048];

	(void)state;
	memset(name, '-', 100);
	name[0] = 'x';
	name[100] = '\0';
	snprintf(tab, sizeof(tab),
		 "# a comment\n"
		 "../../etc/x /dev/b /dev/1\n"
		 "b /dev/b /dev/a%%n\\012ExecStart=/bin/sh\n"
		 "%s /dev/b /dev/2\n"
		 "b /dev/b /dev/3\n"
		 "c /dev/b\n"
		 "d /dev/b\\042;\\040$x /dev/4\n"
		 "e.x@y=+#_ /dev/b /dev/5\n", name);
	assert_int_equal(write_units(tab), -ENAMETOOLONG);
	assert_non_null(strstr(complaints, "2: \"../../etc/x\" is not a name"));
	assert_non_null(strstr(complaints, "4: x---"));
	assert_non_null(strstr(complaints, "is too long for the name of a unit"));
	assert_non_null(strstr(complaints, "5: line 3 has the name b already"));
	assert_non_null(strstr(complaints, "6: there are fewer fields"));
	links("lclone.target.requires/lclone@b.service", "../lclone@b.service");
	links("lclone.target.requires/lclone@d.service", "../lclone@d.service");
	links("lclone.target.requires/lclone@e.x\\x40y\\x3d\\x2b\\x23_.service",
	      "../lclone@e.x\\x40y\\x3d\\x2b\\x23_.service");
	assert_int_equal(access(unit_of("lclone@b.service"), R_OK), 0);
	verified();
}

/* Is it escaped as systemd does it? */
static void escaped_as(const char *kind, const char *text, const char *unit)
{
	char command[1024], got[512] = "";
	FILE *f;

	if (shell("command -v systemd-escape >/dev/null"))
		return;
	snprintf(command, sizeof(command), "systemd-escape %s -- '%s'", kind, text);
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(got, sizeof(got), f));
	assert_int_equal(pclose(f), 0);
	got[strcspn(got, "\n")] = '\0';
	assert_string_equal(unit, got);
}

static void escapes(void **state)
{
	static const char * const names[] = {
		"web1", "web-1", ".hidden", "a.b", "a@b:c_d+e=f#g", "ci--001",
	}, *const paths[] = {
		"/dev/vg/web1", "/dev//vg/web-1/", "/dev/mapper/vg-web--1", "/dev/.x", "/dev/a b%c",
		"/dev/\303\274", "/.dev/x", "/dev/disk/by-id/dm-uuid-LVM-x",
	};
	char unit[LCLONE_UNIT_NAME_SIZE], longest[LCLONE_UNIT_NAME_SIZE + 1] = "/";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(lclone_unit_name("lclone@", names[i], ".service", unit), 0);
		escaped_as("--template=lclone@.service", names[i], unit);
	}
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(lclone_unit_path(paths[i], ".device", unit), 0);
		escaped_as("-p --suffix=device", paths[i], unit);
	}
	/* 255 bytes are a name, and one more is none */
	memset(longest + 1, 'x', LCLONE_UNIT_NAME_SIZE - 1 - strlen(".device"));
	assert_int_equal(lclone_unit_path(longest, ".device", unit), 0);
	assert_int_equal(strlen(unit), LCLONE_UNIT_NAME_SIZE - 1);
	strcat(longest, "x");
	assert_int_equal(lclone_unit_path(longest, ".device", unit), -ENAMETOOLONG);
}

static int setup(void **state)
{
	return make_dir(state) || setenv("LCLONE_TAB", path_of("tab"), 1);
}

static int teardown(void **state)
{
	char command[1024];

	snprintf(command, sizeof(command), "rm -rf %s", path_of("units"));
	return shell(command) || remove_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needed),
		cmocka_unit_test(nofail),
		cmocka_unit_test(noauto),
		cmocka_unit_test(shared),
		cmocka_unit_test(hostile),
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests_name("units", tests, setup, teardown);
}
