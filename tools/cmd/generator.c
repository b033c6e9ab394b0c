// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "host/units.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* When systemd runs it, there is nothing but the kernel's log to tell somebody. */
static int open_log(void)
{
	int fd = getenv("SYSTEMD_SCOPE") ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC) : -1;

	return fd >= 0 ? fd : STDERR_FILENO;
}

static void log_bad(unsigned int line, const char *reason, void *ctx)
{
	const int *fd = ctx;

	dprintf(*fd, "%slclone-generator: %s, line %u: %s\n", *fd == STDERR_FILENO ? "" : "<4>",
		lclone_tab_path(), line, reason);
}

static int run(int argc, char **argv)
{
	char program[PATH_MAX];
	struct lclone_tab tab;
	int fd, err, ret = 0;
	ssize_t len;

	if (next_option(&cmd_generator, argc, argv, options, &ret) != -1)
		return ret;
	if (argc - optind != 3)
		return usage_error(&cmd_generator, "needs the three directories that systemd gives it");
	len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (len < 0)
		return lclone_fail(-errno, "/proc/self/exe: %m");
	program[len] = '\0';
	fd = open_log();
	err = lclone_tab_read(&tab, log_bad, &fd);
	if (err)
		dprintf(fd, "%slclone-generator: %s\n", fd == STDERR_FILENO ? "" : "<3>",
			lclone_why());
	else if (lclone_units_write(&tab, argv[optind], program, log_bad, &fd))
		ret = EXIT_FAILED;
	lclone_tab_free(&tab);
	return err ? EXIT_FAILED : ret;
}

/* It has no summary: systemd calls it, as lclone-generator. */
const struct command cmd_generator = {
	.name = "generator",
	.usage =
	"generator NORMAL EARLY LATE\n\n"
	"Writes units of systemd for the clones of lclonetab(5) to the directory NORMAL.\n",
	.run = run,
};
