// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "host/dm.h"
#include "online/resize.h"
#include "ui/confirm.h"
#include "ui/options.h"
#include "ui/output.h"

static void say_sizes(const char *name, const struct resized *now)
{
	char clone[16], delta[16];

	say("%s: the clone has %s, the delta %s\n", name,
	    lclone_size_text(now->clone * 512, clone),
	    lclone_size_text(now->delta * 512, delta));
}

static const struct option options[] = {
	{ "size", required_argument, NULL, 's' },
	TAKEOVER_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	int option, ret = 0;
	struct wanted w = { 0 };
	struct resized now;
	struct takeover takeover = { .given = false };
	bool active;
	const char *what, *path;
	char delta[PATH_MAX];
	int err;

	while ((option = next_option(&cmd_resize, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		parse_takeover_option(&takeover, option);
		if (option != 's')
			continue;
		w.more = *optarg == '+';
		ret = parse_size(optarg + w.more, &w.sectors);
		if (!ret && !w.sectors)
			ret = lclone_fail(-ERANGE, "the size of a clone must not be 0");
		if (ret)
			return ret;
	}
	take_over(&takeover, false);
	if (argc - optind != 1)
		return usage_error(&cmd_resize, "needs the name of a clone, or a delta");
	path = argv[optind];
	what = lclone_dm_name(path);
	active = !strchr(what, '/');
	if (active) {
		ret = lclone_resize_active(what, &w, &now);
		active = ret != -ENOTTY || what == path;
	}
	if (active && ret == -ENXIO) {		/* a clone that is not active may have that name */
		err = lclone_delta_path(what, delta);
		if (err)
			return err;
		active = !strcmp(delta, what);
		path = delta;
	}
	if (!active)
		ret = lclone_resize_inactive(path, &w, &now);
	if (!ret)
		say_sizes(active ? what : path, &now);
	return ret;
}

const struct command cmd_resize = {
	.name = "resize",
	.summary = "use a grown delta, or grow the clone",
	.usage =
	"resize [--size SIZE] [--takeover [--yes]] NAME|DELTA\n\n"
	"Makes use of all of a delta's device that has grown. The clone is given by its NAME\n"
	"if it is active (it stays in use meanwhile), else by its DELTA (a path).\n\n"
	"  --size SIZE  grow the clone itself to SIZE, or by it (+SIZE); what is new reads as\n"
	"               zeros beyond the base's end\n"
	"  --takeover   also of a DELTA that another host has open by its note\n"
	"  --yes        do not ask before that\n",
	.run = run,
};
