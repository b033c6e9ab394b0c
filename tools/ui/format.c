// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <uuid/uuid.h>

#include "ui/format.h"

int format_and_tell(const char *base, const char *delta, const struct format_arguments *args)
{
	char uuid[UUID_STR_LEN];
	struct lclone_sb sb;
	int err;

	err = format_delta(base, delta, args, &sb);
	if (err)
		return err;
	uuid_unparse(sb.uuid, uuid);
	printf("%s: formatted, %llu sectors in chunks of %u KiB, uuid %s\n", delta,
	       (unsigned long long)sb.virtual_sectors, sb.chunk_sectors / 2, uuid);
	return 0;
}
