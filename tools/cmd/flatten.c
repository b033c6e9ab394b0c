// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cmd/commands.h"
#include "online/flatten.h"
#include "ui/confirm.h"
#include "ui/online.h"
#include "ui/progress.h"

static void tell_left(void *ctx, const char *clone, const char *names)
{
	const struct meter *meter = ctx;

	if (meter->json)
		return;
	if (!names)
		printf("%s: is flattened\n", clone);
	else if (names[0])
		printf("%s: does not need %s any more\n", clone, names);
}

static const struct option options[] = {
	{ "layer", no_argument, NULL, 'l' },
	{ "to", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, 'f' },
	{ "rate", required_argument, NULL, 'r' },
	{ "detach", no_argument, NULL, 'd' },
	{ "stop", no_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	bool force = false, stop = false, json = false, layer = false;
	struct meter meter;
	struct online online = { .watch = &meter_watch, .ctx = &meter }, *o = &online;
	struct flatten f = { .merge = { .online = o, .ask = ask_before_merge },
			     .leaves = tell_left };
	const char *to = NULL;
	int option, ret = 0;

	while ((option = next_option(&cmd_flatten, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'l':
			layer = true;
			break;
		case 'o':
			to = optarg;
			break;
		case 'f':
			force = true;
			break;
		case 'r':
			o->rate = optarg;
			ret = lclone_check_rate(optarg);
			if (ret)
				return ret;
			break;
		case 'd':
			o->detach = true;
			break;
		case 's':
			stop = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return ret;
		}
	}
	if (argc - optind != 1)
		return usage_error(&cmd_flatten, "needs the name of a clone");
	if (force && !to)
		return usage_error(&cmd_flatten, "--force goes with --to");
	if (layer && to)
		return usage_error(&cmd_flatten, "--layer goes not with --to");
	if (stop && (to || layer || o->rate || o->detach || json))
		return usage_error(&cmd_flatten, "--stop goes with no other option");
	o->name = lclone_dm_name(argv[optind]);
	if (stop)
		return stop_and_tell(o->name, "flatten");
	meter_init(&meter, json);
	return to ? print_merged(&f.merge, lclone_flatten_to(&f, to, force), json) :
		    print_detached(lclone_flatten(&f, layer), json);
}

const struct command cmd_flatten = {
	.name = "flatten",
	.summary = "make an active clone independent of what lies below",
	.usage =
	"flatten [--layer] [--rate RATE] [--detach] [--json] NAME\n"
	"       lclone flatten --stop NAME\n"
	"       lclone flatten --to DEVICE [--force] [--rate RATE] [--detach] [--json] NAME\n\n"
	"Makes the active clone NAME independent of its base and layers, while it is in use.\n"
	"The first copies what it needs of them into its delta, which must have the space for\n"
	"that, and then has no base any more. If interrupted, the kernel goes on: run it again\n"
	"to wait for the end.\n\n"
	"  --layer      take over only what the layer right below has: the chain is one shorter then\n"
	"  --to DEVICE  copy what lies below to DEVICE, which must be empty and large enough,\n"
	"               then let the kernel merge the delta into it, as lclone merge does: at the\n"
	"               end DEVICE is the disk, and the delta is free\n"
	"  --force      overwrite what is on DEVICE\n"
	"  --rate RATE  KiB/s, max, auto: the kernel pauses as long as each batch took, or\n"
	"               idle: only while the clone has no I/O\n"
	"  --detach     do not wait for the kernel; run it again (--to: lclone merge), later, for\n"
	"               the end\n"
	"  --stop       the clone goes on as it is; the first form can be taken up again\n"
	"  --json       progress as JSON, a line for each second, instead of a bar\n",
	.run = run,
};
