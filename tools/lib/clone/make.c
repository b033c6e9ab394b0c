// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/make.h"
#include "clone/overwrite.h"
#include "clone/seal.h"
#include "clone/super.h"
#include "clone/users.h"

/*
 * The layer that a new delta is put on, which must be whole and of this base.  It stays open, and
 * locked, until the new delta has recorded it.
 */
static int look_at_parents(const struct lclone_file *file, struct lclone_file *base,
			   const struct lclone_parents *parents, struct disk *disk)
{
	struct lclone_parents below = *parents;
	u32 i;
	int err;

	below.count--;
	err = lclone_open_disk(parents->path[below.count], O_RDONLY, &below, disk);
	if (!err && !(disk->delta.sb.state & LCLONE_STATE_SEALED))
		err = lclone_fail(-ESTALE, "%s is not sealed: %s cannot lie on it",
				  disk->file.path, file->path);
	for (i = 0; !err && i < disk->chain.count; i++)
		if (lclone_file_same(file, disk->chain.file[i]))
			err = lclone_fail(-EBUSY, "%s cannot lie on itself", file->path);
		else
			err = lclone_refuse_common_sectors(file, disk->chain.file[i]);
	if (!err && base && lclone_base_has_grown(base, &disk->delta.sb))
		return lclone_same_but_larger(base, &disk->delta.sb);
	return err ?: lclone_verify_base(&disk->delta, base);
}

/* That of the layer below counts first: it was there when the base was what it is to be. */
static int choose_root(const struct lclone_file *base, const struct format_arguments *args,
		       struct lclone_format_options *options, u8 root[LCLONE_ROOT_SIZE])
{
	if (options->parent && lclone_root_is_set(options->parent->base_root))
		return 0;
	options->base_root = args->base_root ?: root;
	return args->base_root ? 0 : lclone_seal_root(base, root);
}

int lclone_format_delta(const char *base_path, const char *delta_path,
			const struct format_arguments *args, struct lclone_sb *sb)
{
	struct lclone_format_options options = {
		.virtual_sectors = args->virtual_sectors,
		.chunk_sectors = args->chunk_sectors,
		.label = args->label,
		.uuid = args->uuid,
	};
	struct lclone_file delta = { .fd = -1 }, base_file, *base;
	struct lclone_inventory inv = { .count = 0 };
	u8 root[LCLONE_ROOT_SIZE];
	static struct disk parents = { .file = { .fd = -1 } };
	int err;

	err = lclone_open_base(base_path, &base_file, &base);
	if (err)
		goto out_base;
	if (!base && !args->virtual_sectors && !args->parents.count) {
		err = lclone_fail(-ERANGE, "a clone without a base needs --size");
		goto out_base;
	}
	err = lclone_file_open_ready(&delta, delta_path, O_RDWR | O_EXCL);
	if (base && lclone_file_same(&delta, base))
		err = lclone_fail(-EBUSY, "%s cannot be base and delta at once", delta_path);
	if (!err && base)
		err = lclone_refuse_common_sectors(&delta, base);
	/* one look at all devices serves both, while both devices are locked */
	if (!err && base && !args->fresh)
		err = lclone_refuse_as_base(base, "; if it is another: --assume-no-other-clones",
					    &inv);
	if (!err)
		err = args->fresh ? lclone_must_be_blank(&delta) :
				    lclone_may_overwrite(&delta, args->force, &inv);
	if (!err && args->parents.count)
		err = look_at_parents(&delta, base, &args->parents, &parents);
	if (!err && args->parents.count) {
		options.parent = &parents.delta.sb;
		options.block_size = lclone_chain_block_size(&parents.chain);
	}
	if (!err)
		err = choose_root(base, args, &options, root);
	if (!err)
		err = lclone_format(&delta, base, &options, sb);
	if (args->parents.count)
		lclone_close_disk(&parents);
	lclone_file_close(&delta);
	lclone_inventory_free(&inv);
out_base:
	lclone_close_base(base);
	return err;
}
