// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/text.h"
#include "format/layer.h"

bool lclone_has_parent(const struct lclone_sb *sb)
{
	return !uuid_is_null(sb->parent_uuid);
}

int lclone_link_check(const struct lclone_sb *sb, const struct lclone_sb *parent,
		      char why[LCLONE_WHY_SIZE])
{
	if (!lclone_has_parent(sb) || uuid_compare(sb->parent_uuid, parent->uuid))
		snprintf(why, LCLONE_WHY_SIZE, "is not its parent layer");
	else if (!(parent->state & LCLONE_STATE_SEALED))
		snprintf(why, LCLONE_WHY_SIZE, "is its parent layer, but is not sealed");
	else if (sb->parent_generation != parent->generation)
		snprintf(why, LCLONE_WHY_SIZE, "was its parent layer with generation %" PRIu64
			 ", and has generation %" PRIu64 " now", sb->parent_generation,
			 parent->generation);
	else if (sb->chunk_sectors != parent->chunk_sectors)
		snprintf(why, LCLONE_WHY_SIZE, "has another chunk size: %s, not %s",
			 LCLONE_SIZE(parent->chunk_sectors), LCLONE_SIZE(sb->chunk_sectors));
	else if (lclone_half_written(parent))
		snprintf(why, LCLONE_WHY_SIZE, "is its parent layer, but is half written");
	else if (lclone_half_merged(parent) && !lclone_half_merged_with(parent, sb->uuid))
		snprintf(why, LCLONE_WHY_SIZE, "is its parent layer, but is being merged with another");
	else
		return 0;
	return -ESTALE;
}

/* Merges of layers */

static bool is_owner(const struct lclone_sb *sb, const u8 *uuid)
{
	uuid_t owner;

	return !uuid_parse(sb->owner, owner) && !uuid_compare(owner, uuid);
}

void lclone_owner_set(struct lclone_sb *sb, const u8 *uuid)
{
	memset(sb->owner, 0, sizeof(sb->owner));
	uuid_unparse_lower(uuid, sb->owner);
}

bool lclone_merges_into_base(const struct lclone_sb *sb)
{
	return sb->state & LCLONE_STATE_MERGING && !(sb->state & LCLONE_STATE_SEALED);
}

/*
 * SEALED and MERGING: nobody reads it by itself, nor writes to it.  With an owner note it is what
 * is in use, and will be a layer when it is sealed.
 */
static bool is_half(const struct lclone_sb *sb)
{
	return sb->state & LCLONE_STATE_SEALED && sb->state & LCLONE_STATE_MERGING &&
	       sb->owner[0] && !lclone_is_owned(sb);
}

bool lclone_half_merged(const struct lclone_sb *sb)
{
	return is_half(sb) && !is_owner(sb, sb->uuid);
}

bool lclone_half_written(const struct lclone_sb *sb)
{
	return is_half(sb) && is_owner(sb, sb->uuid);
}

bool lclone_half_merged_with(const struct lclone_sb *sb, const u8 *uuid)
{
	return lclone_half_merged(sb) && is_owner(sb, uuid);
}

bool lclone_left_over(const struct lclone_sb *sb, const struct lclone_sb *by)
{
	return !uuid_compare(sb->uuid, by->uuid) && lclone_has_parent(sb) &&
	       (is_owner(by, sb->parent_uuid) || !uuid_compare(by->took_over, sb->parent_uuid));
}
