/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays in order.
 */
#ifndef LCLONE_SORT_H
#define LCLONE_SORT_H

#include <stddef.h>

#include "lclone_format.h"

/*
 * As qsort(), but in place: qsort() of the C library may take a copy of all there is.  Elements
 * have up to 64 bytes, and an array that is in order already costs one pass.
 */
void lclone_sort(void *array, size_t count, size_t size,
		 int (*compare)(const void *a, const void *b));

/*
 * The index of the first element whose key is not below @key, in an array in ascending order of
 * its keys; @count if there is none.
 */
size_t lclone_lower_bound(const void *array, size_t count, size_t size, u64 key,
			  u64 (*key_of)(const void *element));

#endif /* LCLONE_SORT_H */
