// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "host/unit-name.h"

static const char kept[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.";

static int finish(char unit[LCLONE_UNIT_NAME_SIZE], size_t at, const char *text, const char *suffix)
{
	if (at + strlen(suffix) >= LCLONE_UNIT_NAME_SIZE)
		return lclone_fail(-ENAMETOOLONG, "%.64s...: is too long for the name of a unit", text);
	strcpy(unit + at, suffix);
	return 0;
}

/* Puts a byte at the end, if there is room for it: finish() finds that there was none. */
static size_t put(char unit[LCLONE_UNIT_NAME_SIZE], size_t at, char c, bool first)
{
	if (at + 4 >= LCLONE_UNIT_NAME_SIZE)
		return LCLONE_UNIT_NAME_SIZE;
	if (c == '/') {
		unit[at++] = '-';
	} else if (strchr(kept, c) && !(first && c == '.')) {
		unit[at++] = c;
	} else {
		snprintf(unit + at, 5, "\\x%02x", (unsigned char)c);
		at += 4;
	}
	return at;
}

int lclone_unit_name(const char *prefix, const char *text, const char *suffix,
		     char unit[LCLONE_UNIT_NAME_SIZE])
{
	size_t at = strlen(prefix), i;

	strcpy(unit, prefix);
	for (i = 0; text[i]; i++)
		at = put(unit, at, text[i], !i);
	return finish(unit, at, text, suffix);
}

/* Slashes at the ends, and those behind another, are not of the name. */
int lclone_unit_path(const char *path, const char *suffix, char unit[LCLONE_UNIT_NAME_SIZE])
{
	size_t at = 0, i;

	for (i = 0; path[i]; i++)
		if (path[i] != '/' || (at && path[i + 1] != '/' && path[i + 1]))
			at = put(unit, at, path[i], !at);
	return finish(unit, at, path, suffix);
}
