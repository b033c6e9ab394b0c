// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/super.h"
#include "clone/users.h"
#include "cmd/commands.h"

static int set_base(struct lclone_file *file, const struct lclone_delta *delta,
		    struct lclone_file *base)
{
	const struct lclone_sb *old = &delta->slot[delta->newest].sb;
	struct lclone_sb sb = *old;
	int err;

	err = lclone_size_fits(sb.virtual_sectors, base->logical_block);
	if (!err && sb.block_size && base->logical_block > sb.block_size)
		err = lclone_fail(-EFBIG, "%s has logical blocks of %u bytes, the clone was used with %u",
				  base->path, base->logical_block, sb.block_size);
	if (!err)
		err = set_base_of(&sb, base);
	if (err)
		return err;
	if (sb.base_sectors == old->base_sectors && sb.base_fp == old->base_fp) {
		printf("%s: %s is its base already\n", file->path, base->path);
		return 0;
	}
	err = lclone_super_write(file, &sb);
	if (!err)
		printf("%s: its base is %s now, with %llu sectors\n", file->path, base->path,
		       (unsigned long long)sb.base_sectors);
	return err;
}

static int rebase(const char *path, const char *base_path, bool force)
{
	struct lclone_file file = { .fd = -1 }, base_file, *base;
	struct lclone_delta delta;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = open_base(base_path, &base_file, &base);
	if (!err)
		err = open_delta(path, O_RDWR, &file, &delta);
	if (!err && lclone_delta_damaged_slot(&delta) >= 0)
		err = check_writable(&delta, path);
	if (base && lclone_file_same(&file, base))
		err = lclone_fail(-EBUSY, "%s cannot be base and delta at once", path);
	if (!err && delta.sb.base_fp_alg == LCLONE_FP_NONE)
		err = lclone_fail(-ESTALE, "%s has no base (\"-\")", path);
	if (!err && delta.sb.state & LCLONE_STATE_MERGING)
		err = lclone_fail(-EBUSY, "%s is being merged into its base: end that first", path);
	if (!err)
		err = refuse_common_sectors(&file, base);
	if (!err && !force)
		err = refuse_as_base(base, "", NULL);
	if (!err && !force)
		err = same_but_larger(base, &delta.sb);
	if (!err)
		err = set_base(&file, &delta, base);
	close_delta(&file, &delta);
	close_base(base);
	return err;
}

/* The layer is the same one, but was repaired. */
static int set_parent(struct lclone_file *file, const struct lclone_delta *delta,
		      const char *parent_path)
{
	struct lclone_sb sb = delta->slot[delta->newest].sb, parent;
	u64 old = sb.parent_generation;
	char why[LCLONE_WHY_SIZE];
	int err;

	err = lclone_sb_of(parent_path, &parent);
	if (err)
		return err;
	sb.parent_generation = parent.generation;
	err = lclone_link_check(&sb, &parent, why);
	if (err)
		return lclone_fail(err, "%s: %s %s", file->path, parent_path, why);
	if (sb.parent_generation == old) {
		printf("%s: %s is its parent layer already\n", file->path, parent_path);
		return 0;
	}
	err = lclone_super_write(file, &sb);
	if (!err)
		printf("%s: its parent layer is %s as it is now, generation %llu\n", file->path,
		       parent_path, (unsigned long long)sb.parent_generation);
	return err;
}

static int rebase_on_parent(const char *path, const char *parent_path)
{
	struct lclone_file file, parent = { .fd = -1 };
	struct lclone_delta delta;
	int err;

	err = open_delta(path, O_RDWR, &file, &delta);
	if (!err && lclone_delta_damaged_slot(&delta) >= 0)
		err = check_writable(&delta, path);
	if (!err)
		err = lclone_file_open(&parent, parent_path, O_RDONLY);
	if (!err)
		err = lclone_lock(&parent, LCLONE_LOCK_SHARED);
	if (!err)
		err = set_parent(&file, &delta, parent_path);
	lclone_file_close(&parent);
	close_delta(&file, &delta);
	return err;
}

static const struct option options[] = {
	{ "parent", required_argument, NULL, 'p' },
	{ "base", required_argument, NULL, 'b' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	const char *base = NULL, *parent = NULL;
	bool force = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_rebase, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'b')
			base = optarg;
		else if (option == 'p')
			parent = optarg;
		else
			force = true;
	}
	if (argc - optind != 1 || !base == !parent || (base && !strcmp(base, "-")))
		return usage_error(&cmd_rebase, "needs a delta, and --base or --parent with a device");
	if (parent && force)
		return usage_error(&cmd_rebase, "--force goes with --base");
	if (parent)
		return rebase_on_parent(argv[optind], parent);
	return rebase(argv[optind], base, force);
}

const struct command cmd_rebase = {
	.name = "rebase",
	.summary = "accept a base that was moved or copied, or a layer that was repaired",
	.usage =
	"rebase [--force] --base BASE DELTA\n"
	"       lclone rebase --parent LAYER DELTA\n\n"
	"Records in DELTA, which is not active, that BASE is its base. A copy on a device of\n"
	"the same size needs no rebase. BASE must hold what the base held; it may be larger,\n"
	"as long as the clone does not see more than zeros of that. No data are copied.\n\n"
	"  --base BASE     the base\n"
	"  --force         do not look at the content: you know that it is right. Else the clone\n"
	"                  is garbage\n"
	"  --parent LAYER  the layer that DELTA lies on has lost data in a repair: DELTA, which is\n"
	"                  refused since then, goes on with what that says was lost\n",
	.run = run,
};
