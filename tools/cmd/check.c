// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>

#include "clone/base.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/check-delta.h"
#include "ui/options.h"
#include "ui/output.h"

static void report_text(const struct lclone_finding *f, void *ctx)
{
	(void)ctx;
	say("%s: %s\n", lclone_damage_name(f->class), f->text);
}

static void report_json(const struct lclone_finding *f, void *ctx)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "class", json_object_new_string(lclone_damage_name(f->class)));
	json_object_object_add(o, "block", json_object_new_uint64(f->block));
	json_object_object_add(o, "chunk", json_object_new_uint64(f->chunk));
	json_object_object_add(o, "chunks", json_object_new_uint64(f->chunks));
	json_object_object_add(o, "text", json_object_new_string(f->text));
	json_object_array_add(ctx, o);
}

static void add(struct json_object *o, const char *name, u64 value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

static void print_json(struct json_object *findings, const struct lclone_usage *u)
{
	struct json_object *o = json_object_new_object(), *usage = json_object_new_object();

	add(usage, "exceptions", u->exceptions);
	add(usage, "data_chunks", u->data_chunks);
	add(usage, "node_chunks", u->node_chunks);
	add(usage, "nodes", u->nodes);
	add(usage, "written_subchunks", u->written);
	add(usage, "zero_subchunks", u->zero);
	json_object_object_add(o, "findings", findings);
	json_object_object_add(o, "usage", usage);
	put_json(o, JSON_C_TO_STRING_PRETTY);
}

static void tell_stale(const char *why)
{
	say_to(stderr, "lclone: %s; what was committed before is looked at\n", why);
}

static int check(const char *path, struct lclone_file *base, const struct lclone_parents *parents,
		 bool json)
{
	lclone_report_fn report = json ? report_json : report_text;
	struct json_object *findings = json ? json_object_new_array() : NULL;
	struct lclone_usage usage;
	long ret;

	ret = lclone_check_delta(path, base, parents, tell_stale, report, findings, &usage);
	if (ret < 0)
		goto out;
	if (json) {
		print_json(findings, &usage);
		findings = NULL;
	} else if (!ret) {
		say("%s: no damage; %llu exceptions in %llu chunks, %llu nodes in %llu chunks\n",
		    path, (unsigned long long)usage.exceptions,
		    (unsigned long long)usage.data_chunks, (unsigned long long)usage.nodes,
		    (unsigned long long)usage.node_chunks);
	}
	ret = ret ? EXIT_DAMAGED : EXIT_OK;
out:
	json_object_put(findings);
	return ret;
}

static const struct option options[] = {
	{ "base", required_argument, NULL, 'b' },
	PARENT_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_file base_file, *base = NULL;
	struct lclone_parents parents = { 0 };
	const char *base_path = "-";
	bool json = false;
	char path[PATH_MAX];
	int option, ret = 0;

	while ((option = next_option(&cmd_check, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'b':
			base_path = optarg;
			break;
		case 'P':
			ret = lclone_add_parent(&parents, optarg);
			if (ret)
				return ret;
			break;
		case 'j':
			json = true;
			break;
		default:
			return ret;
		}
	}
	if (argc - optind != 1)
		return usage_error(&cmd_check, "needs a delta, or a name");
	ret = lclone_delta_path(argv[optind], path);
	if (ret)
		return ret;
	ret = lclone_open_base(base_path, &base_file, &base);
	if (!ret)
		ret = check(path, base, &parents, json);
	lclone_close_base(base);
	return ret;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "check every invariant of a delta, reading only",
	.usage =
	"check [--base BASE] [--parent LAYER]... [--json] NAME[@SNAPSHOT]|DELTA\n\n"
	"Checks superblocks, log, tree and exceptions of DELTA, and that the layers that it lies\n"
	"on are there and what they were. Changes nothing. DELTA may be active: it is checked as\n"
	"of one moment. Prints what it finds; exit code 0 if that is nothing, 6 if there is\n"
	"damage.\n\n"
	"  --base BASE     check, too, that this is the base\n"
	"  --parent LAYER  a layer that DELTA lies on; those not named are looked for\n"
	"  --json          findings and use of space as a JSON object\n",
	.run = run,
};
