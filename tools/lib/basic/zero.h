/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_ZERO_H
#define LCLONE_ZERO_H

#include <stdbool.h>
#include <string.h>

/* Are all of these bytes zero, of which there is one at least? */
static inline bool lclone_is_zero(const void *buf, size_t len)
{
	const unsigned char *byte = buf;

	return !byte[0] && !memcmp(byte, byte + 1, len - 1);
}

#endif /* LCLONE_ZERO_H */
