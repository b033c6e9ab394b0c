// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "online/boot.h"
#include "ui/output.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void print_bad(unsigned int line, const char *reason, void *ctx)
{
	(void)ctx;
	fprintf(stderr, "lclone unit: %s, line %u: %s\n", lclone_tab_path(), line, reason);
}

static int start(const char *name)
{
	const struct lclone_tab_entry *entry;
	struct lclone_tab tab;
	int err;

	err = lclone_tab_read(&tab, print_bad, NULL);
	entry = lclone_tab_find(&tab, name);
	if (!err)
		err = entry ? lclone_start_entry(entry) :
		      lclone_fail(-ENOENT, "%s has no %s", lclone_tab_path(), name);
	if (!err && !entry->features.read_only)
		tell_not_noted(name);
	lclone_tab_free(&tab);
	return err;
}

static int run(int argc, char **argv)
{
	const char *what;
	int ret = 0;

	if (next_option(&cmd_unit, argc, argv, options, &ret) != -1)
		return ret;
	what = argc - optind == 2 ? argv[optind] : "";
	if (!strcmp(what, "start"))
		return start(argv[optind + 1]);
	if (!strcmp(what, "stop"))
		return lclone_stop_name(argv[optind + 1]);
	return usage_error(&cmd_unit, "needs start or stop, and a name");
}

/* It has no summary: it is for lclone@NAME.service. */
const struct command cmd_unit = {
	.name = "unit",
	.usage =
	"unit start|stop NAME\n\n"
	"What lclone@NAME.service does: activates the clone NAME as lclonetab(5) has it, or\n"
	"deactivates it. It is no error if that is so already.\n",
	.run = run,
};
