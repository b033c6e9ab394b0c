// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/owner.h"
#include "cmd/commands.h"
#include "host/dm-task.h"
#include "host/lv-lock.h"
#include "host/pending.h"
#include "lclone_version.h"

static const struct command * const commands[] = {
	&cmd_format, &cmd_create, &cmd_open, &cmd_close, &cmd_remove, &cmd_table, &cmd_status,
	&cmd_list, &cmd_tree, &cmd_map, &cmd_top, &cmd_metrics, &cmd_dump, &cmd_check, &cmd_repair,
	&cmd_resize, &cmd_snapshot, &cmd_revert, &cmd_diff, &cmd_measure, &cmd_merge, &cmd_flatten,
	&cmd_rebase, &cmd_scan, &cmd_daemon, &cmd_unit, &cmd_generator, &cmd_probe, &cmd_template,
	&cmd_seal_base, &cmd_verify,
	&cmd_export, &cmd_import, &cmd_send, &cmd_receive,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *f)
{
	size_t i;

	fputs("Usage: lclone COMMAND [ARGUMENT]...\n\n"
	      "Linked clones: a read-only base and a delta that takes what is written make one disk.\n\n",
	      f);
	for (i = 0; i < COMMANDS; i++)
		if (commands[i]->summary)
			fprintf(f, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n\"lclone help COMMAND\" tells more, lclone(8) all.\n", f);
}

static int exit_code(int err)
{
	switch (-err) {
	case EBUSY:
	case EEXIST:
	case LCLONE_OWNED:
		return EXIT_BUSY;
	case EMEDIUMTYPE:
	case ENODATA:
	case EPROTONOSUPPORT:
	case EADDRINUSE:
		return EXIT_FOREIGN;
	case ESTALE:
	case ENOSPC:
	case EFBIG:
		return EXIT_UNFIT;
	case EUCLEAN:
	case EBADMSG:
		return EXIT_DAMAGED;
	case ERANGE:
	case ENAMETOOLONG:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

/* What has been done is done, also if other hosts cannot have something. */
static void give_back(const struct command *cmd)
{
	const char *why;

	lclone_why_hold();
	(void)lclone_lv_give_back();
	why = lclone_why_release();
	if (why[0])
		fprintf(stderr, "lclone %s: %s\n", cmd->name, why);
}

static int run(const struct command *cmd, int argc, char **argv)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "lclone %s", cmd->name);
	argv[0] = name;		/* for getopt's messages */
	lclone_dm_init();
	ret = cmd->run(argc, argv);
	give_back(cmd);
	if (fflush(stdout) || ferror(stdout))
		ret = ret ?: lclone_fail(-EIO, "cannot write to the standard output");
	if (ret >= 0 || ret == -EINTR)	/* interrupted is not killed: nothing is half done */
		lclone_pending_end();
	if (ret >= 0)
		return ret;
	fprintf(stderr, "lclone %s: %s\n", cmd->name, lclone_why());
	return exit_code(ret);
}

/*
 * If one of these is closed, the first file that is opened, which may be a delta, would get its
 * number, and what is printed.  Nothing can be written to what is opened here, as to what is closed.
 */
static void keep_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	size_t i;

	keep_standard_files();

	if (!strcmp(basename(argv[0]), "lclone-generator"))
		return run(&cmd_generator, argc, argv);
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") && argc == 3) {
		argv[1] = argv[2];
		argv[2] = "--help";
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("lclone " LCLONE_RELEASE);
		return EXIT_OK;
	}
	for (i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i]->name))
			return run(commands[i], argc - 1, argv + 1);
	fprintf(stderr, "lclone: there is no command \"%s\"; see \"lclone --help\"\n", argv[1]);
	return EXIT_USAGE;
}
