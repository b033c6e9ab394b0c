// SPDX-License-Identifier: GPL-2.0-only
/* The base of a clone that only tags tell of: among volumes of its own. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/name.h"
#include "clone/seal.h"
#include "clone/super.h"
#include "dir.h"
#include "host/device.h"
#include "host/find.h"

enum { DELTA, DEB, COPY, TREE, VOLUMES };

static struct lclone_lv volume[VOLUMES];
static struct lclone_sb delta;
static bool active;			/* the templates are */
static int looked;			/* so often for a fingerprint */

int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone);
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	(void)clone;
	return lclone_fail(-ENXIO, "there is no active clone %s", name);
}

int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count);
int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *count)
{
	*lvs = malloc(sizeof(volume));
	assert_non_null(*lvs);
	memcpy(*lvs, volume, sizeof(volume));
	*count = VOLUMES;
	return 0;
}

int __wrap_lclone_lv_activate(const struct lclone_lv *lv);
int __wrap_lclone_lv_activate(const struct lclone_lv *lv)
{
	active |= !strcmp(lv->lv, "deb");
	return 0;
}

int __wrap_lclone_lv_activate_alone(const struct lclone_lv *lv);
int __wrap_lclone_lv_activate_alone(const struct lclone_lv *lv)
{
	(void)lv;
	return 0;
}

int __wrap_lclone_sb_of(const char *path, struct lclone_sb *sb);
int __wrap_lclone_sb_of(const char *path, struct lclone_sb *sb)
{
	assert_string_equal(path, "/dev/vg/web1-delta");
	*sb = delta;
	return 0;
}

dev_t __wrap_lclone_dev_at(const char *path);
dev_t __wrap_lclone_dev_at(const char *path)
{
	return active && !strncmp(path, "/dev/vg/deb", 11);
}

/* They are alike. */
int __wrap_lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX],
			    struct lclone_names *may);
int __wrap_lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX],
			    struct lclone_names *may)
{
	(void)sb;
	path[0] = '\0';
	*may = (struct lclone_names){ .count = 0 };
	lclone_add_name(may, "/dev/vg/deb");
	lclone_add_name(may, "/dev/vg/deb2");
	looked++;
	return 0;
}

static void has_base(const char *base)
{
	static struct lclone_named named;

	looked = 0;
	assert_int_equal(lclone_name_find("web1", &named), 0);
	assert_int_equal(lclone_named_activate(&named), 0);
	assert_string_equal(named.base, base);
	assert_int_equal(looked, !base[0]);
	lclone_named_free(&named);
	if (base[0])
		return;
	assert_int_equal(lclone_no_base("web1", &named.may, "name it"), -ESTALE);
	assert_string_equal(lclone_why(), "the base of web1 may be any of /dev/vg/deb, /dev/vg/deb2, which its fingerprint does not tell apart: name it");
}

static struct lclone_lv make_volume(enum lclone_lv_kind kind, const char *lv, const char *name)
{
	struct lclone_lv volume = { .kind = kind, .vg = "vg" };

	snprintf(volume.lv, sizeof(volume.lv), "%s", lv);
	snprintf(volume.id, sizeof(volume.id), "id-of-%s", lv);
	snprintf(volume.name, sizeof(volume.name), "%s", name);
	return volume;
}

/* The clone web1 of one of two templates that are alike; and the tree of the first */
static int make(void **state)
{
	(void)state;
	delta = (struct lclone_sb){ .base_fp_alg = LCLONE_FP_CRC32C_SAMPLES };
	memset(delta.base_root, 0x5a, sizeof(delta.base_root));
	volume[DELTA] = make_volume(LCLONE_LV_DELTA, "web1-delta", "web1");
	volume[DEB] = make_volume(LCLONE_LV_BASE, "deb", "deb");
	volume[COPY] = make_volume(LCLONE_LV_BASE, "deb2", "deb2");
	volume[TREE] = make_volume(LCLONE_LV_VERITY, "deb-verity", "deb");
	strcpy(volume[TREE].of, volume[DEB].id);
	lclone_root_text(delta.base_root, volume[TREE].root);
	active = true;
	return 0;
}

/* Its template is that of its tag; two of one name are none. */
static void by_tag(void **state)
{
	(void)state;
	memset(delta.base_root, 0, sizeof(delta.base_root));
	strcpy(volume[DELTA].from, "deb2");
	has_base("/dev/vg/deb2");
	strcpy(volume[DEB].name, "deb2");
	has_base("");
}

/* Without one it is the template whose tree it has recorded, active or not, if it is the only one. */
static void by_tree(void **state)
{
	(void)state;
	has_base("/dev/vg/deb");
	active = false;
	has_base("/dev/vg/deb");
	assert_true(active);
	volume[COPY] = volume[TREE];
	strcpy(volume[COPY].of, "id-of-another");
	has_base("");
	volume[COPY].root[0] ^= 1;
	has_base("/dev/vg/deb");
	/* a delta that has recorded none, beside a tree that is not whole */
	memset(delta.base_root, 0, sizeof(delta.base_root));
	lclone_root_text(delta.base_root, volume[TREE].root);
	has_base("");
}

/* A copy of a group has volumes of the same ids, and trees of its own. */
static void of_another_group(void **state)
{
	struct lclone_lv lvs[2] = { volume[TREE], volume[TREE] };

	(void)state;
	strcpy(lvs[0].vg, "copy");
	assert_ptr_equal(lclone_seal_in(lvs, 2, &volume[DEB]), &lvs[1]);
	assert_null(lclone_seal_in(lvs, 1, &volume[DEB]));
	/* the tree in this group is of another volume, and that of the template is in the copy only */
	strcpy(volume[TREE].vg, "copy");
	has_base("");
}

static void no_base(void **state)
{
	(void)state;
	delta.base_fp_alg = LCLONE_FP_NONE;
	has_base("-");
}

static int setup(void **state)
{
	return make_dir(state) || setenv("LCLONE_TAB", path_of("tab"), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(by_tag, make),
		cmocka_unit_test_setup(by_tree, make),
		cmocka_unit_test_setup(of_another_group, make),
		cmocka_unit_test_setup(no_base, make),
	};

	return cmocka_run_group_tests_name("name", tests, setup, remove_dir);
}
