// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <uuid/uuid.h>

#include "ui/format.h"

void print_formatted(const char *delta, const struct lclone_sb *sb)
{
	char uuid[UUID_STR_LEN];

	uuid_unparse(sb->uuid, uuid);
	printf("%s: formatted, %llu sectors in chunks of %u KiB, uuid %s\n", delta,
	       (unsigned long long)sb->virtual_sectors, sb->chunk_sectors / 2, uuid);
}
