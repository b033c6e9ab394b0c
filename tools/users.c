// SPDX-License-Identifier: GPL-2.0-only
/* Who else has a base that is going to be changed */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "lclone.h"

#define NAMES	4	/* that are told */

struct names {
	char text[1024];
	size_t len, count;
};

static void add_name(struct names *n, const char *name)
{
	if (n->count++ < NAMES && n->len < sizeof(n->text))
		n->len += snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s%s",
				   n->count > 1 ? ", " : "", name);
}

/* Its base looks as this one did when ours was made, or as it does now. */
static bool has_base(const struct lclone_sb *sb, const struct lclone_sb *ours, u64 fp)
{
	return sb->base_fp_alg == ours->base_fp_alg && sb->base_sectors == ours->base_sectors &&
	       (sb->base_fp == ours->base_fp || sb->base_fp == fp) &&
	       uuid_compare(sb->uuid, ours->uuid);
}

static int add_deltas(struct names *n, const struct lclone_sb *ours, u64 fp)
{
	struct lclone_inventory inv = { .count = 0 };
	size_t i;
	int err;

	err = lclone_inventory_read(&inv);
	for (i = 0; !err && i < inv.count; i++)
		if (has_base(&inv.found[i].sb, ours, fp))
			add_name(n, inv.found[i].path);
	lclone_inventory_free(&inv);
	return err;
}

struct holders {
	struct names *names;
	char but[PATH_MAX];		/* the clone that is going to change the base */
};

static int add_holder(const char *name, void *ctx)
{
	struct holders *h = ctx;

	if (strcmp(name, h->but))
		add_name(h->names, name);
	return 0;
}

int refuse_base_users(const struct lclone_file *base, const struct lclone_sb *ours,
		      const char *clone)
{
	struct names n = { .len = 0 };
	struct holders h = { .names = &n };
	int err;
	u64 fp;

	err = lclone_fingerprint(&base->dev, &fp);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err));
	err = add_deltas(&n, ours, fp);
	if (err)
		return err;
	if (n.count)
		return lclone_fail(-EBUSY, "%s is the base of other deltas, too, which would be lost: %s%s",
				   base->path, n.text, n.count > NAMES ? ", ..." : "");
	if (clone)
		snprintf(h.but, sizeof(h.but), "/dev/mapper/%s", clone);
	lclone_dev_holders(base->rdev, add_holder, &h);
	if (n.count)
		return lclone_fail(-EBUSY, "%s is in use by others, too: %s%s", base->path, n.text,
				   n.count > NAMES ? ", ..." : "");
	return 0;
}
