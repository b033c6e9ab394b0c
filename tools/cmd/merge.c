// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/copy-out.h"
#include "offline/into-base.h"
#include "online/by-name.h"
#include "online/follow.h"
#include "online/into-parent.h"
#include "ui/confirm.h"
#include "ui/online.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"
#include "ui/volumes.h"

struct arguments {
	const char *to, *rate;
	bool into, into_parent, detach, stop, json, force, keep, dry_run;
	struct takeover takeover;
	struct lclone_parents parents;
};

static int progress(struct lclone_merge *merge, u64 done, u64 total)
{
	bool copying = merge->target != merge->base && merge->target != merge->chain->file[1];

	meter_show(merge->ctx, copying ? "copying" : "merging", done, total, done == total);
	return interrupted();
}

static const struct option options[] = {
	{ "into-base", no_argument, NULL, 'b' },
	{ "into-parent", no_argument, NULL, 'p' },
	{ "to", required_argument, NULL, 'o' },
	{ "rate", required_argument, NULL, 'r' },
	{ "detach", no_argument, NULL, 'd' },
	{ "stop", no_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "force", no_argument, NULL, 'f' },
	{ "keep", no_argument, NULL, 'k' },
	{ "dry-run", no_argument, NULL, 'n' },
	ASSUME_OPTION,
	TAKEOVER_OPTIONS,
	PARENT_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* False: the command ends with *ret. */
static bool parse(int argc, char **argv, struct arguments *a, int *ret)
{
	int option;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_merge, argc, argv, options, ret)) != -1) {
		switch (option) {
		case 'b':
			a->into = true;
			break;
		case 'p':
			a->into_parent = true;
			break;
		case 'o':
			a->to = optarg;
			break;
		case 'r':
			a->rate = optarg;
			*ret = lclone_check_rate(optarg);
			break;
		case 'd':
			a->detach = true;
			break;
		case 's':
			a->stop = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'f':
			a->force = true;
			break;
		case 'k':
			a->keep = true;
			break;
		case 'n':
			a->dry_run = true;
			lclone_dry_run();
			break;
		case 'T':
		case 'y':
			parse_takeover_option(&a->takeover, option);
			break;
		case 'A':
			lclone_assume_no_other_clones();
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

static void tell_tree(const char *tree, bool json)
{
	if (tree[0] && !json)
		say("%s: removed: the base, whose verity tree it had, is another now\n", tree);
}

/* The kernel merges */

static void tell_dry(const struct online_merge *m, const struct arguments *a)
{
	const char *name = m->online->name;

	if (!m->disk[0]) {
		say("%s: it is under way: the end would be waited for\n", name);
		return;
	}
	say("%s: what %s has would be written to %s, which would be the disk\n", name, m->free,
	    m->disk);
	tell_free(m->free, a->keep);
}

static int run_online(const struct arguments *a, const char *name)
{
	struct meter meter;
	struct online o = { .name = name, .rate = a->rate, .detach = a->detach, .writes_base = true,
			    .watch = &meter_watch, .ctx = &meter };
	const bool sure = a->takeover.yes || a->dry_run;
	struct online_merge merge = { .online = &o, .tree = "",
				      .ask = sure ? NULL : ask_before_merge };
	bool opened, detached;
	int ret;

	if (a->parents.count)
		return usage_error(&cmd_merge, "an active clone knows its layers");
	if (a->stop && (a->rate || a->detach || a->json || a->dry_run))
		return usage_error(&cmd_merge, "--stop goes with no other option");
	if (a->stop)
		return stop_and_tell(name, "merge");
	meter_init(&meter, a->json);
	ret = lclone_open_for(&o, &opened);
	if (ret)
		return ret;
	if ((opened || o.asleep) && a->detach)
		ret = usage_error(&cmd_merge, "%s is not active: --detach goes not", name);
	else
		ret = lclone_merge_online(&merge);
	detached = ret == 1;
	tell_tree(merge.tree, a->json);
	ret = lclone_close_again(name, opened, ret);
	if (ret == -LCLONE_DRY) {
		tell_dry(&merge, a);
		return 0;
	}
	if (opened && ret == -EINTR)
		lclone_fail(ret, "interrupted: run it again, and it goes on");
	ret = print_merged(&merge, ret, a->json);
	if (!ret && !detached && !a->dry_run)
		free_merged(name, merge.free, a->keep, a->json);
	return ret;
}

/* Merge into the layer below: what is printed, or (@clones: not NULL) will be as one object */
struct told {
	const char *path;
	struct json_object *clones;
};

static void tell_goes_on(void *ctx, const char *clone, double pause_ms)
{
	struct told *told = ctx;
	struct json_object *o;

	if (lclone_is_dry()) {
		say("%s: would go on without %s\n", clone, told->path);
		return;
	}
	if (!told->clones) {
		say("%s: goes on without %s; it stood still for %.1f ms\n", clone, told->path,
		    pause_ms);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "name", json_object_new_string(clone));
	json_object_object_add(o, "pause_ms", json_object_new_double(pause_ms));
	json_object_array_add(told->clones, o);
}

static void print_into_parent(const struct into_parent *into, struct json_object *clones)
{
	struct json_object *o;

	if (!clones) {
		say("%s: has all that %s had, and takes its place; %s is free\n", into->layer,
		    into->path, into->path);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "state", json_object_new_string("merged"));
	json_object_object_add(o, "layer", json_object_new_string(into->layer));
	json_object_object_add(o, "free", json_object_new_string(into->path));
	json_object_object_add(o, "clones", json_object_get(clones));
	put_json(o, JSON_C_TO_STRING_SPACED);
}

static int run_into_parent(const struct arguments *a, const char *delta)
{
	struct told told = { .path = delta, .clones = a->json ? json_object_new_array() : NULL };
	struct into_parent into = { .path = delta, .goes_on = tell_goes_on, .ctx = &told };
	struct meter meter;
	struct lclone_merge merge = { .progress = progress, .ctx = &meter };
	int err;

	meter_init(&meter, a->json);
	err = merge_into_parent(&into, &a->parents, &merge) ?:
	      lclone_follow_merged_tags(delta, into.layer);
	if (err == -LCLONE_DRY)
		say("%s: would get all that %s has, and take its place; %s would be free\n",
		    into.layer, into.path, into.path);
	else if (!err)
		print_into_parent(&into, told.clones);
	meter_end(&meter);
	json_object_put(told.clones);
	return err == -LCLONE_DRY ? 0 : err;
}

static int run(int argc, char **argv)
{
	struct arguments a = { .to = NULL };
	static struct lclone_named named;
	const char *base, *delta;
	struct copy_target to;
	struct meter meter;
	struct lclone_merge merge = { .progress = progress, .ctx = &meter };
	char path[PATH_MAX], tree[LCLONE_LV_PATH_SIZE] = "";
	int ret = 0;

	if (!parse(argc, argv, &a, &ret))
		return ret;
	take_over(&a.takeover, a.dry_run);
	argv += optind;
	argc -= optind;
	if (a.json && a.dry_run)
		return usage_error(&cmd_merge, "--json goes not with --dry-run");
	if (a.force && !a.to)
		return usage_error(&cmd_merge, "--force goes with --to");
	if (!a.into && !a.into_parent && !a.to && argc == 1)
		return run_online(&a, lclone_dm_name(argv[0]));
	if (a.into + a.into_parent + !!a.to != 1)
		return usage_error(&cmd_merge, "needs the name of an active clone, or one of --into-base, --into-parent and --to");
	if (a.rate || a.detach || a.stop)
		return usage_error(&cmd_merge, "--rate, --detach and --stop are for an active clone");
	if (a.into_parent && argc != 1)
		return usage_error(&cmd_merge, "--into-parent needs a delta or layer");
	if (a.into_parent)
		return lclone_delta_path(argv[0], path) ?: run_into_parent(&a, path);
	if (argc != 1 && argc != 2)
		return usage_error(&cmd_merge, "needs a base (or -) and a delta, or a name");
	if (argc == 1)
		ret = lclone_pair_of(argv[0], &named);
	if (ret)
		return ret;
	base = argc == 2 ? argv[0] : named.base;
	delta = argc == 2 ? argv[1] : named.delta;
	if (a.into && !strcmp(base, "-"))
		return usage_error(&cmd_merge, "without a base there is nothing to merge into");

	to = (struct copy_target){ .path = a.to, .force = a.force };
	meter_init(&meter, a.json);
	ret = a.into ? merge_into_base(base, delta, &merge,
				       a.takeover.yes || a.dry_run ? NULL : ask_before_merge, tree) :
		       lclone_copy_out(base, delta, &a.parents, &to, &merge);
	meter_end(&meter);
	tell_tree(tree, a.json);
	if (ret != -LCLONE_DRY)
		return ret;
	if (a.into)
		say("%s: would get what %s has, which would be empty then\n", base, delta);
	else
		say("%s: would get the disk of %s\n", a.to, delta);
	return 0;
}

const struct command cmd_merge = {
	.name = "merge",
	.summary = "consolidate a clone",
	.usage =
	"merge [--rate RATE] [--detach] [--keep] [--json] [--yes] [--dry-run] NAME\n"
	"       lclone merge --stop NAME\n"
	"       lclone merge [--json] [--yes] [--dry-run] --into-base BASE DELTA\n"
	"       lclone merge [--json] [--dry-run] [--parent LAYER]... --into-parent DELTA\n"
	"       lclone merge [--json] [--dry-run] [--parent LAYER]... [--force]\n"
	"                    --to DEVICE|FILE BASE|- DELTA\n\n"
	"The first two are for the clone NAME: while it is in use, the kernel writes what its\n"
	"delta holds to its base; one that is not active is opened for that. At the end the base\n"
	"is the disk, and the delta is free: the logical volume that was made for it is removed.\n"
	"If interrupted, the kernel goes on: run it again to wait for the end. No other clone may\n"
	"depend on the base: it would be lost.\n\n"
	"  --rate RATE    KiB/s, max, auto: pause as long as each batch took, or idle: only\n"
	"                 while the clone has no I/O\n"
	"  --detach       do not wait; run it again, later, for the end\n"
	"  --stop         the clone goes on with its delta; the merge can be taken up again\n"
	"  --keep         do not remove the volume\n\n"
	"The others consolidate a clone that is not active; NAME, a clone's, stands for BASE and\n"
	"DELTA, and with --to also NAME@SNAPSHOT, of any clone. May be interrupted at any time:\n"
	"run it again and it goes on; --to begins anew.\n\n"
	"  --into-base    write what DELTA holds to BASE and empty DELTA. No other clone may\n"
	"                 depend on BASE: it would be lost. DELTA must lie on BASE itself\n"
	"  --into-parent  write what DELTA holds to the layer right below, which takes its place\n"
	"                 in all chains. DELTA may be a sealed layer below active clones: they\n"
	"                 go on without it. No other delta may lie on that layer\n"
	"  --to TARGET    write the clone to another device, which must be large enough, or\n"
	"                 to a new file; changes neither BASE nor DELTA\n"
	"  --force        overwrite what is on DEVICE, unless it is a delta or in use\n"
	"  --parent LAYER a layer that DELTA lies on; those not named are looked for\n"
	"  --yes          other clones of the base that cannot be seen here, on other hosts, in\n"
	"                 files, may be lost: do not ask\n"
	ASSUME_USAGE
	"  --takeover     also what another host has open by its note; asks, without --yes\n"
	"  --dry-run      only say what would be done\n"
	"  --json         progress as JSON, a line for each second, instead of a bar\n",
	.run = run,
};
