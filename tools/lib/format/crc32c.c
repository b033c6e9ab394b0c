// SPDX-License-Identifier: GPL-2.0-only
#include <isa-l/crc.h>

#include "format_user.h"
#include "lclone_format.h"

u32 lclone_crc32c(const void *data, u32 len)
{
	return lclone_crc32c_more(0, data, len);
}

u32 lclone_crc32c_more(u32 crc, const void *data, u32 len)
{
	return ~crc32_iscsi((unsigned char *)data, len, ~crc);
}
