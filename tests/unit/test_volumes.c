// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes with names, and images: what LVM and qemu-img are asked and told.  Both are programs
 * that the test has put in their place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/fail.h"
#include "dir.h"
#include "clone/seal.h"
#include "host/feature.h"
#include "host/lv.h"
#include "offline/image.h"
#include "offline/template.h"
#include "test.h"

#define ID	"aBcDeF-0123-4567-89aB-cdEF-0123-456789"

#define REPORT									\
	"{\"report\": [{\"vg\": [{\"vg_name\":\"vg\"}], \"pv\": [], \"lv\": ["	\
	"{\"lv_name\":\"deb\", \"lv_uuid\":\"" ID "\", \"lv_size\":\"4096\", \"lv_active\":\"active\","	\
	" \"lv_permissions\":\"read-only\","					\
	" \"lv_tags\":\"backup,lclone.base,lclone.name=deb\"},"		\
	"{\"lv_name\":\"web1-delta\", \"lv_size\":\"8192\", \"lv_active\":\"\","	\
	" \"lv_permissions\":\"writeable\","					\
	" \"lv_tags\":\"lclone.delta,lclone.from=deb,lclone.name=web1,"	\
	"lclone.uuid=01234567-89ab-cdef-0123-456789abcdef\"},"		\
	"{\"lv_name\":\"half\", \"lv_size\":\"8\", \"lv_active\":\"active\","	\
	" \"lv_permissions\":\"writeable\","					\
	" \"lv_tags\":\"lclone.filling,lclone.name=half\"},"			\
	"{\"lv_name\":\"mine\", \"lv_size\":\"8\", \"lv_active\":\"active\","	\
	" \"lv_permissions\":\"writeable\", \"lv_tags\":\"lclone\"},"		\
	"{\"lv_name\":\"deb-verity\", \"lv_size\":\"8\", \"lv_active\":\"active\","	\
	" \"lv_permissions\":\"read-only\","					\
	" \"lv_tags\":\"lclone.name=deb,lclone.of=" ID ",lclone.root=5a,lclone.verity\"}]}]}"

