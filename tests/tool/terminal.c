// SPDX-License-Identifier: GPL-2.0-only
/*
 * terminal KEYS COMMAND...: runs a command on a terminal of 80 columns and 10 lines, prints what
 * that is sent, and ends as the command does.  Half a second passes before each key, and before the
 * end of input behind the last one; the key + makes the terminal larger, - takes it away.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* False: the command has ended, and all it has sent was shown. */
static int show(int fd, int ms)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	while (poll(&in, 1, ms) > 0) {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return 0;
		fwrite(buf, 1, n, stdout);
		fflush(stdout);
		ms = 100;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 10, .ws_col = 80 }, larger = { .ws_row = 40, .ws_col = 200 };
	const char *key;
	int fd, status;
	pid_t pid;

	if (argc < 3)
		errx(2, "usage: terminal KEYS COMMAND...");
	pid = forkpty(&fd, NULL, NULL, &size);
	if (pid < 0)
		err(1, "forkpty");
	if (!pid) {
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	for (key = argv[1]; *key && show(fd, 500); key++) {
		if (*key == '+')
			ioctl(fd, TIOCSWINSZ, &larger);
		else if (*key == '-' && !close(fd))
			break;
		else if (write(fd, key, 1) != 1)
			err(1, "write");
	}
	while (*key != '-' && show(fd, 1000))
		;
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
