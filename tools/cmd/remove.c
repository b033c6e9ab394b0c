// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/inventory.h"
#include "clone/super.h"
#include "cmd/commands.h"
#include "ui/options.h"

static int refuse_open_clone(const char *name)
{
	static struct lclone_clone clone;
	char delta[PATH_MAX];
	int err = lclone_dm_get(name, &clone);

	if (err)
		return err;
	name_of(clone.table.delta, delta);
	return lclone_fail(-EBUSY, "%s is active, with the delta %s: close it first", name, delta);
}

/* A damaged delta can be removed; what is none, or of a newer version, is left alone. */
static int wipe(const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_file_open_ready(&file, path, O_RDWR | O_EXCL);
	if (err)
		goto out;
	err = lclone_delta_open_sb(&delta, &file.dev);
	if (err && err != -EBADMSG && err != -EUCLEAN && err != -ENOSPC)
		err = lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path, delta.why);
	else
		err = lclone_refuse_loss(path, &delta, err, NULL);
	if (!err)
		err = lclone_super_wipe(&file);
out:
	close_delta(&file, &delta);
	return err;
}

static const struct option options[] = {
	ASSUME_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_remove, argc, argv, options, &ret)) != -1) {
		if (option != 'A')
			return ret;
		lclone_assume_no_other_clones();
	}
	if (argc - optind != 1)
		return usage_error(&cmd_remove, "needs a delta");
	return strchr(argv[optind], '/') ? wipe(argv[optind]) : refuse_open_clone(argv[optind]);
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "destroy a delta: wipe its superblocks",
	.usage =
	"remove [--assume-no-other-clones] DELTA\n\n"
	"Wipes both superblocks of DELTA, so that it is no delta any more. What the clone\n"
	"had written is lost. A clone that is active is refused: close it first; and so is a\n"
	"layer that others depend on, or may depend on.\n\n"
	ASSUME_USAGE,
	.run = run,
};
