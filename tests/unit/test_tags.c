// SPDX-License-Identifier: GPL-2.0-only
/* Tags of volumes, as the superblocks of the deltas on them want them to be. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "host/device.h"
#include "host/file.h"
#include "host/lock.h"
#include "online/tags.h"
#include "test.h"

#define MOST	10

/* A host: the volume vg/NAME number N is the device 250:N+1, or not active; some have deltas. */
static struct volume {
	const char *name;		/* NULL: the last one was before */
	bool inactive;
	/* Its delta: no uuid if there is none, and else N+1; that of its layer; what it has recorded */
	u8 uuid, parent;
	const char *label;
	bool sealed, baseless, opened, half;
	struct lclone_lv lv;		/* its tags; of the uuid only what is wrong */
} *host;

static void path_of(size_t n, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, host[n].inactive ? "vg/%s" : "/dev/mapper/vg-%s", host[n].name);
}

int __wrap_lclone_lock_creation(enum lclone_lock_kind kind);
int __wrap_lclone_lock_creation(enum lclone_lock_kind kind)
{
	assert_int_equal(kind, LCLONE_LOCK_EXCLUSIVE);
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv);
int __wrap_lclone_inventory_read_all(struct lclone_inventory *inv)
{
	char path[PATH_MAX];
	size_t n;

	inv->found = calloc(MOST, sizeof(*inv->found));
	assert_non_null(inv->found);
	for (n = 0; host[n].name; n++) {
		struct lclone_found *found = &inv->found[inv->count];

		if (!host[n].uuid)
			continue;
		inv->count++;
		path_of(n, path);
		found->path = strdup(path);
		found->rdev = host[n].inactive ? 0 : makedev(250, n + 1);
		memset(found->sb.uuid, host[n].uuid, LCLONE_UUID_SIZE);
		memset(found->sb.parent_uuid, host[n].parent, LCLONE_UUID_SIZE);
		found->sb.state = host[n].sealed ? LCLONE_STATE_SEALED : 0;
		if (host[n].half) {
			found->sb.state = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;
			uuid_unparse_lower(found->sb.uuid, found->sb.owner);
		}
		found->sb.incarnation = host[n].opened;
		found->sb.base_fp_alg = host[n].baseless ? LCLONE_FP_NONE : LCLONE_FP_CRC32C_SAMPLES;
		found->sb.base_sectors = 1 << 19;
		found->sb.base_fp = 77;
		snprintf(found->sb.label, sizeof(found->sb.label), "%s", host[n].label);
	}
	return 0;
}

int __wrap_lclone_lv_list_all(struct lclone_lv **lvs, size_t *count);
int __wrap_lclone_lv_list_all(struct lclone_lv **lvs, size_t *count)
{
	size_t n;

	*lvs = calloc(MOST, sizeof(**lvs));
	assert_non_null(*lvs);
	for (n = 0; host[n].name; n++) {
		u8 uuid[LCLONE_UUID_SIZE];

		(*lvs)[n] = host[n].lv;
		strcpy((*lvs)[n].vg, "vg");
		strcpy((*lvs)[n].lv, host[n].name);
		memset(uuid, host[n].uuid, sizeof(uuid));
		if (host[n].lv.kind == LCLONE_LV_DELTA && !host[n].lv.uuid[0])
			uuid_unparse_lower(uuid, (*lvs)[n].uuid);
	}
	*count = n;
	return 0;
}

dev_t __wrap_lclone_dev_at(const char *path);
dev_t __wrap_lclone_dev_at(const char *path)
{
	size_t n;

	for (n = 0; host[n].name; n++)
		if (!strncmp(path, "/dev/vg/", 8) && !strcmp(path + 8, host[n].name) &&
		    !host[n].inactive)
			return makedev(250, n + 1);
	return 0;
}

/* Two templates, of which the second has what the deltas were made on */
static u64 content;

