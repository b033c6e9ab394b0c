/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why the last operation failed, in one sentence for the user.
 */
#ifndef LCLONE_FAIL_H
#define LCLONE_FAIL_H

/* Keeps the sentence and returns @err, which is a negative errno. */
int lclone_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The sentence that was kept last. */
const char *lclone_why(void);

#endif /* LCLONE_FAIL_H */
