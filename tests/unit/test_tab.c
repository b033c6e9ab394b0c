// SPDX-License-Identifier: GPL-2.0-only
/* lclonetab(5): what its lines say, and what a change of one leaves of the others. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/tab.h"
#include "test.h"

static char complaints[4096];

static void complain(unsigned int line, const char *reason, void *ctx)
{
	size_t len = strlen(complaints);

	assert_null(ctx);
	snprintf(complaints + len, sizeof(complaints) - len, "%u: %s\n", line, reason);
}

static void write_bytes(const char *text, size_t len)
{
	FILE *f = fopen(lclone_tab_path(), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void write_tab(const char *text)
{
	write_bytes(text, strlen(text));
}

static void has(const char *text)
{
	char buf[4096] = "";
	FILE *f = fopen(lclone_tab_path(), "r");

	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) < sizeof(buf) - 1);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(buf, text);
}

static void read_tab(struct lclone_tab *tab)
{
	complaints[0] = '\0';
	assert_int_equal(lclone_tab_read(tab, complain, NULL), 0);
}

static void entries(void **state)
{
	const struct lclone_tab_entry *e;
	struct lclone_tab tab;

	(void)state;
	write_tab("# clones\n"
		  "\n"
		  "web1 /dev/vg/debian12 /dev/vg/web1\n"
		  "  web2\t-  /dev/vg/web2\tnofail,noauto,_netdev,host,shared,defaults,x-mine=1,read-only\r\n"
		  "   # also a comment\n"
		  "db /dev/vg/b /dev/vg/d error-if-no-space,no-space-timeout=0,low-water-mark=16,commit-interval=20,no-discard-passdown,base-cache");
	read_tab(&tab);
	assert_string_equal(complaints, "");
	assert_int_equal(tab.count, 3);
	e = lclone_tab_find(&tab, "web1");
	assert_non_null(e);
	assert_int_equal(e->line, 3);
	assert_string_equal(e->base, "/dev/vg/debian12");
	assert_string_equal(e->delta, "/dev/vg/web1");
	assert_string_equal(e->options, "");
	assert_false(e->nofail || e->noauto || e->netdev || e->host || e->shared ||
		     e->features.read_only);
	e = lclone_tab_find(&tab, "web2");
	assert_non_null(e);
	assert_string_equal(e->base, "-");
	assert_true(e->nofail && e->noauto && e->netdev && e->host && e->shared &&
		    e->features.read_only);
	e = lclone_tab_find(&tab, "db");
	assert_non_null(e);
	assert_true(e->features.error_if_no_space && e->features.no_discard_passdown &&
		    e->features.base_cache);
	assert_true(e->features.no_space_timeout_set);
	assert_int_equal(e->features.low_water_mark, 16);
	assert_int_equal(e->features.commit_interval, 20);
	assert_null(lclone_tab_find(&tab, "web3"));
	lclone_tab_free(&tab);
}

/* Each is named with its reason, and the lines around it count. */
static void broken(void **state)
{
	struct lclone_tab tab;

	(void)state;
	write_tab("a /dev/b /dev/a\n"
		  "b /dev/b\n"
		  "c /dev/b /dev/c nofail more\n"
		  "../d /dev/b /dev/d\n"
		  "e vg/b /dev/e\n"
		  "f /dev/b /dev/../etc/f\n"
		  "g /dev/g /dev/g\n"
		  "a /dev/b /dev/h\n"
		  "i /dev/b /dev/a\n"
		  "j /dev/b /dev/j nofail=1\n"
		  "k /dev/b /dev/k read-onyl\n"
		  "l /dev/b /dev/l commit-interval=0\n"
		  "m /dev/b /dev/m no-space-timeout\n"
		  "n /dev/b /dev/n parent=x\n"
		  "\033[31m /dev/b /dev/o\n"
		  "z /dev/b /dev/z\n");
	read_tab(&tab);
	assert_int_equal(tab.count, 2);
	assert_non_null(lclone_tab_find(&tab, "a"));
	assert_non_null(lclone_tab_find(&tab, "z"));
	assert_string_equal(complaints,
			    "2: there are fewer fields than three: name, base (or -), delta\n"
			    "3: there are more fields than four: name, base, delta, options\n"
			    "4: \"../d\" is not a name: letters, digits and #+-.:=@_ are, a - not in front\n"
			    "5: vg/b is not the path of a device (/dev/...)\n"
			    "6: /dev/../etc/f has a . or .. in it\n"
			    "7: base and delta are one device\n"
			    "8: line 1 has the name a already\n"
			    "9: line 1 has the delta /dev/a already\n"
			    "10: there is no option \"nofail=1\"\n"
			    "11: there is no option \"read-onyl\"\n"
			    "12: a commit interval of 0 is not possible\n"
			    "13: no-space-timeout needs a number\n"
			    "14: x is not the path of a device (/dev/...)\n"
			    "15: \"\\x1b[31m\" is not a name: letters, digits and #+-.:=@_ are, a - not in front\n");
	lclone_tab_free(&tab);
}

