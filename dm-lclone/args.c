// SPDX-License-Identifier: GPL-2.0-only
/* The features in a table's arguments: they are parsed and printed. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "args.h"
#include "below.h"
#include "lclone_format.h"

struct feature {
	const char *name;
	bool has_value;
	u32 min, max;
	const char *range_error;
	/* Exactly one of these two is set. */
	bool *flag;
	u32 *value;
	bool *given;		/* set if a value was given */
};

#define NR_FEATURES 13

/* Fills in the table of features of @t, in the order in which they are printed. */
static void features_of(struct lclone *t, struct feature f[NR_FEATURES])
{
	const struct feature table[NR_FEATURES] = {
		{ "read_only", .flag = &t->read_only },
		{ "error_if_no_space", .flag = &t->error_if_no_space },
		{ "no_space_timeout", true, 0, 86400 * 365,
		  "no_space_timeout must be a number of seconds, at most one year",
		  .value = &t->no_space_timeout, .given = &t->no_space_timeout_given },
		{ "low_water_mark", true, 1, LCLONE_PHYS_MASK,
		  "low_water_mark must be a number of chunks, at least 1",
		  .value = &t->low_water_mark, .given = &t->low_water_mark_given },
		{ "commit_interval", true, 1, 3600 * 1000,
		  "commit_interval must be a number of milliseconds from 1 to 3600000",
		  .value = &t->commit_interval, .given = &t->commit_interval_given },
		{ "no_discard_passdown", .flag = &t->no_discard_passdown },
		{ "base_cache", .flag = &t->base_cache },
		{ "merge", .flag = &t->merge },
		{ "flatten", .flag = &t->flatten },
		{ "flatten_layer", .flag = &t->flatten_layer },
		{ "rebase", .flag = &t->rebase },
		{ "chunk_size", true, LCLONE_CHUNK_SECTORS_MIN, LCLONE_CHUNK_SECTORS_MAX,
		  "chunk_size must be a power of two from 16 to 4096 sectors",
		  .value = &t->chunk_sectors, .given = &t->chunk_size_given },
		{ "takeover", .flag = &t->takeover },
	};

	memcpy(f, table, sizeof(table));
}

static int parse_feature(struct lclone *t, struct feature *f, struct dm_arg_set *as)
{
	bool *given = f->has_value ? f->given : f->flag;
	unsigned int value;

	if (*given) {
		t->ti->error = "Repeated feature argument";
		return -EINVAL;
	}
	*given = true;
	if (!f->has_value)
		return 0;
	if (!as->argc) {
		t->ti->error = "Feature argument without its value";
		return -EINVAL;
	}
	if (kstrtouint(dm_shift_arg(as), 10, &value) || value < f->min || value > f->max) {
		t->ti->error = (char *)f->range_error;
		return -EINVAL;
	}
	*f->value = value;
	return 0;
}

/* A parent may be named several times; parse_words() has made room for all. */
static int parse_parent(struct lclone *t, struct dm_arg_set *as)
{
	if (!as->argc) {
		t->ti->error = "Feature argument without its value";
		return -EINVAL;
	}
	if (t->nr_parents == LCLONE_LAYERS_MAX) {
		t->ti->error = "Too many parents";
		return -EINVAL;
	}
	t->parents[t->nr_parents++].name = dm_shift_arg(as);
	return 0;
}

static int parse_owner(struct lclone *t, struct dm_arg_set *as)
{
	const char *text;

	if (t->owner[0])
		return lclone_refuse(t, -EINVAL, "Repeated feature argument");
	if (!as->argc)
		return lclone_refuse(t, -EINVAL, "Feature argument without its value");
	text = dm_shift_arg(as);
	if (!lclone_owner_valid(text))
		return lclone_refuse(t, -EINVAL,
			"owner must be a name, a slash, 16 hexadecimal digits, a slash, and 8 of them");
	strscpy(t->owner, text, sizeof(t->owner));
	return 0;
}

static int parse_words(struct lclone *t, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct feature f[NR_FEATURES];
	unsigned int nr, i;
	int err;

	if (!argc)
		return 0;
	if (kstrtouint(dm_shift_arg(&as), 10, &nr) || nr != as.argc) {
		t->ti->error = "The number of feature arguments is not the number given";
		return -EINVAL;
	}
	t->parents = kcalloc(nr / 2 + 1, sizeof(*t->parents), GFP_KERNEL);
	if (!t->parents) {
		t->ti->error = "Out of memory";
		return -ENOMEM;
	}
	features_of(t, f);
	while (as.argc) {
		const char *name = dm_shift_arg(&as);

		if (!strcmp(name, "parent") || !strcmp(name, "owner")) {
			err = name[0] == 'p' ? parse_parent(t, &as) : parse_owner(t, &as);
			if (err)
				return err;
			continue;
		}
		for (i = 0; i < NR_FEATURES && strcmp(name, f[i].name); i++)
			;
		if (i == NR_FEATURES) {
			t->ti->error = "Unknown feature argument";
			return -EINVAL;
		}
		err = parse_feature(t, &f[i], &as);
		if (err)
			return err;
	}
	return 0;
}

int lclone_parse_features(struct lclone *t, unsigned int argc, char **argv)
{
	int err;

	t->no_space_timeout = 60;
	t->commit_interval = 1000;
	err = parse_words(t, argc, argv);
	if (err)
		return err;
	if (!(dm_table_get_mode(t->ti->table) & BLK_OPEN_WRITE))
		t->read_only = true;
	if (t->merge && (t->read_only || t->nr_parents)) {
		t->ti->error = "merge is for a writable delta right above its base";
		return -EINVAL;
	}
	if (t->merge && t->base_cache) {
		t->ti->error = "merge writes to the base: it can't be read through base_cache";
		return -EINVAL;
	}
	if (t->flatten && (t->read_only || t->merge)) {
		t->ti->error = "flatten is for a writable delta that is not merged";
		return -EINVAL;
	}
	if (t->flatten_layer && (t->read_only || t->flatten || !t->nr_parents)) {
		t->ti->error = "flatten_layer is for a writable delta on a layer, without flatten";
		return -EINVAL;
	}
	if (t->rebase && t->read_only) {
		t->ti->error = "rebase is for a writable delta";
		return -EINVAL;
	}
	if (t->chunk_size_given && !is_power_of_2(t->chunk_sectors)) {
		t->ti->error = "chunk_size must be a power of two from 16 to 4096 sectors";
		return -EINVAL;
	}
	return 0;
}

unsigned int lclone_emit_features(struct lclone *t, char *result, unsigned int maxlen)
{
	struct feature f[NR_FEATURES];
	unsigned int sz = 0, nr = 2 * t->nr_parents + 2 * !!t->owner[0], i;

	features_of(t, f);
	for (i = 0; i < NR_FEATURES; i++)
		nr += f[i].has_value ? 2 * *f[i].given : *f[i].flag;
	if (!nr)
		return 0;
	DMEMIT(" %u", nr);
	for (i = 0; i < t->nr_parents; i++)
		DMEMIT(" parent %s", t->parents[i].dev->name);
	for (i = 0; i < NR_FEATURES; i++) {
		if (!f[i].has_value && *f[i].flag)
			DMEMIT(" %s", f[i].name);
		if (f[i].has_value && *f[i].given)
			DMEMIT(" %s %u", f[i].name, *f[i].value);
	}
	if (t->owner[0])
		DMEMIT(" owner %s", t->owner);
	return sz;
}
