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

/*
 * What is tidied up after a failure may fail, too: between these two it has a sentence of its own,
 * and that of before is lclone_why() again afterwards.  They may be nested a few times.  The
 * second returns the sentence of what has failed in between, or "", which is valid until the
 * first is called again.
 */
void lclone_why_hold(void);
const char *lclone_why_release(void);

#endif /* LCLONE_FAIL_H */