static void zero_bytes(void **state)
{
	static const char text[] = "a /dev/b /dev/a\0 x\nz /dev/b /dev/z\n";
	struct lclone_tab tab;

	(void)state;
	write_bytes(text, sizeof(text) - 1);
	read_tab(&tab);
	assert_string_equal(complaints, "1: there is a zero byte in it\n");
	assert_int_equal(tab.count, 1);
	lclone_tab_free(&tab);
}

/* Whatever bytes there are, reading ends, and who asks is told of what does not count. */
static void any_bytes(void **state)
{
	static const char some[] = "ab/-,=\\012#\t\n \n/dev/\r\037\377parent";
	struct lclone_tab tab;
	char text[512];
	unsigned int i, n;

	(void)state;
	srand(1);
	for (n = 0; n < 2000; n++) {
		for (i = 0; i < sizeof(text); i++)
			text[i] = some[rand() % sizeof(some)];
		write_bytes(text, sizeof(text));
		assert_int_equal(lclone_tab_read(&tab, NULL, NULL), 0);
		lclone_tab_free(&tab);
	}
}

static void long_lines(void **state)
{
	static char text[3 * PATH_MAX], path[PATH_MAX];
	struct lclone_tab tab;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	snprintf(text, sizeof(text), "a /dev/b /dev/%s\nb /dev/b /dev/c parent=/dev/%s\nz /dev/b /dev/z\n",
		 path, path);
	write_tab(text);
	read_tab(&tab);
	assert_int_equal(tab.count, 1);
	assert_non_null(strstr(complaints, "1: the path of a device is too long\n2: "));
	lclone_tab_free(&tab);
}

/* Blanks, commas and backslashes in paths */
static void escapes(void **state)
{
	const struct lclone_tab_entry new = {
		.name = "#1", .base = "/dev/mapper/a b", .delta = "/dev/mapper/a\\040b",
		.options = "parent=/dev/l\\0401,parent=/dev/l\\0542,nofail",
	};
	char device[PATH_MAX];
	const char *at = NULL;
	struct lclone_tab tab;

	(void)state;
	write_tab("");
	assert_int_equal(lclone_tab_add(&new, 1), 0);
	has("\\0431\t/dev/mapper/a\\040b\t/dev/mapper/a\\134040b\tparent=/dev/l\\0401,parent=/dev/l\\0542,nofail\n");
	read_tab(&tab);
	assert_string_equal(complaints, "");
	assert_int_equal(tab.count, 1);
	assert_string_equal(tab.entry[0].name, new.name);
	assert_string_equal(tab.entry[0].base, new.base);
	assert_string_equal(tab.entry[0].delta, new.delta);
	assert_string_equal(tab.entry[0].options, new.options);
	assert_true(lclone_tab_parent(&tab.entry[0], &at, device));
	assert_string_equal(device, "/dev/l 1");
	assert_true(lclone_tab_parent(&tab.entry[0], &at, device));
	assert_string_equal(device, "/dev/l,2");
	assert_false(lclone_tab_parent(&tab.entry[0], &at, device));
	lclone_tab_free(&tab);
}

