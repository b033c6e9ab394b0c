/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The question before a merge into a base.
 */
#ifndef LCLONE_CONFIRM_H
#define LCLONE_CONFIRM_H

#include "clone/users.h"

/* An lclone_ask_fn: -ERANGE without a terminal, -ECANCELED if the answer is no. */
int ask_before_merge(const char *base, const struct lclone_inventory *inv, bool begun);

#endif /* LCLONE_CONFIRM_H */
