// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cmd/commands.h"
#include "host/dm.h"
#include "online/switch.h"

static const struct option options[] = {
	{ "to", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	const char *to = NULL, *name;
	struct switched switched;
	bool force = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_snapshot, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'o')
			to = optarg;
		else
			force = true;
	}
	if (argc - optind != 1 || !to)
		return usage_error(&cmd_snapshot, "needs the name of a clone, and --to");
	name = lclone_dm_name(argv[optind]);
	ret = lclone_switch_delta(name, to, force, false, &switched);
	if (ret)
		return ret;
	printf("%s: %s is a sealed layer now, %s takes what is written", name, switched.old, to);
	if (switched.pause_ms >= 0)
		printf("; the clone stood still for %.1f ms", switched.pause_ms);
	putchar('\n');
	return 0;
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.summary = "keep what an active clone has, and go on with a new delta",
	.usage =
	"snapshot [--force] --to DEVICE NAME\n\n"
	"Seals the delta of the active clone NAME: it becomes a layer that does not change any\n"
	"more, and other clones can be put on it (lclone create --parent). DEVICE, which must\n"
	"be empty, becomes the delta that takes what is written from now on. The clone stays\n"
	"in use.\n\n"
	"  --to DEVICE  the new delta\n"
	"  --force      overwrite what is on DEVICE\n",
	.run = run,
};
