// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "basic/zero.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/overlay.h"
#include "format_user.h"
#include "host/device.h"
#include "host/nbd.h"
#include "host/part.h"
#include "offline/copy-out.h"
#include "offline/export.h"
#include "offline/image-format.h"
#include "offline/image-new.h"
#include "offline/merge.h"

#define SLICE_MS	5000

/* What is exported, and how far that is */
struct work {
	const struct lclone_export *export;
	struct lclone_chain *chain;
	struct lclone_file *base;	/* NULL: there is none, or it is not known */
	u32 levels;			/* of the chain that are exported: those above @against */
	u64 before, total;		/* bytes of what was copied, and of all that is */
	u64 said_done, said_total;	/* what was told last */
};

/* An overlay, for the engine of copies */
struct own {
	struct lclone_copy_extents extents;
	struct lclone_chain *chain;
	u32 levels;
	struct lclone_overlay overlay;
};

static void own_start(struct lclone_copy_extents *extents)
{
	struct own *own = container_of(extents, struct own, extents);

	lclone_overlay_start(&own->overlay, own->chain, own->levels);
}

static int own_next(struct lclone_copy_extents *extents, struct lclone_chain_extent *e)
{
	return lclone_overlay_next(&container_of(extents, struct own, extents)->overlay, e);
}

static int count_own(struct lclone_chain *chain, u32 levels, u64 *bytes)
{
	static struct lclone_overlay overlay;
	struct lclone_chain_extent e;
	int ret;

	lclone_overlay_start(&overlay, chain, levels);
	while ((ret = lclone_overlay_next(&overlay, &e)) > 0)
		*bytes += e.sectors << 9;
	return ret;
}

static int progress(struct lclone_merge *merge, u64 done, u64 total)
{
	struct work *w = merge->ctx;

	w->said_done = w->before + done;
	w->said_total = w->total ?: total;
	return lclone_watch_stops(w->export->watch, "exporting", w->said_done, w->said_total);
}

/* While it is waited for qemu-nbd */
static bool stops(void *ctx)
{
	struct work *w = ctx;

	return lclone_watch_stops(w->export->watch, "exporting", w->said_done, w->said_total);
}

static int run_copy(struct lclone_copy *copy)
{
	int ret;

	do {
		ret = lclone_copy_run(copy, SLICE_MS);
	} while (ret > 0);
	return ret;
}

/* An overlay has what the @levels topmost of @chain have; else (0) all of it, and of the base. */
static int fill(struct work *w, struct lclone_chain *chain, u32 levels,
		struct lclone_copy_sink *sink, struct lclone_file *target)
{
	static struct own own;
	struct lclone_merge merge = {
		.chain = chain,
		.base = !levels || lclone_overlay_shows_base(chain, levels) ? w->base : NULL,
		.sink = sink,
		.target = target,
		.target_is_zero = !levels,
		.sparse = !levels,
		.progress = progress,
		.ctx = w,
	};
	struct lclone_copy *copy;
	int err;

	own.extents.start = own_start;
	own.extents.next = own_next;
	own.chain = chain;
	own.levels = levels;
	err = levels ? lclone_copy_new_extents(&copy, &merge, &own.extents) :
		       lclone_copy_new(&copy, &merge, 0, false);
	if (!err)
		err = run_copy(copy);
	lclone_copy_free(copy);
	return err ?: lclone_copy_unchanged(&merge);
}

static int make_raw(struct work *w)
{
	static struct lclone_part part;
	int err;

	err = lclone_part_open(&part, w->export->file, w->chain->delta[0]->sb.virtual_sectors);
	if (!err)
		err = fill(w, w->chain, 0, NULL, &part.file) ?: lclone_file_sync(&part.file);
	if (err)
		lclone_part_abandon(&part);
	else
		err = lclone_part_finish(&part);
	lclone_part_close(&part);
	return err;
}

/* What an overlay lies on */

struct below {
	char name[PATH_MAX];		/* as the overlay calls it */
	const char *format;
};

/*
 * Of device-mapper it is the name, of other devices what the caller has, as below /dev/disk/by-id:
 * the number of dm-3 is another tomorrow, and sda another disk.
 */
static int name_of_device(dev_t rdev, const char *path, char name[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX], real_dir[PATH_MAX];

	lclone_dev_name(rdev, name);
	if (!strncmp(name, "/dev/mapper/", strlen("/dev/mapper/")))
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	if (!realpath(dir, real_dir))
		return lclone_fail(-errno, "%s: %m", dir);
	if (snprintf(name, PATH_MAX, "%s/%s", real_dir, slash ? slash + 1 : path) >= PATH_MAX)
		return lclone_fail(-ENAMETOOLONG, "%.64s...: the name is too long", path);
	return 0;
}

