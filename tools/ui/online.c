// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>

#include "basic/fail.h"
#include "host/tab.h"
#include "ui/online.h"
#include "ui/output.h"

static void show(void *ctx, const char *state, u64 done, u64 total, bool first, bool last)
{
	if (first)
		meter_start(ctx, done);
	meter_show(ctx, state, done, total, last);
}

static void end(void *ctx)
{
	meter_end(ctx);
}

static bool stops(void *ctx)
{
	(void)ctx;
	return interrupted();
}

const struct online_watch meter_watch = { show, end, stops };

static void print_json(const struct online_merge *m)
{
	struct json_object *all = json_object_new_object();

	json_object_object_add(all, "state", json_object_new_string("switched"));
	json_object_object_add(all, "disk", json_object_new_string(m->disk));
	if (m->free[0]) {
		json_object_object_add(all, "free", json_object_new_string(m->free));
		json_object_object_add(all, "pause_ms", json_object_new_double(m->pause_ms));
	}
	put_json(all, JSON_C_TO_STRING_SPACED);
}

int print_detached(int ret, bool json)
{
	if (ret == 1 && !json)
		puts(lclone_why());
	return ret == 1 ? 0 : ret;
}

int print_merged(const struct online_merge *m, int ret, bool json)
{
	const char *name = m->online->name;

	if (ret)
		return print_detached(ret, json);
	if (json)
		print_json(m);
	else if (m->free[0])
		say("%s: %s is the disk now, by a linear table; %s is free; the clone stood still for %.1f ms\n",
		    name, m->disk, m->free, m->pause_ms);
	else
		say("%s: is merged, %s is the disk%s%s%s\n", name, m->disk, m->left[0] ? "; " : "",
		    m->left, m->left[0] ? ", which may have been its delta, was not wiped" : "");
	if (m->line_removed && !json)
		say("%s: is no clone any more, its line was removed from %s\n", name,
		    lclone_tab_path());
	return 0;
}

int stop_and_tell(const char *name, const char *task)
{
	const char *command;
	int err = lclone_stop_task(name, task, &command);

	if (!err)
		say("%s: the clone goes on without the %s; \"lclone %s %s\" takes it up again\n",
		    name, task, command, name);
	return err;
}
