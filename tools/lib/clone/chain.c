// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clone/chain.h"
#include "basic/fail.h"
#include "format_user.h"

/* Opening */

/* One more delta at the lower end, of which nothing is known yet */
static int add_level(struct lclone_chain *chain)
{
	u32 i = chain->count;

	if (i == LCLONE_CHAIN_MAX)
		return lclone_fail(-ESTALE, "%s lies on more than %d layers", chain->file[0]->path,
				   LCLONE_LAYERS_MAX);
	chain->delta[i] = calloc(1, sizeof(*chain->delta[i]));
	chain->file[i] = calloc(1, sizeof(*chain->file[i]));
	if (!chain->delta[i] || !chain->file[i]) {
		free(chain->delta[i]);
		free(chain->file[i]);
		return lclone_fail(-ENOMEM, "out of memory");
	}
	chain->file[i]->fd = -1;
	chain->count++;
	return 0;
}

/* A sealed layer does not change: it is read beside others who have it open. */
static int open_parent(struct lclone_chain *chain, const char *path)
{
	u32 i = chain->count;
	struct lclone_delta *delta;
	char why[LCLONE_WHY_SIZE];
	int err;

	err = add_level(chain);
	if (err)
		return err;
	delta = chain->delta[i];
	err = lclone_file_open(chain->file[i], path, O_RDONLY);
	if (!err)
		err = lclone_lock(chain->file[i], LCLONE_LOCK_SHARED);
	if (err)
		return err;
	err = lclone_delta_open(delta, &chain->file[i]->dev);
	if (err)
		return lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path,
				   delta->why);
	err = lclone_link_check(&chain->delta[i - 1]->sb, &delta->sb, why);
	return err ? lclone_fail(err, "%s: %s %s", chain->file[i - 1]->path, path, why) : 0;
}

/* A volume of LVM may be named as VG/LV, as it is when a file is opened. */
static bool is_part(const struct lclone_chain *chain, const char *path)
{
	struct stat st, part;
	char dev[PATH_MAX];
	u32 i;

	snprintf(dev, sizeof(dev), "/dev/%s", path);
	if (stat(path, &st) && stat(dev, &st))
		return false;
	for (i = 1; i < chain->count; i++)
		if (!fstat(chain->file[i]->fd, &part) &&
		    (S_ISBLK(st.st_mode) ? part.st_rdev == st.st_rdev :
		     part.st_dev == st.st_dev && part.st_ino == st.st_ino))
			return true;
	return false;
}

int lclone_chain_open(struct lclone_chain *chain, struct lclone_delta *top,
		      struct lclone_file *file, const struct lclone_parents *named)
{
	struct lclone_inventory inv = { .count = 0 };
	char path[PATH_MAX];
	int err = 0;
	u32 i;

	chain->count = 1;
	chain->delta[0] = top;
	chain->file[0] = file;
	if (lclone_half_written(&top->sb))
		return lclone_fail(-EBUSY, "%s is half written: run again what was to write it, or remove it (lclone remove %s)",
				   file->path, file->path);
	if (lclone_half_merged(&top->sb))
		return lclone_fail(-EBUSY, "%s is being merged with the layer above (uuid %s), and can only be read through that: end it with lclone merge --into-parent",
				   file->path, top->sb.owner);
	while (!err && lclone_has_parent(&chain->delta[chain->count - 1]->sb)) {
		i = chain->count - 1;
		err = lclone_parent_find(chain->file[i]->path, &chain->delta[i]->sb, named, &inv,
					 path);
		if (!err)
			err = open_parent(chain, path);
	}
	lclone_inventory_free(&inv);
	for (i = 0; !err && i < named->count; i++)
		if (!is_part(chain, named->path[i]))
			err = lclone_fail(-ESTALE, "%s does not lie on %s", file->path,
					  named->path[i]);
	return err;
}

void lclone_chain_close(struct lclone_chain *chain)
{
	u32 i;

	for (i = 1; i < chain->count; i++) {
		lclone_delta_close(chain->delta[i]);
		lclone_file_close(chain->file[i]);
		free(chain->delta[i]);
		free(chain->file[i]);
	}
	chain->count = 0;
}

int lclone_chain_unchanged(const struct lclone_chain *chain)
{
	u32 i;

	for (i = 0; i < chain->count; i++)
		if (!lclone_delta_unchanged(chain->delta[i]))
			return lclone_fail(-EBUSY, "%s was changed while it was read: what was read is of no use, run it again",
					   chain->file[i]->path);
	return 0;
}

int lclone_chain_match_direct(const struct lclone_chain *chain, struct lclone_file *file)
{
	const struct lclone_sb *sb = &chain->delta[0]->sb;
	u32 lbs = file->logical_block, sub = sb->chunk_sectors / LCLONE_SUBCHUNKS * 512;

	if (!file->direct || (sub % lbs == 0 && (sb->virtual_sectors << 9) % lbs == 0 &&
			      (sb->base_sectors << 9) % lbs == 0))
		return 0;
	return lclone_file_buffered(file);
}

u32 lclone_chain_block_size(const struct lclone_chain *chain)
{
	u32 size = 0, i, n;

	for (i = 0; i < chain->count; i++) {
		n = lclone_file_block_size(chain->file[i]);
		size = n > size ? n : size;
	}
	return size;
}

