// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "host/device.h"
#include "host/lv-extend.h"

#define QUIET_MS	60000	/* that LVM has, where nobody could stop it */

/* The first line that is no warning, without the blanks around it, ends there */
static const char *first_complaint(char *text)
{
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (*line && strncmp(line, "WARNING", 7) && strncmp(line, "File descriptor", 15))
			return line;
	}
	return NULL;
}

/* What comes, until its end or for that long: the rest is not kept. False: it took too long. */
static bool read_complaints(int fd, char *text, size_t size)
{
	u64 end = lclone_now_ms() + QUIET_MS, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	char rest[512];
	ssize_t n = 1;

	while (n > 0 && (now = lclone_now_ms()) < end) {
		if (poll(&p, 1, end - now) <= 0)
			continue;
		n = len + 1 < size ? read(fd, text + len, size - len - 1) :
				     read(fd, rest, sizeof(rest));
		if (n > 0 && len + 1 < size)
			len += n;
	}
	text[len] = '\0';
	return n <= 0;
}

static void exec_quietly(const char *const argv[], int out)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	setenv("LC_ALL", "C", 1);
	execvp(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "%s: %m\n", argv[0]);
	_exit(127);
}

/* For who has nobody to read LVM's messages: the first becomes the sentence. */
static int run_lvm_quietly(const char *const argv[])
{
	static pid_t late;	/* one that has not ended in time */
	char text[1024] = "";
	const char *complaint;
	int fd[2], status = 0;
	bool ended;
	pid_t pid;

	if (late && !waitpid(late, &status, WNOHANG))
		return lclone_fail(-ETIMEDOUT, "an earlier %s has not ended", argv[0]);
	late = 0;
	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "cannot start %s: %m", argv[0]);
	pid = fork();
	if (!pid)
		exec_quietly(argv, fd[1]);
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return lclone_fail(-errno, "cannot start %s: %m", argv[0]);
	}
	ended = read_complaints(fd[0], text, sizeof(text));
	close(fd[0]);
	if (!ended)
		kill(pid, SIGTERM);	/* LVM ends where that harms nothing, or goes on */
	if (waitpid(pid, &status, ended ? 0 : WNOHANG) != pid) {
		late = pid;
		return lclone_fail(-ETIMEDOUT, "%s does not end", argv[0]);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	complaint = first_complaint(text);
	return lclone_fail(-ECHILD, "%s failed%s%s", argv[0], complaint ? ": " : "",
			   complaint ?: "");
}

bool lclone_dev_is_lv(dev_t rdev)
{
	char uuid[5];

	return lclone_dev_line(rdev, "dm/uuid", uuid, sizeof(uuid)) && !strcmp(uuid, "LVM-");
}

int lclone_lv_extend(const char *path, u64 sectors)
{
	char size[32];
	const char *const argv[] = { "lvextend", "--quiet", "--yes", "--config",
				     "devices/ignore_suspended_devices=1", "--size", size, path,
				     NULL };

	snprintf(size, sizeof(size), "%llus", (unsigned long long)sectors);
	return run_lvm_quietly(argv);
}
