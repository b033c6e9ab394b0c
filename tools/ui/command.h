/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command of the tool: what it is called, and how it is given arguments.
 */
#ifndef LCLONE_COMMAND_H
#define LCLONE_COMMAND_H

#include <getopt.h>

/* Exit codes: documented in lclone(8). */
enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_BUSY,		/* in use, or the name is taken */
	EXIT_FOREIGN,		/* not a delta, of a newer version, or something else's data */
	EXIT_UNFIT,		/* wrong base, or a device too small */
	EXIT_DAMAGED,
};

/*
 * A command returns 0, a negative errno with its sentence in lclone_why(), or
 * a positive exit code when it has said all itself.
 */
struct command {
	const char *name;
	const char *summary;		/* NULL: it is not for people, and not in the list */
	const char *usage;
	int (*run)(int argc, char **argv);
};

/* Says what is wrong with the arguments; returns EXIT_USAGE. */
int usage_error(const struct command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * getopt_long() with --help added to every command.  Returns an option's value,
 * -1 at the end, or '?' when the command should return *ret.
 */
int next_option(const struct command *cmd, int argc, char **argv, const struct option *options,
		int *ret);

#endif /* LCLONE_COMMAND_H */
