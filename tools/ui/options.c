// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "ui/options.h"

/* ".5", with at most six digits, of a @unit. False: it is no such thing */
static bool parse_fraction(const char *text, u64 unit, u64 *bytes)
{
	u64 digits = 0, scale = 1;

	for (text++; *text >= '0' && *text <= '9' && scale < 1000000; text++) {
		digits = 10 * digits + (*text - '0');
		scale *= 10;
	}
	*bytes = digits * (unit / 1024) * 1024 / scale;
	return scale > 1 && !(*text >= '0' && *text <= '9');
}

/* 0: no unit that we know */
static u64 parse_unit(const char *text)
{
	static const char suffixes[] = "KMGTP";
	const char *suffix;

	if (!strcmp(text, "s"))
		return 512;
	if (!*text)
		return 1;
	suffix = isalpha((unsigned char)*text) ? strchr(suffixes, toupper(*text)) : NULL;
	if (!suffix || (strcmp(text + 1, "") && strcmp(text + 1, "iB") && strcmp(text + 1, "B")))
		return 0;
	return 1024ull << 10 * (suffix - suffixes);
}

int parse_size(const char *text, u64 *sectors)
{
	u64 value, unit, part = 0;
	char *end, *point;

	if (*text < '0' || *text > '9')
		goto bad;
	errno = 0;
	value = strtoull(text, &end, 10);
	point = end;
	if (*point == '.')
		end += 1 + strspn(end + 1, "0123456789");
	unit = parse_unit(end);
	if (errno || !unit || value > UINT64_MAX / unit)
		goto bad;
	if (*point == '.' && (unit < 1024 || !parse_fraction(point, unit, &part)))
		goto bad;
	value = value * unit + part;
	if (value < part)
		goto bad;
	if (*point == '.')
		value &= ~4095ull;	/* no device has larger blocks */
	if (value % 512)
		return lclone_fail(-ERANGE, "size %s is not a multiple of 512", text);
	*sectors = value / 512;
	return 0;
bad:
	return lclone_fail(-ERANGE, "\"%s\" is not a size: bytes, or with K, M, G, T, P (powers of 1024; also KiB or KB, ...), or s for sectors",
			   text);
}

static int parse_number(const char *text, u64 max, u64 *value)
{
	if (lclone_parse_u64(text, max, value))
		return lclone_fail(-ERANGE, "\"%s\" is not a number from 0 to %llu", text,
				   (unsigned long long)max);
	return 0;
}

int parse_feature_option(struct lclone_features *f, int option, const char *value)
{
	u64 number = 0;
	int err = 0;

	switch (option) {
	case 'r':
		f->read_only = true;
		break;
	case 'e':
		f->error_if_no_space = true;
		break;
	case 't':
		err = parse_number(value, UINT32_MAX, &number);
		f->no_space_timeout_set = true;
		f->no_space_timeout = number;
		break;
	case 'w':
		err = parse_number(value, LCLONE_PHYS_MASK, &f->low_water_mark);
		break;
	case 'i':
		err = parse_number(value, 3600000, &number);
		if (!err && !number)
			err = lclone_fail(-ERANGE, "a commit interval of 0 is not possible");
		f->commit_interval = number;
		break;
	case 'd':
		f->no_discard_passdown = true;
		break;
	default:
		return 0;
	}
	return err ?: 1;
}
