// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "host/device.h"
#include "ui/output.h"

static int by_base(const void *pa, const void *pb)
{
	const struct lclone_clone *a = pa, *b = pb;
	int ret = strcmp(a->table.base, b->table.base);

	return ret ?: strcmp(a->name, b->name);
}

static void print_text(const struct lclone_clone *clones, size_t count)
{
	const char *last = "";
	char name[PATH_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(last, clones[i].table.base)) {
			lclone_name_of(clones[i].table.base, name);
			printf("%s\n", name);
			last = clones[i].table.base;
		}
		lclone_name_of(clones[i].table.delta, name);
		printf("  %s: delta %s, %llu MiB%s%s\n", clones[i].name, name,
		       (unsigned long long)clones[i].sectors >> 11,
		       clones[i].read_only ? ", read-only" : "",
		       clones[i].suspended ? ", suspended" : "");
	}
}

static struct json_object *clone_to_json(const struct lclone_clone *clone)
{
	struct json_object *o = json_object_new_object();
	char name[PATH_MAX];

	json_object_object_add(o, "name", json_object_new_string(clone->name));
	lclone_name_of(clone->table.delta, name);
	json_object_object_add(o, "delta", json_object_new_string(name));
	json_object_object_add(o, "sectors", json_object_new_uint64(clone->sectors));
	json_object_object_add(o, "read_only", json_object_new_boolean(clone->read_only));
	json_object_object_add(o, "suspended", json_object_new_boolean(clone->suspended));
	return o;
}

static void print_json(const struct lclone_clone *clones, size_t count)
{
	struct json_object *bases = json_object_new_array(), *base, *list = NULL;
	const char *last = "";
	char name[PATH_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(last, clones[i].table.base)) {
			lclone_name_of(clones[i].table.base, name);
			base = json_object_new_object();
			list = json_object_new_array();
			json_object_object_add(base, "base", json_object_new_string(name));
			json_object_object_add(base, "clones", list);
			json_object_array_add(bases, base);
			last = clones[i].table.base;
		}
		json_object_array_add(list, clone_to_json(&clones[i]));
	}
	put_json(bases, JSON_C_TO_STRING_PRETTY);
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_inventory inv = { .count = 0 };
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_list, argc, argv, options, &ret)) != -1) {
		if (option != 'j')
			return ret;
		json = true;
	}
	if (optind != argc)
		return usage_error(&cmd_list, "takes no arguments");
	ret = lclone_inventory_ask_clones(&inv);
	if (!ret && inv.clone_count)
		qsort(inv.clones, inv.clone_count, sizeof(*inv.clones), by_base);
	if (!ret && json)
		print_json(inv.clones, inv.clone_count);
	else if (!ret)
		print_text(inv.clones, inv.clone_count);
	if (!ret)
		tell_unseen(&inv);
	lclone_inventory_free(&inv);
	return ret;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "show which active clones use which base",
	.usage =
	"list [--json]\n\n"
	"Shows the bases in use and the active clones of each. A base \"-\" is none.\n\n"
	"  --json  as a JSON array\n",
	.run = run,
};
