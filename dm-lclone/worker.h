/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The worker of a delta: an ordered list of phases.
 */
#ifndef LCLONE_WORKER_H
#define LCLONE_WORKER_H

#include "lclone.h"

/**
 * lclone_worker() - a pass of the worker
 * @work: of the delta's queue
 */
void lclone_worker(struct work_struct *work);

/**
 * lclone_worker_stop() - let bios that wait for space wait no more
 * @d: the delta
 * @noflush: they are given back to dm core to be sent again; they do not fail
 *
 * presuspend.
 */
void lclone_worker_stop(struct lclone_delta *d, bool noflush);

/**
 * lclone_worker_start() - undo lclone_worker_stop()
 * @d: the delta
 */
void lclone_worker_start(struct lclone_delta *d);

/**
 * lclone_worker_idle() - is no commit under way and no chunk on its way to be free?
 * @d: the delta, with no I/O coming in
 *
 * Process context.
 */
bool lclone_worker_idle(struct lclone_delta *d);

#endif /* LCLONE_WORKER_H */
