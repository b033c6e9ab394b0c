/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text that is put together, and grows with it.
 */
#ifndef LCLONE_BUFFER_H
#define LCLONE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct lclone_buffer {			/* begins as zeros */
	char *text;			/* ends with a zero byte, once something was put; to be freed */
	size_t len, room;
	bool failed;			/* no memory: it is of no use */
};

/* At its end: bytes, or text as printf() has it. */
void lclone_put_bytes(struct lclone_buffer *buffer, const char *bytes, size_t len);
void lclone_put(struct lclone_buffer *buffer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* LCLONE_BUFFER_H */
