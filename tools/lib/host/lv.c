// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "host/device.h"
#include "host/lv-lock.h"
#include "host/lv.h"
#include "host/lvm.h"
#include "host/program.h"
#include "host/stack.h"

#define TAG		"lclone."
#define NEW		"new"	/* as long as it is not known to be ours for good */
#define GIVEN		"given"	/* the volume was not made for the clone that has it */
#define WORDS_MAX	32
#define LINE_SIZE	LCLONE_LV_CHANGES_SIZE
#define ADD		"--addtag "
#define DEL		"--deltag "

/* Without what cannot be a tag */
static const char * const kinds[] = {
	[LCLONE_LV_DELTA] = "delta",
	[LCLONE_LV_BASE] = "base",
	[LCLONE_LV_FILLING] = "filling",
	[LCLONE_LV_TARGET] = "target",
	[LCLONE_LV_VERITY] = "verity",
};

bool lclone_lv_is_base(const struct lclone_lv *lv)
{
	return lv->kind == LCLONE_LV_BASE || lv->kind == LCLONE_LV_FILLING;
}

void lclone_lv_path(const struct lclone_lv *lv, char path[LCLONE_LV_PATH_SIZE])
{
	snprintf(path, LCLONE_LV_PATH_SIZE, "/dev/%s/%s", lv->vg, lv->lv);
}

int lclone_lv_check_name(const char *what, const char *name)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-";

	if (!name[0] || strlen(name) >= LCLONE_NAME_SIZE || name[0] == '-' ||
	    !strcmp(name, ".") || !strcmp(name, "..") || strspn(name, legal) != strlen(name))
		return lclone_fail(-ERANGE, "\"%s\" cannot be the name of %s: LVM takes letters, digits and +_.-, a - not in front",
				   name, what);
	return 0;
}

int lclone_lv_set_vg(struct lclone_lv *lv, const char *vg)
{
	int err;

	if (!strncmp(vg, "/dev/", 5))		/* as LVM's own commands take it */
		vg += 5;
	err = lclone_lv_check_name("a volume group", vg);
	if (!err)
		snprintf(lv->vg, sizeof(lv->vg), "%s", vg);
	return err;
}

/* What there is */

static void read_tag(struct lclone_lv *lv, const char *tag, bool *ours)
{
	size_t i;

	if (strncmp(tag, TAG, strlen(TAG)))
		return;
	tag += strlen(TAG);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(tag, kinds[i])) {
			lv->kind = i;
			*ours = true;
		}
	if (!strncmp(tag, "name=", 5))
		snprintf(lv->name, sizeof(lv->name), "%s", tag + 5);
	else if (!strncmp(tag, "uuid=", 5))
		snprintf(lv->uuid, sizeof(lv->uuid), "%s", tag + 5);
	else if (!strncmp(tag, "from=", 5))
		snprintf(lv->from, sizeof(lv->from), "%s", tag + 5);
	else if (!strncmp(tag, "layer=", 6))
		snprintf(lv->layer, sizeof(lv->layer), "%s", tag + 6);
	else if (!strncmp(tag, "snapshot=", 9))
		snprintf(lv->snapshot, sizeof(lv->snapshot), "%s", tag + 9);
	else if (!strncmp(tag, "root=", 5))
		snprintf(lv->root, sizeof(lv->root), "%s", tag + 5);
	else if (!strncmp(tag, "of=", 3))
		snprintf(lv->of, sizeof(lv->of), "%s", tag + 3);
	else if (!strcmp(tag, GIVEN))
		lv->given = true;
	else if (!strcmp(tag, NEW))
		lv->is_new = true;
}

/* False: it is none of ours. */
static bool read_row(struct lclone_lv *lv, const char *vg, struct json_object *row)
{
	char tags[4096], *tag, *save;
	bool ours = false;

	*lv = (struct lclone_lv){ .sectors = lclone_json_number(row, "lv_size"),
				  .kind = LCLONE_LV_NONE };
	snprintf(lv->vg, sizeof(lv->vg), "%s", vg);
	snprintf(lv->lv, sizeof(lv->lv), "%s", lclone_json_text(row, "lv_name"));
	snprintf(lv->id, sizeof(lv->id), "%s", lclone_json_text(row, "lv_uuid"));
	lv->active = lclone_json_text(row, "lv_active")[0];
	lv->read_only = !strncmp(lclone_json_text(row, "lv_permissions"), "read-only", 9);
	lv->origin = strstr(lclone_json_text(row, "lv_role"), "thickorigin");
	snprintf(tags, sizeof(tags), "%s", lclone_json_text(row, "lv_tags"));
	for (tag = strtok_r(tags, ",", &save); tag; tag = strtok_r(NULL, ",", &save))
		read_tag(lv, tag, &ours);
	return ours;
}

