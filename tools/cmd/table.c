// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "clone/word.h"
#include "cmd/commands.h"
#include "host/dm.h"
#include "online/open.h"
#include "ui/options.h"

static int print_inactive(const char *base, const char *delta,
			  const struct lclone_parents *parents,
			  const struct lclone_features *features)
{
	static char params[LCLONE_PARAMS_SIZE];
	u64 sectors;
	int err = lclone_open_line(base, delta, parents, features, &sectors, params);

	if (!err)
		printf("0 %llu " LCLONE_TARGET " %s\n", (unsigned long long)sectors, params);
	return err;
}

/* Of one that is active as it is; else as lclone open NAME would have it */
static int print_named(const char *name)
{
	static struct lclone_named named;
	static struct lclone_clone clone;
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	int err = lclone_dm_get(name, &clone);

	if (!err)
		printf("0 %llu " LCLONE_TARGET " %s\n", (unsigned long long)clone.sectors,
		       clone.params);
	if (err != -ENXIO)
		return err;
	err = lclone_name_find(name, &named);
	if (!err && named.entry)
		features = named.entry->features;
	lclone_named_free(&named);
	err = err ?: lclone_pair_of(name, &named);
	return err ?: print_inactive(named.base, named.delta, &parents, &features);
}

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	int any, ret = 0;

	any = parse_open_options(&cmd_table, argc, argv, &features, &parents, NULL, &ret);
	if (any < 0)
		return ret;
	if (argc - optind == 1 && !any)
		return print_named(lclone_dm_name(argv[optind]));
	if (argc - optind != 2)
		return usage_error(&cmd_table, "needs the name of a clone, or a base (or -) and a delta");
	return print_inactive(argv[optind], argv[optind + 1], &parents, &features);
}

const struct command cmd_table = {
	.name = "table",
	.summary = "print the table line of a clone, for dmsetup",
	.usage =
	"table NAME\n"
	"       lclone table [OPTION]... BASE|- DELTA\n\n"
	"Prints the line that \"dmsetup create\" takes: that of the clone NAME, or the one that\n"
	"activates the clone of BASE and DELTA.\n\n"
	PARENT_USAGE READ_ONLY_USAGE FEATURE_USAGE,
	.run = run,
};
