// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.h"
#include "online/by-name.h"
#include "online/open.h"
#include "ui/options.h"

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	bool host = false;
	int ret = 0;

	if (parse_open_options(&cmd_open, argc, argv, &features, &parents, &host, &ret) < 0)
		return ret;
	if (argc - optind == 1)
		return lclone_open_name(argv[optind], &parents, &features, host);
	if (argc - optind != 3)
		return usage_error(&cmd_open, "needs a name, or a name, a base (or -) and a delta");
	if (lclone_was_opened(argv[optind], argv[optind + 1], argv[optind + 2], &features))
		return 0;
	return lclone_open_clone(argv[optind], argv[optind + 1], argv[optind + 2], &parents,
				 &features, host);
}

const struct command cmd_open = {
	.name = "open",
	.summary = "activate a clone as /dev/mapper/NAME",
	.usage =
	"open [OPTION]... NAME BASE|- DELTA\n"
	"       lclone open [OPTION]... NAME\n\n"
	"Activates the clone that BASE and DELTA make as /dev/mapper/NAME. The second looks for\n"
	"them: in lclonetab, whose options count, too, among LVM's tags, and by label.\n\n"
	PARENT_USAGE READ_ONLY_USAGE HOST_USAGE FEATURE_USAGE,
	.run = run,
};
