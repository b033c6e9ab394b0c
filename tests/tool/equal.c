// SPDX-License-Identifier: GPL-2.0-only
/*
 * equal A B [BYTES]: 0 if both have the same content, or the same first BYTES; else 1.  As cmp, which
 * reads 4 KiB at a time: in User Mode Linux that takes most of the time of many tests.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE	(1 << 20)

/* All of @size that there is before the end */
static size_t fill(int fd, char *buf, size_t size, const char *path)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < size && n) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err(2, "%s", path);
		len += n;
	}
	return len;
}

int main(int argc, char **argv)
{
	static char buf[2][SIZE];
	unsigned long long left;
	char *end = "";
	size_t len[2], most;
	int fd[2], i;

	if (argc < 3 || argc > 4)
		errx(2, "usage: equal A B [BYTES]");
	left = argc == 4 ? strtoull(argv[3], &end, 10) : -1ull;
	if (*end || !left)
		errx(2, "%s: not a number of bytes", argv[3]);
	for (i = 0; i < 2; i++) {
		fd[i] = open(argv[1 + i], O_RDONLY);
		if (fd[i] < 0)
			err(2, "%s", argv[1 + i]);
	}
	for (; left; left -= most) {
		most = left < SIZE ? left : SIZE;
		for (i = 0; i < 2; i++)
			len[i] = fill(fd[i], buf[i], most, argv[1 + i]);
		if (len[0] != len[1] || memcmp(buf[0], buf[1], len[0]))
			return 1;
		if (len[0] < most)
			break;
	}
	return 0;
}
