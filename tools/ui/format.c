// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <uuid/uuid.h>

#include "basic/text.h"
#include "ui/format.h"
#include "ui/output.h"

void print_formatted(const char *delta, const struct lclone_sb *sb)
{
	char uuid[UUID_STR_LEN];

	uuid_unparse(sb->uuid, uuid);
	say("%s: formatted for a clone of %s, in chunks of %s, uuid %s\n", delta,
	    LCLONE_SIZE(sb->virtual_sectors), LCLONE_SIZE(sb->chunk_sectors), uuid);
}
