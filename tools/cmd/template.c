// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/seal.h"
#include "cmd/commands.h"
#include "offline/template.h"
#include "ui/confirm.h"
#include "ui/output.h"
#include "ui/progress.h"

struct arguments {
	const char *vg;
	bool yes, dry_run, json, other_files;
};

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	static const char *before;

	if (!before || strcmp(before, phase))	/* it is copied, and then hashed */
		meter_start(ctx, done);
	before = phase;
	meter_show(ctx, phase, done, total, done == total);
	return interrupted();
}

static int add(const char *name, const char *image, const struct arguments *a)
{
	struct meter meter;
	struct lclone_watch watch = { .progress = progress, .ctx = &meter };
	struct lclone_lv lv, tree;
	char size[16];
	int err;

	meter_init(&meter, false);
	meter.named = true;
	err = lclone_template_add(name, image, a->other_files, a->vg, &watch, &lv, &tree);
	meter_end(&meter);
	if (err)
		return err;
	say("%s: a template of %s, read-only, on %s/%s\n", name,
	    lclone_size_text(lv.sectors << 9, size), lv.vg, lv.lv);
	if (tree.lv[0])
		say("%s: sealed, its verity tree is on %s/%s\n", name, tree.vg, tree.lv);
	else
		say_to(stderr, "%s: not sealed (lclone seal-base): %s\n", name, lclone_why());
	return 0;
}

static size_t clones_of(const char *name, const struct lclone_lv *lvs, size_t count)
{
	size_t i, clones = 0;

	for (i = 0; i < count; i++)
		clones += lvs[i].kind == LCLONE_LV_DELTA && !strcmp(lvs[i].from, name);
	return clones;
}

static void add_json(struct json_object *all, const struct lclone_lv *lv,
		     const struct lclone_lv *tree, size_t clones)
{
	struct json_object *o = json_object_new_object();
	char path[LCLONE_LV_PATH_SIZE];

	lclone_lv_path(lv, path);
	json_object_object_add(o, "name", json_object_new_string(lv->name));
	json_object_object_add(o, "device", json_object_new_string(path));
	json_object_object_add(o, "bytes", json_object_new_int64(lv->sectors << 9));
	json_object_object_add(o, "clones", json_object_new_int64(clones));
	json_object_object_add(o, "whole",
			       json_object_new_boolean(lv->kind == LCLONE_LV_BASE));
	if (tree && tree->root[0]) {
		lclone_lv_path(tree, path);
		json_object_object_add(o, "verity", json_object_new_string(path));
		json_object_object_add(o, "root_hash", json_object_new_string(tree->root));
	}
	json_object_array_add(all, o);
}

static void print(const struct lclone_lv *lv, const struct lclone_lv *tree, size_t clones)
{
	char size[16];

	printf("%-20s %10s %7zu  %s/%s", lv->name, lclone_size_text(lv->sectors << 9, size),
	       clones, lv->vg, lv->lv);
	if (tree)
		printf(", %s/%s%s", tree->vg, tree->lv, tree->root[0] ? "" : " (not whole)");
	printf("%s\n",
	       lv->kind == LCLONE_LV_FILLING ? "  not whole: being made, or left over" : "");
}

static int list(const struct arguments *a)
{
	struct json_object *all = a->json ? json_object_new_array() : NULL;
	const struct lclone_lv *tree;
	struct lclone_lv *lvs;
	size_t count, i, clones;
	int err;

	err = lclone_lv_list(&lvs, &count);
	if (!err && !a->json)
		printf("%-20s %10s %7s  %s\n", "NAME", "SIZE", "CLONES", "VOLUME");
	for (i = 0; !err && i < count; i++) {
		if (!lclone_lv_is_base(&lvs[i]))
			continue;
		clones = clones_of(lvs[i].name, lvs, count);
		tree = lclone_seal_in(lvs, count, &lvs[i]);
		if (a->json)
			add_json(all, &lvs[i], tree, clones);
		else
			print(&lvs[i], tree, clones);
	}
	if (!err && a->json)
		put_json(json_object_get(all), JSON_C_TO_STRING_PLAIN);
	json_object_put(all);
	free(lvs);
	return err;
}

static int remove_template(const char *name, const struct arguments *a)
{
	struct lclone_lv lv;
	int err;

	err = lclone_template_find_any(name, &lv) ?: lclone_template_may_go(&lv);
	if (err)
		return err;
	if (a->dry_run) {
		say("%s: would be removed, with the volume %s/%s\n", name, lv.vg, lv.lv);
		return 0;
	}
	err = a->yes ? 0 : confirm("remove the template %s, with the volume %s/%s", name, lv.vg,
				   lv.lv);
	err = err ?: lclone_template_remove(&lv);
	if (!err)
		say("%s: removed, with the volume %s/%s\n", name, lv.vg, lv.lv);
	return err;
}

static const struct option options[] = {
	{ "vg", required_argument, NULL, 'V' },
	{ "other-files", no_argument, NULL, 'o' },
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct arguments a = { .vg = NULL };
	int option, ret = 0;
	const char *verb;

	while ((option = next_option(&cmd_template, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'V':
			a.vg = optarg;
			break;
		case 'o':
			a.other_files = true;
			break;
		case 'y':
			a.yes = true;
			break;
		case 'n':
			a.dry_run = true;
			break;
		case 'j':
			a.json = true;
			break;
		default:
			return ret;
		}
	}
	argv += optind;
	argc -= optind;
	verb = argc ? argv[0] : "";
	if (!strcmp(verb, "add") && argc == 3 && a.vg && !a.yes && !a.dry_run && !a.json)
		return add(argv[1], argv[2], &a);
	if (!strcmp(verb, "list") && argc == 1 && !a.vg && !a.other_files && !a.yes && !a.dry_run)
		return list(&a);
	if (!strcmp(verb, "remove") && argc == 2 && !a.vg && !a.other_files && !a.json)
		return remove_template(argv[1], &a);
	return usage_error(&cmd_template, "needs add NAME IMAGE --vg VG, list, or remove NAME");
}

const struct command cmd_template = {
	.name = "template",
	.summary = "make, list and remove bases that have names",
	.usage =
	"template add [--other-files] NAME IMAGE|DEVICE --vg VG\n"
	"       lclone template list [--json]\n"
	"       lclone template remove [--yes] [--dry-run] NAME\n\n"
	"The first makes the logical volume NAME in VG, with what the image of a disk has, and\n"
	"sets it read-only: clones can be made of it by its name (lclone create --from). It is\n"
	"sealed, too, as by lclone seal-base, by the volume NAME-verity beside it. An\n"
	"image is raw, or qcow2, vmdk, vhd or vhdx, which qemu-img reads. The last removes a\n"
	"template that has no clones, with its volumes.\n\n"
	"  --vg VG        the volume group\n"
	"  --other-files  the image may name other files that it lies on, as an overlay does\n"
	"  --yes          do not ask\n"
	"  --dry-run      only say what would be removed\n"
	"  --json         print an array of JSON objects\n",
	.run = run,
};