static int add_group(struct json_object *group, bool all, struct lclone_lv **lvs, size_t *count)
{
	struct json_object *vg = lclone_lvm_row(group, "vg", 0), *row;
	struct lclone_lv *bigger;
	size_t i;

	if (!vg || lclone_lvm_is_guests(group))
		return 0;
	for (i = 0; (row = lclone_lvm_row(group, "lv", i)); i++) {
		bigger = reallocarray(*lvs, *count + 1, sizeof(**lvs));
		if (!bigger)
			return lclone_fail(-ENOMEM, "out of memory");
		*lvs = bigger;
		*count += read_row(&bigger[*count], lclone_json_text(vg, "vg_name"), row) || all;
	}
	return 0;
}

/* @vg: NULL for all groups */
static int list(bool all, const char *vg, struct lclone_lv **lvs, size_t *count)
{
	const char *const argv[] = {
		"lvm", "fullreport", "--reportformat", "json", "--units", "s", "--nosuffix",
		"--config", "devices/ignore_suspended_devices=1",
		"--configreport", "vg", "-o", "vg_name",
		"--configreport", "pv", "-o", "pv_name",
		"--configreport", "lv", "-o",
		"lv_name,lv_uuid,lv_size,lv_active,lv_permissions,lv_role,lv_tags",
		"--configreport", "pvseg", "-o", "pv_name",
		"--configreport", "seg", "-o", "lv_name",
		vg, NULL
	};
	struct json_object *o, *groups;
	size_t i;
	int err;

	*lvs = NULL;
	*count = 0;
	err = lclone_ask_program(argv, &o);
	if (err && vg)
		err = lclone_fail(err, "LVM does not tell what is in the group %s (vgs %s)", vg, vg);
	else if (err)
		err = lclone_fail(err, "LVM could not be asked for its volumes (lvm fullreport)");
	groups = o ? json_object_object_get(o, "report") : NULL;
	for (i = 0; groups && !err && i < json_object_array_length(groups); i++)
		err = add_group(json_object_array_get_idx(groups, i), all, lvs, count);
	json_object_put(o);
	if (err) {
		free(*lvs);
		*lvs = NULL;
		*count = 0;
	}
	return err;
}

int lclone_lv_list(struct lclone_lv **lvs, size_t *count)
{
	return list(false, NULL, lvs, count);
}

int lclone_lv_list_all(struct lclone_lv **lvs, size_t *count)
{
	return list(true, NULL, lvs, count);
}

const struct lclone_lv *lclone_lv_at(const struct lclone_lv *lvs, size_t count, dev_t rdev)
{
	char path[LCLONE_LV_PATH_SIZE];
	size_t i;

	for (i = 0; rdev && i < count; i++) {
		lclone_lv_path(&lvs[i], path);
		if (lclone_dev_at(path) == rdev)
			return &lvs[i];
	}
	return NULL;
}

const struct lclone_lv *lclone_lv_named(const struct lclone_lv *lvs, size_t count,
					enum lclone_lv_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (lvs[i].kind == kind && !strcmp(lvs[i].name, name))
			return &lvs[i];
	return NULL;
}

int lclone_lv_find(bool (*is)(const struct lclone_lv *lv, const void *ctx), const void *ctx,
		   struct lclone_lv *found)
{
	struct lclone_lv *lvs;
	size_t count, i;
	int ret;

	ret = lclone_lv_list(&lvs, &count) ?: 1;
	for (i = 0; ret == 1 && i < count; i++)
		if (is(&lvs[i], ctx)) {
			*found = lvs[i];
			ret = 0;
		}
	free(lvs);
	return ret;
}

static bool is_at(const struct lclone_lv *lv, const void *ctx)
{
	return lclone_lv_at(lv, 1, *(const dev_t *)ctx);
}

int lclone_lv_of(dev_t rdev, struct lclone_lv *lv)
{
	return lclone_dev_is_lv(rdev) ? lclone_lv_find(is_at, &rdev, lv) : 1;
}

