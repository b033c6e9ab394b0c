// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "basic/fail.h"
#include "clone/blocks.h"
#include "clone/super.h"

static int block_size(const char *path, u32 *size)
{
	struct lclone_file file;
	int err = lclone_file_open(&file, path, O_RDONLY);

	*size = file.logical_block;
	lclone_file_close(&file);
	return err;
}

static int block_size_of_clone(const char *name, u32 *size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return block_size(path, size);
}

int lclone_blocks_fit_clone(const char *path, const char *name)
{
	u32 own, size;
	int err = block_size(path, &size) ?: block_size_of_clone(name, &own);

	if (!err && size > own)
		err = lclone_fail(-EFBIG, "%s has logical blocks of %u bytes, the clone of %u",
				  path, size, own);
	return err;
}

int lclone_size_fits_clone(u64 sectors, const char *name)
{
	u32 size;
	int err = block_size_of_clone(name, &size);

	return err ?: lclone_size_fits(sectors, size);
}
