// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "clone/protect.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/rebase.h"
#include "online/follow.h"
#include "ui/confirm.h"
#include "ui/options.h"
#include "ui/output.h"

static void print_done(const struct rebased *done, bool base)
{
	if (done->already)
		say("%s: %s is its %s already\n", done->delta, done->on,
		    base ? "base" : "parent layer");
	else if (base)
		say("%s: its base is %s now, with %s\n", done->delta, done->on,
		    LCLONE_SIZE(done->base_sectors));
	else
		say("%s: its parent layer is %s as it is now, generation %llu\n", done->delta,
		    done->on, (unsigned long long)done->generation);
}

static const struct option options[] = {
	{ "parent", required_argument, NULL, 'p' },
	{ "base", required_argument, NULL, 'b' },
	{ "force", no_argument, NULL, 'f' },
	TAKEOVER_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	const char *base = NULL, *parent = NULL;
	struct rebased done;
	char delta[PATH_MAX], layer[PATH_MAX];
	struct takeover takeover = { .given = false };
	bool force = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_rebase, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'b')
			base = optarg;
		else if (option == 'p')
			parent = optarg;
		force |= option == 'f';
		parse_takeover_option(&takeover, option);
	}
	take_over(&takeover, false);
	if (argc - optind != 1 || !base == !parent || (base && !strcmp(base, "-")))
		return usage_error(&cmd_rebase, "needs a delta, and --base or --parent with a device");
	if (parent && force)
		return usage_error(&cmd_rebase, "--force goes with --base");
	ret = lclone_delta_path(argv[optind], delta);
	if (!ret && parent)
		ret = lclone_delta_path(parent, layer);
	if (ret)
		return ret;
	ret = parent ? lclone_rebase_on_parent(delta, layer, &done) :
		       lclone_rebase(delta, base, force, &done);
	if (ret)
		return ret;
	print_done(&done, base);
	return (base ? lclone_follow_base(delta, base) : 0) ?: lclone_protect_layer(delta);
}

const struct command cmd_rebase = {
	.name = "rebase",
	.summary = "accept a base that was moved or copied, or a layer that was repaired",
	.usage =
	"rebase [--force] [--takeover [--yes]] --base BASE DELTA\n"
	"       lclone rebase [--takeover [--yes]] --parent LAYER DELTA\n\n"
	"Records in DELTA (or a clone's name), which is not active, that BASE is its base. A copy on a device of\n"
	"the same size needs no rebase. BASE must hold what the base held; it may be larger,\n"
	"as long as the clone does not see more than zeros of that. No data are copied.\n\n"
	"  --base BASE     the base\n"
	"  --force         do not look at the content: you know that it is right. Else the clone\n"
	"                  is garbage\n"
	"  --parent LAYER  the layer that DELTA lies on has lost data in a repair: DELTA, which is\n"
	"                  refused since then, goes on with what that says was lost\n"
	"  --takeover      also if another host has DELTA open by its note\n"
	"  --yes           do not ask before that\n",
	.run = run,
};
