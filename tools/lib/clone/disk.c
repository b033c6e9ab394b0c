// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/active.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/disk.h"
#include "clone/owner.h"

int lclone_open_disk(const char *path, int flags, const struct lclone_parents *parents,
		     struct disk *disk)
{
	int err;

	disk->chain.count = 0;
	memset(&disk->moment, 0, sizeof(disk->moment));
	err = lclone_open_delta(path, flags, &disk->file, &disk->delta) ?:
	      lclone_refuse_owned(path, &disk->delta.sb);
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
	/* what is active is this host's, also if that has got another machine-id since */
	if (!err && dev != &disk->moment.dev)
		err = lclone_refuse_owned(path, &disk->delta.sb);
	return err ?: lclone_chain_open(&disk->chain, &disk->delta, &disk->file, parents);
}

void lclone_close_disk(struct disk *disk)
{
	lclone_chain_close(&disk->chain);
	lclone_close_delta(&disk->file, &disk->delta);
	lclone_moment_free(&disk->moment);
}

int lclone_disk_levels_above(const struct disk *disk, const char *path, u32 *levels)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	err = lclone_open_delta(path, O_RDONLY, &file, &delta);
	for (*levels = 0; !err && *levels < disk->chain.count; ++*levels)
		if (!uuid_compare(disk->chain.delta[*levels]->sb.uuid, delta.sb.uuid))
			break;
	if (!err && (!*levels || *levels == disk->chain.count))
		err = lclone_fail(-ESTALE, "%s does not lie on %s", disk->file.path, path);
	lclone_close_delta(&file, &delta);
	return err;
}

static int open_base(const char *path, struct lclone_pair *pair)
{
	memset(&pair->disk, 0, sizeof(pair->disk));
	pair->disk.file.fd = -1;
	return lclone_open_base(path, &pair->base_file, &pair->base);
}

int lclone_open_pair(const char *base, const char *delta, const struct lclone_parents *parents,
		     struct lclone_pair *pair)
{
	int err = open_base(base, pair);

	if (!err)
		err = lclone_open_disk(delta, O_RDONLY, parents, &pair->disk);
	return err ?: lclone_verify_base(&pair->disk.delta, pair->base);
}

int lclone_open_pair_now(const char *base, const char *delta,
			 const struct lclone_parents *parents, struct lclone_pair *pair)
{
	int err = open_base(base, pair);

	if (!err)
		err = lclone_open_disk_now(delta, parents, &pair->disk);
	return err ?: lclone_verify_base(&pair->disk.delta, pair->base);
}

void lclone_close_pair(struct lclone_pair *pair)
{
	lclone_close_disk(&pair->disk);
	lclone_close_base(pair->base);
}
