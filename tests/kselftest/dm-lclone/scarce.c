// SPDX-License-Identifier: GPL-2.0-only
/*
 * scarce DEV STRIDE BLOCKS SEED SECONDS [THREADS]: write a few blocks at each multiple of STRIDE
 * while the machine has no memory, and read them again.  THREADS (1) do so side by side.
 *
 * The watermarks are raised above all the memory that there is, so that from then on each
 * allocation fails, or waits, which has no pool or may not take of the reserves: the kernel's
 * pools alone have to do.  After SECONDS the watermarks come back in any case, and if the I/O had
 * not ended by then, that is the failure.  What this program needs it has before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK	4096u
#define PART	512u
#define THREADS	8u

static int dev, watermark;
static char normal[32], scarce[32];
static uint64_t stride, blocks, seed;
static unsigned int seconds, threads = 1;
static bool too_late;
static pthread_mutex_t start = PTHREAD_MUTEX_INITIALIZER;	/* held until there is no memory */
static pthread_mutex_t end = PTHREAD_MUTEX_INITIALIZER;	/* held until there is memory again */
static unsigned int ended;		/* threads whose work has */
static uint8_t buffers[THREADS][2][BLOCK] __attribute__((aligned(4096)));

static void set(const char *kbytes)
{
	if (pwrite(watermark, kbytes, strlen(kbytes), 0) < 0)
		_exit(3);
}

static void *watch(void *arg)
{
	unsigned int i;

	for (i = 0; i < seconds * 10 && __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < threads; i++)
		usleep(100000);
	too_late = __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < threads;
	set(normal);
	return arg;
}

static void fill(uint8_t *data, uint64_t pos)
{
	uint64_t *p = (uint64_t *)data, i;

	for (i = 0; i < BLOCK / sizeof(*p); i++)
		p[i] = (pos + i) * 0x9e3779b97f4a7c15ULL ^ seed;
}

/* The work of a thread. Returns what is wrong, or NULL. */
static const char *work(unsigned int first)
{
	uint8_t *got = buffers[first][0], *want = buffers[first][1];
	uint64_t i;

	for (i = first; i < blocks; i += threads) {
		fill(want, i * stride);
		if (pwrite(dev, want, BLOCK, i * stride) != BLOCK)
			return "a write failed";
		/* a part of a subchunk, which is copied up */
		if (pwrite(dev, want, PART, i * stride + 2 * BLOCK + PART) != PART)
			return "a small write failed";
	}
	if (fdatasync(dev))
		return "a flush failed";
	for (i = first; i < blocks; i += threads) {
		fill(want, i * stride);
		if (pread(dev, got, BLOCK, i * stride) != BLOCK)
			return "a read failed";
		if (memcmp(got, want, BLOCK))
			return "what was read is not what was written";
		if (pread(dev, got, PART, i * stride + 2 * BLOCK + PART) != PART)
			return "a small read failed";
		if (memcmp(got, want, PART))
			return "what was read of a part is not what was written";
		/* what lies below */
		if (pread(dev, got, BLOCK, i * stride + 4 * BLOCK) != BLOCK)
			return "a read failed";
	}
	return NULL;
}

/* The end of a thread takes memory. */
static void *run(void *number)
{
	const char *wrong;

	pthread_mutex_lock(&start);
	pthread_mutex_unlock(&start);
	wrong = work((uintptr_t)number);
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&end);
	pthread_mutex_unlock(&end);
	return (void *)wrong;
}

static void die(const char *what)
{
	fprintf(stderr, "scarce: %s: %s\n", what, strerror(errno));
	exit(2);
}

int main(int argc, char **argv)
{
	pthread_t watcher, worker[THREADS];
	void *wrong = NULL, *its;
	uint64_t pages;
	uintptr_t i;
	ssize_t n;
	int fd;

	if (argc != 6 && argc != 7)
		return 2;
	stride = strtoull(argv[2], NULL, 0);
	blocks = strtoull(argv[3], NULL, 0);
	seed = strtoull(argv[4], NULL, 0);
	seconds = strtoul(argv[5], NULL, 0);
	if (argc == 7)
		threads = strtoul(argv[6], NULL, 0);
	if (!threads || threads > THREADS)
		return 2;
	dev = open(argv[1], O_RDWR | O_DIRECT);
	if (dev < 0)
		die(argv[1]);
	watermark = open("/proc/sys/vm/min_free_kbytes", O_RDWR);
	n = watermark < 0 ? -1 : pread(watermark, normal, sizeof(normal) - 1, 0);
	if (n <= 0)
		die("min_free_kbytes");
	pages = sysconf(_SC_PHYS_PAGES);
	snprintf(scarce, sizeof(scarce), "%llu\n",
		 (unsigned long long)pages * (sysconf(_SC_PAGESIZE) / 1024));
	fd = open("/proc/self/oom_score_adj", O_WRONLY);
	if (fd < 0 || write(fd, "-1000", 5) != 5)
		die("oom_score_adj");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall");
	pthread_mutex_lock(&start);
	pthread_mutex_lock(&end);
	if (pthread_create(&watcher, NULL, watch, NULL))
		die("a thread");
	for (i = 0; i < threads; i++)
		if (pthread_create(&worker[i], NULL, run, (void *)i))
			die("a thread");

	set(scarce);
	pthread_mutex_unlock(&start);
	pthread_join(watcher, NULL);
	pthread_mutex_unlock(&end);
	for (i = 0; i < threads; i++) {
		pthread_join(worker[i], &its);
		wrong = wrong ?: its;
	}
	if (!wrong && too_late)
		wrong = "it did not go on before there was memory again";
	if (wrong)
		fprintf(stderr, "scarce: %s\n", (char *)wrong);
	return !!wrong;
}
