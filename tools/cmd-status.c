// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "lclone.h"

static void print_text(const char *name, const struct lclone_status *s)
{
	printf("%s: %s, %llu of %llu chunks of %u KiB in use (%.1f %%), %llu leaves cached, %llu dirty, %llu commits, %llu checkpoints%s%s\n",
	       name, s->mode, (unsigned long long)s->used, (unsigned long long)s->total,
	       s->chunk_sectors / 2, s->total ? 100.0 * s->used / s->total : 0,
	       (unsigned long long)s->cached_leaves, (unsigned long long)s->dirty_leaves,
	       (unsigned long long)s->commits, (unsigned long long)s->checkpoints,
	       s->full ? ", FULL" : "", s->needs_check ? ", NEEDS CHECK" : "");
	if (s->merge[0])
		printf("%s: %s, %llu chunks merged, %.1f MiB copied, leaf %llu of %llu\n", name,
		       s->merge, (unsigned long long)s->merged_chunks, s->merged_sectors / 2048.0,
		       (unsigned long long)s->merge_leaf, (unsigned long long)s->merge_leaves);
}

static struct json_object *to_json(const char *name, const struct lclone_status *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "mode", json_object_new_string(s->mode));
	json_object_object_add(o, "chunk_sectors", json_object_new_int64(s->chunk_sectors));
	json_object_object_add(o, "used_chunks", json_object_new_uint64(s->used));
	json_object_object_add(o, "total_chunks", json_object_new_uint64(s->total));
	json_object_object_add(o, "cached_leaves", json_object_new_uint64(s->cached_leaves));
	json_object_object_add(o, "dirty_leaves", json_object_new_uint64(s->dirty_leaves));
	json_object_object_add(o, "commits", json_object_new_uint64(s->commits));
	json_object_object_add(o, "checkpoints", json_object_new_uint64(s->checkpoints));
	json_object_object_add(o, "needs_check", json_object_new_boolean(s->needs_check));
	json_object_object_add(o, "full", json_object_new_boolean(s->full));
	if (s->merge[0]) {
		json_object_object_add(o, "merge", json_object_new_string(s->merge));
		json_object_object_add(o, "merged_chunks", json_object_new_uint64(s->merged_chunks));
		json_object_object_add(o, "merged_sectors",
				       json_object_new_uint64(s->merged_sectors));
		json_object_object_add(o, "merge_leaf", json_object_new_uint64(s->merge_leaf));
		json_object_object_add(o, "merge_leaves", json_object_new_uint64(s->merge_leaves));
	}
	return o;
}

static int one(const char *name, struct json_object *array)
{
	struct lclone_status status;
	int err = lclone_dm_status(name, &status);

	if (err)
		return err;
	if (array)
		json_object_array_add(array, to_json(name, &status));
	else
		print_text(name, &status);
	return 0;
}

static int all(struct json_object *array)
{
	struct lclone_clone *clones;
	size_t i, count;
	int err;

	err = lclone_dm_list(&clones, &count);
	for (i = 0; !err && i < count; i++)
		err = one(clones[i].name, array);
	free(clones);
	return err;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct json_object *array = NULL;
	int option, ret = 0, i;
	bool json = false;

	while ((option = next_option(&cmd_status, argc, argv, options, &ret)) != -1) {
		if (option != 'j')
			return ret;
		json = true;
	}
	if (json)
		array = json_object_new_array();
	if (optind == argc)
		ret = all(array);
	for (i = optind; !ret && i < argc; i++)
		ret = one(argv[i], array);
	if (json && !ret)
		puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
	return ret;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "show the state of active clones",
	.usage =
	"status [--json] [NAME]...\n\n"
	"Shows mode, use of space and activity of the clones NAME, or of all.\n\n"
	"  --json  as a JSON array\n",
	.run = run,
};
