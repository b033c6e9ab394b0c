// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/owner.h"
#include "host/feature.h"
#include "ui/confirm.h"
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

int parse_feature_option(struct lclone_features *f, int option, const char *value)
{
	static const struct option features[] = { READ_ONLY_OPTION, VERIFY_OPTION,
						   FEATURE_OPTIONS };
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (features[i].val == option)
			return lclone_feature_set(f, features[i].name, value);
	return 0;
}

void parse_takeover_option(struct takeover *t, int option)
{
	t->given |= option == 'T';
	t->yes |= option == 'y';
}

void take_over(const struct takeover *t, bool sure)
{
	if (t->given)
		lclone_take_over(t->yes || sure ? NULL : ask_before_takeover);
}

int parse_open_options(const struct command *cmd, int argc, char **argv,
		       struct lclone_features *features, struct lclone_parents *parents, bool *host,
		       int *ret)
{
	static const struct option options[] = {
		HOST_OPTION,		/* these if @host is wanted */
		TAKEOVER_OPTIONS,
		VERIFY_OPTION,
		READ_ONLY_OPTION,
		FEATURE_OPTIONS,
		PARENT_OPTION,
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct takeover takeover = { .given = false };
	int option, any = 0;

	while ((option = next_option(cmd, argc, argv, host ? options : options + 4, ret)) != -1) {
		if (option == '?')
			return -1;
		parse_takeover_option(&takeover, option);
		if (option == 'H')
			*host = true;
		else if (option == 'P')
			*ret = lclone_add_parent(parents, optarg);
		else
			*ret = parse_feature_option(features, option, optarg);
		if (*ret < 0)
			return -1;
		any = 1;
	}
	take_over(&takeover, features->read_only);
	return any;
}
