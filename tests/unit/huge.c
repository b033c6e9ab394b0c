// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large buffers of the tests get huge pages.  The allocator of the address sanitizer maps each
 * anew, and where a page fault is expensive, in a virtual machine say, those were most of the
 * tests' time.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE	((uintptr_t)2 << 20)

void __sanitizer_malloc_hook(const volatile void *buffer, size_t size);
void __sanitizer_free_hook(const volatile void *buffer);

/* Called by the sanitizer.  A system without huge pages refuses the advice. */
void __sanitizer_malloc_hook(const volatile void *buffer, size_t size)
{
	uintptr_t start = ((uintptr_t)buffer + HUGE - 1) & -HUGE;
	uintptr_t end = ((uintptr_t)buffer + size) & -HUGE;

	if (end > start)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
}

void __sanitizer_free_hook(const volatile void *buffer)
{
	(void)buffer;
}