static bool has_name(const struct lclone_lv *lvs, size_t count, const char *vg, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(lvs[i].vg, vg) && !strcmp(lvs[i].lv, name))
			return true;
	return false;
}

int lclone_lv_free_name_of(const struct lclone_lv *lvs, size_t count, const char *vg,
			   const char *first, char name[LCLONE_NAME_SIZE])
{
	int len = snprintf(name, LCLONE_NAME_SIZE, "%s", first);
	unsigned int i;

	for (i = 2; len < LCLONE_NAME_SIZE && has_name(lvs, count, vg, name); i++)
		len = snprintf(name, LCLONE_NAME_SIZE, "%s%u", first, i);
	return len < LCLONE_NAME_SIZE ? 0 : lclone_fail(-ENAMETOOLONG, "%s is too long a name",
							first);
}

int lclone_lv_free_name(const char *vg, const char *first, char name[LCLONE_NAME_SIZE])
{
	struct lclone_lv *lvs;
	size_t count;
	int err;

	err = list(true, vg, &lvs, &count) ?:
	      lclone_lv_free_name_of(lvs, count, vg, first, name);
	free(lvs);
	return err;
}

/* What is done, as lines of words that have no spaces in them */

/* @option: ADD or DEL, or the signs for people */
static void put_tag(char line[LINE_SIZE], const char *option, const char *tag, const char *value)
{
	size_t len = strlen(line);

	snprintf(line + len, LINE_SIZE - len, " %s" TAG "%s%s", option, tag, value);
}

static void put_tags(char line[LINE_SIZE], const char *option, const struct lclone_lv *lv)
{
	put_tag(line, option, kinds[lv->kind], "");
	if (lv->name[0])
		put_tag(line, option, "name=", lv->name);
	if (lv->uuid[0])
		put_tag(line, option, "uuid=", lv->uuid);
	if (lv->from[0])
		put_tag(line, option, "from=", lv->from);
	if (lv->layer[0])
		put_tag(line, option, "layer=", lv->layer);
	if (lv->snapshot[0])
		put_tag(line, option, "snapshot=", lv->snapshot);
	if (lv->root[0])
		put_tag(line, option, "root=", lv->root);
	if (lv->of[0])
		put_tag(line, option, "of=", lv->of);
	if (lv->given)
		put_tag(line, option, GIVEN, "");
}

#define LVCREATE	"lvcreate --quiet --yes --wipesignatures y --zero y"

static void put_volume(char line[LINE_SIZE], const struct lclone_lv *lv)
{
	size_t len = strlen(line);

	snprintf(line + len, LINE_SIZE - len, " --name %s --size %llus %s", lv->lv,
		 (unsigned long long)lv->sectors, lv->vg);
}

static void print_create(char line[LINE_SIZE], const struct lclone_lv *lv)
{
	strcpy(line, LVCREATE);
	put_tags(line, ADD, lv);
	if (lv->kind == LCLONE_LV_DELTA)
		put_tag(line, ADD, NEW, "");
	put_volume(line, lv);
}

static void print_remove(char line[LINE_SIZE], const struct lclone_lv *lv)
{
	snprintf(line, LINE_SIZE, "lvremove --quiet --yes %s/%s", lv->vg, lv->lv);
}

/* Only one that is still new, whatever has become of it since it was looked at */
static void print_remove_new(char line[LINE_SIZE], const struct lclone_lv *lv)
{
	snprintf(line, LINE_SIZE,
		 "lvremove --quiet --yes --select 'lv_tags={\"" TAG NEW "\"}' %s/%s", lv->vg,
		 lv->lv);
}

static void print_keep(char line[LINE_SIZE], const struct lclone_lv *lv)
{
	snprintf(line, LINE_SIZE, "lvchange --quiet --deltag " TAG NEW " %s/%s", lv->vg, lv->lv);
}

