// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "basic/text.h"
#include "clone/snapshot.h"
#include "cmd/commands.h"
#include "host/device.h"
#include "online/by-name.h"
#include "online/flatten.h"
#include "ui/confirm.h"
#include "ui/lost.h"
#include "ui/online.h"
#include "ui/output.h"
#include "ui/progress.h"
#include "ui/volumes.h"

static void tell_left(void *ctx, const char *clone, const char *names)
{
	const struct meter *meter = ctx;

	if (meter->json)
		return;
	if (!names)
		say("%s: is flattened\n", clone);
	else if (names[0])
		say("%s: does not need %s any more\n", clone, names);
}

struct arguments {
	const char *to, *vg;
	bool force, stop, json, layer, keep, yes, dry_run;
};

static bool keeps;			/* the option --keep */

static const struct option options[] = {
	{ "layer", no_argument, NULL, 'l' },
	{ "to", required_argument, NULL, 'o' },
	{ "to-vg", required_argument, NULL, 'V' },
	{ "force", no_argument, NULL, 'f' },
	{ "rate", required_argument, NULL, 'r' },
	{ "detach", no_argument, NULL, 'd' },
	{ "stop", no_argument, NULL, 's' },
	{ "keep", no_argument, NULL, 'k' },
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/*
 * Layers whose volumes would be removed: to be freed.  What cannot be looked at is none: who begins
 * says so, if it is in the way.
 */
static void look(const char *name, const struct arguments *a, struct lclone_layers *layers)
{
	static struct lclone_named named;
	int err;

	layers->count = 0;
	if (a->keep)
		return;
	err = lclone_name_find(name, &named) ?: lclone_named_activate(&named) ?:
	      lclone_volumes_below(name, named.delta, layers);
	while (layers->count && (err || (a->layer && layers->count > 1)))
		free(layers->layer[--layers->count].path);
	lclone_named_free(&named);
}

/* They are asked for if one is of a snapshot that has a name. */
static int ask(const char *name, const struct arguments *a)
{
	static struct lclone_layers layers;
	struct lclone_names lost;
	bool has_name = false;
	int err = 0;
	u32 i;

	if (a->yes || a->dry_run)
		return 0;
	look(name, a, &layers);
	for (i = 0; i < layers.count; i++)
		has_name |= !!lclone_snapshot_name(&layers.layer[i].sb);
	if (has_name) {
		tell_lost(stderr, &layers, layers.count, &lost);
		err = confirm("remove the snapshots %s, which %s does not need any more", lost.text,
			      name);
	}
	lclone_layers_free(&layers);
	return err;
}

static void drops(void *ctx, const char *clone, const struct dropped *dropped)
{
	struct meter *meter = ctx;

	meter_hide(meter);
	lclone_why_hold();
	free_volumes(dropped, clone, keeps, meter->json);
	lclone_why_release();
}

static void tell_dry(const struct flatten *f, const struct arguments *a)
{
	const struct online_merge *m = &f->merge;
	const char *name = m->online->name;
	static struct lclone_layers layers;
	struct lclone_names lost;
	char size[16];

	if (!f->below[0]) {
		say("%s: it is under way: the end would be waited for\n", name);
		return;
	}
	if (f->missing)
		say("%s: the volume of its delta would be extended by %s\n", name,
		    lclone_size_text(f->missing * 512, size));
	if (a->vg)
		say("%s: a volume %s would be made in the group %s\n", name, name, a->vg);
	if (a->to || a->vg)
		say("%s: what it has of %s would be copied to %s, then its delta be merged into that, and be free\n",
		    name, f->below, a->to ?: "the volume");
	else
		say("%s: what it has of %s, at most %s, would be copied into its delta\n", name,
		    f->below, lclone_size_text(m->online->most, size));
	say("%s: would not need %s any more\n", name, f->below);
	look(name, a, &layers);
	tell_lost(stdout, &layers, layers.count, &lost);
	lclone_layers_free(&layers);
}

static int flatten(struct flatten *f, const struct arguments *a)
{
	struct online *o = f->merge.online;
	struct meter *meter = o->ctx;
	bool opened;
	int ret = ask(o->name, a) ?: lclone_open_for(o, &opened);

	if (ret)
		return ret;
	if ((opened || o->asleep) && o->detach)
		ret = usage_error(&cmd_flatten, "%s is not active: --detach goes not", o->name);
	else if (a->vg)
		ret = lclone_flatten_to_volume(f, a->vg);
	else
		ret = a->to ? lclone_flatten_to(f, a->to, a->force) : lclone_flatten(f, a->layer);
	ret = lclone_close_again(o->name, opened, ret);
	if (ret == -LCLONE_DRY) {
		tell_dry(f, a);
		return 0;
	}
	if (opened && ret == -EINTR)
		lclone_fail(ret, "interrupted: run it again, and it goes on");
	ret = a->to || a->vg ? print_merged(&f->merge, ret, a->json) : print_detached(ret, a->json);
	meter_hide(meter);
	if (!ret && f->merge.free[0])
		free_merged(o->name, f->merge.free, a->keep, a->json);
	return ret;
}

/* False: the command ends with *ret. */
static bool parse(int argc, char **argv, struct arguments *a, struct online *o, int *ret)
{
	int option;

	while ((option = next_option(&cmd_flatten, argc, argv, options, ret)) != -1) {
		switch (option) {
		case 'l':
			a->layer = true;
			break;
		case 'o':
			a->to = optarg;
			break;
		case 'V':
			a->vg = optarg;
			break;
		case 'f':
			a->force = true;
			break;
		case 'r':
			o->rate = optarg;
			*ret = lclone_check_rate(optarg);
			break;
		case 'd':
			o->detach = true;
			break;
		case 's':
			a->stop = true;
			break;
		case 'k':
			a->keep = keeps = true;
			break;
		case 'y':
			a->yes = true;
			break;
		case 'n':
			a->dry_run = true;
			lclone_dry_run();
			break;
		case 'j':
			a->json = true;
			break;
		default:
			return false;
		}
		if (*ret)
			return false;
	}
	return true;
}

static int run(int argc, char **argv)
{
	struct arguments a = { .to = NULL };
	struct meter meter;
	struct online online = { .watch = &meter_watch, .ctx = &meter }, *o = &online;
	struct flatten f = { .merge = { .online = o, .ask = ask_before_merge },
			     .leaves = tell_left, .drops = drops };
	int ret = 0;

	if (!parse(argc, argv, &a, o, &ret))
		return ret;
	if (argc - optind != 1)
		return usage_error(&cmd_flatten, "needs the name of a clone");
	if (a.force && !a.to)
		return usage_error(&cmd_flatten, "--force goes with --to");
	if (a.layer && (a.to || a.vg))
		return usage_error(&cmd_flatten, "--layer goes not with --to");
	if (a.to && a.vg)
		return usage_error(&cmd_flatten, "--to goes not with --to-vg");
	if (a.stop && (a.to || a.vg || a.layer || o->rate || o->detach || a.json || a.dry_run))
		return usage_error(&cmd_flatten, "--stop goes with no other option");
	if (a.json && a.dry_run)
		return usage_error(&cmd_flatten, "--json goes not with --dry-run");
	if (a.dry_run) {
		f.merge.ask = NULL;
		f.drops = NULL;
	}
	o->name = lclone_dm_name(argv[optind]);
	if (a.stop)
		return stop_and_tell(o->name, "flatten");
	meter_init(&meter, a.json);
	return flatten(&f, &a);
}

const struct command cmd_flatten = {
	.name = "flatten",
	.summary = "make a clone independent of what lies below",
	.usage =
	"flatten [--layer] [--rate RATE] [--detach] [--keep] [--yes] [--dry-run] [--json] NAME\n"
	"       lclone flatten --stop NAME\n"
	"       lclone flatten --to DEVICE [--force]|--to-vg VG [--rate RATE] [--detach] [--keep] [--yes]\n"
	"                      [--dry-run] [--json] NAME\n\n"
	"Makes the clone NAME independent of its base and layers, while it is in use; one that is\n"
	"not active is opened for that. The first copies what it needs of them into its delta,\n"
	"which must have the space for that, and then has no base any more. If interrupted, the\n"
	"kernel goes on: run it again to wait for the end. Volumes that were made for it, and that\n"
	"nothing needs any more, are removed.\n\n"
	"  --layer      take over only what the layer right below has: the chain is one shorter then\n"
	"  --to DEVICE  copy what lies below to DEVICE, which must be empty and large enough,\n"
	"               then let the kernel merge the delta into it, as lclone merge does: at the\n"
	"               end DEVICE is the disk, and the delta is free\n"
	"  --to-vg VG   the same, to a logical volume NAME that is made in VG\n"
	"  --force      overwrite what is on DEVICE\n"
	"  --rate RATE  KiB/s, max, auto: the kernel pauses as long as each batch took, or\n"
	"               idle: only while the clone has no I/O\n"
	"  --detach     do not wait for the kernel; run it again (--to: lclone merge), later, for\n"
	"               the end\n"
	"  --stop       the clone goes on as it is; the first form can be taken up again\n"
	"  --keep       remove no volumes\n"
	"  --yes        snapshots that have names may be removed with theirs: do not ask\n"
	"  --dry-run    only say what would be done\n"
	"  --json       progress as JSON, a line for each second, instead of a bar\n",
	.run = run,
};
