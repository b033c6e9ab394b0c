/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replay of the log.
 */
#ifndef LCLONE_REPLAY_H
#define LCLONE_REPLAY_H

#include "lclone.h"

/**
 * lclone_replay() - bring the commits of the log into RAM
 * @d: the delta, which is being opened; its superblock and its directory are there
 *
 * Reads all of the log, or samples of it if the superblock says that it is empty, and makes the
 * allocator.
 * May sleep.
 * Return: 0 or -errno.
 */
int lclone_replay(struct lclone_delta *d);

#endif /* LCLONE_REPLAY_H */
