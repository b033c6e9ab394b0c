// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "ui/command.h"

int usage_error(const struct command *cmd, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "lclone %s: ", cmd->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry \"lclone %s --help\".\n", cmd->name);
	return EXIT_USAGE;
}

static bool has_verbose(const struct option *options)
{
	while (options->name && options->val != 'v')
		options++;
	return options->name;
}

int next_option(const struct command *cmd, int argc, char **argv, const struct option *options,
		int *ret)
{
	int option = getopt_long(argc, argv, has_verbose(options) ? "hv" : "h", options, NULL);

	if (option == 'h') {
		printf("Usage: lclone %s", cmd->usage);
		*ret = EXIT_OK;
		return '?';
	}
	if (option == '?') {	/* getopt has said why */
		fprintf(stderr, "Try \"lclone %s --help\".\n", cmd->name);
		*ret = EXIT_USAGE;
	}
	return option;
}
