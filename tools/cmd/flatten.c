// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/fail.h"
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
	bool force, stop, json, layer, keep, yes;
};

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
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* Volumes that will be removed are told of, and asked for if one is of a snapshot that has a name. */
static int ask(const char *name, const struct arguments *a)
{
	static struct lclone_layers layers;
	static struct lclone_named named;
	struct lclone_names lost;
	bool has_name = false;
	u32 i;
	int err;

	if (a->yes || a->keep)
		return 0;
	err = lclone_name_find(name, &named) ?: lclone_named_activate(&named) ?:
	      lclone_volumes_below(name, named.delta, &layers);
	while (!err && a->layer && layers.count > 1)
		free(layers.layer[--layers.count].path);
	for (i = 0; !err && i < layers.count; i++)
		has_name |= !!lclone_snapshot_name(&layers.layer[i].sb);
	/* whatever cannot be looked at is said by who begins, if that is in the way */
	err = 0;
	if (has_name) {
		tell_lost(stderr, &layers, layers.count, &lost);
		err = confirm("remove the snapshots %s, which %s does not need any more", lost.text,
			      name);
	}
	lclone_layers_free(&layers);
	lclone_named_free(&named);
	return err;
}

/* Also if the merge behind a copy was interrupted: the table has been without them since. */
static int free_dropped(struct flatten *f, const struct arguments *a, int ret)
{
	lclone_why_hold();
	free_volumes(&f->dropped, f->merge.online->name, a->keep, a->json);
	lclone_why_release();
	lclone_dropped_free(&f->dropped);
	return ret;
}

static int flatten(struct flatten *f, const struct arguments *a)
{
	struct online *o = f->merge.online;
	struct meter *meter = o->ctx;
	bool opened;
	int ret = ask(o->name, a) ?: lclone_open_meanwhile(o->name, &opened);

	if (ret)
		return ret;
	if (opened && o->detach)
		ret = usage_error(&cmd_flatten, "%s is not active: --detach goes not", o->name);
	else if (a->vg)
		ret = lclone_flatten_to_volume(f, a->vg);
	else
		ret = a->to ? lclone_flatten_to(f, a->to, a->force) : lclone_flatten(f, a->layer);
	ret = lclone_close_again(o->name, opened, ret);
	if (opened && ret == -EINTR)
		lclone_fail(ret, "interrupted: run it again, and it goes on");
	ret = a->to || a->vg ? print_merged(&f->merge, ret, a->json) : print_detached(ret, a->json);
	meter_hide(meter);
	if (!ret && f->merge.free[0])
		free_merged(o->name, f->merge.free, a->keep, a->json);
	return free_dropped(f, a, ret);
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
			a->keep = true;
			break;
		case 'y':
			a->yes = true;
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
			     .leaves = tell_left };
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
	if (a.stop && (a.to || a.vg || a.layer || o->rate || o->detach || a.json))
		return usage_error(&cmd_flatten, "--stop goes with no other option");
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
	"flatten [--layer] [--rate RATE] [--detach] [--keep] [--yes] [--json] NAME\n"
	"       lclone flatten --stop NAME\n"
	"       lclone flatten --to DEVICE [--force]|--to-vg VG [--rate RATE] [--detach] [--keep] [--yes]\n"
	"                      [--json] NAME\n\n"
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
	"  --json       progress as JSON, a line for each second, instead of a bar\n",
	.run = run,
};
