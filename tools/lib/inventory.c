// SPDX-License-Identifier: GPL-2.0-only
/* The deltas of this host, and who lies on whom. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "chain.h"
#include "fail.h"
#include "find.h"

static int add_found(const char *path, const struct lclone_sb *sb, void *ctx)
{
	struct lclone_inventory *inv = ctx;
	struct lclone_found *bigger;
	struct stat st;

	if (stat(path, &st))	/* gone meanwhile */
		return 0;
	bigger = reallocarray(inv->found, inv->count + 1, sizeof(*bigger));
	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	inv->found = bigger;
	bigger += inv->count;
	bigger->path = strdup(path);
	if (!bigger->path)
		return lclone_fail(-ENOMEM, "out of memory");
	bigger->rdev = st.st_rdev;
	bigger->sb = *sb;
	inv->count++;
	return 0;
}

/* Is device @upper built on @lower? */
static bool built_on(dev_t upper, dev_t lower)
{
	char path[512], wanted[32], line[32];
	struct dirent *d;
	bool found = false;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(upper), minor(upper));
	dir = opendir(path);
	if (!dir)
		return false;
	snprintf(wanted, sizeof(wanted), "%u:%u\n", major(lower), minor(lower));
	while (!found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/block/%s/dev", d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		found = fgets(line, sizeof(line), f) && !strcmp(line, wanted);
		fclose(f);
	}
	closedir(dir);
	return found;
}

/* The paths of a multipath device, or what is below a mirror, show the same delta again. */
static bool is_passed_on(const struct lclone_inventory *inv, size_t i)
{
	size_t k;

	for (k = 0; k < inv->count; k++)
		if (k != i && !uuid_compare(inv->found[k].sb.uuid, inv->found[i].sb.uuid) &&
		    built_on(inv->found[k].rdev, inv->found[i].rdev))
			return true;
	return false;
}

int lclone_inventory_read(struct lclone_inventory *inv)
{
	size_t i, n = 0;
	bool *drop;
	int err;

	if (inv->read)
		return 0;
	inv->read = true;
	err = lclone_find_deltas(add_found, inv);
	if (err)
		return err;
	drop = calloc(inv->count + 1, sizeof(*drop));
	if (!drop)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < inv->count; i++)
		drop[i] = is_passed_on(inv, i);
	for (i = 0; i < inv->count; i++) {
		if (drop[i])
			free(inv->found[i].path);
		else
			inv->found[n++] = inv->found[i];
	}
	inv->count = n;
	free(drop);
	return 0;
}

void lclone_inventory_free(struct lclone_inventory *inv)
{
	size_t i;

	for (i = 0; i < inv->count; i++)
		free(inv->found[i].path);
	free(inv->found);
}

int lclone_sb_of(const char *path, struct lclone_sb *sb)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_file_open(&file, path, O_RDONLY);
	if (!err) {
		err = lclone_delta_open_sb(&delta, &file.dev);
		if (err)
			err = lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path,
					  delta.why);
	}
	*sb = delta.sb;
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	return err;
}

const struct lclone_found *lclone_left_over_by(const struct lclone_inventory *inv,
					       const struct lclone_sb *sb)
{
	size_t i;

	for (i = 0; i < inv->count; i++)
		if (lclone_left_over(sb, &inv->found[i].sb))
			return &inv->found[i];
	return NULL;
}

/* Finding parents */

struct search {
	const char *name;		/* of the child */
	const struct lclone_sb *sb;
	char *path;			/* of the parent, "" as long as there is none ... */
	struct lclone_sb found;		/* ... and its superblock */
	char almost[PATH_MAX + LCLONE_WHY_SIZE];	/* the right uuid, but not the layer */
};

/* 0, or -ESTALE if this is the second. What a merge has left over is none. */
static int try(struct search *s, const char *path, const struct lclone_sb *sb)
{
	char why[LCLONE_WHY_SIZE];

	if (uuid_compare(sb->uuid, s->sb->parent_uuid))
		return 0;
	if (lclone_link_check(s->sb, sb, why)) {
		snprintf(s->almost, sizeof(s->almost), "%s %s", path, why);
		return 0;
	}
	if (s->path[0] && lclone_left_over(sb, &s->found))
		return 0;
	if (s->path[0] && !lclone_left_over(&s->found, sb))
		return lclone_fail(-ESTALE, "%s: %s and %s are both its parent layer: name one of them (--parent)",
				   s->name, s->path, path);
	snprintf(s->path, PATH_MAX, "%s", path);
	s->found = *sb;
	return 0;
}

static int try_named(struct search *s, const char *path)
{
	struct lclone_sb sb;

	return lclone_sb_of(path, &sb) ?: try(s, path, &sb);
}

