// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "clone/verified.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "ui/clones.h"
#include "ui/output.h"
#include "ui/progress.h"

/* With --watch, how the task has been going since the watch began */
struct pace {
	u64 done, total;
	double rate, left;
};

static struct {
	bool json;
	bool verbose;		/* what only concerns who looks into the kernel's part, too */
	bool redraws;		/* on a terminal, over what was shown before */
	int lines;		/* that were */
} how;

static u64 bytes_of(const struct lclone_status *s, u64 chunks)
{
	return chunks * s->chunk_sectors * 512;
}

static void end_line(void)
{
	fputs(how.redraws ? "\033[K\n" : "\n", stdout);
	how.lines++;
}

static void print_verbose(const struct lclone_clone *clone, const struct lclone_status *s)
{
	const char *owner = clone->table.features.owner;

	printf(", %llu of %llu chunks of %u KiB, %llu leaves cached, %llu dirty, %llu commits, %llu checkpoints",
	       (unsigned long long)s->used, (unsigned long long)s->total, s->chunk_sectors / 2,
	       (unsigned long long)s->cached_leaves, (unsigned long long)s->dirty_leaves,
	       (unsigned long long)s->commits, (unsigned long long)s->checkpoints);
	if (owner[0])
		say(", noted as open on %.*s", (int)strcspn(owner, "/"), owner);
}

static void print_task(const char *name, const struct lclone_status *s, const struct pace *p)
{
	char done[16], total[16], rate[16];

	say("%s: %s, %s copied of about %s", name, s->task, lclone_size_text(p->done, done),
	    lclone_size_text(p->total, total));
	if (how.verbose)
		printf(", %llu chunks, leaf %llu of %llu", (unsigned long long)s->task_chunks,
		       (unsigned long long)s->task_at, (unsigned long long)s->task_end);
	if (p->rate > 0)
		printf(", %s/s, %.0f s left", lclone_size_text(p->rate, rate), p->left);
	end_line();
}

static void print_text(const struct lclone_clone *clone, const struct lclone_status *s,
		       const struct pace *p)
{
	const enum lclone_base_state base = lclone_base_state(clone->table.base);
	char used[16], total[16];

	if (how.redraws && how.lines)
		printf("\033[%dA", how.lines);
	how.lines = 0;
	say("%s: %s, %s of %s in use (%.1f %%)", clone->name, s->mode,
	    lclone_size_text(bytes_of(s, s->used), used),
	    lclone_size_text(bytes_of(s, s->total), total),
	    s->total ? 100.0 * s->used / s->total : 0);
	if (how.verbose)
		print_verbose(clone, s);
	printf("%s%s%s", clone->suspended ? ", SUSPENDED" : "", s->full ? ", FULL" : "",
	       s->needs_check ? ", NEEDS CHECK" : "");
	if (base != LCLONE_BASE_PLAIN)
		printf(base == LCLONE_BASE_CORRUPT ? ", BASE CORRUPT" : ", base verified");
	end_line();
	if (base == LCLONE_BASE_CORRUPT) {
		say("%s: its base is not what its verity tree says: \"lclone verify %s\" finds where",
		    clone->name, clone->name);
		end_line();
	}
	if (s->task[0])
		print_task(clone->name, s, p);
	if (how.redraws)
		fputs("\033[J", stdout);
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

/* The name of the host; null: there is no note */
static void add_owner(struct json_object *o, const char *owner)
{
	json_object_object_add(o, "owner", owner[0] ?
			       json_object_new_string_len(owner, strcspn(owner, "/")) : NULL);
}

static struct json_object *to_json(const struct lclone_clone *clone,
				   const struct lclone_status *s, const struct pace *p)
{
	static const char *const states[] = {
		[LCLONE_BASE_PLAIN] = "no",
		[LCLONE_BASE_VERIFIED] = "yes",
		[LCLONE_BASE_CORRUPT] = "corrupt",
	};
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(clone->name));
	json_object_object_add(o, "mode", json_object_new_string(s->mode));
	json_object_object_add(o, "suspended", json_object_new_boolean(clone->suspended));
	json_object_object_add(o, "size_bytes", json_object_new_uint64(clone->sectors * 512));
	json_object_object_add(o, "used_bytes", json_object_new_uint64(bytes_of(s, s->used)));
	json_object_object_add(o, "total_bytes", json_object_new_uint64(bytes_of(s, s->total)));
	json_object_object_add(o, "chunk_sectors", json_object_new_int64(s->chunk_sectors));
	json_object_object_add(o, "used_chunks", json_object_new_uint64(s->used));
	json_object_object_add(o, "total_chunks", json_object_new_uint64(s->total));
	json_object_object_add(o, "cached_leaves", json_object_new_uint64(s->cached_leaves));
	json_object_object_add(o, "dirty_leaves", json_object_new_uint64(s->dirty_leaves));
	json_object_object_add(o, "commits", json_object_new_uint64(s->commits));
	json_object_object_add(o, "checkpoints", json_object_new_uint64(s->checkpoints));
	json_object_object_add(o, "needs_check", json_object_new_boolean(s->needs_check));
	json_object_object_add(o, "full", json_object_new_boolean(s->full));
	add_owner(o, clone->table.features.owner);
	json_object_object_add(o, "base_verified",
			       json_object_new_string(states[lclone_base_state(clone->table.base)]));
	if (s->task[0])
		json_object_object_add(o, "task", task_to_json(s, p));
	return o;
}