/*
 * What lies beside the overlay is called by its name alone, so that both can be moved together.  It
 * is never the name of a protocol.
 */
static int set_name(struct below *below, const char *path, const char *overlay)
{
	char real[PATH_MAX], dir[PATH_MAX], real_dir[PATH_MAX], *name;
	const char *slash = strrchr(overlay, '/');
	dev_t rdev = lclone_dev_at(path);
	int err = rdev ? name_of_device(rdev, path, real) : 0;

	if (err)
		return err;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - overlay + 1) : 1,
		 slash ? overlay : ".");
	if (!rdev && !realpath(path, real))
		return lclone_fail(-errno, "%s: %m", path);
	if (!realpath(dir, real_dir))
		return lclone_fail(-errno, "%s: %m", dir);
	name = strrchr(real, '/') + 1;
	snprintf(below->name, sizeof(below->name), "%s", real);
	if ((size_t)(name - real) == strlen(real_dir) + 1 &&
	    !strncmp(real, real_dir, strlen(real_dir)))
		snprintf(below->name, sizeof(below->name), "%s%s", strchr(name, ':') ? "./" : "",
			 name);
	if (strlen(below->name) > 1023)
		return lclone_fail(-ENAMETOOLONG, "%s: an overlay cannot have so long a name in its header",
				   below->name);
	return 0;
}

static int wrong_size(const struct lclone_export *e, u64 bytes, const char *what, u64 sectors)
{
	return lclone_fail(-ESTALE, "%s has a disk of %s, %s has %s", e->backing,
			   LCLONE_SIZE(bytes / 512), what, LCLONE_SIZE(sectors));
}

/* The image of a template, whose volume LVM has made larger: what it lacks is zero. */
struct padded {
	struct lclone_dev dev;
	const struct lclone_dev *image;
};

static int padded_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct padded *p = container_of(dev, struct padded, dev);

	return lclone_dev_read_padded(p->image, buf, sector, count);
}

/* 1 if all that the base has from there on is zero */
static int is_zero_from(const struct lclone_file *base, u64 sector)
{
	static u8 buf[1 << 20];
	u32 n;
	int err;

	for (; sector < base->dev.sectors; sector += n) {
		n = min_u64(base->dev.sectors - sector, sizeof(buf) >> 9);
		err = lclone_dev_read(&base->dev, buf, sector, n);
		if (err)
			return lclone_fail(err, "%s: cannot be read: %s", base->path,
					   strerror(-err));
		if (!lclone_is_zero(buf, (size_t)n << 9))
			return 0;
	}
	return 1;
}

static int verify_base(const struct work *w, struct lclone_nbd *nbd)
{
	const struct lclone_sb *sb = &w->chain->delta[0]->sb;
	const u64 bytes = lclone_nbd_bytes(nbd);
	struct padded padded = { { sb->base_sectors, padded_read }, lclone_nbd_dev(nbd) };
	char why[LCLONE_WHY_SIZE];
	int ret;

	if (sb->base_fp_alg == LCLONE_FP_NONE)
		return lclone_fail(-ESTALE, "%s has no base: it can be no overlay",
				   w->chain->file[0]->path);
	if (sb->state & LCLONE_STATE_MERGING)
		return lclone_fail(-EBUSY, "%s is being merged into its base, which is not what an overlay can lie on: end that first, or export the whole disk",
				   w->chain->file[0]->path);
	ret = bytes == sb->base_sectors << 9;
	if (!ret && w->base && bytes < sb->base_sectors << 9 && bytes % 512 == 0)
		ret = is_zero_from(w->base, bytes >> 9);
	if (!ret)
		return wrong_size(w->export, bytes, "the base", sb->base_sectors);
	if (ret > 0 && lclone_base_verify(sb, &padded.dev, why))
		return lclone_fail(-ESTALE, "%s: %s", w->export->backing, why);
	return ret < 0 ? ret : 0;
}

/* It is not looked at what that lies on itself: a snapshot is known only by its size. */
static int verify_backing(const struct work *w, const struct lclone_nbd_image *image)
{
	const struct lclone_export *e = w->export;
	const struct lclone_sb *layer = e->against ? &w->chain->delta[w->levels]->sb : NULL;
	struct lclone_nbd *nbd;
	int err;

	err = lclone_nbd_open(&nbd, image, false);
	if (err)
		return err;
	if (!layer)
		err = verify_base(w, nbd);
	else if (lclone_nbd_bytes(nbd) != layer->virtual_sectors << 9)
		err = wrong_size(e, lclone_nbd_bytes(nbd), e->against, layer->virtual_sectors);
	lclone_nbd_close(nbd);
	return err;
}