static bool is_two(const char *device, void *ctx)
{
	assert_null(ctx);
	return !strcmp(device, "/dev/2");
}

/* Layers that come and go, and all else that is in the options */
static void options(void **state)
{
	const struct lclone_tab_entry all = {
		.name = "a", .base = "-", .delta = "/dev/d\tx",
		.options = "nofail,parent=/dev/1,,x-y=parent=,parent=/dev/2,parent=/dev/\\063,host",
	}, none = { .name = "a", .base = "/dev/b c", .delta = "/dev/d", .options = "" };
	char *text;

	(void)state;
	text = lclone_tab_options(&all, is_two, NULL, "/dev/with, blank");
	assert_string_equal(text, "nofail,x-y=parent=,parent=/dev/2,host,parent=/dev/with\\054\\040blank");
	free(text);
	text = lclone_tab_options(&none, is_two, NULL, NULL);
	assert_string_equal(text, "");
	free(text);
	text = lclone_tab_options(&none, is_two, NULL, "/dev/3");
	assert_string_equal(text, "parent=/dev/3");
	free(text);
	text = lclone_tab_line(&none);
	assert_string_equal(text, "a /dev/b\\040c /dev/d");
	free(text);
	text = lclone_tab_line(&all);
	assert_string_equal(text, "a - /dev/d\\011x nofail,parent=/dev/1,,x-y=parent=,parent=/dev/2,parent=/dev/\\063,host");
	free(text);
}

#define USERS	"# mine\n\n x y\nold  -  /dev/old  nofail # no comment\nweb1 /dev/b /dev/1 nofail\n"

static void add(void **state)
{
	const struct lclone_tab_entry new[] = {
		{ .name = "web2", .base = "/dev/b", .delta = "/dev/2", .options = "" },
		{ .name = "web3", .base = "-", .delta = "/dev/3", .options = "host" },
	}, alike[] = { new[0], { .name = "web2", .base = "-", .delta = "/dev/4" } };
	struct lclone_tab_entry other = { .name = "web1", .base = "-", .delta = "/dev/4" };

	(void)state;
	/* the last line has no end */
	write_bytes(USERS, strlen(USERS) - 1);
	assert_int_equal(lclone_tab_add(new, 2), 0);
	has(USERS "web2\t/dev/b\t/dev/2\nweb3\t-\t/dev/3\thost\n");
	assert_int_equal(lclone_tab_add(&other, 1), -EEXIST);
	assert_non_null(strstr(lclone_why(), "line 5 has the name web1 already"));
	/* a broken line has its name, too */
	other.name = "old";
	assert_int_equal(lclone_tab_add(&other, 1), -EEXIST);
	other.name = "web4";
	other.delta = "/dev/1";
	assert_int_equal(lclone_tab_add(&other, 1), -EEXIST);
	other.delta = "/dev/4";
	other.options = "nofial";
	assert_int_equal(lclone_tab_add(&other, 1), -EINVAL);
	other.options = "nofail\nweb5 - /dev/5";
	assert_int_equal(lclone_tab_add(&other, 1), -EINVAL);
	other.options = "nofail,x-a\nb";
	assert_int_equal(lclone_tab_add(&other, 1), -EINVAL);
	assert_int_equal(lclone_tab_add(alike, 2), -EEXIST);
	has(USERS "web2\t/dev/b\t/dev/2\nweb3\t-\t/dev/3\thost\n");
}

static void replace(void **state)
{
	const struct lclone_tab_entry new = {
		.name = "web1", .base = "/dev/b", .delta = "/dev/1b", .options = "nofail",
	}, missing = { .name = "web2", .base = "-", .delta = "/dev/2" };

	(void)state;
	write_tab(USERS "z - /dev/z\n");
	assert_int_equal(lclone_tab_replace(&new), 0);
	has("# mine\n\n x y\nold  -  /dev/old  nofail # no comment\nweb1\t/dev/b\t/dev/1b\tnofail\nz - /dev/z\n");
	assert_int_equal(lclone_tab_replace(&missing), -ENOENT);
	has("# mine\n\n x y\nold  -  /dev/old  nofail # no comment\nweb1\t/dev/b\t/dev/1b\tnofail\nz - /dev/z\n");
}