static int try_all(struct search *s, struct lclone_inventory *inv)
{
	size_t i;
	int err;

	err = lclone_inventory_read(inv);
	for (i = 0; !err && i < inv->count; i++)
		err = try(s, inv->found[i].path, &inv->found[i].sb);
	return err;
}

int lclone_parent_find(const char *name, const struct lclone_sb *sb,
		       const struct lclone_parents *named, struct lclone_inventory *inv,
		       char path[PATH_MAX])
{
	struct search s = { .name = name, .sb = sb, .path = path };
	const struct lclone_found *left;
	char uuid[UUID_STR_LEN];
	u32 i;
	int err = 0;

	path[0] = '\0';
	for (i = 0; !err && i < named->count; i++)
		err = try_named(&s, named->path[i]);
	if (!err && !path[0])
		err = try_all(&s, inv);
	if (err || path[0])
		return err;
	left = lclone_left_over_by(inv, sb);
	if (left)
		return lclone_fail(-ESTALE, "%s was merged into %s, which has its place: it is left over (lclone remove)",
				   name, left->path);
	if (s.almost[0])
		return lclone_fail(-ESTALE, "%s: %s", name, s.almost);
	uuid_unparse(sb->parent_uuid, uuid);
	return lclone_fail(-ESTALE, "%s: its parent layer (uuid %s, generation %" PRIu64
			   ") is on no device that can be read", name, uuid,
			   sb->parent_generation);
}

/* Who depends on a layer */

#define NAMES	4	/* that are told */

struct names {
	char text[1024];
	size_t count, len;
};

static void add_name(struct names *n, const char *name)
{
	if (n->count++ < NAMES && n->len < sizeof(n->text))
		n->len += snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s%s",
				   n->count > 1 ? ", " : "", name);
}

static int depended(const char *path, struct names *n)
{
	if (n->count > NAMES && n->len < sizeof(n->text))
		snprintf(n->text + n->len, sizeof(n->text) - n->len, " and %zu more",
			 n->count - NAMES);
	return n->count ? lclone_fail(-EBUSY, "%s is a layer that others depend on: %s", path,
				      n->text) : 0;
}

/*
 * Who names the uuid depends on it, whatever else does not fit: a layer that was repaired has
 * another generation, and what lies on it can still be put on that.
 */
static bool depends_on(const struct lclone_sb *child, const struct lclone_sb *sb)
{
	return lclone_has_parent(child) && !uuid_compare(child->parent_uuid, sb->uuid);
}

int lclone_refuse_depended(const char *path, const struct lclone_sb *sb)
{
	struct lclone_inventory inv = { .count = 0 };
	struct names n = { .count = 0 };
	size_t i;
	int err;

	err = lclone_inventory_read(&inv);
	if (err || lclone_left_over_by(&inv, sb))
		goto out;
	for (i = 0; !err && i < inv.count; i++) {
		if (lclone_half_merged_with(&inv.found[i].sb, sb->uuid))
			err = lclone_fail(-EBUSY, "%s is being merged into %s, which is nothing without it: end that with lclone merge --into-parent",
					  path, inv.found[i].path);
		else if (depends_on(&inv.found[i].sb, sb))
			add_name(&n, inv.found[i].path);
	}
	if (!err)
		err = depended(path, &n);
out:
	lclone_inventory_free(&inv);
	return err;
}

int lclone_refuse_loss(const char *path, const struct lclone_delta *delta, int err)
{
	int i;

	switch (-err) {
	case 0:
	case ENOSPC:	/* the device was shrunk: what it is is known all the same */
		return lclone_refuse_depended(path, &delta->sb);
	case EUCLEAN:	/* it may be either */
		for (i = 0, err = 0; !err && i < 2; i++)
			if (!delta->slot[i].err)
				err = lclone_refuse_depended(path, &delta->slot[i].sb);
		return err;
	default:
		return 0;
	}
}

int lclone_refuse_others(const struct lclone_inventory *inv, const char *path,
			 const struct lclone_sb *sb, const struct lclone_sb *child, dev_t rdev)
{
	struct names n = { .count = 0 };
	size_t i;

	for (i = 0; i < inv->count; i++) {
		const struct lclone_found *found = &inv->found[i];

		if (found->rdev == rdev)
			continue;
		if (!uuid_compare(found->sb.uuid, child->uuid))
			return lclone_fail(-ESTALE, "%s has the same identity as the layer to be merged: one of them must go first",
					   found->path);
		if (depends_on(&found->sb, sb))
			add_name(&n, found->path);
	}
	return depended(path, &n);
}
