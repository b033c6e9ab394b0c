// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/lvm.h"
#include "host/program.h"
#include "host/ranges.h"
#include "host/stack.h"
#include "host/volumes.h"

#define LEAST_SECTORS	((LCLONE_SB_SLOT_B + 1) * LCLONE_BLOCK_SECTORS)

static int add(struct lclone_volumes *v, const struct lclone_volume *volume)
{
	struct lclone_volume *bigger = reallocarray(v->volume, v->count + 1, sizeof(*bigger));

	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	v->volume = bigger;
	bigger[v->count++] = *volume;
	return 0;
}

/* Asking */

/* NULL without an error: there is no lvm2. */
static int ask(struct json_object **o)
{
	static const char *const argv[] = {
		"lvm", "fullreport", "--reportformat", "json", "--units", "s", "--nosuffix",
		"--foreign", "--shared", "--config", "devices/ignore_suspended_devices=1",
		"--configreport", "vg", "-o", "vg_name,vg_extent_size",
		"--configreport", "pv", "-o", "pv_name,pe_start,pv_uuid",
		"--configreport", "lv", "-o", "lv_name,lv_active,lv_size,lv_role",
		"--configreport", "pvseg", "-o", "pv_name",
		"--configreport", "seg", "-o",
		"lv_name,seg_start,seg_size,segtype,seg_pe_ranges,stripes,stripe_size",
		NULL
	};

	return lclone_ask_program(argv, o);
}

/* Understanding */

/* The row of a table in which a field is that; and one more is 0, if @zero names it. */
static struct json_object *find_row(struct json_object *group, const char *table,
				    const char *field, const char *value, const char *zero)
{
	struct json_object *row;
	size_t i;

	for (i = 0; (row = lclone_lvm_row(group, table, i)); i++)
		if (!strcmp(lclone_json_text(row, field), value) && (!zero || !lclone_json_number(row, zero)))
			return row;
	return NULL;
}

/* Extents of a physical volume: "/dev/sdb:17-40" */
static bool find_piece(struct json_object *group, const char *range, u64 extent_sectors,
		       struct lclone_stripes *stripes)
{
	const u32 i = stripes->count;
	char path[PATH_MAX], *colon;
	struct json_object *pv;
	struct stat st;
	dev_t which;

	snprintf(path, sizeof(path), "%s", range);
	colon = strrchr(path, ':');
	if (!colon || i == LCLONE_STRIPES_MAX)
		return false;
	*colon = '\0';
	pv = find_row(group, "pv", "pv_name", path, NULL);
	if (!pv || path[0] != '/' || strlen(path) >= sizeof(stripes->on[i].path) ||
	    stat(path, &st) || lclone_dev_suspended(st.st_rdev, &which))
		return false;
	strcpy(stripes->on[i].path, path);
	stripes->on[i].start = lclone_json_number(pv, "pe_start") +
			       strtoull(colon + 1, NULL, 10) * extent_sectors;
	stripes->count++;
	return true;
}

/* A linear or striped volume begins on one or more physical ones. */
static bool find_start(struct json_object *group, struct json_object *lv,
		       struct lclone_volume *volume)
{
	struct json_object *vg = lclone_lvm_row(group, "vg", 0);
	struct json_object *seg = find_row(group, "seg", "lv_name", lclone_json_text(lv, "lv_name"),
					   "seg_start");
	struct lclone_stripes *stripes = &volume->stripes;
	char ranges[LCLONE_STRIPES_MAX * 80], *save, *range;
	bool striped;

	if (!vg || !seg || strstr(lclone_json_text(lv, "lv_role"), "snapshot") ||
	    lclone_json_number(seg, "seg_size") < LEAST_SECTORS)
		return false;
	striped = !strcmp(lclone_json_text(seg, "segtype"), "striped");
	if (!striped && strcmp(lclone_json_text(seg, "segtype"), "linear"))
		return false;
	if (snprintf(ranges, sizeof(ranges), "%s", lclone_json_text(seg, "seg_pe_ranges")) >=
	    (int)sizeof(ranges))
		return false;
	for (range = strtok_r(ranges, " ", &save); range; range = strtok_r(NULL, " ", &save))
		if (!find_piece(group, range, lclone_json_number(vg, "vg_extent_size"), stripes))
			return false;
	stripes->chunk_sectors = striped ? lclone_json_number(seg, "stripe_size") : UINT32_MAX;
	volume->sectors = lclone_json_number(seg, "seg_size");
	return stripes->chunk_sectors && stripes->count == (striped ? lclone_json_number(seg, "stripes") : 1);
}

