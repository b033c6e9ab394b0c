// SPDX-License-Identifier: GPL-2.0-only
#include "basic/fail.h"
#include "clone/overlay.h"
#include "format_user.h"

static u64 base_end(const struct lclone_chain *chain)
{
	const struct lclone_sb *sb = &chain->delta[0]->sb;

	return sb->base_fp_alg == LCLONE_FP_NONE ? 0 : sb->base_sectors;
}

bool lclone_overlay_shows_base(const struct lclone_chain *chain, u32 levels)
{
	u64 end;

	if (levels == chain->count)
		return false;
	end = chain->delta[levels]->sb.virtual_sectors;
	return base_end(chain) > end && chain->delta[0]->sb.virtual_sectors > end;
}

/*
 * Where the layer below ends, if the disk shows anything behind that; in whole subchunks, so that
 * who has to write a whole one has all of it.
 */
static u64 shown_from(const struct lclone_chain *chain, u32 levels)
{
	const struct lclone_sb *sb = &chain->delta[0]->sb;
	u64 end, shown = base_end(chain);
	u32 i;

	if (levels == chain->count)
		return UINT64_MAX;
	end = chain->delta[levels]->sb.virtual_sectors;
	for (i = levels + 1; i < chain->count; i++)
		if (shown < chain->delta[i]->sb.virtual_sectors)
			shown = chain->delta[i]->sb.virtual_sectors;
	return shown > end && sb->virtual_sectors > end ?
	       end - end % (sb->chunk_sectors / LCLONE_SUBCHUNKS) : UINT64_MAX;
}

/* What nobody has changed is from the base in any case, also behind its end. */
static void start(struct lclone_overlay *o, u32 levels, u64 sector, u64 sectors)
{
	lclone_chain_extents_init(&o->extents, o->chain, levels, sector, sectors);
	o->extents.base_sectors = UINT64_MAX;
}

void lclone_overlay_start(struct lclone_overlay *o, struct lclone_chain *chain, u32 levels)
{
	o->chain = chain;
	o->levels = levels;
	o->shown = shown_from(chain, levels);
	o->beyond = false;
	start(o, levels, 0, o->shown);
}

static bool wanted(const struct lclone_overlay *o, struct lclone_chain_extent *e)
{
	const u64 end = base_end(o->chain);

	if (e->source != LCLONE_FROM_BASE)
		return true;
	if (!o->beyond || e->sector >= end)
		return false;
	e->sectors = min_u64(e->sectors, end - e->sector);
	return true;
}

int lclone_overlay_next(struct lclone_overlay *o, struct lclone_chain_extent *e)
{
	struct lclone_chain_extents *x = &o->extents;
	int ret;

	do {
		ret = lclone_chain_extents_next(x, e);
		if (!ret && !o->beyond && o->shown != UINT64_MAX) {
			o->beyond = true;
			start(o, o->chain->count, o->shown, UINT64_MAX);
			ret = lclone_chain_extents_next(x, e);
		}
	} while (ret > 0 && !wanted(o, e));
	return ret < 0 ? lclone_fail(ret, "%s: %s", o->chain->file[x->failed]->path,
				     o->chain->delta[x->failed]->why) : ret;
}
