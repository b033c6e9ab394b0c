// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "cmd/commands.h"
#include "offline/template.h"
#include "online/import-name.h"
#include "ui/format.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"

struct arguments {
	struct lclone_import_from from;
	const char *base, *vg, *label;
	struct lclone_parents layers, to;
	struct lclone_features features;
	u64 delta_sectors;
	u32 chunk_sectors;
	bool force, host, json;
	struct meter meter;
};

static const struct option options[] = {
	FEATURE_OPTIONS,
	{ "base", required_argument, NULL, 'b' },
	{ "backing", required_argument, NULL, 'B' },
	{ "chain", no_argument, NULL, 'C' },
	{ "trust-base", no_argument, NULL, 'T' },
	{ "to", required_argument, NULL, 'o' },
	PARENT_OPTION,
	{ "vg", required_argument, NULL, 'V' },
	{ "delta-size", required_argument, NULL, 'S' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	{ "force", no_argument, NULL, 'f' },
	HOST_OPTION,
	ASSUME_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	struct arguments *a = ctx;

	meter_show(&a->meter, phase, done, total, done == total);
	return interrupted();
}

/* Where a file, or (NULL) all of it, has come to: as what, @state says. */
static void print_object(const char *state, const char *file, const char *path)
{
	struct json_object *o = json_object_new_object();
	char text[4 * PATH_MAX];

	json_object_object_add(o, "state", json_object_new_string(state));
	if (file)
		json_object_object_add(o, "file", json_object_new_string(
				       lclone_text_utf8(text, sizeof(text), file)));
	json_object_object_add(o, "device", json_object_new_string(path));
	put_json(o, JSON_C_TO_STRING_SPACED);
}

static void tell_snapshots(const struct lclone_image_file *file)
{
	if (file->snapshots)
		fprintf(stderr, "%s: has %u snapshots inside, which are left out: what it is now is imported\n",
			file->path, file->snapshots);
}

static void tell_layer(void *ctx, const struct lclone_image_file *file, const char *path, bool made)
{
	struct arguments *a = ctx;

	meter_hide(&a->meter);
	tell_snapshots(file);
	if (a->json)
		print_object(made ? "layer" : "shared layer", file->path, path);
	else
		say("%s: a layer with what %s has%s\n", path, file->path,
		    made ? "" : ", which was there");
}

static void tell_device(void *ctx, const struct lclone_image_file *file, const char *path,
			const struct lclone_sb *sb)
{
	struct arguments *a = ctx;

	if (!sb || sb->state & LCLONE_STATE_SEALED) {
		tell_layer(ctx, file, path, sb);
		return;
	}
	meter_hide(&a->meter);
	tell_snapshots(file);
	if (a->json)
		print_object("delta", file->path, path);
	else
		say("%s: the delta of a clone of %s, with what %s has\n", path,
		    LCLONE_SIZE(sb->virtual_sectors), file->path);
}

static void tell_opened(void *ctx, const char *name, const struct lclone_lv *lv)
{
	struct arguments *a = ctx;
	char path[LCLONE_LV_PATH_SIZE];

	meter_hide(&a->meter);
	lclone_lv_path(lv, path);
	if (a->json)
		print_object("opened", NULL, path);
	else
		say("%s: /dev/mapper/%s, its delta is %s/%s\n", name, name, lv->vg, lv->lv);
}

static int refuse_overlay(const struct arguments *a)
{
	static struct lclone_image_chain images;
	struct stat st;
	int err = 0;

	if (stat(a->from.file, &st) || !S_ISREG(st.st_mode))
		return 0;
	err = lclone_image_chain_open(&images, a->from.file, &a->from.backing,
				      LCLONE_IMAGES_ONE);
	if (!err && images.file[0].overlay)
		err = lclone_fail(-ERANGE, "%s lies on another image: make a template of that, and say here which one it is (--base)",
				  a->from.file);
	lclone_image_chain_close(&images);
	return err;
}

/* An image of its own */
static int to_template(struct arguments *a, const char *name, const struct lclone_watch *watch)
{
	struct lclone_lv lv, tree;
	char size[16], path[LCLONE_LV_PATH_SIZE];
	int err = refuse_overlay(a) ?:
		  lclone_template_add(name, a->from.file, false, a->vg, watch, &lv, &tree);

	meter_hide(&a->meter);
	if (err)
		return err;
	lclone_lv_path(&lv, path);
	if (a->json)
		print_object("template", a->from.file, path);
	else
		say("%s: a template of %s, read-only, on %s/%s\n", name,
		    lclone_size_text(lv.sectors << 9, size), lv.vg, lv.lv);
	return 0;
}

static int to_name(struct arguments *a, const char *name, const struct lclone_watch *watch)
{
	const struct lclone_import_name import = {
		.from = &a->from, .name = name, .template = a->base, .vg = a->vg,
		.delta_sectors = a->delta_sectors, .chunk_sectors = a->chunk_sectors,
		.features = &a->features, .host = a->host, .watch = watch, .told = tell_layer,
		.opened = tell_opened, .ctx = a,
	};

	return lclone_import_by_name(&import);
}

static int to_devices(struct arguments *a, const struct lclone_watch *watch)
{
	const struct lclone_import_to import = {
		.from = &a->from, .base = a->base, .layers = a->layers, .to = a->to,
		.label = a->label, .chunk_sectors = a->chunk_sectors, .force = a->force,
		.watch = watch, .told = tell_device, .ctx = a,
	};

	return lclone_import_to(&import);
}

static int parse(struct arguments *a, int option, const char *value)
{
	u64 chunk;
	int ret;

	switch (option) {
	case 'b':
		a->base = value;
		return 0;
	case 'B':
		return lclone_add_image_name(&a->from.backing, value);
	case 'C':
		a->from.chain = true;
		return 0;
	case 'T':
		a->from.trust_base = true;
		return 0;
	case 'o':
		return lclone_add_parent(&a->to, value);
	case 'P':
		return lclone_add_parent(&a->layers, value);
	case 'V':
		a->vg = value;
		return 0;
	case 'S':
		return parse_size(value, &a->delta_sectors);
	case 'c':
		ret = parse_size(value, &chunk);
		a->chunk_sectors = chunk > LCLONE_CHUNK_SECTORS_MAX ? UINT32_MAX : chunk;
		return ret;
	case 'l':
		a->label = value;
		return 0;
	case 'f':
		a->force = true;
		return 0;
	case 'H':
		a->host = true;
		return 0;
	case 'A':
		lclone_assume_no_other_clones();
		return 0;
	case 'j':
		a->json = true;
		return 0;
	default:
		ret = parse_feature_option(&a->features, option, value);
		return ret < 0 ? ret : 0;
	}
}

static int refuse_options(const struct arguments *a, int words)
{
	const bool devices = a->to.count;

	if (words != (devices ? 1 : 2))
		return usage_error(&cmd_import, devices ? "--to needs one file" :
				   "needs a file and a name, or a file and --to");
	if (!a->base && (devices || a->from.chain || a->from.trust_base || a->from.backing.count))
		return usage_error(&cmd_import, "an overlay needs a base: --base");
	if (!a->base && !a->vg)
		return usage_error(&cmd_import, "a template needs a volume group (--vg), and an overlay a base (--base)");
	if (devices && (a->vg || a->delta_sectors || a->host))
		return usage_error(&cmd_import, "--vg, --delta-size and --host go with a name, and not with --to");
	if (!devices && (a->layers.count || a->label || a->force))
		return usage_error(&cmd_import, "--parent, --label and --force go with --to");
	if (!a->base && (a->delta_sectors || a->chunk_sectors || a->host))
		return usage_error(&cmd_import, "a template takes no option but --vg and --json");
	return 0;
}

static int run(int argc, char **argv)
{
	static struct arguments a;
	const struct lclone_watch watch = { .progress = progress, .ctx = &a };
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_import, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		ret = parse(&a, option, optarg);
		if (ret)
			return ret;
	}
	argv += optind;
	ret = refuse_options(&a, argc - optind);
	if (ret)
		return ret;
	a.from.file = argv[0];
	meter_init(&a.meter, a.json);
	a.meter.named = true;
	ret = a.to.count ? to_devices(&a, &watch) : a.base ? to_name(&a, argv[1], &watch) :
	      to_template(&a, argv[1], &watch);
	meter_end(&a.meter);
	return ret;
}