static int look_at_backing(struct work *w, struct below *below)
{
	const struct lclone_export *e = w->export;
	struct lclone_nbd_image image = { .path = e->backing, .format = "raw", .stop = stops,
					  .ctx = w };
	struct stat st;
	int err = 0;

	image.fd = open(e->backing, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (image.fd < 0 || fstat(image.fd, &st))
		err = lclone_fail(-errno, "%s: %m", e->backing);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		err = lclone_fail(-ENOTBLK, "%s is neither a block device nor a file", e->backing);
	else if (S_ISREG(st.st_mode))
		err = lclone_image_format(image.fd, e->backing, e->against, &image.format);
	if (!err)
		err = verify_backing(w, &image);
	if (image.fd >= 0)
		close(image.fd);
	below->format = image.format;
	return err ?: set_name(below, e->backing, e->file);
}

/* Images */

static int make_image(struct work *w, struct lclone_image_new *image, struct lclone_chain *chain,
		      u32 levels, const struct below *below)
{
	const struct lclone_sb *sb = &chain->delta[0]->sb;
	const struct lclone_image_options options = {
		.sectors = sb->virtual_sectors,
		.unit_sectors = below ? sb->chunk_sectors / LCLONE_SUBCHUNKS : 0,
		.backing = below ? below->name : NULL,
		.backing_format = below ? below->format : NULL,
		.stop = stops,
		.ctx = w,
	};

	return lclone_image_new_begin(image, &options) ?:
	       fill(w, chain, levels, &image->sink, NULL) ?:
	       lclone_image_new_written(image);
}

static void tell(const struct work *w, const struct lclone_image_new *image, u32 level,
		 const struct below *below)
{
	w->export->made(w->export->ctx, image->part.path, w->chain->delta[level]->sb.label,
			below ? below->name : NULL);
}

/* All of the disk, or all that was changed, as one image */
static int make_one(struct work *w)
{
	const struct lclone_export *e = w->export;
	static struct lclone_image_new image;
	static struct below below;
	int err;

	err = lclone_image_new_open(&image, e->file, e->format);
	if (!err && e->backing)
		err = look_at_backing(w, &below);
	if (!err)
		err = make_image(w, &image, w->chain, e->backing ? w->levels : 0,
				 e->backing ? &below : NULL) ?:
		      lclone_image_new_finish(&image, 1);
	lclone_image_new_close(&image);
	if (!err)
		tell(w, &image, 0, e->backing ? &below : NULL);
	return err;
}

/* "dir/disk.qcow2" and 2: "dir/disk.2.qcow2" */
static int name_of_layer(const char *file, u32 number, char path[PATH_MAX])
{
	const char *slash = strrchr(file, '/'), *dot = strrchr(file, '.');

	if (!dot || (slash && dot < slash) || dot == (slash ? slash + 1 : file))
		dot = file + strlen(file);
	if (snprintf(path, PATH_MAX, "%.*s.%u%s", (int)(dot - file), file, number, dot) >= PATH_MAX)
		return lclone_fail(-ENAMETOOLONG, "%.64s...: the name is too long", file);
	return 0;
}

/* The disk as a level has it, of which its overlay is the topmost level */
static void chain_from(const struct lclone_chain *chain, u32 level, struct lclone_chain *from)
{
	u32 i;

	from->count = chain->count - level;
	for (i = 0; i < from->count; i++) {
		from->delta[i] = chain->delta[level + i];
		from->file[i] = chain->file[level + i];
	}
}

static int make_layer(struct work *w, struct lclone_image_new *image, u32 level,
		      const struct below *below)
{
	static struct lclone_chain chain;
	u64 bytes = 0;
	int err;

	chain_from(w->chain, level, &chain);
	err = make_image(w, image, &chain, 1, below) ?: count_own(&chain, 1, &bytes);
	w->before += bytes;
	return err;
}

/* They get their names when all are there, the lowest first: none lies on what is not there. */
static int finish_all(struct work *w, struct lclone_image_new *images, struct below *below)
{
	u32 i;
	int err = lclone_image_new_finish(images, w->levels);

	for (i = w->levels; !err && i--;)
		tell(w, &images[i], i, &below[i]);
	return err;
}

static int open_all(struct work *w, struct lclone_image_new *images, struct below *below)
{
	char path[PATH_MAX];
	u32 i;
	int err;

	err = lclone_image_new_open(&images[0], w->export->file, w->export->format);
	for (i = 1; !err && i < w->levels; i++) {
		err = name_of_layer(w->export->file, w->levels - i, path) ?:
		      lclone_image_new_open(&images[i], path, w->export->format);
		if (!err)
			err = set_name(&below[i - 1], images[i].part.part, w->export->file);
		/* of that the part is there now */
		if (!err)
			below[i - 1].name[strlen(below[i - 1].name) - strlen(".part")] = '\0';
		below[i - 1].format = w->export->format;
	}
	return err ?: look_at_backing(w, &below[w->levels - 1]);
}

static int make_chain(struct work *w)
{
	struct lclone_image_new *images = calloc(w->levels, sizeof(*images));
	struct below *below = calloc(w->levels, sizeof(*below));
	static struct lclone_chain chain;
	u32 i;
	int err = 0;

	if (!images || !below)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; images && i < w->levels; i++)
		images[i].part.file.fd = -1;
	for (i = 0; !err && i < w->levels; i++) {
		chain_from(w->chain, i, &chain);
		err = count_own(&chain, 1, &w->total);
	}
	if (!err)
		err = open_all(w, images, below);
	for (i = w->levels; !err && i--;)
		err = make_layer(w, &images[i], i, &below[i]);
	if (!err)
		err = lclone_chain_unchanged(w->chain) ?: finish_all(w, images, below);
	for (i = 0; images && i < w->levels; i++)
		lclone_image_new_close(&images[i]);
	free(images);
	free(below);
	return err;
}

