// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/text.h"
#include "clone/owner.h"
#include "clone/snapshot.h"
#include "cmd/commands.h"
#include "ui/clones.h"
#include "ui/output.h"

static int by_base(const void *pa, const void *pb)
{
	const struct lclone_row *a = pa, *b = pb;
	const double at = lclone_row_taken(a), bt = lclone_row_taken(b);
	int ret = strcmp(a->base, b->base) ?: strcmp(a->name, b->name);

	return ret ?: (at > bt) - (at < bt) ?: strcmp(a->delta, b->delta);
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	static char utf8[TABLE_CELL_SIZE];

	json_object_object_add(o, key, text[0] ?
			       json_object_new_string(lclone_text_utf8(utf8, sizeof(utf8), text)) :
			       NULL);
}

static void add_number(struct json_object *o, const char *key, u64 value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_bool(struct json_object *o, const char *key, bool is)
{
	json_object_object_add(o, key, json_object_new_boolean(is));
}

static struct json_object *row_to_json(const struct lclone_row *r)
{
	struct json_object *o = json_object_new_object();
	char state[128], uuid[UUID_STR_LEN], owner[LCLONE_HOST_NAME_MAX + 1];

	add_text(o, "name", r->name);
	add_text(o, "delta", r->delta);
	add_number(o, "sectors", r->size_bytes / 512);
	add_bool(o, "read_only", r->read_only);
	add_bool(o, "suspended", r->suspended);
	add_bool(o, "active", r->active);
	add_number(o, "size_bytes", r->size_bytes);
	add_number(o, "used_bytes", r->used_bytes);
	add_number(o, "total_bytes", r->total_bytes);
	json_object_object_add(o, "used_percent", json_object_new_double(lclone_row_percent(r)));
	add_number(o, "chain", r->depth);
	clone_state(r, state, sizeof(state));
	add_text(o, "state", state);
	add_text(o, "mode", r->status.mode);
	add_bool(o, "full", r->status.full);
	add_bool(o, "needs_check",
		 r->status.needs_check || r->sb.state & LCLONE_STATE_NEEDS_CHECK);
	if (r->has_sb) {
		uuid_unparse(r->sb.uuid, uuid);
		add_text(o, "uuid", uuid);
		add_text(o, "label", r->sb.label);
		add_text(o, "snapshot", lclone_snapshot_name(&r->sb) ?: "");
		add_number(o, "sealed_at", r->sb.sealed_at);
		lclone_owner_name(&r->sb, owner);
		add_text(o, "owner", owner);
		add_number(o, "owned_since", r->sb.owned_since);
	}
	return o;
}

static int print_json(enum clones_shown shown)
{
	struct json_object *bases = json_object_new_array(), *base, *list = NULL;
	struct lclone_overview o = { .count = 0 };
	const struct lclone_row *last = NULL;
	size_t i;
	int err;

	err = shown == CLONES_ACTIVE ? lclone_overview_read(&o) :
				       lclone_overview_read_all(&o, true);
	if (shown == CLONES_SNAPSHOTS)
		keep_snapshots(&o);
	if (!err && o.count)
		qsort(o.row, o.count, sizeof(*o.row), by_base);
	for (i = 0; !err && i < o.count; last = &o.row[i++]) {
		if (!last || strcmp(last->base, o.row[i].base)) {
			base = json_object_new_object();
			list = json_object_new_array();
			add_text(base, "base", o.row[i].base);
			json_object_object_add(base, "clones", list);
			json_object_array_add(bases, base);
		}
		json_object_array_add(list, row_to_json(&o.row[i]));
	}
	if (err) {
		json_object_put(bases);
	} else {
		put_json(bases, JSON_C_TO_STRING_PRETTY);
		tell_unseen(&o.inv);
	}
	lclone_overview_free(&o);
	return err;
}

static const struct option options[] = {
	TABLE_OPTIONS,
	{ "all", no_argument, NULL, 'a' },
	{ "snapshots", no_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	enum clones_shown shown = CLONES_ACTIVE;
	const char *columns = NULL;
	struct table table;
	int option, ret = 0;
	bool json = false;

	table_init(&table, clone_columns, CLONE_COLUMNS);
	while ((option = next_option(&cmd_list, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'a')
			shown = CLONES_ALL;
		else if (option == 's')
			shown = CLONES_SNAPSHOTS;
		else if (option == 'j')
			json = true;
		else if (option == 'o')
			columns = optarg;	/* which are the usual ones is not known yet */
		else if (!table_option(&table, &cmd_list, option, optarg, &ret))
			return ret;
	}
	if (optind != argc)
		return usage_error(&cmd_list, "takes no arguments");
	if (shown == CLONES_SNAPSHOTS)
		table_show(&table, SNAPSHOT_COLUMNS);
	if (shown == CLONES_SNAPSHOTS && !table.sort)
		table_option(&table, &cmd_list, 'S', "taken", &ret);
	if (columns && !table_option(&table, &cmd_list, 'o', columns, &ret))
		return ret;
	return json ? print_json(shown) : print_clones(&table, shown);
}

const struct command cmd_list = {
	.name = "list",
	.summary = "show the active clones, what they lie on and what they use",
	.usage =
	"list [-a|--snapshots] [-o [+]COLUMN,...] [--sort [-]COLUMN] [--noheadings]\n"
	"       lclone list [-a|--snapshots] --json\n\n"
	"Shows the active clones as a table: base, size of the disk, space of the delta that is\n"
	"in use, the delta, how full that is, length of the chain and state. A base \"-\" is none.\n\n"
	TABLE_USAGE
	"  -a, --all                   also what is not active: clones of lclonetab(5), deltas and\n"
	"                              layers; looks at all block devices\n"
	"  --snapshots                 instead, all snapshots that have names, with their time\n"
	"  --json                      as a JSON array of bases, with all that is known, in bytes\n",
	.run = run,
};
