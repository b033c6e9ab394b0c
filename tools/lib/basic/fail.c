// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "basic/fail.h"
#include "basic/text.h"

static char sentence[1024];

int lclone_fail(int err, const char *fmt, ...)
{
	char text[sizeof(sentence)];	/* an argument may be the sentence of before */
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	lclone_text_plain(sentence, sizeof(sentence), text);	/* of names, labels and owners */
	return err;
}

const char *lclone_why(void)
{
	return sentence;
}
