// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/sort.h"
#include "format/tree.h"
#include "format_user.h"
#include "offline/salvage-state.h"

int lclone_salvage_why(struct lclone_salvage *s, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->delta.why, sizeof(s->delta.why), fmt, args);
	va_end(args);
	return err;
}

void *lclone_salvage_grow(struct lclone_salvage *s, void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	array = reallocarray(array, count ? 2 * count : 1, size);
	if (!array)
		lclone_salvage_why(s, -ENOMEM, "out of memory");
	return array;
}

u32 lclone_chunk_of_block(const struct lclone_salvage *s, u64 block)
{
	return block * LCLONE_BLOCK_SECTORS / s->delta.sb.chunk_sectors;
}

bool lclone_legal_phys(const struct lclone_salvage *s, u32 phys)
{
	return phys >= s->delta.sb.first_chunk && phys < lclone_phys_end(&s->delta.sb);
}

void lclone_mark_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *node, u64 block,
		      u64 checkpoint)
{
	u32 i, phys;

	if (block)		/* it may stay where it is: nothing new goes there */
		lclone_bit_set(s->busy, lclone_chunk_of_block(s, block));
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		phys = lclone_exc_phys(le64_to_cpu(node->exceptions[i]));
		if (!lclone_legal_phys(s, phys))
			continue;
		lclone_bit_set(s->busy, phys);
		if (checkpoint)
			lclone_bit_set(s->data, phys);
	}
}

static u64 chunk_of(const void *logged)
{
	return ((const struct lclone_logged *)logged)->chunk;
}

size_t lclone_logged_lower_bound(const struct lclone_salvage *s, u64 chunk)
{
	return lclone_lower_bound(s->logged, s->nr_logged, sizeof(*s->logged), chunk, chunk_of);
}
