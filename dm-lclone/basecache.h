/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads of a base through the page cache of its device: what one clone has read, all clones of
 * that base have in memory, until the kernel wants the memory back.
 */
#ifndef LCLONE_BASECACHE_H
#define LCLONE_BASECACHE_H

#include <linux/bio.h>

struct lclone_base_cache;

/**
 * lclone_base_cache_get() - get the cache of a base
 * @bdev: the base, which stays open until lclone_base_cache_put()
 *
 * There is one for each device.  Sleeps.  Return: the cache, or NULL if there is no memory.
 */
struct lclone_base_cache *lclone_base_cache_get(struct block_device *bdev);

/**
 * lclone_base_cache_put() - the reverse
 * @c: the cache, or NULL; the caller has no bio in it
 *
 * Sleeps.
 */
void lclone_base_cache_put(struct lclone_base_cache *c);

/**
 * lclone_base_cache_start() - make sure that nothing in a cache is older than its base
 * @c: the cache, or NULL
 * @merged: this delta was merged into the base until now
 *
 * Before the first read of a table, when nobody writes to the base any more.  Sleeps, but waits for
 * no page of the base that somebody has locked.
 *
 * Return: the cache; NULL if there is none, or if it has pages that could not be dropped.
 */
struct lclone_base_cache *lclone_base_cache_start(struct lclone_base_cache *c, bool merged);

/**
 * lclone_base_cache_read() - read from a base
 * @c: the cache
 * @bio: a read that is mapped to the base
 *
 * Never sleeps.  The bio has ended already, or it ends later; it loses NOWAIT and POLLED then.
 */
void lclone_base_cache_read(struct lclone_base_cache *c, struct bio *bio);

#endif /* LCLONE_BASECACHE_H */
