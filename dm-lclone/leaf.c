// SPDX-License-Identifier: GPL-2.0-only
/*
 * A leaf of the tree in RAM: its entries are made BUSY and released.
 */
#include "leaf.h"

struct lclone_leaf lclone_empty_leaf = { .pins = ATOMIC_INIT(LCLONE_LEAF_DEAD) };

bool lclone_set_busy(struct lclone_leaf *leaf, u32 slot)
{
	u64 exc = READ_ONCE(leaf->exceptions[slot]);

	do {
		if (exc & LCLONE_EXC_BUSY)
			return false;
	} while (!try_cmpxchg64(&leaf->exceptions[slot], &exc, exc | LCLONE_EXC_BUSY));
	return true;
}

void lclone_clear_busy(struct lclone_leaf *leaf, u32 slot)
{
	u64 exc = READ_ONCE(leaf->exceptions[slot]);

	while (!try_cmpxchg64(&leaf->exceptions[slot], &exc, exc & ~LCLONE_EXC_BUSY))
		;
}
