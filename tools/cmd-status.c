// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lclone.h"
#include "progress.h"

/* With --watch, how the task has been going since the watch began */
struct pace {
	u64 done, total;
	double rate, left;
};

static void print_text(const char *name, const struct lclone_status *s, const struct pace *p)
{
	printf("%s: %s, %llu of %llu chunks of %u KiB in use (%.1f %%), %llu leaves cached, %llu dirty, %llu commits, %llu checkpoints%s%s\n",
	       name, s->mode, (unsigned long long)s->used, (unsigned long long)s->total,
	       s->chunk_sectors / 2, s->total ? 100.0 * s->used / s->total : 0,
	       (unsigned long long)s->cached_leaves, (unsigned long long)s->dirty_leaves,
	       (unsigned long long)s->commits, (unsigned long long)s->checkpoints,
	       s->full ? ", FULL" : "", s->needs_check ? ", NEEDS CHECK" : "");
	if (!s->task[0])
		return;
	printf("%s: %s, %llu chunks done, %.1f MiB copied of about %.1f, leaf %llu of %llu", name,
	       s->task, (unsigned long long)s->task_chunks, p->done / 1048576.0,
	       p->total / 1048576.0, (unsigned long long)s->task_at,
	       (unsigned long long)s->task_end);
	if (p->rate > 0)
		printf(", %.1f MiB/s, %.0f s left", p->rate / 1048576, p->left);
	putchar('\n');
}

static struct json_object *task_to_json(const struct lclone_status *s, const struct pace *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "state", json_object_new_string(s->task));
	json_object_object_add(o, "chunks", json_object_new_uint64(s->task_chunks));
	json_object_object_add(o, "done_bytes", json_object_new_uint64(p->done));
	json_object_object_add(o, "total_bytes", json_object_new_uint64(p->total));
	json_object_object_add(o, "leaf", json_object_new_uint64(s->task_at));
	json_object_object_add(o, "leaves", json_object_new_uint64(s->task_end));
	if (p->rate > 0) {
		json_object_object_add(o, "bytes_per_second", json_object_new_double(p->rate));
		json_object_object_add(o, "seconds_left", json_object_new_double(p->left));
	}
	return o;
}

static struct json_object *to_json(const char *name, const struct lclone_status *s,
				   const struct pace *p)
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
	if (s->task[0])
		json_object_object_add(o, "task", task_to_json(s, p));
	return o;
}

static int one(const char *name, struct json_object *array)
{
	struct lclone_status status;
	struct pace pace = { .rate = 0 };
	int err = lclone_dm_status(name, &status);

	if (err)
		return err;
	lclone_task_progress(&status, &pace.done, &pace.total);
	if (array)
		json_object_array_add(array, to_json(name, &status, &pace));
	else
		print_text(name, &status, &pace);
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

static void print_json(struct json_object *o, int how)
{
	puts(json_object_to_json_string_ext(o, how | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void show(const char *name, bool json, const struct lclone_status *status,
		 const struct pace *pace)
{
	if (json)
		print_json(to_json(name, status, pace), JSON_C_TO_STRING_PLAIN);
	else
		print_text(name, status, pace);
	fflush(stdout);
}

/* Until the task, if there is one, ends, or has ended in that the clone became something else. */
static int watch(const char *name, unsigned int seconds, bool json)
{
	const struct timespec wait = { .tv_sec = seconds };
	struct lclone_status status;
	bool runs = false;
	struct meter meter;
	struct pace pace;
	int err;

	meter_init(&meter, json);
	while (!interrupted()) {
		err = lclone_dm_status(name, &status);
		if (err == -ENOTTY && runs)
			return 0;
		if (err)
			return err;
		lclone_task_progress(&status, &pace.done, &pace.total);
		if (!runs)
			meter_start(&meter, pace.done);
		meter_rate(&meter, pace.done, pace.total, &pace.rate, &pace.left);
		show(name, json, &status, &pace);
		if (!lclone_task_runs(&status) && (runs || status.task[0]))
			return 0;
		runs = lclone_task_runs(&status);
		nanosleep(&wait, NULL);
	}
	return 0;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct json_object *array = NULL;
	int option, ret = 0, i;
	bool json = false;
	u64 seconds = 0;

	while ((option = next_option(&cmd_status, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'j')
			json = true;
		else if (lclone_parse_u64(optarg ?: "1", 86400, &seconds) || !seconds)
			return usage_error(&cmd_status, "--watch takes a number of seconds");
	}
	if (seconds) {
		if (argc - optind != 1)
			return usage_error(&cmd_status, "--watch needs the name of one clone");
		return watch(argv[optind], seconds, json);
	}
	if (json)
		array = json_object_new_array();
	if (optind == argc)
		ret = all(array);
	for (i = optind; !ret && i < argc; i++)
		ret = one(argv[i], array);
	if (json && !ret)
		print_json(array, JSON_C_TO_STRING_PRETTY);
	else
		json_object_put(array);
	return ret;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "show the state of active clones",
	.usage =
	"status [--json] [NAME]...\n"
	"       lclone status --watch[=SECONDS] [--json] NAME\n\n"
	"Shows mode, use of space and activity of the clones NAME, or of all, and how far a\n"
	"merge or flatten is.\n\n"
	"  --watch[=SECONDS]  again and again (each second), until a merge or flatten has ended\n"
	"  --json             as a JSON array; with --watch an object on each line\n",
	.run = run,
};