static int refuse(const struct lclone_export *e)
{
	if (e->backing && !strcmp(e->format, "vmdk"))
		return lclone_fail(-EINVAL, "a VMDK is no overlay here: it would lie on a VMDK only, and have 64 KiB at least of each change: use --format qcow2");
	if (e->backing && !strcmp(e->format, "raw"))
		return lclone_fail(-EINVAL, "a raw image is the whole disk, and lies on nothing: use --format qcow2");
	return 0;
}

/* An overlay may have to have what the base shows behind the end of a shorter layer. */
static int refuse_unknown_base(const struct work *w)
{
	static struct lclone_chain chain;
	u32 levels = w->export->chain ? 1 : w->levels;
	u32 i, count = w->export->chain ? w->levels : 1;

	for (i = 0; !w->base && w->export->backing && i < count; i++) {
		chain_from(w->chain, i, &chain);
		if (lclone_overlay_shows_base(&chain, levels))
			return lclone_fail(-ENOENT, "%s was made larger than %s, and shows the base behind its end: name the base before the delta",
					   chain.file[0]->path, chain.file[levels]->path);
	}
	return 0;
}

static int export_pair(const struct lclone_export *e, struct lclone_pair *pair)
{
	struct work w = { .export = e, .chain = &pair->disk.chain, .base = pair->base,
			  .said_total = 1 };
	u32 i;
	int err = 0;

	w.levels = w.chain->count;
	for (i = 0; !err && i < w.chain->count; i++)
		err = lclone_refuse_damaged(w.chain->file[i]);
	if (!err && e->against)
		err = lclone_disk_levels_above(&pair->disk, e->against, &w.levels);
	if (!err)
		err = refuse_unknown_base(&w);
	if (err)
		return err;
	if (e->chain)
		return make_chain(&w);
	if (strcmp(e->format, "raw"))
		return make_one(&w);
	err = make_raw(&w);
	if (!err)
		e->made(e->ctx, e->file, w.chain->delta[0]->sb.label, NULL);
	return err;
}

static int open_overlay(const char *delta, const struct lclone_parents *parents,
			struct lclone_pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	pair->disk.file.fd = -1;
	return lclone_open_disk(delta, O_RDONLY, parents, &pair->disk);
}

int lclone_export(const struct lclone_export *e, const char *base, const char *delta,
		  const struct lclone_parents *parents)
{
	static struct lclone_pair pair;
	int err = refuse(e);

	if (err)
		return err;
	err = base ? lclone_open_pair(base, delta, parents, &pair) :
		     open_overlay(delta, parents, &pair);
	if (err == -EBUSY)
		err = lclone_fail(err, "%s; of a clone that is active a snapshot can be exported",
				  lclone_why());
	if (!err)
		err = export_pair(e, &pair);
	lclone_close_pair(&pair);
	return err == -EINTR ? lclone_fail(err, "interrupted: run again, it begins anew") : err;
}
