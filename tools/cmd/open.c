// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.h"
#include "online/by-name.h"
#include "online/open.h"
#include "ui/options.h"
#include "ui/output.h"

static int run(int argc, char **argv)
{
	struct lclone_features features = { 0 };
	struct lclone_parents parents = { 0 };
	bool host = false;
	int ret = 0;

	if (parse_open_options(&cmd_open, argc, argv, &features, &parents, &host, &ret) < 0)
		return ret;
	argv += optind;
	argc -= optind;
	if (argc != 1 && argc != 3)
		return usage_error(&cmd_open, "needs a name, or a name, a base (or -) and a delta");
	if (argc == 1)
		ret = lclone_open_name(argv[0], &parents, &features, host);
	else if (!lclone_was_opened(argv[0], argv[1], argv[2], &features))
		ret = lclone_open_clone(argv[0], argv[1], argv[2], &parents, &features, host);
	if (!ret && !features.read_only)
		tell_not_noted(argv[0]);
	return ret;
}

const struct command cmd_open = {
	.name = "open",
	.summary = "activate a clone as /dev/mapper/NAME",
	.usage =
	"open [OPTION]... NAME BASE|- DELTA\n"
	"       lclone open [OPTION]... NAME\n\n"
	"Activates the clone that BASE and DELTA make as /dev/mapper/NAME. The second looks for\n"
	"them: in lclonetab, whose options count, too, among LVM's tags, and by label.\n\n"
	PARENT_USAGE READ_ONLY_USAGE VERIFY_USAGE HOST_USAGE FEATURE_USAGE TAKEOVER_USAGE,
	.run = run,
};
