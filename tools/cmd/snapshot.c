// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "host/dm.h"
#include "online/by-name.h"
#include "online/switch.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/switching.h"

static const struct option options[] = {
	{ "to", required_argument, NULL, 'o' },
	{ "vg", required_argument, NULL, 'V' },
	{ "delta-size", required_argument, NULL, 'S' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int take(const struct switching *s)
{
	struct switched switched;
	bool opened;
	int err;

	err = lclone_open_meanwhile(s->name, &opened) ?: lclone_switch_delta(s, &switched);
	err = lclone_close_again(s->name, opened, err);
	if (err)
		return err;
	if (s->snapshot)
		say("%s@%s: ", s->name, s->snapshot);
	else
		say("%s: ", s->name);
	say("%s is a sealed layer now, %s takes what is written", switched.old, switched.new);
	if (switched.pause_ms >= 0 && !opened)
		printf("; the clone stood still for %.1f ms", switched.pause_ms);
	putchar('\n');
	return 0;
}

static int run(int argc, char **argv)
{
	struct switching s = { .name = NULL };
	int option, ret = 0;

	while ((option = next_option(&cmd_snapshot, argc, argv, options, &ret)) != -1) {
		if (!switching_option(&s, option, optarg, &ret))
			return ret;
		if (ret)
			return ret;
	}
	if (argc - optind != 1 && argc - optind != 2)
		return usage_error(&cmd_snapshot, "needs the name of a clone, and the snapshot's");
	ret = switching_check(&s, &cmd_snapshot, argv[optind], argv[optind + 1]);
	return ret ?: take(&s);
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.summary = "keep what a clone has, and go on with a new delta",
	.usage =
	"snapshot [--vg VG] [--delta-size SIZE] NAME [SNAPSHOT]\n"
	"       lclone snapshot --to DEVICE [--force] NAME [SNAPSHOT]\n\n"
	"Seals the delta of the clone NAME: it becomes a layer that does not change any more.\n"
	"A new delta takes what is written from now on; a clone that is active stays in use.\n"
	"With a name, SNAPSHOT, the clone can be taken back to it (lclone revert NAME SNAPSHOT),\n"
	"others can be made of it (lclone create --from NAME@SNAPSHOT), and it can be removed\n"
	"(lclone remove NAME@SNAPSHOT). lclone list --snapshots shows them.\n\n"
	"  --vg VG            make the new delta, a logical volume, in VG (where the old one is)\n"
	"  --delta-size SIZE  its size (1G)\n"
	"  --to DEVICE        the new delta, which must be empty\n"
	"  --force            overwrite what is on DEVICE\n",
	.run = run,
};
