/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes an older kernel look like the one that the sources are written for. */
#ifndef LCLONE_COMPAT_H
#define LCLONE_COMPAT_H

#include <linux/blkdev.h>
#include <linux/pagemap.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#ifndef HAVE_CALL_RCU_HURRY
#define call_rcu_hurry		call_rcu
#endif

#ifndef HAVE_BLK_MODE_T
#define blk_mode_t		fmode_t
#define BLK_OPEN_READ		FMODE_READ
#define BLK_OPEN_WRITE		FMODE_WRITE
#endif

#ifndef HAVE_BD_MAPPING
#define bd_mapping		bd_inode->i_mapping
#endif

#ifndef HAVE_RA_UNBOUNDED_LOCKED
/* It takes the lock that its caller has */
static inline void lclone_ra_unbounded(struct readahead_control *ractl, unsigned long n,
				       unsigned long ahead)
{
	filemap_invalidate_unlock_shared(ractl->mapping);
	page_cache_ra_unbounded(ractl, n, ahead);
	filemap_invalidate_lock_shared(ractl->mapping);
}

#define page_cache_ra_unbounded	lclone_ra_unbounded
#endif

#ifndef HAVE_SHRINKER_ALLOC
static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker) {
		shrinker->seeks = DEFAULT_SEEKS;
		shrinker->flags = flags;
	}
	return shrinker;
}

/* fails only for lack of memory while a module loads: then nothing is shrunk */
#define shrinker_register(s)	WARN_ON(register_shrinker(s, "dm-lclone"))

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

#endif /* LCLONE_COMPAT_H */
