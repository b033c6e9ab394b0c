/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What merge and flatten show of a clone that is in use.
 */
#ifndef LCLONE_UI_ONLINE_H
#define LCLONE_UI_ONLINE_H

#include "online/merge.h"
#include "ui/progress.h"

/* The context is a struct meter, see meter_init(). */
extern const struct online_watch meter_watch;

/* The end of a merge, or, if @ret is 1, that it is not waited for.  Returns 0 for both, or @ret. */
int print_merged(const struct online_merge *merge, int ret, bool json);

/* lclone_why(), if @ret is 1 and it is not for @json.  Returns 0 then, or @ret. */
int print_detached(int ret, bool json);

/* lclone_stop_task(), which says how to take it up again. */
int stop_and_tell(const char *name, const char *task);

#endif /* LCLONE_UI_ONLINE_H */
