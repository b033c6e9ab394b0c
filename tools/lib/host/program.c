// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "host/program.h"

#define SECONDS		30	/* that one has to answer */
#define NOT_THERE	127	/* as shells have it */
#define NOT_STARTED	126

static void become(int fd, int standard)
{
	dup2(fd >= 0 ? fd : open("/dev/null", O_RDWR), standard);
}

/* @parent may have been killed before this process has asked to be told of it. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(NOT_STARTED);
}

static void exec(const struct lclone_program *p, pid_t parent)
{
	sigset_t none;

	if (!p->stays)
		end_with(parent);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (p->apart)
		setpgid(0, 0);
	become(p->in, STDIN_FILENO);
	become(p->out, STDOUT_FILENO);
	become(p->err, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);		/* LVM complains of what is inherited */
	setenv("TERM", "dumb", 1);	/* none has one, also if its errors go there */
	if (p->plain)
		setenv("LC_ALL", "C", 1);
	execvp(p->argv[0], (char *const *)p->argv);
	_exit(errno == ENOENT ? NOT_THERE : NOT_STARTED);
}

pid_t lclone_program_start(const struct lclone_program *p)
{
	const pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		exec(p, parent);
	return pid < 0 ? lclone_fail(-errno, "cannot start %s: %m", p->argv[0]) : pid;
}

int lclone_program_status(pid_t pid, const char *name)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return lclone_fail(-errno, "waiting for %s: %m", name);
	if (!WIFEXITED(status))
		return lclone_fail(-ECHILD, "%s failed", name);
	if (WEXITSTATUS(status) == NOT_THERE)
		return lclone_fail(-ENOENT, "there is no program %s", name);
	return WEXITSTATUS(status);
}

int lclone_program_wait(pid_t pid, const char *name)
{
	int status = lclone_program_status(pid, name);

	return status > 0 ? lclone_fail(-ECHILD, "%s failed", name) : status;
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
	struct lclone_program program = { .argv = argv, .in = -1, .err = -1, .plain = true };
	int fd[2], status = 0;
	bool ended;
	pid_t pid;

	*o = NULL;
	if (pipe2(fd, O_CLOEXEC))
		return -EIO;
	program.out = fd[1];
	lclone_why_hold();
	pid = lclone_program_start(&program);
	lclone_why_release();
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
	if (WEXITSTATUS(status) == NOT_THERE)
		return 0;
	return *o && !WEXITSTATUS(status) ? 0 : -EIO;
}
