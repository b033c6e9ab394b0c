// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "host/feature.h"

static int parse_number(const char *word, const char *value, u64 max, u64 *number)
{
	if (!value)
		return lclone_fail(-ERANGE, "%s needs a number", word);
	if (lclone_parse_u64(value, max, number))
		return lclone_fail(-ERANGE, "\"%s\" is not a number from 0 to %llu", value,
				   (unsigned long long)max);
	return 0;
}

/* NULL: @word is none of those that take no value */
static bool *find_flag(struct lclone_features *f, const char *word)
{
	if (!strcmp(word, "read-only"))
		return &f->read_only;
	if (!strcmp(word, "error-if-no-space"))
		return &f->error_if_no_space;
	if (!strcmp(word, "no-discard-passdown"))
		return &f->no_discard_passdown;
	if (!strcmp(word, "base-cache"))
		return &f->base_cache;
	if (!strcmp(word, "verify"))
		return &f->verify;
	return NULL;
}

int lclone_feature_set(struct lclone_features *f, const char *word, const char *value)
{
	bool *flag = find_flag(f, word);
	u64 number = 0;
	int err;

	if (flag) {
		if (value)
			return lclone_fail(-ERANGE, "%s takes no value", word);
		*flag = true;
		return 1;
	}
	if (!strcmp(word, "no-space-timeout")) {
		err = parse_number(word, value, UINT32_MAX, &number);
		f->no_space_timeout_set = true;
		f->no_space_timeout = number;
	} else if (!strcmp(word, "low-water-mark")) {
		err = parse_number(word, value, LCLONE_PHYS_MASK, &f->low_water_mark);
	} else if (!strcmp(word, "commit-interval")) {
		err = parse_number(word, value, 3600000, &number);
		if (!err && !number)
			err = lclone_fail(-ERANGE, "a commit interval of 0 is not possible");
		f->commit_interval = number;
	} else {
		return 0;
	}
	return err ?: 1;
}

static void add_word(char *words, size_t size, const char *word, const u64 *value)
{
	size_t len = strlen(words);

	len += snprintf(words + len, size - len, "%s%s", len ? "," : "", word);
	if (value)
		snprintf(words + len, size - len, "=%llu", (unsigned long long)*value);
}

void lclone_feature_words(const struct lclone_features *f, char *words, size_t size)
{
	words[0] = '\0';
	if (f->read_only)
		add_word(words, size, "read-only", NULL);
	if (f->error_if_no_space)
		add_word(words, size, "error-if-no-space", NULL);
	if (f->no_space_timeout_set)
		add_word(words, size, "no-space-timeout", &(u64){ f->no_space_timeout });
	if (f->low_water_mark)
		add_word(words, size, "low-water-mark", &f->low_water_mark);
	if (f->commit_interval)
		add_word(words, size, "commit-interval", &(u64){ f->commit_interval });
	if (f->no_discard_passdown)
		add_word(words, size, "no-discard-passdown", NULL);
	if (f->base_cache)
		add_word(words, size, "base-cache", NULL);
	if (f->verify)
		add_word(words, size, "verify", NULL);
}
