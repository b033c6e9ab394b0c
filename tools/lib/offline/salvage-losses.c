// SPDX-License-Identifier: GPL-2.0-only
/* What of a damaged delta's clone is lost */
#include <errno.h>

#include "basic/sort.h"
#include "format_user.h"
#include "offline/salvage-losses.h"

#define JOIN_MIN	65536u	/* losses */

static int add_loss(struct lclone_salvage *s, u64 sector, u64 sectors, bool old)
{
	u64 end = s->delta.sb.virtual_sectors;
	struct lclone_loss *last = s->losses ? &s->loss[s->losses - 1] : NULL;

	if (sector >= end)
		return 0;
	sectors = min_u64(sectors, end - sector);
	if (last && last->old == old && last->sector + last->sectors == sector) {
		last->sectors += sectors;
		return 0;
	}
	if (s->losses >= JOIN_MIN && s->losses / 2 >= s->joined)
		lclone_join_losses(s);
	if (!LCLONE_GROW(s, s->loss, s->losses))
		return -ENOMEM;
	s->loss[s->losses++] = (struct lclone_loss){
		.sector = sector, .sectors = sectors, .old = old,
	};
	return 0;
}

/* Subchunks of one chunk */
int lclone_lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask)
{
	u32 cs = s->delta.sb.chunk_sectors, sub = cs / LCLONE_SUBCHUNKS, i;
	int err = 0;

	for (i = 0; !err && i < LCLONE_SUBCHUNKS; i++)
		if (mask & 1u << i)
			err = add_loss(s, chunk * cs + i * sub, sub, false);
	return err;
}

/* Chunks, without those that the log has a value of from after @commit. */
int lclone_lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit)
{
	u32 cs = s->delta.sb.chunk_sectors;
	u64 end = count < s->delta.chunks - first ? first + count : s->delta.chunks;
	size_t i;
	int err = 0;

	for (i = lclone_logged_lower_bound(s, first); !err && i < s->nr_logged; i++) {
		const struct lclone_logged *l = &s->logged[i];

		if (l->chunk >= end)
			break;
		if (l->commit <= commit)
			continue;
		if (l->chunk > first)
			err = add_loss(s, first * cs, (l->chunk - first) * cs, old);
		first = l->chunk + 1;
	}
	if (!err && first < end)
		err = add_loss(s, first * cs, (end - first) * cs, old);
	return err;
}

static int compare_losses(const void *pa, const void *pb)
{
	const struct lclone_loss *a = pa, *b = pb;

	if (a->old != b->old)
		return a->old ? 1 : -1;
	return a->sector < b->sector ? -1 : a->sector > b->sector;
}

void lclone_join_losses(struct lclone_salvage *s)
{
	struct lclone_loss *last = NULL;
	size_t i, count = 0;

	if (s->losses)
		lclone_sort(s->loss, s->losses, sizeof(*s->loss), compare_losses);
	for (i = 0; i < s->losses; i++) {
		const struct lclone_loss *l = &s->loss[i];

		if (last && last->old == l->old && l->sector <= last->sector + last->sectors) {
			if (l->sector + l->sectors > last->sector + last->sectors)
				last->sectors = l->sector + l->sectors - last->sector;
			continue;
		}
		last = &s->loss[count++];
		*last = *l;
	}
	s->losses = s->joined = count;
}
