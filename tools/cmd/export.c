// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/export.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"

static int find_source(const char *word, struct lclone_word *s)
{
	int err = lclone_word_find(word, s);

	if (!err && s->changes)
		err = lclone_fail(-EBUSY, "%s is active, and changes: take a snapshot, and export that (lclone snapshot %s NAME; lclone export ... %s@NAME FILE)",
				  word, word, word);
	return err;
}

/* What is told of images that were made, at once or as one object */
static void made(void *ctx, const char *file, const char *label, const char *backing)
{
	struct json_object *images = ctx, *o;
	char text[3 * PATH_MAX];

	if (!images) {
		say("%s:%s%s", file, label[0] ? " " : "", label);
		say(backing ? "%s what was changed, on %s\n" : "%s the whole disk\n",
		    label[0] ? "," : "", backing);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "file",
			       json_object_new_string(lclone_text_utf8(text, sizeof(text), file)));
	json_object_object_add(o, "label",
			       json_object_new_string(lclone_text_utf8(text, sizeof(text), label)));
	json_object_object_add(o, "backing", backing ?
			       json_object_new_string(lclone_text_utf8(text, sizeof(text), backing)) :
			       NULL);
	json_object_array_add(images, o);
}

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	meter_show(ctx, phase, done, total, done == total);
	return interrupted();
}

static int run_export(struct lclone_export *e, const struct lclone_word *s,
		      const struct lclone_parents *parents, bool json)
{
	struct json_object *o = json ? json_object_new_object() : NULL;
	struct meter meter;
	const struct lclone_watch watch = { .progress = progress, .ctx = &meter };
	int err;

	if (json) {
		e->ctx = json_object_new_array();
		json_object_object_add(o, "state", json_object_new_string("exported"));
		json_object_object_add(o, "images", e->ctx);
	}
	e->watch = &watch;
	e->made = made;
	meter_init(&meter, json);
	err = lclone_export(e, s->base[0] ? s->base : NULL, s->delta, parents);
	meter_end(&meter);
	if (!err && json)
		put_json(o, JSON_C_TO_STRING_SPACED);
	else
		json_object_put(o);
	return err;
}

static const struct option options[] = {
	{ "format", required_argument, NULL, 'f' },
	{ "backing", required_argument, NULL, 'b' },
	{ "against", required_argument, NULL, 'a' },
	{ "chain", no_argument, NULL, 'c' },
	PARENT_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

struct arguments {
	const char *against;
	struct lclone_parents parents;
	bool json;
};

/* False: the command ends with *ret. */
static bool parse(int argc, char **argv, struct lclone_export *e, struct arguments *a, int *ret)
{
	int option;

	while ((option = next_option(&cmd_export, argc, argv, options, ret)) != -1) {
		switch (option) {
		case 'f':
			e->format = optarg;
			break;
		case 'b':
			e->backing = optarg;
			break;
		case 'a':
			a->against = optarg;
			break;
		case 'c':
			e->chain = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'P':
			*ret = lclone_add_parent(&a->parents, optarg);
			break;
		default:
			return false;
		}
		if (*ret)
			return false;
	}
	return true;
}

static int check(const struct lclone_export *e, const struct arguments *a, int words)
{
	if (!e->format)
		return usage_error(&cmd_export, "needs a --format: qcow2, vmdk or raw");
	if (strcmp(e->format, "qcow2") && strcmp(e->format, "vmdk") && strcmp(e->format, "raw"))
		return usage_error(&cmd_export, "\"%s\" is no format that is written: qcow2, vmdk or raw",
				   e->format);
	if (!e->backing && (e->chain || a->against))
		return usage_error(&cmd_export, "--chain and --against need the image that it is to lie on: --backing");
	if (words != 2 && words != 3)
		return usage_error(&cmd_export, "needs a name, or a base (or -) and a delta, and a file to make");
	return 0;
}

static int run(int argc, char **argv)
{
	static struct lclone_word source, against;
	struct lclone_export e = { .format = NULL };
	struct arguments a = { .against = NULL };
	int words, ret = 0;

	if (!parse(argc, argv, &e, &a, &ret))
		return ret;
	argv += optind;
	words = argc - optind;
	ret = check(&e, &a, words);
	if (ret)
		return ret;
	e.file = argv[words - 1];
	ret = find_source(argv[words - 2], &source);
	if (words == 3)
		snprintf(source.base, sizeof(source.base), "%s", argv[0]);
	if (!ret && a.against)
		ret = find_source(a.against, &against);
	if (ret)
		return ret;
	if (a.against)
		e.against = against.delta;
	if (!e.backing && !source.base[0])
		return lclone_fail(-ENOENT, "the base of %s is not known: name it, and the delta",
				   argv[0]);
	return run_export(&e, &source, &a.parents, a.json);
}

const struct command cmd_export = {
	.name = "export",
	.summary = "write a clone or a snapshot to images of qcow2, VMDK or raw",
	.usage =
	"export --format qcow2|vmdk|raw NAME|NAME@SNAPSHOT FILE\n"
	"       lclone export --format qcow2|vmdk|raw [--parent LAYER]... BASE|- DELTA FILE\n"
	"       lclone export --format qcow2 --backing IMAGE [--against LAYER | --chain]\n"
	"                     [--parent LAYER]... NAME|NAME@SNAPSHOT|[BASE] DELTA FILE\n\n"
	"Writes an image to FILE, which must not be there yet. The first two write the whole\n"
	"disk; blocks that are zero take no space. The third writes an overlay on IMAGE, which\n"
	"has what the base has: only what was changed, in the same ranges. The clone must not\n"
	"be active: take a snapshot of one that is, and export that.\n\n"
	"  --format FORMAT  of the image\n"
	"  --backing IMAGE  what the overlay lies on: a raw image, or in any format that the\n"
	"                   command template takes. It must have the content of the base, which\n"
	"                   is compared by samples; it may be shorter if the base is known, and\n"
	"                   has zeros there\n"
	"  --against LAYER  only what was changed since LAYER, a snapshot or a delta that it lies\n"
	"                   on; then IMAGE must have the content of that, which is not looked at\n"
	"  --chain          each layer becomes an overlay of its own: FILE of the uppermost lies\n"
	"                   on FILE.2, as disk.2.qcow2, that on FILE.1, and that on IMAGE\n"
	"  --parent LAYER   a layer that DELTA lies on; those not named are looked for\n"
	"  --json           progress and result as JSON\n",
	.run = run,
};