int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags);
int __wrap_lclone_file_open_ready(struct lclone_file *file, const char *path, int flags)
{
	assert_int_equal(flags, O_RDONLY);
	*file = (struct lclone_file){ .fd = -1, .dev = { .sectors = 1 << 20 } };
	content = strcmp(path, "/dev/vg/deb") ? 76 : 77;
	return 0;
}

int __wrap_lclone_fingerprint(const struct lclone_dev *dev, u64 *fp);
int __wrap_lclone_fingerprint(const struct lclone_dev *dev, u64 *fp)
{
	assert_int_equal(dev->sectors, 1 << 19);
	*fp = content;
	return 0;
}

static int fails;		/* LVM refuses */
static size_t changed;		/* by LVM */

int __wrap_lclone_lv_retag(const struct lclone_lv *was, const struct lclone_lv *now);
int __wrap_lclone_lv_retag(const struct lclone_lv *was, const struct lclone_lv *now)
{
	assert_string_equal(was->lv, now->lv);
	if (fails && !strcmp(was->lv, "web1-delta"))
		return lclone_fail(fails, "lvchange failed");
	changed++;
	return 0;
}

static char said[4096];

static void tell_changed(void *ctx, const struct lclone_lv *was, const struct lclone_lv *now)
{
	char changes[LCLONE_LV_CHANGES_SIZE];

	assert_ptr_equal(ctx, said);
	lclone_lv_changes(was, now, changes);
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s:%s\n", was->lv, changes);
}

static void tell_unclear(void *ctx, const char *path, const char *why)
{
	assert_ptr_equal(ctx, said);
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s %s\n", path, why);
}

static int scan(struct volume *volumes, bool dry_run)
{
	const struct tags_told told = { tell_changed, tell_unclear, said };

	host = volumes;
	changed = 0;
	said[0] = '\0';
	return lclone_tags_mend(dry_run, &told);
}

#define DELTA_OF(who)	{ .kind = LCLONE_LV_DELTA, .name = who, .from = "deb" }
#define LAYER_OF(who)	{ .kind = LCLONE_LV_DELTA, .layer = who, .from = "deb" }
#define TEMPLATE	{ .name = "deb", .lv = { .kind = LCLONE_LV_BASE, .name = "deb", .active = true } }
#define OTHER		{ .name = "rpm", .lv = { .kind = LCLONE_LV_BASE, .name = "rpm", .active = true } }
#define NO_TAGS		{ .kind = LCLONE_LV_NONE }

static void as_they_are(void **state)
{
	struct volume volumes[MOST] = {
		TEMPLATE,
		{ "web1-delta", .uuid = 1, .label = "web1@one", .sealed = true,
		  .lv = { .kind = LCLONE_LV_DELTA, .layer = "web1", .snapshot = "one", .from = "deb" } },
		{ "web1-delta2", .uuid = 2, .parent = 1, .label = "web1", .lv = DELTA_OF("web1") },
		/* a label that cannot be a name, none, a layer of another name, what is not kept */
		{ "db", .uuid = 3, .label = "a b", .lv = DELTA_OF("db") },
		{ "app", .uuid = 4, .label = "", .lv = DELTA_OF("app") },
		{ "left", .uuid = 5, .label = "web9", .sealed = true, .lv = LAYER_OF("web8") },
		{ "web7-delta", .uuid = 6, .label = "web7",
		  .lv = { .kind = LCLONE_LV_DELTA, .is_new = true } },
		{ "web6-delta", .uuid = 7, .label = "web6", .opened = true,
		  .lv = { .kind = LCLONE_LV_DELTA, .name = "web6", .is_new = true } },
		/* what an import is at */
		{ "web5-delta", .uuid = 8, .label = "web5", .half = true, .lv = DELTA_OF("web5") },
	};

	(void)state;
	assert_int_equal(scan(volumes, false), 0);
	assert_string_equal(said, "");
	assert_int_equal(changed, 0);
}

