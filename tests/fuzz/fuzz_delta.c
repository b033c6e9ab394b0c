// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the reader, the checker and the repair of deltas in liblclone.
 *
 * The input chooses a small delta, cuts the device if it likes, and edits the
 * metadata, after which the checksums are right: see template.h.
 */
#include <errno.h>
#include <string.h>

#include "offline/check.h"
#include "format/delta.h"
#include "must.h"
#include "offline/repair.h"
#include "template.h"

#define READ_SECTORS	64u

static void see_finding(const struct lclone_finding *finding, void *ctx)
{
	MUST(finding->text[0]);
	MUST(lclone_damage_name(finding->class));
	++*(long *)ctx;
}

static void read_some(struct lclone_delta *delta, const struct lclone_dev *base, u64 sector,
		      bool clean)
{
	static u8 buf[READ_SECTORS * 512];
	u64 left = delta->sb.virtual_sectors - sector;
	int err = lclone_delta_read(delta, base, buf, sector,
				    left < READ_SECTORS ? left : READ_SECTORS);

	MUST(!err || delta->why[0]);
	MUST(!err || !clean);
}

/* Extents cover the clone; the delta's lie where data may be. */
static void walk_extents(struct lclone_delta *delta, const struct lclone_dev *base, bool clean)
{
	u64 first = lclone_phys_sector(&delta->sb, delta->sb.first_chunk), at = 0;
	struct lclone_extents x;
	struct lclone_extent e;
	int ret;

	lclone_extents_init(&x, delta, 0, delta->sb.virtual_sectors);
	while ((ret = lclone_extents_next(&x, &e)) > 0) {
		MUST(e.sector == at && e.sectors);
		at += e.sectors;
		if (e.source == LCLONE_FROM_BASE)
			MUST(at <= delta->sb.base_sectors);
		if (e.source == LCLONE_FROM_DELTA)
			MUST(e.delta_sector >= first &&
			     e.delta_sector + e.sectors <= delta->sb.device_sectors);
		read_some(delta, base, e.sector, clean);
	}
	if (!ret)
		MUST(at == delta->sb.virtual_sectors);
	else
		MUST(!clean && delta->why[0]);
}

/* What iterates is what is looked up, and no chunk of a clean delta has two users. */
static void walk_exceptions(struct lclone_delta *delta, bool clean)
{
	u8 used[TEMPLATE_BLOCKS] = { 0 };
	u64 chunk, exc, again, last = 0;
	struct lclone_iter it;
	int ret;

	lclone_iter_init(&it, delta, 0);
	while ((ret = lclone_iter_next(&it, &chunk, &exc)) > 0) {
		u32 phys = lclone_exc_phys(exc);

		MUST(!last || chunk >= last);
		last = chunk + 1;
		MUST(chunk < delta->chunks);
		MUST(!phys || phys < lclone_phys_end(&delta->sb));
		if (clean)
			MUST(!phys || !used[phys]++);
		MUST(!lclone_delta_lookup(delta, chunk, &again));
		MUST(again == exc);
	}
	MUST(!ret || !clean);
}

/*
 * Damage is repaired so that none is left (which the plan itself has verified), or
 * there is a reason why not.  What is no damage is left alone.
 */
static void try_repair(const struct lclone_dev *dev)
{
	struct lclone_repair r;
	long seen = 0;
	u64 end = 0;
	bool old = false;
	size_t i;
	int err = lclone_repair_plan(&r, dev, see_finding, &seen, NULL);

	MUST(!err || (r.why[0] && !strstr(r.why, "no repair is possible: ")));
	MUST(err || r.findings == seen);
	MUST(err || !r.findings == !r.patches);
	for (i = 0; !err && i < r.salvage.losses; i++) {
		const struct lclone_loss *l = &r.salvage.loss[i];

		if (l->old != old)
			end = 0;
		old = l->old;
		MUST(l->sectors && l->sector >= end);
		end = l->sector + l->sectors;
		MUST(end <= r.salvage.delta.sb.virtual_sectors);
	}
	lclone_repair_free(&r);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	template_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct template_input *in = (const struct template_input *)data;
	struct lclone_memdev delta_dev, base_dev;
	char why[LCLONE_WHY_SIZE];
	const struct template *t;
	struct lclone_usage usage;
	struct lclone_delta delta;
	long found, seen = 0;
	u32 nr;
	int err;

	if (size < sizeof(*in))
		return 0;
	nr = (size - sizeof(*in)) / sizeof(in->edit[0]);
	t = template_get(in->kind % TEMPLATE_KINDS);
	template_edit(t, in->edit, nr < TEMPLATE_EDITS_MAX ? nr : TEMPLATE_EDITS_MAX);
	lclone_memdev_init(&delta_dev, t->image, TEMPLATE_SECTORS -
			   (in->cut < TEMPLATE_BLOCKS ? in->cut : 0) * LCLONE_BLOCK_SECTORS);
	lclone_memdev_init(&base_dev, template_base, TEMPLATE_BASE_SECTORS);

	found = lclone_check(&delta_dev.dev, &base_dev.dev, see_finding, &seen, &usage, why);
	MUST(found < 0 ? why[0] != 0 : found == seen);
	MUST(nr || in->cut || !found);		/* the templates are good */
	err = lclone_delta_open(&delta, &delta_dev.dev);
	MUST(err || delta.chunks);
	MUST(!err || found);
	if (!err) {
		walk_extents(&delta, &base_dev.dev, !found);
		walk_exceptions(&delta, !found);
	}
	lclone_delta_close(&delta);
	try_repair(&delta_dev.dev);
	template_restore(t);
	return 0;
}

/* A mutator that knows where fields are and what may be found in them */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct template_input *in = (struct template_input *)data;
	const struct template *t;
	u64 random = seed;
	u32 nr, i;

	if (size < sizeof(*in) || !template_choose(&random, 4))
		return LLVMFuzzerMutate(data, size, max_size);
	nr = (size - sizeof(*in)) / sizeof(in->edit[0]);
	t = template_get(in->kind % TEMPLATE_KINDS);
	i = template_choose(&random, nr + 1);
	if (sizeof(*in) + (i + 1) * sizeof(in->edit[0]) > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	template_random_edit(t, &random, &in->edit[i]);
	if (i == nr)
		nr++;
	return sizeof(*in) + nr * sizeof(in->edit[0]);
}
