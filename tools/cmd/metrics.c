// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cmd/commands.h"
#include "ui/metrics.h"
#include "ui/save.h"

static int save(const struct lclone_overview *o, const char *path)
{
	struct save save;
	int err;

	err = save_begin(&save, path);
	if (err)
		return err;
	err = metrics_print(save.f, o);
	return save_end(&save, err);
}

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_overview o = { .count = 0 };
	const char *output = NULL;
	int option, ret = 0;

	while ((option = next_option(&cmd_metrics, argc, argv, options, &ret)) != -1) {
		if (option != 'o')
			return ret;
		output = optarg;
	}
	if (optind != argc)
		return usage_error(&cmd_metrics, "takes no arguments");
	ret = lclone_overview_read(&o);
	if (!ret)
		ret = output ? save(&o, output) : metrics_print(stdout, &o);
	lclone_overview_free(&o);
	return ret;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "print what there is to watch, for Prometheus",
	.usage =
	"metrics [-o FILE]\n\n"
	"Prints sizes, use, state and work of all active clones in Prometheus' text format.\n"
	"The kernel is asked, and no device is read.\n\n"
	"  -o, --output FILE  write it there; who reads the file finds all of it, or the old one\n",
	.run = run,
};
