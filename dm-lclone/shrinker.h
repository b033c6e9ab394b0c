/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shrinker of all leaf caches.
 */
#ifndef LCLONE_SHRINKER_H
#define LCLONE_SHRINKER_H

/**
 * lclone_shrinker_init() - register the shrinker
 *
 * Return: 0 or -ENOMEM.
 */
int lclone_shrinker_init(void);

/**
 * lclone_shrinker_exit() - undo lclone_shrinker_init()
 */
void lclone_shrinker_exit(void);

#endif /* LCLONE_SHRINKER_H */
