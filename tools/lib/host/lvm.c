// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "host/lvm.h"
#include "host/stack.h"

#define SECONDS		30	/* that LVM has to answer */

/* LVM complains of what is inherited. */
static void keep_only_standard(void)
{
	close_range(STDERR_FILENO + 1, ~0u, 0);
}

static int wait_for(pid_t pid, const char *program)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return lclone_fail(-errno, "waiting for %s: %m", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return lclone_fail(-ENOENT, "there is no program %s", program);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return lclone_fail(-ECHILD, "%s failed", program);
	return 0;
}

int lclone_run_program(const char *const argv[], bool quiet)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return lclone_fail(-errno, "cannot start %s: %m", argv[0]);
	if (!pid) {
		dup2(quiet ? open("/dev/null", O_WRONLY) : STDERR_FILENO, STDOUT_FILENO);
		keep_only_standard();
		execvp(argv[0], (char *const *)argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	return wait_for(pid, argv[0]);
}

/* Its standard output is only an echo of the lines, and what it is on is no terminal. */
static void exec_script(int in)
{
	int null = open("/dev/null", O_WRONLY);

	setpgid(0, 0);		/* a Ctrl-C is for us: LVM ends what it is at */
	dup2(in, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	keep_only_standard();
	setenv("TERM", "dumb", 1);
	execlp("lvm", "lvm", NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

int lclone_lvm_script(const char *lines)
{
	size_t len = strlen(lines);
	void (*old)(int);
	ssize_t n = 0;
	int fd[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "cannot start lvm: %m");
	pid = fork();
	if (!pid)
		exec_script(fd[0]);
	close(fd[0]);
	old = signal(SIGPIPE, SIG_IGN);
	while (pid > 0 && len && n >= 0) {
		n = write(fd[1], lines, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n > 0) {
			lines += n;
			len -= n;
		}
	}
	signal(SIGPIPE, old);
	close(fd[1]);
	return pid < 0 ? lclone_fail(-errno, "cannot start lvm: %m") : wait_for(pid, "lvm");
}

static void exec_quietly(const char *const argv[], int out)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	keep_only_standard();
	setenv("LC_ALL", "C", 1);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* All that comes; false if that does not end in time. */
static bool read_json(int fd, struct json_object **o)
{
	struct json_tokener *tok = json_tokener_new();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double end = lclone_seconds() + SECONDS;
	char buf[65536];
	ssize_t len = 1;

	while (tok && len > 0 && lclone_seconds() < end) {
		if (poll(&p, 1, 1000) <= 0)
			continue;
		len = read(fd, buf, sizeof(buf));
		if (len > 0 && !*o)
			*o = json_tokener_parse_ex(tok, buf, len);
	}
	if (tok)
		json_tokener_free(tok);
	return len <= 0;
}

int lclone_ask_program(const char *const argv[], struct json_object **o)
{
	int fd[2], status = 0;
	bool ended;
	pid_t pid;

	*o = NULL;
	if (pipe2(fd, O_CLOEXEC))
		return -EIO;
	pid = fork();
	if (!pid)
		exec_quietly(argv, fd[1]);
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return -EIO;
	}
	ended = read_json(fd[0], o);
	close(fd[0]);
	if (!ended)
		kill(pid, SIGTERM);
	if (waitpid(pid, &status, ended ? 0 : WNOHANG) != pid || !WIFEXITED(status))
		return -ETIMEDOUT;
	if (WEXITSTATUS(status) == 127)
		return 0;
	return *o && !WEXITSTATUS(status) ? 0 : -EIO;
}

const char *lclone_json_text(struct json_object *row, const char *field)
{
	struct json_object *o = json_object_object_get(row, field);
	const char *s = o ? json_object_get_string(o) : NULL;

	return s ?: "";
}

unsigned long long lclone_json_number(struct json_object *row, const char *field)
{
	return strtoull(lclone_json_text(row, field), NULL, 10);
}

struct json_object *lclone_lvm_row(struct json_object *group, const char *table, size_t i)
{
	struct json_object *rows = json_object_object_get(group, table);

	return rows && i < json_object_array_length(rows) ? json_object_array_get_idx(rows, i) :
							    NULL;
}

bool lclone_lvm_is_guests(struct json_object *group)
{
	struct json_object *row;
	struct stat st;
	size_t i;

	for (i = 0; (row = lclone_lvm_row(group, "pv", i)); i++)
		if (!stat(lclone_json_text(row, "pv_name"), &st) && S_ISBLK(st.st_mode) &&
		    lclone_dev_is_guests(st.st_rdev))
			return true;
	return false;
}