/* LVM prints it with dashes. */
static void copy_uuid(char to[LCLONE_PV_UUID_SIZE], const char *from)
{
	size_t n = 0;

	for (; *from && n < LCLONE_PV_UUID_SIZE - 1; from++)
		if (*from != '-')
			to[n++] = *from;
	to[n] = '\0';
}

static int add_used(struct lclone_volumes *v, struct json_object *group)
{
	struct json_object *row;
	struct lclone_pv *bigger;
	struct stat st;
	size_t i;

	for (i = 0; (row = lclone_lvm_row(group, "pv", i)); i++) {
		if (stat(lclone_json_text(row, "pv_name"), &st) || !S_ISBLK(st.st_mode))
			continue;
		bigger = reallocarray(v->used, v->used_count + 1, sizeof(*bigger));
		if (!bigger)
			return lclone_fail(-ENOMEM, "out of memory");
		v->used = bigger;
		bigger[v->used_count].rdev = st.st_rdev;
		copy_uuid(bigger[v->used_count++].uuid, lclone_json_text(row, "pv_uuid"));
	}
	return 0;
}

static int add_group(struct lclone_volumes *v, struct json_object *group)
{
	struct json_object *vg = lclone_lvm_row(group, "vg", 0), *lv;
	size_t i;
	int err;

	err = add_used(v, group);
	if (err || !vg || lclone_lvm_is_guests(group))
		return err;
	for (i = 0; !err && (lv = lclone_lvm_row(group, "lv", i)); i++) {
		struct lclone_volume volume = { .size = lclone_json_number(lv, "lv_size") };

		if (lclone_json_text(lv, "lv_active")[0] || strncmp(lclone_json_text(lv, "lv_role"), "public", 6) ||
		    volume.size < LEAST_SECTORS)
			continue;
		snprintf(volume.name, sizeof(volume.name), "%.140s/%.140s", lclone_json_text(vg, "vg_name"),
			 lclone_json_text(lv, "lv_name"));
		if (!find_start(group, lv, &volume))
			snprintf(volume.unseen, sizeof(volume.unseen),
				 "is not active (lvchange -ay)");
		err = add(v, &volume);
	}
	return err;
}

int lclone_volumes_read(struct lclone_volumes *volumes)
{
	struct lclone_volume none = { .name = "LVM's volumes that are not active",
				      .unseen = "could not be asked for (lvm fullreport)" };
	struct json_object *o, *groups;
	size_t i;
	int err;

	*volumes = (struct lclone_volumes){ .count = 0 };
	err = ask(&o);
	volumes->asked = !err;
	if (err)
		err = add(volumes, &none);
	groups = o ? json_object_object_get(o, "report") : NULL;
	for (i = 0; groups && !err && i < json_object_array_length(groups); i++)
		err = add_group(volumes, json_object_array_get_idx(groups, i));
	json_object_put(o);
	return err;
}

void lclone_volumes_free(struct lclone_volumes *volumes)
{
	free(volumes->volume);
	free(volumes->used);
	*volumes = (struct lclone_volumes){ .count = 0 };
}

bool lclone_volumes_use(const struct lclone_volumes *volumes, dev_t rdev)
{
	size_t i;

	for (i = 0; i < volumes->used_count; i++)
		if (lclone_shows_same(volumes->used[i].rdev, rdev) ||
		    lclone_dev_lies_on(volumes->used[i].rdev, rdev))
			return true;
	return false;
}

bool lclone_volumes_have(const struct lclone_volumes *volumes, const char *pv_uuid)
{
	size_t i;

	for (i = 0; i < volumes->used_count; i++)
		if (pv_uuid[0] && !strcmp(volumes->used[i].uuid, pv_uuid))
			return true;
	return false;
}
