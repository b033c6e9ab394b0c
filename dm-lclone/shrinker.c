// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker of all leaf caches: evicts leaves when the system is short of memory.
 */
#include <linux/slab.h>

#include "shrinker.h"
#include "registry.h"

static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct lclone_delta *d;
	unsigned long nr = 0;

	if (!mutex_trylock(&lclone_registry_lock))
		return 0;
	list_for_each_entry(d, &lclone_deltas, owner.list)
		nr += atomic_read(&d->cache.nr_leaves);
	mutex_unlock(&lclone_registry_lock);
	return nr;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct lclone_delta *d;
	unsigned long evicted = 0;

	if (!mutex_trylock(&lclone_registry_lock))
		return SHRINK_STOP;
	list_for_each_entry(d, &lclone_deltas, owner.list) {
		if (evicted >= sc->nr_to_scan)
			break;
		evicted += lclone_cache_evict(&d->cache, sc->nr_to_scan - evicted, false);
	}
	/* Next time another cache comes first. */
	if (!list_empty(&lclone_deltas))
		list_rotate_left(&lclone_deltas);
	mutex_unlock(&lclone_registry_lock);
	return evicted;
}

static struct shrinker *shrinker;

int lclone_shrinker_init(void)
{
	shrinker = shrinker_alloc(0, "dm-lclone");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker_register(shrinker);
	return 0;
}

void lclone_shrinker_exit(void)
{
	shrinker_free(shrinker);
}