/* Reading */

void lclone_chain_extents_init(struct lclone_chain_extents *x, struct lclone_chain *chain,
			       u32 levels, u64 sector, u64 sectors)
{
	const struct lclone_sb *sb = &chain->delta[0]->sb;
	u64 size = sb->virtual_sectors;
	u32 i;

	x->chain = chain;
	x->levels = levels;
	x->sector = sector < size ? sector : size;
	x->end = sectors < size - x->sector ? x->sector + sectors : size;
	x->base_sectors = sb->base_fp_alg == LCLONE_FP_NONE ? 0 : sb->base_sectors;
	x->held.sectors = 0;
	for (i = 0; i < levels; i++) {
		lclone_extents_init(&x->level[i].extents, chain->delta[i], sector, sectors);
		x->level[i].extents.base_sectors = UINT64_MAX;	/* below: whatever that is */
		x->level[i].at.sector = x->sector;
		x->level[i].at.sectors = 0;
		x->level[i].ended = false;
	}
}

/* What level @i has at x->sector; beyond its end it knows of nothing. */
static int seek(struct lclone_chain_extents *x, u32 i)
{
	struct lclone_extent *at = &x->level[i].at;
	int ret;

	while (!x->level[i].ended && at->sector + at->sectors <= x->sector) {
		ret = lclone_extents_next(&x->level[i].extents, at);
		if (ret < 0) {
			x->failed = i;
			return ret;
		}
		x->level[i].ended = !ret;
	}
	return 0;
}

static int next_piece(struct lclone_chain_extents *x, struct lclone_chain_extent *e)
{
	u64 end = x->end;
	u32 i;
	int err;

	if (x->sector >= x->end)
		return 0;
	*e = (struct lclone_chain_extent){ .sector = x->sector, .source = LCLONE_FROM_BASE };
	for (i = 0; i < x->levels && e->source == LCLONE_FROM_BASE; i++) {
		const struct lclone_extent *at = &x->level[i].at;

		err = seek(x, i);
		if (err)
			return err;
		if (x->level[i].ended)
			continue;
		end = min_u64(end, at->sector + at->sectors);
		e->source = at->source;
		e->level = i;
		if (at->source == LCLONE_FROM_DELTA)
			e->delta_sector = at->delta_sector + (x->sector - at->sector);
	}
	if (e->source == LCLONE_FROM_BASE) {
		e->level = x->levels;
		if (x->sector < x->base_sectors)
			end = min_u64(end, x->base_sectors);
		else
			e->source = LCLONE_FROM_ZERO;
	}
	e->sectors = end - x->sector;
	x->sector = end;
	return 1;
}

static bool joins(const struct lclone_chain_extent *a, const struct lclone_chain_extent *b)
{
	if (a->source != b->source)
		return false;
	return a->source != LCLONE_FROM_DELTA ||
	       (a->level == b->level && b->delta_sector == a->delta_sector + a->sectors);
}

int lclone_chain_extents_next(struct lclone_chain_extents *x, struct lclone_chain_extent *extent)
{
	struct lclone_chain_extent e;
	int ret;

	while ((ret = next_piece(x, &e)) > 0) {
		if (x->held.sectors && !joins(&x->held, &e)) {
			*extent = x->held;
			x->held = e;
			return 1;
		}
		if (x->held.sectors)
			x->held.sectors += e.sectors;
		else
			x->held = e;
	}
	if (ret < 0 || !x->held.sectors)
		return ret;
	*extent = x->held;
	x->held.sectors = 0;
	return 1;
}

static int read_extents(struct lclone_chain_extents *x, const struct lclone_file *base, void *buf,
			u64 sector)
{
	struct lclone_chain *chain = x->chain;
	const struct lclone_dev *dev;
	struct lclone_chain_extent e;
	int ret, err;

	while ((ret = lclone_chain_extents_next(x, &e)) > 0) {
		u8 *to = (u8 *)buf + ((e.sector - sector) << 9);

		dev = e.source == LCLONE_FROM_DELTA ? &chain->file[e.level]->dev :
		      e.source == LCLONE_FROM_BASE && base ? &base->dev : NULL;
		err = e.source == LCLONE_FROM_DELTA ?
		      lclone_dev_read(dev, to, e.delta_sector, e.sectors) :
		      lclone_dev_read_padded(dev, to, e.sector, e.sectors);
		if (err)
			return lclone_fail(err, "sector %" PRIu64 " cannot be read: %s", e.sector,
					   strerror(-err));
	}
	return ret < 0 ? lclone_fail(ret, "%s: %s", chain->file[x->failed]->path,
				     chain->delta[x->failed]->why) : 0;
}

int lclone_chain_read(struct lclone_chain *chain, const struct lclone_file *base, void *buf,
		      u64 sector, u32 count)
{
	static struct lclone_chain_extents x;

	lclone_chain_extents_init(&x, chain, chain->count, sector, count);
	return read_extents(&x, base, buf, sector);
}

int lclone_chain_read_below(struct lclone_chain *chain, const struct lclone_file *base, void *buf,
			    u64 sector, u32 count)
{
	static struct lclone_chain_extents x;

	lclone_chain_extents_init(&x, chain, chain->count, sector, count);
	x.sector = sector;
	x.end = sector + count;
	return read_extents(&x, base, buf, sector);
}