static int look(const char *name, struct lclone_clone *clone, struct lclone_status *status)
{
	int err = lclone_dm_get(name, clone);

	return err ?: lclone_dm_status(name, status);
}

static struct json_object *resting_to_json(const char *name, const char *mode,
					   const struct lclone_sb *sb, u64 used)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "mode", json_object_new_string(mode));
	json_object_object_add(o, "size_bytes", json_object_new_uint64(sb->virtual_sectors * 512));
	json_object_object_add(o, "used_bytes", json_object_new_uint64(used));
	json_object_object_add(o, "total_bytes", json_object_new_uint64(sb->device_sectors * 512));
	json_object_object_add(o, "chunk_sectors", json_object_new_int64(sb->chunk_sectors));
	json_object_object_add(o, "needs_check",
			       json_object_new_boolean(sb->state & LCLONE_STATE_NEEDS_CHECK));
	add_owner(o, lclone_is_owned(sb) ? sb->owner : "");
	json_object_object_add(o, "owned_since", json_object_new_uint64(sb->owned_since));
	return o;
}

/* A clone that is not active, or a snapshot: what its superblock says */
static int resting(const char *name, struct json_object *array)
{
	char path[PATH_MAX], text[16], total[16], owner[LCLONE_OWNER_TEXT_SIZE];
	struct lclone_sb sb;
	const char *mode;
	u64 used;
	int err;

	err = lclone_delta_path(name, path);
	if (!err && !strcmp(path, name))
		err = lclone_fail(-ENXIO, "there is no clone %s", name);
	err = err ?: lclone_sb_of(path, &sb);
	if (err)
		return err;
	mode = sb.state & LCLONE_STATE_SEALED ? "sealed" : "inactive";
	used = (u64)(sb.hwm - sb.first_chunk - sb.freed) * sb.chunk_sectors * 512;
	if (array) {
		json_object_array_add(array, resting_to_json(name, mode, &sb, used));
		return 0;
	}
	say("%s: %s, %s of %s in use (%.1f %%)%s%s%s\n", name, mode, lclone_size_text(used, text),
	    lclone_size_text(sb.device_sectors * 512, total),
	    sb.device_sectors ? 100.0 * used / (sb.device_sectors * 512) : 0,
	    sb.state & LCLONE_STATE_NEEDS_CHECK ? ", NEEDS CHECK" : "",
	    lclone_is_owned(&sb) ? ", OPEN ON " : "", lclone_owner_text(&sb, owner));
	return 0;
}

static int one(const char *name, struct json_object *array)
{
	static struct lclone_clone clone;
	struct lclone_status status;
	struct pace pace = { .rate = 0 };
	int err = look(name, &clone, &status);

	if (err)
		return err == -ENXIO ? resting(name, array) : err;
	lclone_task_progress(&status, &pace.done, &pace.total);
	if (array)
		json_object_array_add(array, to_json(&clone, &status, &pace));
	else
		print_text(&clone, &status, &pace);
	return 0;
}