static void write_file(const char *name, const char *text, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void program(const char *name, const char *script)
{
	write_file(name, script, strlen(script));
	assert_int_equal(chmod(path_of(name), 0755), 0);
}

static void read_file(const char *name, char buf[4096])
{
	FILE *f = fopen(path_of(name), "r");

	memset(buf, 0, 4096);
	assert_non_null(f);
	assert_true(fread(buf, 1, 4095, f) < 4095);
	assert_int_equal(fclose(f), 0);
}

static void has(const char *name, const char *text)
{
	char buf[4096];

	read_file(name, buf);
	assert_string_equal(buf, text);
}

static void begins(const char *name, const char *text)
{
	char buf[4096];

	read_file(name, buf);
	buf[strlen(text)] = '\0';
	assert_string_equal(buf, text);
}

static void tags(void **state)
{
	struct lclone_lv *lvs;
	size_t count;

	(void)state;
	assert_int_equal(lclone_lv_list(&lvs, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(lvs[0].kind, LCLONE_LV_BASE);
	assert_string_equal(lvs[0].name, "deb");
	assert_int_equal(lvs[0].sectors, 4096);
	assert_true(lvs[0].active && lvs[0].read_only);
	assert_int_equal(lvs[1].kind, LCLONE_LV_DELTA);
	assert_string_equal(lvs[1].vg, "vg");
	assert_string_equal(lvs[1].lv, "web1-delta");
	assert_string_equal(lvs[1].name, "web1");
	assert_string_equal(lvs[1].from, "deb");
	assert_string_equal(lvs[1].uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_false(lvs[1].active || lvs[1].read_only);
	assert_int_equal(lvs[2].kind, LCLONE_LV_FILLING);
	assert_int_equal(lvs[3].kind, LCLONE_LV_VERITY);
	assert_string_equal(lvs[3].root, "5a");
	assert_ptr_equal(lclone_seal_in(lvs, count, &lvs[0]), &lvs[3]);
	assert_null(lclone_seal_in(lvs, count, &lvs[2]));
	/* whatever it is called; one that was made anew under the name has none */
	snprintf(lvs[0].name, sizeof(lvs[0].name), "renamed");
	snprintf(lvs[0].lv, sizeof(lvs[0].lv), "renamed");
	assert_ptr_equal(lclone_seal_in(lvs, count, &lvs[0]), &lvs[3]);
	snprintf(lvs[0].name, sizeof(lvs[0].name), "deb");
	lvs[0].id[0]++;
	assert_null(lclone_seal_in(lvs, count, &lvs[0]));
	lvs[0].id[0] = '\0';
	lvs[3].of[0] = '\0';
	assert_null(lclone_seal_in(lvs, count, &lvs[0]));
	free(lvs);
}

static void by_name(void **state)
{
	struct lclone_lv lv, tree;

	(void)state;
	assert_int_equal(lclone_template_find("deb", &lv), 0);
	assert_string_equal(lv.lv, "deb");
	assert_int_equal(lclone_template_find("half", &lv), -ENOENT);
	assert_int_equal(lclone_template_find_any("half", &lv), 0);
	assert_int_equal(lclone_template_find("web1", &lv), -ENOENT);
	assert_int_equal(lclone_template_add("deb", "nothing", false, "vg", NULL, &lv, &tree), -EEXIST);
	assert_int_equal(lclone_template_add("half", "nothing", false, "vg", NULL, &lv, &tree), -EEXIST);
	assert_non_null(strstr(lclone_why(), "lclone template remove half"));
	assert_int_equal(lclone_template_add("a b", "nothing", false, "vg", NULL, &lv, &tree), -ERANGE);
	assert_int_equal(lclone_template_add("new", "nothing", false, "v\ng", NULL, &lv, &tree), -ERANGE);
}

/* One process is told all; those that are listed then, with our uuid, have been made. */
static void many(void **state)
{
	struct lclone_lv lv[2] = {
		{ .vg = "vg", .lv = "web1-delta", .sectors = 8192, .name = "web1", .from = "deb",
		  .uuid = "01234567-89ab-cdef-0123-456789abcdef" },
		{ .vg = "vg", .lv = "web2-delta", .sectors = 16, .name = "web2" },
	};
	bool made[2];

	(void)state;
	assert_int_equal(lclone_lv_create_many(lv, 2, made), -ECHILD);
	assert_true(made[0] && !made[1]);
	has("told", "lvcreate --quiet --yes --wipesignatures y --zero y --addtag lclone.delta"
		    " --addtag lclone.name=web1"
		    " --addtag lclone.uuid=01234567-89ab-cdef-0123-456789abcdef"
		    " --addtag lclone.from=deb --addtag lclone.new --name web1-delta --size 8192s vg\n"
		    "lvcreate --quiet --yes --wipesignatures y --zero y --addtag lclone.delta"
		    " --addtag lclone.name=web2 --addtag lclone.new --name web2-delta --size 16s vg\n");
	assert_int_equal(lclone_lv_remove_new_many(lv + 1, 1), 0);
	has("told", "lvremove --quiet --yes --select 'lv_tags={\"lclone.new\"}' vg/web2-delta\n");
	assert_int_equal(lclone_lv_remove_new_many(lv, 1), -ECHILD);
	assert_int_equal(lclone_lv_keep_many(lv, 2), 0);
	has("told", "lvchange --quiet --deltag lclone.new vg/web1-delta\n"
		    "lvchange --quiet --deltag lclone.new vg/web2-delta\n");
	/* it is another's: not that which was to be made */
	strcpy(lv[0].uuid, "11234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(lclone_lv_create_many(lv, 1, made), -ECHILD);
	assert_false(made[0]);
}

static int open_image(const char *name, const char *format)
{
	static struct lclone_image image;
	int err = lclone_image_open(&image, path_of(name), false);

	if (!err)
		assert_string_equal(image.format, format);
	lclone_image_close(&image);
	return err;
}

static void images(void **state)
{
	static char disk[4096];

	(void)state;
	write_file("image", disk, sizeof(disk));
	assert_int_equal(open_image("image", "raw"), 0);
	write_file("image", disk, 1000);
	assert_int_equal(open_image("image", "raw"), -EINVAL);
	write_file("image", disk, 100);
	assert_int_equal(open_image("image", "raw"), -EINVAL);
	memcpy(disk, "QFI\xfb\0\0\0\3", 8);
	write_file("image", disk, 1000);
	assert_int_equal(open_image("image", "qcow2"), 0);
	/* without what it lies on */
	begins("asked", "info --output=json -f qcow2\n"
			"check -q json:{ \"driver\": \"qcow2\", \"backing\": null, ");
	/* leaks lose nothing */
	write_file("damage", "3", 1);
	assert_int_equal(open_image("image", "qcow2"), 0);
	write_file("damage", "2", 1);
	assert_int_equal(open_image("image", "qcow2"), -EUCLEAN);
	write_file("damage", "63", 2);
	memcpy(disk, "vhdxfile", 8);
	write_file("image", disk, sizeof(disk));
	assert_int_equal(open_image("image", "vhdx"), 0);

	assert_int_equal(remove(path_of("qemu-img")), 0);
	assert_int_equal(open_image("image", "vhdx"), -ENOENT);
	assert_non_null(strstr(lclone_why(), "qemu-utils"));

	/* a VHD is looked at before: test_vhd has whole ones */
	memset(disk, 0, 8);
	memcpy(disk + 3584, "conectix", 8);
	write_file("image", disk, sizeof(disk));
	assert_int_equal(open_image("image", "vpc"), -EUCLEAN);
}

/* What is written in lclonetab is what was asked for. */
static void features(void **state)
{
	struct lclone_features f = { .read_only = true, .no_space_timeout_set = true,
				     .low_water_mark = 7, .commit_interval = 500 };
	char words[LCLONE_FEATURE_WORDS];

	(void)state;
	lclone_feature_words(&f, words, sizeof(words));
	assert_string_equal(words, "read-only,no-space-timeout=0,low-water-mark=7,commit-interval=500");
	f = (struct lclone_features){ .error_if_no_space = true, .no_discard_passdown = true,
				     .base_cache = true };
	lclone_feature_words(&f, words, sizeof(words));
	assert_string_equal(words, "error-if-no-space,no-discard-passdown,base-cache");
	f = (struct lclone_features){ .read_only = false };
	lclone_feature_words(&f, words, sizeof(words));
	assert_string_equal(words, "");
}

static int setup(void **state)
{
	char path[4096];

	if (make_dir(state))
		return -1;
	program("lvm", "#!/bin/sh\n"
		       "[ $# = 0 ] && exec /bin/cat >\"${0%/*}/told\"\n"
		       "exec /bin/cat \"${0%/*}/report\"\n");
	program("qemu-img", "#!/bin/sh\n"
			    "echo \"$1 $2 $3 $4\" >>\"${0%/*}/asked\"\n"
			    "[ $1 != check ] || { read -r rc <\"${0%/*}/damage\"; exit $rc; }\n"
			    "echo '{ \"virtual-size\": 4096 }'\n");
	write_file("damage", "0", 1);
	write_file("report", REPORT, strlen(REPORT));
	snprintf(path, sizeof(path), "%s", path_of("lvm"));
	*strrchr(path, '/') = '\0';
	return setenv("PATH", path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test(by_name),
		cmocka_unit_test(many),
		cmocka_unit_test(images),
		cmocka_unit_test(features),
	};

	return cmocka_run_group_tests_name("volumes", tests, setup, remove_dir);
}