static void split(char line[LINE_SIZE], const char *argv[WORDS_MAX])
{
	char *word, *save;
	int n = 0;

	for (word = strtok_r(line, " ", &save); word && n < WORDS_MAX - 1;
	     word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
}

static int run_line(char line[LINE_SIZE])
{
	const char *argv[WORDS_MAX] = { NULL };

	split(line, argv);
	return lclone_lvm_run(argv);
}

int lclone_lv_create(const struct lclone_lv *lv)
{
	char line[LINE_SIZE];

	int err;

	print_create(line, lv);
	err = run_line(line);
	if (!err)
		lclone_lv_made(lv->vg, lv->lv);
	return err;
}

int lclone_lv_keep(const struct lclone_lv *lv)
{
	char line[LINE_SIZE];

	print_keep(line, lv);
	return run_line(line);
}

int lclone_lv_add_tags(const struct lclone_lv *lv, const char *path)
{
	char line[LINE_SIZE];
	size_t len;

	snprintf(line, LINE_SIZE, "lvchange --quiet");
	put_tags(line, ADD, lv);
	len = strlen(line);
	snprintf(line + len, LINE_SIZE - len, " %s", path);
	return run_line(line);
}

/* How a tag is added, and taken away */
struct signs {
	const char *add, *del;
};

static void put_change(char line[LINE_SIZE], const struct signs *signs, const char *tag,
		       const char *was, const char *now)
{
	if (!strcmp(was, now))
		return;
	if (was[0])
		put_tag(line, signs->del, tag, was);
	if (now[0])
		put_tag(line, signs->add, tag, now);
}

static void put_flag(char line[LINE_SIZE], const struct signs *signs, const char *tag, bool was,
		     bool now)
{
	if (was != now)
		put_tag(line, now ? signs->add : signs->del, tag, "");
}

static void put_changes(char line[LINE_SIZE], const struct signs *signs,
			const struct lclone_lv *was, const struct lclone_lv *now)
{
	if (was->kind == LCLONE_LV_NONE && now->kind != LCLONE_LV_NONE)
		put_tag(line, signs->add, kinds[now->kind], "");
	put_change(line, signs, "name=", was->name, now->name);
	put_change(line, signs, "uuid=", was->uuid, now->uuid);
	put_change(line, signs, "from=", was->from, now->from);
	put_change(line, signs, "layer=", was->layer, now->layer);
	put_change(line, signs, "snapshot=", was->snapshot, now->snapshot);
	put_change(line, signs, "root=", was->root, now->root);
	put_change(line, signs, "of=", was->of, now->of);
	put_flag(line, signs, GIVEN, was->given, now->given);
	put_flag(line, signs, NEW, was->is_new, now->is_new);
}

int lclone_lv_retag(const struct lclone_lv *was, const struct lclone_lv *now)
{
	static const struct signs options = { ADD, DEL };
	char line[LINE_SIZE] = "lvchange --quiet";
	const size_t nothing = strlen(line);
	size_t len;

	put_changes(line, &options, was, now);
	len = strlen(line);
	if (was->read_only != now->read_only)
		len += snprintf(line + len, LINE_SIZE - len, " --permission %s",
				now->read_only ? "r" : "rw");
	if (len == nothing)
		return 0;
	snprintf(line + len, LINE_SIZE - len, " %s/%s", was->vg, was->lv);
	return run_line(line);
}

void lclone_lv_changes(const struct lclone_lv *was, const struct lclone_lv *now,
		       char text[LCLONE_LV_CHANGES_SIZE])
{
	static const struct signs signs = { "+", "-" };

	text[0] = '\0';
	put_changes(text, &signs, was, now);
}

int lclone_lv_drop_tags(const struct lclone_lv *lv)
{
	char line[LINE_SIZE];
	size_t len;

	snprintf(line, LINE_SIZE, "lvchange --quiet");
	put_tags(line, DEL, lv);
	put_tag(line, DEL, NEW, "");
	len = strlen(line);
	snprintf(line + len, LINE_SIZE - len, " %s/%s", lv->vg, lv->lv);
	return run_line(line);
}

int lclone_lv_remove_new(const struct lclone_lv *lv)
{
	char which[LINE_SIZE];
	const char *const argv[] = { "lvremove", "--quiet", "--yes", "--select", which, lv->vg,
				     NULL };

	snprintf(which, sizeof(which), "lv_name=\"%s\" && lv_tags={\"" TAG NEW "\"}", lv->lv);
	return lclone_lvm_run(argv);
}

int lclone_lv_refuse_origin(const struct lclone_lv *lv)
{
	if (!lv->origin)
		return 0;
	return lclone_fail(-EBUSY, "%s/%s has snapshots of LVM's own, which would be lost (lvs %s)",
			   lv->vg, lv->lv, lv->vg);
}

int lclone_lv_remove(const struct lclone_lv *lv)
{
	char line[LINE_SIZE];

	print_remove(line, lv);
	return lclone_lv_refuse_origin(lv) ?: run_line(line);
}

static int run_many(const struct lclone_lv *lvs, size_t count,
		    void (*print)(char line[LINE_SIZE], const struct lclone_lv *lv))
{
	char *lines = malloc(count * (LINE_SIZE + 1) + 1), *at = lines;
	size_t i;
	int err;

	if (!lines)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < count; i++) {
		print(at, &lvs[i]);
		at += strlen(at);
		*at++ = '\n';
	}
	*at = '\0';
	err = lclone_lvm_script(lines);
	free(lines);
	return err;
}

