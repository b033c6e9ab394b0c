// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "clone/users.h"
#include "offline/import-to.h"

int lclone_import_look(const struct lclone_import_from *from, struct lclone_image_chain *images,
		       u32 *overlays)
{
	int err = lclone_image_chain_open(images, from->file, &from->backing,
					  from->trust_base && !from->chain ?
					  LCLONE_IMAGES_TWO : LCLONE_IMAGES_ALL);
	u32 i;

	*overlays = 0;
	for (i = 0; i < images->count; i++)
		*overlays += images->file[i].overlay;
	if (err)
		return err;
	if (!*overlays)
		return lclone_fail(-ERANGE, "%s lies on no other image: make a template of it (lclone import FILE NAME --vg VG, without --base)",
				   from->file);
	if (*overlays > 1 && !from->chain)
		return lclone_fail(-ERANGE, "%s lies on %s, which is an overlay, too: with --chain each becomes a layer",
				   from->file, images->file[1].path);
	return 0;
}

static int refuse_count(const struct lclone_import_to *import, u32 overlays)
{
	const u32 given = import->layers.count + import->to.count;

	if (!import->to.count)
		return lclone_fail(-ERANGE, "there is no device for the delta (--to)");
	if (given == overlays)
		return 0;
	return lclone_fail(-ERANGE, "%s and what it lies on are %u overlays, and %u devices are given for them: a layer that is there (--parent) or a device (--to) for each, the lowest first",
			   import->from->file, overlays, given);
}

/*
 * 1: a run that was killed has ended with this one, but not with all.  A delta that was opened since
 * is somebody's, whatever it has.
 */
static int is_made(const struct lclone_import *import, u32 i, const char *path,
		   const struct lclone_import_target *target, struct lclone_sb *sb)
{
	int ret;

	if (target->force || lclone_sb_of(path, sb) || lclone_half_written(sb) ||
	    (!target->sealed && sb->incarnation) || strcmp(sb->label, target->label ?: "") ||
	    (target->chunk_sectors && sb->chunk_sectors != target->chunk_sectors))
		return 0;
	ret = lclone_import_is_made(import, i, target->below, path, target->sealed, sb);
	return ret < 0 && ret != -EINTR && ret != -ENOMEM ? 0 : ret;
}

static int make(const struct lclone_import *import, u32 i, const char *path,
		struct lclone_import_target *target, struct lclone_sb *sb)
{
	struct lclone_file file;
	int err;

	target->file = &file;
	err = lclone_file_open_ready(&file, path, O_RDWR | O_EXCL) ?:
	      lclone_import_file(import, i, target, sb);
	lclone_file_close(&file);
	if (!err && target->sealed)	/* one that is not is as good */
		(void)lclone_protect_layer(path);
	return err;
}

/* The files from the lowest one on */
static int import_all(const struct lclone_import_to *to, const struct lclone_import *import,
		      u32 overlays)
{
	struct lclone_import_below below = { .layers = { .count = 0 } };
	struct lclone_import_target target = {
		.chunk_sectors = to->chunk_sectors, .force = to->force, .below = &below,
	};
	const struct lclone_image_file *file;
	struct lclone_sb sb = { .seq = 0 };
	const char *path;
	u32 i, n;
	int ret = 1;

	for (i = overlays; ret > 0 && i-- > 0;) {
		n = overlays - 1 - i;
		file = &import->images->file[i];
		if (n < to->layers.count) {
			path = to->layers.path[n];
			ret = lclone_import_is_made(import, i, &below, path, true, &sb);
			if (!ret)
				ret = lclone_fail(-ESTALE, "%s", lclone_why());
		} else {
			path = to->to.path[n - to->layers.count];
			target.sealed = i;
			target.label = i ? NULL : to->label;
			ret = is_made(import, i, path, &target, &sb) ?:
			      make(import, i, path, &target, &sb) ?: 1;
		}
		if (ret > 0)
			to->told(to->ctx, file, path, n < to->layers.count ? NULL : &sb);
		if (i)
			below.layers.path[below.layers.count++] = path;
		below.last = sb;
	}
	return ret < 0 ? ret : 0;
}

int lclone_import_to(const struct lclone_import_to *to)
{
	static struct lclone_image_chain images;
	struct lclone_import import = { .images = &images, .watch = to->watch };
	struct lclone_file base_file = { .fd = -1 };
	u32 overlays;
	int err;

	err = lclone_import_look(to->from, &images, &overlays) ?: refuse_count(to, overlays);
	if (!err && !strcmp(to->base, "-"))
		err = lclone_fail(-ERANGE, "an overlay needs a base");
	if (!err)
		err = lclone_open_base(to->base, &base_file, &import.base) ?:
		      lclone_refuse_as_base(import.base, "; if it is another: --assume-no-other-clones",
					    NULL);
	if (!err && !to->from->trust_base)
		err = lclone_import_verify(&import);
	err = err ?: import_all(to, &import, overlays);
	lclone_close_base(import.base);
	lclone_image_chain_close(&images);
	return err;
}
