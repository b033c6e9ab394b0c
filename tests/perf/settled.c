// SPDX-License-Identifier: GPL-2.0-only
/*
 * settled MS FILE...: wait until the FILEs, statistics of devices, have not changed
 * for MS milliseconds; print when they last did, in us since 1970.
 *
 * Looks every 2 ms, which takes about 1 % of a processor.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILES 4

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	static char seen[MAX_FILES][512], text[512];
	const struct timespec nap = { .tv_nsec = 2000000 };
	long long now = now_us(), last = now;
	int fd[MAX_FILES], i, n = argc - 2;

	if (n < 1 || n > MAX_FILES)
		errx(1, "usage: settled MS FILE...");
	for (i = 0; i < n; i++) {
		fd[i] = open(argv[i + 2], O_RDONLY);
		if (fd[i] < 0)
			err(1, "%s", argv[i + 2]);
	}
	while (now - last < atoi(argv[1]) * 1000LL) {
		nanosleep(&nap, NULL);
		now = now_us();
		for (i = 0; i < n; i++) {
			memset(text, 0, sizeof(text));
			if (pread(fd[i], text, sizeof(text) - 1, 0) < 0)
				err(1, "%s", argv[i + 2]);
			if (memcmp(text, seen[i], sizeof(text))) {
				memcpy(seen[i], text, sizeof(text));
				last = now;
			}
		}
	}
	printf("%lld\n", last);
	return 0;
}