static bool is_listed(const struct lclone_lv *lv, const struct lclone_lv *there, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(lv->vg, there[i].vg) && !strcmp(lv->lv, there[i].lv) &&
		    !strcmp(lv->uuid, there[i].uuid))
			return true;
	return false;
}

int lclone_lv_create_many(const struct lclone_lv *lvs, size_t count, bool *made)
{
	struct lclone_lv *there;
	size_t there_count, i, missing = 0;
	int err, ran;

	memset(made, 0, count * sizeof(*made));
	/* LVM may have been killed, by the Ctrl-C that we take as a wish, with some made */
	ran = run_many(lvs, count, print_create);
	lclone_why_hold();
	err = lclone_lv_list(&there, &there_count);
	lclone_why_release();
	if (err)
		return lclone_fail(-EIO, "which volumes were made is not known: LVM cannot be asked (lvs @lclone.delta)");
	for (i = 0; i < count; i++) {
		made[i] = is_listed(&lvs[i], there, there_count);
		if (made[i])
			lclone_lv_made(lvs[i].vg, lvs[i].lv);
		missing += !made[i];
	}
	free(there);
	if (ran)
		return ran;
	return missing ? lclone_fail(-ECHILD, "lvcreate failed") : 0;
}

int lclone_lv_keep_many(const struct lclone_lv *lvs, size_t count)
{
	struct lclone_lv *there;
	size_t there_count, i;
	int err;

	err = run_many(lvs, count, print_keep) ?: lclone_lv_list(&there, &there_count);
	if (err)
		return err;
	for (i = 0; !err && i < there_count; i++)
		if (there[i].is_new && is_listed(&there[i], lvs, count))
			err = lclone_fail(-ECHILD, "the volume %s/%s still has the tag " TAG NEW,
					  there[i].vg, there[i].lv);
	free(there);
	return err;
}

int lclone_lv_remove_new_many(const struct lclone_lv *lvs, size_t count)
{
	struct lclone_lv *there;
	size_t there_count, i;
	int err;

	if (!count)
		return 0;
	err = run_many(lvs, count, print_remove_new) ?: lclone_lv_list(&there, &there_count);
	if (err)
		return err;
	for (i = 0; !err && i < count; i++)
		if (is_listed(&lvs[i], there, there_count))
			err = lclone_fail(-ECHILD, "the volume %s/%s could not be removed",
					  lvs[i].vg, lvs[i].lv);
	free(there);
	return err;
}

/* The tag comes last: with it, it is a template. */
int lclone_lv_seal(const struct lclone_lv *lv)
{
	char line[LINE_SIZE];
	int err;

	snprintf(line, LINE_SIZE, "lvchange --quiet --permission r %s/%s", lv->vg, lv->lv);
	err = run_line(line);
	if (err)
		return err;
	snprintf(line, LINE_SIZE, "lvchange --quiet --deltag " TAG "%s --addtag " TAG "%s %s/%s",
		 kinds[LCLONE_LV_FILLING], kinds[LCLONE_LV_BASE], lv->vg, lv->lv);
	return run_line(line);
}

int lclone_lv_activate(const struct lclone_lv *lv)
{
	const char *argv[WORDS_MAX] = { NULL };
	char line[LINE_SIZE];

	if (lclone_vg_is_shared(lv->vg))
		return lclone_lv_have(lv->vg, lv->lv, false);
	if (lv->active)
		return 0;
	snprintf(line, LINE_SIZE, "lvchange --quiet --activate y %s/%s", lv->vg, lv->lv);
	split(line, argv);
	return lclone_lvm_look(argv);
}

int lclone_lv_activate_alone(const struct lclone_lv *lv)
{
	return lclone_vg_is_shared(lv->vg) ? lclone_lv_have(lv->vg, lv->lv, true) :
					     lclone_lv_activate(lv);
}
