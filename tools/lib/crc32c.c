// SPDX-License-Identifier: GPL-2.0-only
#include <isa-l/crc.h>

#include "lclone_format.h"

u32 lclone_crc32c(const void *data, u32 len)
{
	return ~crc32_iscsi((unsigned char *)data, len, ~0u);
}
