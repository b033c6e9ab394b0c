// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "offline/measure.h"
#include "offline/merge-parent.h"

#define PROBE_SECTORS	512u		/* read at a time */
#define PROBE_MS	300

/* What lies where, in bytes; where[count] is the base */
struct content {
	u64 data[LCLONE_CHAIN_MAX + 1];
	u64 zero;			/* that the top delta has as zeros */
	u64 chunks_to_own;		/* that the top delta would need for all that lies below */
	struct lclone_merge_space parent;	/* of a merge into its parent */
	double rate[LCLONE_CHAIN_MAX + 1];	/* bytes a second */
};

/* How fast is it read, from @sector on? */
static int probe(struct lclone_file *file, u64 sector, double *rate)
{
	static u8 buf[PROBE_SECTORS * 512];
	double start = lclone_seconds(), now = start;
	u64 done = 0;
	int err;

	while (sector + PROBE_SECTORS <= file->dev.sectors && now - start < PROBE_MS / 1e3) {
		err = lclone_dev_read(&file->dev, buf, sector, PROBE_SECTORS);
		if (err)
			return lclone_fail(err, "%s: cannot be read: %s", file->path,
					   strerror(-err));
		sector += PROBE_SECTORS;
		done += sizeof(buf);
		now = lclone_seconds();
	}
	*rate = done ? done / (now - start) : 0;
	return 0;
}

static int failed(const struct disk *disk, u32 level, int err)
{
	return lclone_fail(err, "%s: %s", disk->chain.file[level]->path,
			   disk->chain.delta[level]->why);
}

/* Chunks of a range that level 0 has no room for; *counted: those below were looked at. */
static int count_chunks(struct disk *disk, const struct lclone_chain_extent *e, u64 *counted,
			u64 *chunks)
{
	u32 cs = disk->delta.sb.chunk_sectors;
	u64 chunk = e->sector / cs, end = lclone_chunks(e->sector + e->sectors, cs), exc;
	int err;

	for (chunk = chunk > *counted ? chunk : *counted; chunk < end; chunk++) {
		err = lclone_delta_lookup(&disk->delta, chunk, &exc);
		if (err)
			return failed(disk, 0, err);
		*chunks += !lclone_exc_phys(exc);
	}
	*counted = end > *counted ? end : *counted;
	return 0;
}

static int sum_up(struct disk *disk, struct content *c)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	u64 counted = 0;
	int ret;

	*c = (struct content){ .zero = 0 };
	lclone_chain_extents_init(&x, &disk->chain, disk->chain.count, 0, UINT64_MAX);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0) {
		if (e.source == LCLONE_FROM_ZERO) {
			c->zero += e.level ? 0 : e.sectors * 512;
			continue;
		}
		c->data[e.level] += e.sectors * 512;
		if (!e.level)
			continue;
		ret = count_chunks(disk, &e, &counted, &c->chunks_to_own);
		if (ret)
			return ret;
	}
	return ret ? failed(disk, x.failed, ret) : 0;
}

static int probe_all(struct disk *disk, struct lclone_file *base, struct content *c)
{
	u32 i;
	int err = 0;

	for (i = 0; !err && i < disk->chain.count; i++)
		if (c->data[i])
			err = probe(disk->chain.file[i],
				    lclone_phys_sector(&disk->chain.delta[i]->sb,
						       disk->chain.delta[i]->sb.first_chunk),
				    &c->rate[i]);
	if (!err && base && c->data[i])
		err = probe(base, 0, &c->rate[i]);
	return err;
}

/* What levels @from to @to - 1 hold: bytes, and the time it takes to read that */
static void add_levels(struct plan *plan, const struct content *c, u32 from, u32 to)
{
	for (; from < to; from++) {
		plan->copy += c->data[from];
		plan->seconds += c->rate[from] ? c->data[from] / c->rate[from] : 0;
	}
}

/* Chunks that can still be given to data */
static u64 free_bytes(const struct lclone_delta *delta)
{
	const struct lclone_sb *sb = &delta->sb;
	u64 free = lclone_phys_end(sb) - delta->hwm + sb->freed;
	u64 reserve = lclone_reserve_chunks(sb);

	return free > reserve ? (free - reserve) * sb->chunk_sectors * 512 : 0;
}

static int make_plans(struct disk *disk, struct lclone_file *base, const struct content *c,
		      struct plan plan[PLANS_MAX])
{
	u64 chunk = (u64)disk->delta.sb.chunk_sectors * 512;
	u32 levels = disk->chain.count;
	int n = 0;

	if (lclone_has_parent(&disk->delta.sb)) {
		plan[n] = (struct plan){ "merge-into-parent", "in the layer below",
					 .zero = c->zero };
		plan[n].space = c->parent.needed * chunk;
		plan[n].available = c->parent.available * chunk;
		add_levels(&plan[n++], c, 0, 1);
	} else if (base) {
		plan[n] = (struct plan){ "merge-into-base", "the base's size", .zero = c->zero };
		plan[n].space = disk->delta.sb.virtual_sectors * 512;
		plan[n].available = base->dev.sectors * 512;
		add_levels(&plan[n++], c, 0, 1);
	}
	plan[n] = (struct plan){ "flatten", "in the delta" };
	plan[n].space = c->chunks_to_own * chunk;
	plan[n].available = free_bytes(&disk->delta);
	add_levels(&plan[n++], c, 1, levels + 1);
	plan[n] = (struct plan){ "copy", "the new device's size" };
	plan[n].space = disk->delta.sb.virtual_sectors * 512;
	plan[n].available = UINT64_MAX;
	add_levels(&plan[n++], c, 0, levels + 1);
	return n;
}

int lclone_measure(const char *base_path, const char *delta_path,
		   const struct lclone_parents *parents, struct plan plan[PLANS_MAX])
{
	static struct content content;
	static struct lclone_pair pair;
	struct disk *disk = &pair.disk;
	struct lclone_merge merge = { .chain = &disk->chain };
	int ret;

	ret = lclone_open_pair_now(base_path, delta_path, parents, &pair);
	if (!ret)
		ret = sum_up(disk, &content);
	if (!ret && disk->chain.count > 1)
		ret = lclone_merge_measure(&merge, &content.parent);
	if (!ret)
		ret = probe_all(disk, pair.base, &content);
	if (!ret)
		ret = lclone_chain_unchanged(&disk->chain);
	if (!ret)
		ret = make_plans(disk, pair.base, &content, plan);
	lclone_close_pair(&pair);
	return ret;
}
