// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until the next patch there are no layers: a delta that lies on one is refused.
 */
#include "link.h"

bool lclone_is_half_merged(const struct lclone_sb *sb)
{
	const u32 half = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;

	return (sb->state & half) == half && sb->owner[0];
}

bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above)
{
	return false;
}

struct lclone_delta *lclone_chain_top(const struct lclone *t)
{
	return NULL;
}

int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb)
{
	if (!memchr_inv(sb->parent_uuid, 0, sizeof(sb->parent_uuid)))
		return 0;
	t->ti->error = "The delta has a parent layer: not supported";
	return -EINVAL;
}

void lclone_chain_name(struct lclone *t, struct lclone_sb *sb)
{
	memset(sb->parent_uuid, 0, sizeof(sb->parent_uuid));
	sb->parent_generation = 0;
}