/* The group's metadata are those of before the snapshot, or LVM was not asked. */
static void of_before(void **state)
{
	struct volume volumes[MOST] = {
		TEMPLATE,
		{ "web1-delta", .uuid = 1, .label = "web1@one", .sealed = true, .lv = DELTA_OF("web1") },
		{ "web1-delta2", .inactive = true, .uuid = 2, .parent = 1, .label = "web1", .opened = true,
		  .lv = { .kind = LCLONE_LV_DELTA, .layer = "web1", .from = "deb", .is_new = true } },
		/* an unnamed layer, and what a revert has left */
		{ "db-delta", .uuid = 3, .label = "db", .sealed = true, .lv = DELTA_OF("db") },
		{ "db-delta2", .uuid = 4, .parent = 3, .label = "db", .sealed = true, .lv = DELTA_OF("db") },
		{ "db-delta3", .uuid = 5, .parent = 3, .label = "db", .baseless = true,
		  .lv = { .kind = LCLONE_LV_DELTA, .from = "deb", .uuid = "another" } },
	};

	(void)state;
	for (int dry = 1; dry >= 0; dry--) {
		assert_int_equal(scan(volumes, dry), 0);
		assert_string_equal(said,
			"web1-delta: -lclone.name=web1 +lclone.layer=web1 +lclone.snapshot=one\n"
			"web1-delta2: +lclone.name=web1 -lclone.layer=web1 -lclone.new\n"
			"db-delta: -lclone.name=db +lclone.layer=db\n"
			"db-delta2: -lclone.name=db\n"
			"db-delta3: +lclone.name=db -lclone.uuid=another +lclone.uuid=05050505-0505-0505-0505-050505050505 -lclone.from=deb\n");
		assert_int_equal(changed, dry ? 0 : 5);
	}
	fails = -EIO;
	assert_int_equal(scan(volumes, false), -EIO);
	assert_string_equal(lclone_why(), "not all volumes have got their tags");
	assert_int_equal(changed, 4);
	assert_ptr_equal(strstr(said, "/dev/mapper/vg-web1-delta does not get its tags: lvchange failed\n"
				      "web1-delta2: +"), said);
	fails = 0;
}

/* Copied to volumes of the same names; what somebody else has made for himself stays his own. */
static void without_tags(void **state)
{
	struct volume volumes[MOST] = {
		OTHER,
		TEMPLATE,
		{ "web1-delta", .uuid = 1, .label = "web1@one", .sealed = true, .lv = NO_TAGS },
		{ "web1-delta22", .uuid = 2, .parent = 1, .label = "web1", .lv = NO_TAGS },
		{ "web2-delta-old", .uuid = 3, .label = "web2", .lv = NO_TAGS },
		{ "mine", .uuid = 4, .label = "web3", .lv = NO_TAGS },
		{ "-delta", .uuid = 5, .label = "", .lv = NO_TAGS },
		{ "other", .lv = NO_TAGS },
	};

	(void)state;
	assert_int_equal(scan(volumes, false), 0);
	assert_string_equal(said,
		"web1-delta: +lclone.delta +lclone.uuid=01010101-0101-0101-0101-010101010101 +lclone.from=deb +lclone.layer=web1 +lclone.snapshot=one +lclone.given\n"
		"web1-delta22: +lclone.delta +lclone.name=web1 +lclone.uuid=02020202-0202-0202-0202-020202020202 +lclone.from=deb +lclone.given\n");
	assert_int_equal(changed, 2);
}

/* Which of two is the clone's is not ours to say. */
static void two_of_one(void **state)
{
	struct volume volumes[MOST] = {
		{ "web1-delta", .uuid = 1, .label = "web1", .lv = DELTA_OF("web1") },
		{ "copy", .uuid = 1, .label = "web1", .lv = DELTA_OF("web2") },
	};

	(void)state;
	assert_int_equal(scan(volumes, false), 0);
	assert_string_equal(said, "/dev/mapper/vg-copy is of web1, as is /dev/mapper/vg-web1-delta: which is in use cannot be told\n");
	assert_int_equal(changed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_they_are),
		cmocka_unit_test(of_before),
		cmocka_unit_test(without_tags),
		cmocka_unit_test(two_of_one),
	};

	return cmocka_run_group_tests_name("tags", tests, NULL, NULL);
}
