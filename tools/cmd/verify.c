// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>

#include "basic/text.h"
#include "cmd/commands.h"
#include "offline/verify.h"
#include "ui/output.h"
#include "ui/progress.h"

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	meter_show(ctx, phase, done, total, done == total);
	return interrupted();
}

static struct json_object *names_json(const struct lclone_verify *v, const struct lclone_rot *rot,
				      enum lclone_reads reads)
{
	struct json_object *names = json_object_new_array();
	char name[PATH_MAX];
	size_t i;

	for (i = 0; i < v->disks; i++)
		if (rot->reads[i] == reads)
			json_object_array_add(names, json_object_new_string(
				lclone_text_utf8(name, sizeof(name), v->disk[i])));
	return names;
}

static void print_json(const struct lclone_verify *v)
{
	struct json_object *o = json_object_new_object(), *all = json_object_new_array(), *range;
	char base[PATH_MAX];
	size_t i;

	json_object_object_add(o, "base", json_object_new_string(
		lclone_text_utf8(base, sizeof(base), v->base)));
	json_object_object_add(o, "bytes", json_object_new_uint64(v->bytes));
	json_object_object_add(o, "root_hash", json_object_new_string(v->root));
	for (i = 0; i < v->count; i++) {
		range = json_object_new_object();
		json_object_object_add(range, "start", json_object_new_uint64(v->rot[i].start));
		json_object_object_add(range, "bytes", json_object_new_uint64(v->rot[i].bytes));
		json_object_object_add(range, "read_by", names_json(v, &v->rot[i], LCLONE_READS));
		json_object_object_add(range, "maybe_read_by",
				       names_json(v, &v->rot[i], LCLONE_MAY_READ));
		json_object_array_add(all, range);
	}
	json_object_object_add(o, "rotten", all);
	put_json(o, JSON_C_TO_STRING_PLAIN);
}

static void print_names(const struct lclone_verify *v, const struct lclone_rot *rot,
			enum lclone_reads reads, const char *what)
{
	size_t i, n = 0;

	for (i = 0; i < v->disks; i++)
		if (rot->reads[i] == reads)
			say("%s%s", n++ ? ", " : what, v->disk[i]);
}

static void print(const struct lclone_verify *v)
{
	char size[16];
	u64 bytes = 0;
	size_t i;

	for (i = 0; i < v->count; i++)
		bytes += v->rot[i].bytes;
	if (!v->count) {
		say("%s: all of its %s are as its verity tree says\n", v->base,
		    lclone_size_text(v->bytes, size));
		return;
	}
	say("%s: %llu bytes in %zu ranges are not as its verity tree says, or cannot be read\n",
	    v->base, (unsigned long long)bytes, v->count);
	for (i = 0; i < v->count; i++) {
		const struct lclone_rot *rot = &v->rot[i];

		say("from byte %llu on, %llu bytes", (unsigned long long)rot->start,
		    (unsigned long long)rot->bytes);
		print_names(v, rot, LCLONE_READS, ": read by ");
		print_names(v, rot, LCLONE_MAY_READ, ": maybe read by ");
		say("\n");
	}
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct meter meter;
	struct lclone_watch watch = { .progress = progress, .ctx = &meter };
	struct lclone_verify v;
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_verify, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		json = true;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_verify, "needs a template, a base, or a clone");
	meter_init(&meter, false);
	ret = lclone_verify(argv[optind], &watch, &v);
	meter_hide(&meter);
	if (!ret && json)
		print_json(&v);
	else if (!ret)
		print(&v);
	if (!ret && v.count)
		ret = EXIT_DAMAGED;
	lclone_verify_free(&v);
	return ret;
}

const struct command cmd_verify = {
	.name = "verify",
	.summary = "read all of a base, and compare it with its verity tree",
	.usage =
	"verify [--json] TEMPLATE|BASE|NAME\n\n"
	"Reads all of a base, which may be in use, and compares it with the verity tree that\n"
	"template add, or seal-base, has made; of the clone NAME its base is meant. Prints which\n"
	"ranges are not what they were, and which clones and snapshots read them: those that\n"
	"have written them over are not harmed. The exit code is 6 then.\n\n"
	"  --json  print a JSON object\n",
	.run = run,
};
