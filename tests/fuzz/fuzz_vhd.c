// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the reader of VHDs.
 *
 * The input chooses a good one, cuts it off if it likes, and edits it; then its checksums are made
 * right, for nothing gets past them else.
 */
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "makevhd.h"
#include "must.h"
#include "offline/vhd.h"

#define KINDS	4
#define EDITS	32
#define SECTORS	1001u

struct edit {
	u8 area;
	u8 offset[2];
	u8 value[4];
};

struct input {
	u8 kind;
	u8 cut;				/* sectors */
	struct edit edit[];
};

static struct vhd_image image[KINDS];
static u8 *good[KINDS];			/* what each was before it was edited */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct vhd_wish wish[KINDS] = {
		{ .type = 2, .seed = 1 },
		{ .type = 3, .block_size = 4096, .seed = 2 },
		{ .type = 4, .block_size = 65536, .seed = 3, .parent = &image[0],
		  .parent_name = "a/base.vhd" },
		{ .type = 4, .block_size = 512, .seed = 4, .parent = &image[2],
		  .parent_name = "base.vhd" },
	};
	struct vhd_wish w;
	int i;

	(void)argc;
	(void)argv;
	for (i = 0; i < KINDS; i++) {
		w = wish[i];
		w.sectors = SECTORS;
		w.changes = 5;
		vhd_make(&image[i], &w);
		good[i] = malloc(image[i].size);
		MUST(good[i]);
		memcpy(good[i], image[i].data, image[i].size);
	}
	return 0;
}

static void edit(struct vhd_image *v, const struct edit *e)
{
	u8 *const area[] = { vhd_footer(v), v->data + (v->wish.type == 2 ? 0 : 512),
			     v->data + v->table, v->data + v->locators };
	size_t at = area[e->area % 4] - v->data + (e->offset[0] << 8 | e->offset[1]) % 1024;

	if (at + sizeof(e->value) <= v->size)
		memcpy(v->data + at, e->value, sizeof(e->value));
}

static void walk(struct lclone_vhd *vhd, bool good_one)
{
	u64 sector = 0, sectors, at;
	int ret;

	for (; sector < vhd->sectors; sector += sectors) {
		ret = lclone_vhd_extent(vhd, sector, &sectors, &at);
		MUST(ret >= 0 || !good_one);
		if (ret < 0)
			return;
		MUST(sectors && sectors <= vhd->sectors - sector);
		MUST(!ret || (at < vhd->dev->sectors && sectors < vhd->dev->sectors - at));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct input *in = (const struct input *)data;
	struct lclone_memdev dev;
	char name[NAME_MAX + 1];
	struct lclone_vhd vhd;
	struct vhd_image *v;
	size_t i, edits;
	u32 k, cut;
	int err;

	if (size < sizeof(*in))
		return 0;
	edits = (size - sizeof(*in)) / sizeof(in->edit[0]);
	v = &image[in->kind % KINDS];
	for (i = 0; i < edits && i < EDITS; i++)
		edit(v, &in->edit[i]);
	vhd_seal(v);
	cut = in->cut < v->size >> 9 ? in->cut : 0;
	lclone_memdev_init(&dev, v->data, (v->size >> 9) - cut);
	err = lclone_vhd_open(&vhd, &dev.dev, "disk.vhd");
	MUST(!err || lclone_why()[0]);
	MUST(!err || edits || cut);		/* those that nothing is done to are good */
	if (!err)
		walk(&vhd, !edits);
	for (k = 0; !err && vhd.type == LCLONE_VHD_DIFFERENCING && k < LCLONE_VHD_NAMES; k++)
		if (lclone_vhd_parent_name(&vhd, k, name) == 1)
			MUST(name[0] && !strchr(name, '/') && strcmp(name, ".."));
	lclone_vhd_close(&vhd);
	memcpy(v->data, good[in->kind % KINDS], v->size);
	return 0;
}
