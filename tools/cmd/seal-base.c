// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.h"
#include "offline/seal-base.h"
#include "offline/template.h"
#include "ui/output.h"
#include "ui/progress.h"

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	meter_show(ctx, phase, done, total, done == total);
	return interrupted();
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct meter meter;
	const struct lclone_watch watch = { .progress = progress, .ctx = &meter };
	struct lclone_lv base, tree;
	char path[PATH_MAX];
	bool already;
	int ret = 0;

	if (next_option(&cmd_seal_base, argc, argv, options, &ret) != -1)
		return ret;
	if (argc - optind != 1)
		return usage_error(&cmd_seal_base, "needs a template, or a base");
	meter_init(&meter, false);
	ret = lclone_template_path(argv[optind], path) ?:
	      lclone_seal_base(path, &watch, &base, &tree, &already);
	meter_hide(&meter);
	if (!ret)
		say("%s/%s: %s, its verity tree is on %s/%s, with the root hash %s\n", base.vg,
		    base.lv, already ? "sealed before" : "sealed", tree.vg, tree.lv, tree.root);
	return ret;
}

const struct command cmd_seal_base = {
	.name = "seal-base",
	.summary = "make the verity tree of a base",
	.usage =
	"seal-base TEMPLATE|BASE\n\n"
	"Reads a base, which is a logical volume, may be in use, and must not be written, and\n"
	"makes its verity tree, in the volume BASE-verity beside it, a sixteenth of its size. New\n"
	"clones record the root hash. With lclone open --verify what is read of the base is\n"
	"compared with it; lclone verify compares all. lclone template add has done this.\n",
	.run = run,
};
