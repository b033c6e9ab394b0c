// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.h"
#include "online/open.h"
#include "ui/options.h"

static const struct option options[] = {
	READ_ONLY_OPTION,
	FEATURE_OPTIONS,
	HOST_OPTION,
	PARENT_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	int option, ret = 0;
	bool host = false;

	while ((option = next_option(&cmd_open, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'H') {
			host = true;
			continue;
		}
		ret = option == 'P' ? lclone_add_parent(&parents, optarg) :
		      parse_feature_option(&features, option, optarg);
		if (ret < 0)
			return ret;
	}
	if (argc - optind != 3)
		return usage_error(&cmd_open, "needs a name, a base (or -) and a delta");
	if (lclone_was_opened(argv[optind], argv[optind + 1], argv[optind + 2], &features))
		return 0;
	return lclone_open_clone(argv[optind], argv[optind + 1], argv[optind + 2], &parents,
				 &features, host);
}

const struct command cmd_open = {
	.name = "open",
	.summary = "activate a clone as /dev/mapper/NAME",
	.usage =
	"open [OPTION]... NAME BASE|- DELTA\n\n"
	"Activates the clone that BASE and DELTA make as /dev/mapper/NAME.\n\n"
	PARENT_USAGE READ_ONLY_USAGE HOST_USAGE FEATURE_USAGE,
	.run = run,
};
