// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "lclone.h"

static void device_number(const struct lclone_file *file, char text[PATH_MAX])
{
	snprintf(text, PATH_MAX, "%u:%u", major(file->rdev), minor(file->rdev));
}

/* All that the kernel would refuse, too, but with the better sentence. */
static int look(const char *delta_path, struct lclone_file *base,
		const struct lclone_features *features, struct lclone_table *table, u64 *sectors)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	err = open_delta(delta_path, O_RDONLY, &file, &delta);
	if (err)
		goto out;
	if (!file.block || (base && !base->block)) {
		err = lclone_fail(-ENOTBLK, "%s is not a block device",
				  file.block ? base->path : delta_path);
		goto out;
	}
	err = verify_base(&delta, base);
	if (!err && !features->read_only)
		err = check_writable(&delta, delta_path);
	*sectors = delta.sb.virtual_sectors;
	device_number(&file, table->delta);
	if (base)
		device_number(base, table->base);
	else
		snprintf(table->base, PATH_MAX, "-");
out:
	close_delta(&file, &delta);
	return err;
}

int open_clone(const char *name, const char *base_path, const char *delta_path,
	       const struct lclone_features *features)
{
	static struct lclone_table table;
	static char params[LCLONE_PARAMS_SIZE];
	struct lclone_file base_file, *base;
	u64 sectors = 0;
	int err;

	err = check_free_name(name);
	if (err)
		return err;
	err = open_base(base_path, &base_file, &base);
	if (!err)
		err = look(delta_path, base, features, &table, &sectors);
	close_base(base);
	if (err)
		return err;

	table.features = *features;
	if (lclone_table_print(&table, params, sizeof(params)))
		return lclone_fail(-E2BIG, "the table's line is too long");
	return lclone_dm_create(name, sectors, params, features->read_only);
}

static const struct option options[] = {
	READ_ONLY_OPTION,
	FEATURE_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	int option, ret = 0;

	while ((option = next_option(&cmd_open, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		ret = parse_feature_option(&features, option, optarg);
		if (ret < 0)
			return ret;
	}
	if (argc - optind != 3)
		return usage_error(&cmd_open, "needs a name, a base (or -) and a delta");
	return open_clone(argv[optind], argv[optind + 1], argv[optind + 2], &features);
}

const struct command cmd_open = {
	.name = "open",
	.summary = "activate a clone as /dev/mapper/NAME",
	.usage =
	"open [OPTION]... NAME BASE|- DELTA\n\n"
	"Activates the clone that BASE and DELTA make as /dev/mapper/NAME.\n\n"
	READ_ONLY_USAGE FEATURE_USAGE,
	.run = run,
};
