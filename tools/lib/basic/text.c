// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/text.h"

/* Bytes of the UTF-8 character that @s begins with, which is *c; 0 if it is none. */
static size_t decode(const char *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = *s;
	size_t len = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 :
		     first < 0xf8 ? 4 : 0, i;

	*c = len < 2 ? first : first & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)	/* the end of the string is none, too */
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if (len > 1 && (*c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000)))
		return 0;
	return len;
}

/* Also what ends a line or turns the order of letters around: a terminal shows it, not as it is. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static char *escape(char *to, size_t size, const char *from, bool controls)
{
	size_t at = 0, len, need;
	uint32_t c;

	while (*from) {
		len = decode(from, &c);
		if (len && controls && is_control(c))
			len = 0;
		need = len ?: 4;
		if (at + need >= size)
			break;
		if (len)
			memcpy(to + at, from, len);
		else
			snprintf(to + at, size - at, "\\x%02x", (unsigned char)*from);
		at += need;
		from += len ?: 1;
	}
	to[at] = '\0';
	return to;
}

char *lclone_text_utf8(char *to, size_t size, const char *from)
{
	return escape(to, size, from, false);
}

char *lclone_text_plain(char *to, size_t size, const char *from)
{
	return escape(to, size, from, true);
}

const char *lclone_size_text(u64 bytes, char text[16])
{
	static const char * const units[] = { "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = bytes / 1048576.0;
	int unit = 0;

	for (; size >= 1024 && unit < 4; unit++)
		size /= 1024;
	snprintf(text, 16, unit ? "%.2f %s" : "%.1f %s", size, units[unit]);
	return text;
}

const char *lclone_exact_size(u64 sectors, char text[LCLONE_EXACT_SIZE])
{
	static const char * const units[] = { "KiB", "MiB", "GiB", "TiB" };
	u64 size = sectors / 2;
	int unit = 0;

	if (!sectors || sectors % 2) {
		snprintf(text, LCLONE_EXACT_SIZE, "%llu bytes", (unsigned long long)sectors * 512);
		return text;
	}
	for (; !(size % 1024) && unit < 3; unit++)
		size /= 1024;
	snprintf(text, LCLONE_EXACT_SIZE, "%llu %s", (unsigned long long)size, units[unit]);
	return text;
}

void lclone_time_text(u64 seconds, char text[LCLONE_TIME_SIZE])
{
	const time_t t = seconds;
	struct tm tm;

	text[0] = '\0';
	if (seconds && localtime_r(&t, &tm))
		strftime(text, LCLONE_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
}
