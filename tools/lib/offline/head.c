// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "offline/head.h"

#define HEAD_SECTORS	LCLONE_BLOCK_SECTORS

static const char note[] = "lclone: a copy to this device was begun, and has not ended\n";

static bool is_all_head(const struct lclone_chain *chain)
{
	return chain->delta[0]->sb.virtual_sectors <= HEAD_SECTORS;
}

static int write_head(struct lclone_file *target, const void *head)
{
	int err = lclone_file_write(target, head, 0, HEAD_SECTORS);

	return err ?: lclone_file_sync(target);
}

bool lclone_head_is_note(const struct lclone_file *target)
{
	u8 head[LCLONE_BLOCK_SIZE];

	return !lclone_dev_read(&target->dev, head, 0, HEAD_SECTORS) &&
	       !memcmp(head, note, sizeof(note));
}

int lclone_head_begin(const struct lclone_chain *chain, struct lclone_file *target, u64 *first)
{
	u8 head[LCLONE_BLOCK_SIZE] = { 0 };

	*first = 0;
	if (is_all_head(chain))
		return 0;
	memcpy(head, note, sizeof(note));
	*first = HEAD_SECTORS;
	return write_head(target, head);
}

int lclone_head_end(struct lclone_chain *chain, struct lclone_file *base,
		    struct lclone_file *target)
{
	u8 head[LCLONE_BLOCK_SIZE];
	int err;

	if (is_all_head(chain))
		return 0;
	err = lclone_chain_read(chain, base, head, 0, HEAD_SECTORS);
	return err ?: write_head(target, head);
}
