/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions before what cannot be undone.
 */
#ifndef LCLONE_CONFIRM_H
#define LCLONE_CONFIRM_H

#include "clone/users.h"

/* Asks whether to do this, as "remove x"; -ERANGE without a terminal, -ECANCELED if not. */
int confirm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Before a merge into a base: an lclone_ask_fn: -ERANGE without a terminal, -ECANCELED if the answer is no. */
int ask_before_merge(const char *base, const struct lclone_inventory *inv, bool begun);

/* Before another host's delta is taken over: an lclone_takeover_fn, with the same errors */
int ask_before_takeover(const char *path, const char *owner);

#endif /* LCLONE_CONFIRM_H */
