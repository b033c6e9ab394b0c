// SPDX-License-Identifier: GPL-2.0-only
/* The sort is a heap sort, which needs no memory and has no bad case. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "basic/sort.h"

#define ELEMENT_MAX	64

struct heap {
	char *array;
	size_t size;
	int (*compare)(const void *a, const void *b);
};

static void *at(const struct heap *h, size_t i)
{
	return h->array + i * h->size;
}

/* Puts @element into the heap of @count, whose place @i is free. */
static void sift(const struct heap *h, size_t i, size_t count, const void *element)
{
	size_t child;

	for (; 2 * i + 1 < count; i = child) {
		child = 2 * i + 1;
		if (child + 1 < count && h->compare(at(h, child), at(h, child + 1)) < 0)
			child++;
		if (h->compare(element, at(h, child)) >= 0)
			break;
		memcpy(at(h, i), at(h, child), h->size);
	}
	memcpy(at(h, i), element, h->size);
}

static bool in_order(const struct heap *h, size_t count)
{
	size_t i;

	for (i = 1; i < count; i++)
		if (h->compare(at(h, i - 1), at(h, i)) > 0)
			return false;
	return true;
}

void lclone_sort(void *array, size_t count, size_t size,
		 int (*compare)(const void *a, const void *b))
{
	const struct heap h = { array, size, compare };
	_Alignas(max_align_t) char element[ELEMENT_MAX];
	size_t i;

	assert(size <= sizeof(element));
	if (in_order(&h, count))
		return;
	for (i = count / 2; i-- > 0; ) {
		memcpy(element, at(&h, i), size);
		sift(&h, i, count, element);
	}
	for (i = count; i-- > 1; ) {
		memcpy(element, at(&h, i), size);
		memcpy(at(&h, i), at(&h, 0), size);
		sift(&h, 0, i, element);
	}
}

size_t lclone_lower_bound(const void *array, size_t count, size_t size, u64 key,
			  u64 (*key_of)(const void *element))
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (key_of((const char *)array + mid * size) < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
