// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/buffer.h"

/* Room for so many bytes more, and the zero byte */
static bool have_room(struct lclone_buffer *b, size_t more)
{
	char *bigger;

	if (b->len + more < b->room)
		return true;
	bigger = realloc(b->text, 2 * (b->len + more + 1));
	if (!bigger) {
		b->failed = true;
		return false;
	}
	b->text = bigger;
	b->room = 2 * (b->len + more + 1);
	return true;
}

void lclone_put_bytes(struct lclone_buffer *b, const char *bytes, size_t len)
{
	if (!have_room(b, len))
		return;
	memcpy(b->text + b->len, bytes, len);
	b->len += len;
	b->text[b->len] = '\0';
}

void lclone_put(struct lclone_buffer *b, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0 || !have_room(b, len)) {
		b->failed = true;
		return;
	}
	va_start(args, fmt);
	vsnprintf(b->text + b->len, len + 1, fmt, args);
	va_end(args);
	b->len += len;
}