static void take_out(void **state)
{
	static const char * const names[] = { "old", "web1" }, *const one[] = { "web1" };

	(void)state;
	/* a second line of the name would count when the first is gone */
	write_tab(USERS "web1 - /dev/2\nz - /dev/z");
	assert_int_equal(lclone_tab_remove(names, 2), 0);
	has("# mine\n\n x y\nz - /dev/z");
	assert_int_equal(lclone_tab_remove(one, 1), -ENOENT);
	has("# mine\n\n x y\nz - /dev/z");
}

/* Who may read it, and where it really is, stays as it was; what a killed run left is no obstacle. */
static void whose(void **state)
{
	const struct lclone_tab_entry new = { .name = "web1", .base = "-", .delta = "/dev/1" };
	struct stat st;

	(void)state;
	assert_int_equal(unlink(lclone_tab_path()), 0);
	assert_int_equal(lclone_tab_add(&new, 1), 0);
	has("web1\t-\t/dev/1\n");
	assert_int_equal(stat(lclone_tab_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);

	assert_int_equal(rename(lclone_tab_path(), path_of("real")), 0);
	assert_int_equal(symlink("real", lclone_tab_path()), 0);
	assert_int_equal(symlink("nowhere", path_of("real.lclone-new")), 0);
	assert_int_equal(chown(path_of("real"), 1, 2), 0);
	assert_int_equal(chmod(path_of("real"), 0640), 0);
	assert_int_equal(lclone_tab_replace(&new), 0);
	assert_int_equal(lstat(lclone_tab_path(), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path_of("real"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(access(path_of("nowhere"), F_OK), -1);
	assert_int_equal(access(path_of("real.lclone-new"), F_OK), -1);
	assert_int_equal(unlink(lclone_tab_path()), 0);
}

static void no_file(void **state)
{
	struct lclone_tab tab;

	(void)state;
	unlink(lclone_tab_path());
	read_tab(&tab);
	assert_int_equal(tab.count, 0);
	lclone_tab_free(&tab);
	assert_int_equal(mkdir(lclone_tab_path(), 0700), 0);
	assert_int_equal(lclone_tab_read(&tab, NULL, NULL), -EINVAL);
	lclone_tab_free(&tab);
	assert_int_equal(rmdir(lclone_tab_path()), 0);
}

/* Two that add at once both do. */
static void at_once(void **state)
{
	struct lclone_tab_entry new = { .base = "-" };
	char name[32], delta[64];
	struct lclone_tab tab;
	int i, j, status;

	(void)state;
	write_tab("# all\n");
	fflush(NULL);
	for (i = 0; i < 4; i++)
		if (!fork()) {
			for (j = 0; j < 8; j++) {
				snprintf(name, sizeof(name), "c%d-%d", i, j);
				snprintf(delta, sizeof(delta), "/dev/%s", name);
				new.name = name;
				new.delta = delta;
				if (lclone_tab_add(&new, 1))
					_exit(1);
			}
			_exit(0);
		}
	for (i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	read_tab(&tab);
	assert_string_equal(complaints, "");
	assert_int_equal(tab.count, 32);
	lclone_tab_free(&tab);
}

static int setup(void **state)
{
	return make_dir(state) || setenv("LCLONE_TAB", path_of("tab"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),
		cmocka_unit_test(broken),
		cmocka_unit_test(zero_bytes),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(escapes),
		cmocka_unit_test(add),
		cmocka_unit_test(options),
		cmocka_unit_test(replace),
		cmocka_unit_test(take_out),
		cmocka_unit_test(whose),
		cmocka_unit_test(no_file),
		cmocka_unit_test(at_once),
	};

	return cmocka_run_group_tests_name("lclonetab", tests, setup, remove_dir);
}