const struct command cmd_import = {
	.name = "import",
	.summary = "take the images of others: a template, a clone, a chain",
	.usage =
	"import FILE NAME --vg VG\n"
	"       lclone import [OPTION]... --base TEMPLATE [--chain] FILE NAME\n"
	"       lclone import [OPTION]... --base BASE [--chain] --to DEVICE... FILE\n\n"
	"The first makes a template of an image that lies on no other, as lclone template add\n"
	"does. The others make a clone of an overlay (qcow2, vmdk, vhd), on a base that has what\n"
	"the file has that the overlay lies on: only what the overlay has itself is read and\n"
	"written. The second makes all that the clone needs, as lclone create --from does; the\n"
	"third writes a delta to a device, or a file, that is there.\n\n"
	"  --base BASE       a template by its name, or with --to a device\n"
	"  --chain           FILE may lie on other overlays: each becomes a sealed layer. One that\n"
	"                    another clone has already is shared, after all of it was compared\n"
	"  --trust-base      do not compare the base with the backing file\n"
	"  --backing FILE    a file that FILE lies on, if it is in another folder, or was moved;\n"
	"                    repeat it for each\n"
	"  --to DEVICE       for the delta; with --chain for each layer, too, the lowest first\n"
	"  --parent LAYER    with --to, for the lowest overlays: a layer that is there, repeat it\n"
	"                    for each, the lowest first\n"
	"  --vg VG           the group for volumes (that of the template)\n"
	"  --delta-size SIZE the size of the delta's volume (what it needs, and 1G)\n"
	"  --chunk-size SIZE unit of allocation, a power of two from 8K to 2M (64K)\n"
	"  --label TEXT      with --to: a name to keep in the delta's superblock\n"
	"  --force           with --to: overwrite what is on DEVICE\n"
	ASSUME_USAGE
	HOST_USAGE
	FEATURE_USAGE
	"  --json            progress and what was made as JSON, a line for each\n",
	.run = run,
};
