// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cmd/commands.h"
#include "host/dm.h"
#include "online/switch.h"

static const struct option options[] = {
	{ "to", required_argument, NULL, 'o' },
	{ "yes", no_argument, NULL, 'y' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	bool force = false, yes = false;
	const char *to = NULL, *name;
	struct switched switched;
	int option, ret = 0;

	while ((option = next_option(&cmd_revert, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'o':
			to = optarg;
			break;
		case 'y':
			yes = true;
			break;
		case 'f':
			force = true;
			break;
		default:
			return ret;
		}
	}
	if (argc - optind != 1 || !to)
		return usage_error(&cmd_revert, "needs the name of a clone, and --to");
	if (!yes)
		return usage_error(&cmd_revert, "%s loses all that was written since its last snapshot: confirm with --yes",
				   argv[optind]);
	name = lclone_dm_name(argv[optind]);
	ret = lclone_switch_delta(name, to, force, true, &switched);
	if (!ret)
		printf("%s: as it was at its last snapshot, with the delta %s; %s is free (lclone remove)\n",
		       name, to, switched.old);
	return ret;
}

const struct command cmd_revert = {
	.name = "revert",
	.summary = "make an active clone what it was at its last snapshot",
	.usage =
	"revert [--force] --yes --to DEVICE NAME\n\n"
	"Takes from the active clone NAME, which nobody may have open, all that was written\n"
	"since its last snapshot: DEVICE, which must be empty, becomes its delta on the same\n"
	"layers. The old delta is not changed, and not used any more.\n\n"
	"  --to DEVICE  the new delta\n"
	"  --yes        what was written since the snapshot may be lost\n"
	"  --force      overwrite what is on DEVICE\n",
	.run = run,
};
