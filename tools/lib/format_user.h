/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dm-lclone/format.c takes from kernel headers, for user space; and what is like that.
 */
#ifndef LCLONE_FORMAT_USER_H
#define LCLONE_FORMAT_USER_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

#define cpu_to_le16(x)	((__le16)htole16(x))
#define cpu_to_le32(x)	((__le32)htole32(x))
#define cpu_to_le64(x)	((__le64)htole64(x))
#define le16_to_cpu(x)	((uint16_t)le16toh((uint16_t)(x)))
#define le32_to_cpu(x)	((uint32_t)le32toh((uint32_t)(x)))
#define le64_to_cpu(x)	((uint64_t)le64toh((uint64_t)(x)))

#define offsetofend(type, member)	\
	(offsetof(type, member) + sizeof(((type *)0)->member))

/* The struct whose @member @ptr points to */
#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - offsetof(type, member)))

/* lclone_crc32c() of what @crc, 0 at first, is the checksum of, and of what follows it */
uint32_t lclone_crc32c_more(uint32_t crc, const void *data, uint32_t len);

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif /* LCLONE_FORMAT_USER_H */