static int all(struct json_object *array)
{
	struct lclone_inventory inv = { .count = 0 };
	size_t i;
	int err;

	err = lclone_inventory_ask_clones(&inv);
	for (i = 0; !err && i < inv.clone_count; i++)
		err = one(inv.clones[i].name, array);
	if (!err)
		tell_unseen(&inv);
	lclone_inventory_free(&inv);
	return err;
}

static void show(const struct lclone_clone *clone, const struct lclone_status *status,
		 const struct pace *pace)
{
	if (how.json)
		put_json(to_json(clone, status, pace), JSON_C_TO_STRING_PLAIN);
	else
		print_text(clone, status, pace);
	fflush(stdout);
}

/* Until the task, if there is one, ends, or the clone has become something else, or is closed. */
static int watch(const char *name, unsigned int seconds)
{
	const struct timespec wait = { .tv_sec = seconds };
	bool runs = false, seen = false;
	static struct lclone_clone clone;
	struct lclone_status status;
	struct meter meter;
	struct pace pace;
	int err;

	meter_init(&meter, how.json);
	how.redraws = !how.json && isatty(STDOUT_FILENO);
	for (; !interrupted(); seen = true) {
		err = look(name, &clone, &status);
		if ((err == -ENOTTY || err == -ENXIO) && seen)
			return 0;
		if (err)
			return err;
		lclone_task_progress(&status, &pace.done, &pace.total);
		if (!runs)
			meter_start(&meter, pace.done);
		meter_rate(&meter, pace.done, pace.total, &pace.rate, &pace.left);
		show(&clone, &status, &pace);
		if (!lclone_task_runs(&status) && (runs || status.task[0]))
			return 0;
		runs = lclone_task_runs(&status);
		nanosleep(&wait, NULL);
	}
	return 0;
}

static const struct option options[] = {
	TABLE_OPTIONS,
	{ "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct json_object *array = NULL;
	bool chosen = false, details;
	int option, ret = 0, i;
	struct table table;
	u64 seconds = 0;

	table_init(&table, clone_columns, CLONE_COLUMNS);
	while ((option = next_option(&cmd_status, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'j')
			how.json = true;
		else if (option == 'v')
			how.verbose = true;
		else if (option != 'w')
			chosen = true;
		else if (lclone_parse_u64(optarg ?: "1", 86400, &seconds) || !seconds)
			return usage_error(&cmd_status, "--watch takes a number of seconds");
		if (strchr("oSN", option) && !table_option(&table, &cmd_status, option, optarg, &ret))
			return ret;
	}
	details = seconds || how.json || how.verbose || optind < argc;
	if (chosen && details)
		return usage_error(&cmd_status, "-o, --sort and --noheadings are for the table of all clones");
	if (!details)
		return print_clones(&table, CLONES_ACTIVE);
	if (seconds) {
		if (argc - optind != 1)
			return usage_error(&cmd_status, "--watch needs the name of one clone");
		return watch(lclone_dm_name(argv[optind]), seconds);
	}
	if (how.json)
		array = json_object_new_array();
	if (optind == argc)
		ret = all(array);
	for (i = optind; !ret && i < argc; i++)
		ret = one(lclone_dm_name(argv[i]), array);
	if (how.json && !ret)
		put_json(array, JSON_C_TO_STRING_PRETTY);
	else
		json_object_put(array);
	return ret;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "show the state of clones",
	.usage =
	"status [-o [+]COLUMN,...] [--sort [-]COLUMN] [--noheadings]\n"
	"       lclone status [--json] [-v] [NAME[@SNAPSHOT]]...\n"
	"       lclone status --watch[=SECONDS] [--json] [-v] NAME\n\n"
	"Shows all active clones as a table, as list does; or mode and use of space of the\n"
	"clones NAME, and how far a merge or flatten is. Of one that is not active, and of a\n"
	"snapshot, it is what the superblock says.\n\n"
	TABLE_USAGE
	"  --watch[=SECONDS]           again and again (each second), until a merge or flatten\n"
	"                              has ended\n"
	"  -v, --verbose               chunks, leaves and commits, too; also of all\n"
	"  --json                      as a JSON array; with --watch an object on each line\n",
	.run = run,
};
