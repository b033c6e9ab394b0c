// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmsg MARKER: the kernel's messages behind the line that begins with MARKER,
 * which the caller wrote to /dev/kmsg. Unlike dmesg it needs no other program to cut the
 * log, and says so if the log has lost the marker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX	8192

int main(int argc, char **argv)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), found = 0;
	char record[RECORD_MAX + 1], *text, *end;
	ssize_t n;

	if (argc != 2) {
		fprintf(stderr, "usage: kmsg MARKER\n");
		return 2;
	}
	if (fd < 0) {
		perror("/dev/kmsg");
		return 1;
	}
	for (;;) {
		n = read(fd, record, RECORD_MAX);
		if (n < 0 && errno == EPIPE)
			continue;	/* overwritten meanwhile: the next read goes on behind it */
		if (n <= 0)
			break;
		record[n] = 0;
		/* "level,sequence,time,flags;text", then lines of a dictionary */
		text = strchr(record, ';');
		end = strchr(record, '\n');
		if (!text || !end)
			continue;
		*end = 0;
		if (found)
			puts(text + 1);
		else
			found = !strncmp(text + 1, argv[1], strlen(argv[1]));
	}
	if (n < 0 && errno != EAGAIN) {
		perror("/dev/kmsg");
		return 1;
	}
	if (!found) {
		puts("WARNING: the kernel's log has lost the test's marker");
		return 1;
	}
	return 0;
}
