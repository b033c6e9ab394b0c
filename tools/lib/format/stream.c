// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "format/stream.h"

void lclone_stream_name(const struct lclone_sb *sb, char name[LCLONE_STREAM_NAME])
{
	char uuid[UUID_STR_LEN];

	uuid_unparse_lower(sb->uuid, uuid);
	snprintf(name, LCLONE_STREAM_NAME, "%s@%" PRIu64, uuid, sb->generation);
}

void lclone_stream_base_name(const struct lclone_sb *sb, char name[LCLONE_STREAM_NAME])
{
	snprintf(name, LCLONE_STREAM_NAME, "base-%016" PRIx64 "@%" PRIu64, sb->base_fp,
		 sb->base_sectors);
}

/*
 * The null uuid means "none" where a delta names what it lies on. Who seals a layer counts from 0,
 * and the kernel may do that once more.
 */
static bool can_be_sealed(const struct lclone_sb *sb)
{
	return !uuid_is_null(sb->uuid) && sb->generation && sb->generation != UINT64_MAX;
}

/* What is parsed is right if it is written the same again: that knows all rules of both. */

bool lclone_stream_parse_name(const char *name, struct lclone_sb *sb)
{
	char uuid[UUID_STR_LEN] = "", again[LCLONE_STREAM_NAME];

	if (strlen(name) <= UUID_STR_LEN)
		return false;
	memcpy(uuid, name, UUID_STR_LEN - 1);
	if (uuid_parse(uuid, sb->uuid))
		return false;
	sb->generation = strtoull(name + UUID_STR_LEN, NULL, 10);
	lclone_stream_name(sb, again);
	return !strcmp(name, again) && can_be_sealed(sb);
}

bool lclone_stream_parse_base(const char *name, struct lclone_sb *sb)
{
	char again[LCLONE_STREAM_NAME];

	sb->base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	if (sscanf(name, "base-%" SCNx64 "@%" SCNu64, &sb->base_fp, &sb->base_sectors) != 2)
		return false;
	lclone_stream_base_name(sb, again);
	return !strcmp(name, again);
}
