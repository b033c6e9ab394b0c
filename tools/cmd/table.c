// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "cmd/commands.h"
#include "ui/options.h"

static int print_active(const char *name)
{
	static struct lclone_clone clone;
	int err = lclone_dm_get(name, &clone);

	if (!err)
		printf("0 %llu " LCLONE_TARGET " %s\n", (unsigned long long)clone.sectors,
		       clone.params);
	return err;
}

static int print_inactive(const char *base_path, const char *delta_path,
			  const struct lclone_parents *parents,
			  const struct lclone_features *features)
{
	static struct lclone_table table;
	static char params[LCLONE_PARAMS_SIZE];
	struct lclone_file base_file, *base;
	static struct disk disk;
	u32 i;
	int err;

	err = lclone_open_base(base_path, &base_file, &base);
	if (err)
		goto out_base;
	err = lclone_open_disk(delta_path, O_RDONLY, parents, &disk);
	if (!err)
		err = lclone_verify_base(&disk.delta, base);
	if (!err) {
		snprintf(table.base, PATH_MAX, "%s", base_path);
		snprintf(table.delta, PATH_MAX, "%s", delta_path);
		for (i = disk.chain.count - 1; !err && i; i--)
			err = lclone_table_add_parent(&table, disk.chain.file[i]->path);
		table.features = *features;
		if (err || lclone_table_print(&table, params, sizeof(params)))
			err = lclone_fail(-E2BIG, "the table's line is too long");
		else
			printf("0 %llu " LCLONE_TARGET " %s\n",
			       (unsigned long long)disk.delta.sb.virtual_sectors, params);
	}
	lclone_close_disk(&disk);
out_base:
	lclone_close_base(base);
	return err;
}

static const struct option options[] = {
	READ_ONLY_OPTION,
	FEATURE_OPTIONS,
	PARENT_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	int option, ret = 0;
	bool any = false;

	while ((option = next_option(&cmd_table, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		ret = option == 'P' ? lclone_add_parent(&parents, optarg) :
		      parse_feature_option(&features, option, optarg);
		if (ret < 0)
			return ret;
		any = true;
	}
	if (argc - optind == 1 && !any)
		return print_active(lclone_dm_name(argv[optind]));
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
	"Prints the line that \"dmsetup create\" takes: that of the active clone NAME, or the\n"
	"one that activates the clone of BASE and DELTA.\n\n"
	PARENT_USAGE READ_ONLY_USAGE FEATURE_USAGE,
	.run = run,
};
