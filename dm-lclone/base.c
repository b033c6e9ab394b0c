// SPDX-License-Identifier: GPL-2.0-only
/*
 * The identity of a base: its size and its fingerprint have to be those that the delta was made
 * with.
 */
#include "base.h"

/* A fingerprint that is being made */
struct fingerprint {
	u64 fp;
	u32 nr;			/* of samples so far */
};

static void add_sample(void *ctx, const void *block)
{
	struct fingerprint *f = ctx;

	f->fp = lclone_fp_update(f->fp, f->nr++, block);
}

static int read_fingerprint(struct block_device *bdev, u64 sectors, u64 *fp)
{
	u64 sector[LCLONE_FP_SAMPLES];
	struct fingerprint f = {};
	u32 i;
	int err;

	for (i = 0; i < LCLONE_FP_SAMPLES; i++)
		sector[i] = lclone_fp_sample(sectors, i);
	err = lclone_read_apart(bdev, sectors, sector, LCLONE_FP_SAMPLES, add_sample, &f);
	*fp = f.fp;
	return err;
}

u64 lclone_base_sectors(const struct lclone *t)
{
	return t->base_dev ? bdev_nr_sectors(t->base_dev->bdev) : 0;
}

int lclone_base_fingerprint(struct lclone *t)
{
	int err;

	t->base_fp_sectors = lclone_base_sectors(t);
	err = read_fingerprint(t->base_dev->bdev, t->base_fp_sectors, &t->base_fp);
	return err ? lclone_refuse(t, err, "Can't read the base") : 0;
}

/*
 * Does the base have the right size?  It may have grown while the delta was half merged, if the
 * clone is no larger than the old base and so shows nothing of what is new.
 */
static bool base_size_fits(const struct lclone *t, const struct lclone_sb *sb,
			   const struct lclone_sb *of)
{
	if (of == sb && of->state & LCLONE_STATE_MERGING &&
	    of->base_sectors >= sb->virtual_sectors)
		return lclone_base_sectors(t) >= of->base_sectors;
	return lclone_base_sectors(t) == of->base_sectors;
}

int lclone_base_check(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;
	const struct lclone_sb *of = sb;	/* whose base it has to be, or NULL */
	bool baseless;
	int err;

	if (t->rebase)
		of = t->chain ? &t->chain->layer[0]->super.sb : NULL;
	baseless = of && of->base_fp_alg == LCLONE_FP_NONE;
	if (of && baseless != !t->base_dev) {
		t->ti->error = t->base_dev ? "The delta was made without a base" :
					     "The delta was made with a base";
		return -EINVAL;
	}
	if (!t->base_dev)
		return 0;
	if (t->merge && bdev_read_only(t->base_dev->bdev)) {
		t->ti->error = "The base is a read-only device: nothing can be merged into it";
		return -EROFS;
	}
	if (t->merge && lclone_base_sectors(t) < sb->virtual_sectors) {
		t->ti->error = "The base is smaller than the clone: nothing can be merged into it";
		return -EFBIG;
	}
	if (of && !base_size_fits(t, sb, of)) {
		DMERR("%s: the base has %llu sectors, that of the delta had %llu", d->dev.name,
		      lclone_base_sectors(t), of->base_sectors);
		t->ti->error = "Not the delta's base: the size differs";
		return -EINVAL;
	}
	if (of && of->state & LCLONE_STATE_MERGING)
		of = NULL;		/* a merge has changed the base */
	if (!of && !t->rebase)
		return 0;
	err = lclone_base_fingerprint(t);
	if (err)
		return err;
	if (of && t->base_fp != of->base_fp) {
		DMERR("%s: the base's fingerprint is %016llx, that of the delta's base was %016llx",
		      d->dev.name, t->base_fp, of->base_fp);
		t->ti->error = "Not the delta's base, or the base was changed";
		return -EINVAL;
	}
	return 0;
}
