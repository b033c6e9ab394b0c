// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/fail.h"
#include "basic/text.h"

static char sentences[4][1024];	/* the last of those that are held is the one */
static unsigned int held;

int lclone_fail(int err, const char *fmt, ...)
{
	char text[sizeof(sentences[0])];	/* an argument may be the sentence of before */
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	lclone_text_plain(sentences[held], sizeof(text), text);	/* of names, labels and owners */
	return err;
}

const char *lclone_why(void)
{
	return sentences[held];
}

void lclone_why_hold(void)
{
	assert(held + 1 < sizeof(sentences) / sizeof(sentences[0]));
	sentences[++held][0] = '\0';
}

const char *lclone_why_release(void)
{
	assert(held);
	return sentences[held--];
}
