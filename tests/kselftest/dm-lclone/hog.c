// SPDX-License-Identifier: GPL-2.0-only
/*
 * hog MIB PASSES THREADS: use memory, more than there is, and see to it that what was
 * put there is there. Each pass looks at all pages in another order and changes them.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE	4096u
#define WORDS	(PAGE / sizeof(uint64_t))
#define STEP	7919u			/* a prime */

static uint64_t *mem, pages, passes, threads;

static uint64_t stamp(uint64_t page, uint64_t pass)
{
	return (page * 0x9e3779b97f4a7c15ULL) ^ (pass * 0xbf58476d1ce4e5b9ULL);
}

static void visit(uint64_t page, uint64_t pass)
{
	uint64_t *p = mem + page * WORDS, was = pass ? stamp(page, pass - 1) : 0, i;

	for (i = 0; i < WORDS; i++) {
		if (p[i] != (pass ? was + i : 0)) {
			fprintf(stderr, "hog: page %llu, word %llu, pass %llu: %llx, not %llx\n",
				(unsigned long long)page, (unsigned long long)i,
				(unsigned long long)pass, (unsigned long long)p[i],
				(unsigned long long)was + i);
			exit(1);
		}
		p[i] = stamp(page, pass) + i;
	}
}

static void *work(void *arg)
{
	uint64_t self = (uintptr_t)arg, share = pages / threads, pass, i;

	for (pass = 0; pass < passes; pass++)
		for (i = 0; i < share; i++)	/* each once */
			visit(self * share + (i * STEP + pass * 31) % share, pass);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[16];
	uint64_t i;

	if (argc != 4)
		return 2;
	passes = strtoull(argv[2], NULL, 0);
	threads = strtoull(argv[3], NULL, 0);
	pages = (strtoull(argv[1], NULL, 0) << 20) / PAGE;
	if (!threads || threads > 16 || pages / threads % STEP == 0)
		return 2;
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		perror("hog");
		return 1;
	}
	for (i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i))
			return 1;
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
