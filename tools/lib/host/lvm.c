// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "host/lvm.h"
#include "host/program.h"
#include "host/stack.h"

int lclone_lvm_run(const char *const argv[])
{
	return lclone_change() ?: lclone_lvm_look(argv);
}

int lclone_lvm_look(const char *const argv[])
{
	const struct lclone_program program = {
		.argv = argv, .in = -1, .out = -1, .err = STDERR_FILENO, .apart = true,
	};
	pid_t pid = lclone_program_start(&program);

	return pid < 0 ? pid : lclone_program_wait(pid, argv[0]);
}

int lclone_lvm_ask(const char *const argv[], char *text, size_t size)
{
	struct lclone_program program = { .argv = argv, .in = -1, .out = -1, .apart = true,
					  .plain = true };
	char rest[512];
	size_t len = 0;
	ssize_t n = 1;
	int fd[2];
	pid_t pid;

	text[0] = '\0';
	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "cannot start %s: %m", argv[0]);
	program.err = fd[1];
	pid = lclone_program_start(&program);
	close(fd[1]);
	while (pid > 0 && (n > 0 || (n < 0 && errno == EINTR))) {
		n = len + 1 < size ? read(fd[0], text + len, size - 1 - len) :
				     read(fd[0], rest, sizeof(rest));
		if (n <= 0)
			continue;
		if (len + 1 < size)
			len += n;
	}
	text[len] = '\0';
	close(fd[0]);
	return pid < 0 ? pid : lclone_program_wait(pid, argv[0]);
}

const char *lclone_lvm_complaint(char *text)
{
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (*line && strncmp(line, "WARNING", 7) && strncmp(line, "TEST MODE", 9) &&
		    strncmp(line, "File descriptor", 15))
			return line;
	}
	return NULL;
}

/* What it can of the lines, of which it may read no more */
static void write_lines(int fd, const char *lines)
{
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	size_t len = strlen(lines);
	ssize_t n = 0;

	while (len && n >= 0) {
		n = write(fd, lines, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n > 0) {
			lines += n;
			len -= n;
		}
	}
	signal(SIGPIPE, old);
}

/* Its standard output is only an echo of the lines. */
int lclone_lvm_script(const char *lines)
{
	static const char *const argv[] = { "lvm", NULL };
	struct lclone_program program = { .argv = argv, .out = -1, .err = STDERR_FILENO,
					  .apart = true };
	int fd[2];
	pid_t pid;

	if (lclone_change())
		return -LCLONE_DRY;
	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "cannot start lvm: %m");
	program.in = fd[0];
	pid = lclone_program_start(&program);
	close(fd[0]);
	if (pid > 0)
		write_lines(fd[1], lines);
	close(fd[1]);
	return pid < 0 ? pid : lclone_program_wait(pid, "lvm");
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
