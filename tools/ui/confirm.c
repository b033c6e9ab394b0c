// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "ui/confirm.h"
#include "ui/output.h"

static void tell_what_is_known(const char *base, const struct lclone_inventory *inv)
{
	size_t i;

	say_to(stderr, "%s will be overwritten with what the clone is now. No other clone of it was found here.\n",
	       base);
	for (i = 0; i < inv->unseen_count; i++)
		say_to(stderr, "Not looked at: %s %s.\n", inv->unseen[i].path,
		       inv->unseen[i].why);
	fputs("What cannot be seen is lost: clones of it on other hosts, in image files, on devices that\n"
	      "are not attached, or encrypted and not open.\n", stderr);
}

int confirm(const char *fmt, ...)
{
	char what[2048], answer[16] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return lclone_fail(-ERANGE, "this would %s: confirm with --yes", what);
	say_to(stderr, "%c%s? [y/N] ", toupper((unsigned char)what[0]), what + 1);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return lclone_fail(-ECANCELED, "nothing was changed");
}

static int ask(const char *base)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return lclone_fail(-ERANGE, "a merge into %s loses all other clones of it: confirm with --yes",
				   base);
	return confirm("merge into %s", base);
}

int ask_before_merge(const char *base, const struct lclone_inventory *inv, bool begun)
{
	tell_what_is_known(base, inv);
	if (begun)
		fputs("A merge was begun, and in which base is not recorded: see that it is this one.\n",
		      stderr);
	return ask(base);
}

int ask_before_takeover(const char *path, const char *owner)
{
	return confirm("take %s from the host %s, which may still be writing to it", path, owner);
}
