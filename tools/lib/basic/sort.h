/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sorts in place: qsort() of the C library may take a copy of all there is.
 */
#ifndef LCLONE_SORT_H
#define LCLONE_SORT_H

#include <stddef.h>

/* As qsort(); elements of up to 64 bytes, and an array that is in order already costs one pass. */
void lclone_sort(void *array, size_t count, size_t size,
		 int (*compare)(const void *a, const void *b));

#endif /* LCLONE_SORT_H */
