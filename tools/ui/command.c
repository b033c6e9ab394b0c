// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Those that have a letter, too, where the command has them */
static const char *letters(const struct option *options, char text[16])
{
	strcpy(text, "h");
	for (; options->name; options++) {
		if (!strcmp(options->name, "verbose"))
			strcat(text, "v");
		else if (!strcmp(options->name, "all"))
			strcat(text, "a");
		else if (!strcmp(options->name, "output"))
			strcat(text, "o:");
		else if (!strcmp(options->name, "batch"))
			strcat(text, "b");
		else if (!strcmp(options->name, "count"))
			strcat(text, "n:");
		else if (!strcmp(options->name, "delay"))
			strcat(text, "d:");
	}
	return text;
}

int next_option(const struct command *cmd, int argc, char **argv, const struct option *options,
		int *ret)
{
	char text[16];
	int option = getopt_long(argc, argv, letters(options, text), options, NULL);

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
