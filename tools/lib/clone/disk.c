// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "clone/active.h"
#include "clone/delta-file.h"
#include "clone/disk.h"

int lclone_open_disk(const char *path, int flags, const struct lclone_parents *parents,
		     struct disk *disk)
{
	int err;

	disk->chain.count = 0;
	memset(&disk->moment, 0, sizeof(disk->moment));
	err = lclone_open_delta(path, flags, &disk->file, &disk->delta);
	return err ?: lclone_chain_open(&disk->chain, &disk->delta, &disk->file, parents);
}

int lclone_open_disk_now(const char *path, const struct lclone_parents *parents, struct disk *disk)
{
	const struct lclone_dev *dev;
	int err;

	disk->chain.count = 0;
	memset(&disk->delta, 0, sizeof(disk->delta));
	err = lclone_open_delta_file_now(path, NULL, &disk->file, &disk->moment, &dev);
	if (!err)
		err = lclone_open_delta_on(path, dev, &disk->delta);
	return err ?: lclone_chain_open(&disk->chain, &disk->delta, &disk->file, parents);
}

void lclone_close_disk(struct disk *disk)
{
	lclone_chain_close(&disk->chain);
	lclone_close_delta(&disk->file, &disk->delta);
	lclone_moment_free(&disk->moment);
}
