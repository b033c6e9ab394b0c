// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of a base through the page cache of its device.
 *
 * A hit is copied at once.  A miss goes to one of a few readers, which asks for the pages of all
 * misses that have come, waits, and copies.  The pages are read from the device and never copied
 * from a bio: a guest may change what its bio has read into before anybody could copy it, and all
 * clones would see that.  Nobody waits for a read that was given up: where there is no memory for a
 * page, or the device can't read all sectors of it, the bio goes to the device as without a cache,
 * and the page is dropped, so that the next read of it is one of the cache again.
 *
 * What is read for the cache is charged to no cgroup, because all clones wait for it: one that
 * is throttled would hold up the others.
 */
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "basecache.h"
#include "dev.h"

#define READERS	8
#define BATCH	64			/* a reader takes so many bios at once */

/**
 * struct reader - reads what is missing
 * @work: takes some of the misses
 * @cache: of which it is one
 */
struct reader {
	struct work_struct work;
	struct lclone_base_cache *cache;
};

/**
 * struct lclone_base_cache - the cache of a base
 * @list: its place in the list of all; caches_lock
 * @users: number of tables that have it; caches_lock
 * @bdev: the base
 * @start: held while @fresh is looked at or set
 * @fresh: nothing in it is older than the base
 * @lock: protects @misses and @next; interrupts off
 * @misses: bios that wait for a reader; if there are any, a reader is queued
 * @next: the reader that is queued next
 * @wq: runs the readers
 * @reader: the readers
 */
struct lclone_base_cache {
	struct list_head list;
	unsigned int users;
	struct block_device *bdev;
	struct mutex start;	/* see above */
	bool fresh;
	spinlock_t lock;	/* see above */
	struct bio_list misses;
	unsigned int next;
	struct workqueue_struct *wq;
	struct reader reader[READERS];
};

static DEFINE_MUTEX(caches_lock);
static LIST_HEAD(caches);

/* Copying */

/* Returns the page if it is there and has been read; if @wait, after it has been. */
static struct folio *get_folio(struct lclone_base_cache *c, pgoff_t index, bool wait)
{
	struct folio *folio = filemap_get_folio(c->bdev->bd_mapping, index);

	if (IS_ERR_OR_NULL(folio))
		return NULL;
	if (wait && !folio_test_uptodate(folio))
		folio_wait_locked(folio);
	if (likely(folio_test_uptodate(folio)))
		return folio;
	folio_put(folio);
	return NULL;
}

static bool copy_segment(struct lclone_base_cache *c, const struct bio_vec *bv, loff_t pos,
			 bool wait)
{
	u32 done, n;

	for (done = 0; done < bv->bv_len; done += n, pos += n) {
		struct folio *folio = get_folio(c, pos >> PAGE_SHIFT, wait);
		char *from;

		if (unlikely(!folio))
			return false;
		n = min_t(u32, bv->bv_len - done, PAGE_SIZE - offset_in_page(pos));
		from = kmap_local_folio(folio, offset_in_folio(folio, pos));
		memcpy_to_page(bv->bv_page, bv->bv_offset + done, from, n);
		kunmap_local(from);
		if (in_task())
			folio_mark_accessed(folio);
		folio_put(folio);
	}
	return true;
}

/* Returns false if something is missing: the bio's pages have anything then. */
static bool copy_all(struct lclone_base_cache *c, struct bio *bio, bool wait)
{
	loff_t pos = (loff_t)bio->bi_iter.bi_sector << SECTOR_SHIFT;
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		if (!copy_segment(c, &bv, pos, wait))
			return false;
		pos += bv.bv_len;
	}
	return true;
}

/* Reading */

/* Queued for a reader that is at work it would wait for what that waits for. */
static void wake_reader(struct lclone_base_cache *c)
{
	unsigned int i;

	lockdep_assert_held(&c->lock);
	for (i = 1; i < READERS && work_busy(&c->reader[c->next % READERS].work); i++)
		c->next++;
	queue_work(c->wq, &c->reader[c->next++ % READERS].work);
}

/* Of what lies behind the end, as all of a device that is gone, readahead makes zeros. */
static bool is_there(const struct lclone_base_cache *c, struct bio *bio)
{
	return bio_end_sector(bio) <= i_size_read(c->bdev->bd_mapping->host) >> SECTOR_SHIFT;
}

void lclone_base_cache_read(struct lclone_base_cache *c, struct bio *bio)
{
	unsigned long flags;

	if (likely(is_there(c, bio) && copy_all(c, bio, false))) {
		bio_endio(bio);
		return;
	}
	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	spin_lock_irqsave(&c->lock, flags);
	if (bio_list_empty(&c->misses))
		wake_reader(c);	/* under the lock: after the bio the cache may be gone */
	bio_list_add(&c->misses, bio);
	spin_unlock_irqrestore(&c->lock, flags);
}

static void take_misses(struct lclone_base_cache *c, struct bio_list *bios)
{
	unsigned int n;

	bio_list_init(bios);
	spin_lock_irq(&c->lock);
	for (n = 0; n < BATCH && !bio_list_empty(&c->misses); n++)
		bio_list_add(bios, bio_list_pop(&c->misses));
	if (!bio_list_empty(&c->misses))
		wake_reader(c);
	spin_unlock_irq(&c->lock);
}

static pgoff_t first_page(const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> PAGE_SECTORS_SHIFT;
}

static pgoff_t last_page(const struct bio *bio)
{
	return (bio_end_sector(bio) - 1) >> PAGE_SECTORS_SHIFT;
}

/* Has the pages that are missing read, and does not wait for them. */
static void start_read(struct lclone_base_cache *c, const struct bio *bio)
{
	struct address_space *mapping = c->bdev->bd_mapping;
	struct file_ra_state ra = {};
	DEFINE_READAHEAD(ractl, NULL, &ra, mapping, first_page(bio));

	filemap_invalidate_lock_shared(mapping);
	page_cache_ra_unbounded(&ractl, last_page(bio) - first_page(bio) + 1, 0);
	filemap_invalidate_unlock_shared(mapping);
}

/* It may have become smaller while it was read: looked at behind that. */
static bool was_read(struct lclone_base_cache *c, struct bio *bio)
{
	return copy_all(c, bio, true) && is_there(c, bio);
}

/* What could not be read whole goes: readahead leaves alone what is there. */
static void read_without(struct lclone_base_cache *c, struct bio *bio)
{
	invalidate_inode_pages2_range(c->bdev->bd_mapping, first_page(bio), last_page(bio));
	submit_bio_noacct(bio);
}

static void read_misses(struct work_struct *work)
{
	struct lclone_base_cache *c = container_of(work, struct reader, work)->cache;
	struct blk_plug plug;
	struct bio_list bios;
	unsigned int noio;
	struct bio *bio;

	take_misses(c, &bios);
	noio = memalloc_noio_save();
	blk_start_plug(&plug);
	bio_list_for_each(bio, &bios)
		if (is_there(c, bio))
			start_read(c, bio);
	blk_finish_plug(&plug);
	memalloc_noio_restore(noio);

	while ((bio = bio_list_pop(&bios))) {
		if (likely(was_read(c, bio)))
			bio_endio(bio);
		else
			read_without(c, bio);
	}
}

/* Life */

static void destroy(struct lclone_base_cache *c)
{
	if (!c)
		return;
	destroy_workqueue(c->wq);
	kfree(c);
}

static struct lclone_base_cache *create(struct block_device *bdev)
{
	struct lclone_base_cache *c = kzalloc(sizeof(*c), GFP_KERNEL);
	unsigned int i;

	if (!c)
		return NULL;
	c->users = 1;
	c->bdev = bdev;
	mutex_init(&c->start);
	spin_lock_init(&c->lock);
	bio_list_init(&c->misses);
	for (i = 0; i < READERS; i++) {
		INIT_WORK(&c->reader[i].work, read_misses);
		c->reader[i].cache = c;
	}
	c->wq = alloc_workqueue("dm-lclone-b/%pg", WQ_UNBOUND | WQ_MEM_RECLAIM, READERS, bdev);
	if (!c->wq) {
		kfree(c);
		return NULL;
	}
	return c;
}

static struct lclone_base_cache *find(const struct block_device *bdev)
{
	struct lclone_base_cache *c;

	lockdep_assert_held(&caches_lock);
	list_for_each_entry(c, &caches, list)
		if (c->bdev == bdev) {
			c->users++;
			return c;
		}
	return NULL;
}

/* What may wait for memory is done without the lock: a device below may be suspended. */
struct lclone_base_cache *lclone_base_cache_get(struct block_device *bdev)
{
	struct lclone_base_cache *c, *new;

	mutex_lock(&caches_lock);
	c = find(bdev);
	mutex_unlock(&caches_lock);
	if (c)
		return c;
	new = create(bdev);
	if (!new)
		return NULL;
	mutex_lock(&caches_lock);
	c = find(bdev);
	if (!c) {
		list_add(&new->list, &caches);
		swap(c, new);
	}
	mutex_unlock(&caches_lock);
	destroy(new);
	return c;
}

void lclone_base_cache_put(struct lclone_base_cache *c)
{
	bool last;

	if (!c)
		return;
	mutex_lock(&caches_lock);
	last = !--c->users;
	if (last)
		list_del(&c->list);
	mutex_unlock(&caches_lock);
	if (last)
		destroy(c);
}

/*
 * A merge writes to the base beside its page cache.  There can't be one as long as another clone
 * has the base, so that what is fresh once stays so.  A resume comes here, which must not wait for
 * a page that somebody has locked: with such a page the table does without the cache.
 */
struct lclone_base_cache *lclone_base_cache_start(struct lclone_base_cache *c, bool merged)
{
	bool fresh;
	int err;

	if (!c)
		return NULL;
	mutex_lock(&c->start);
	if (merged)	/* this was loaded with the table of before the merge still there */
		c->fresh = false;
	if (!c->fresh) {
		err = sync_blockdev(c->bdev);
		invalidate_bdev(c->bdev);
		if (!err && READ_ONCE(c->bdev->bd_mapping->nrpages))
			err = -EBUSY;
		c->fresh = !err;
		if (err)
			DMWARN("%pg: no base_cache: its old pages can't be dropped: error %d",
			       c->bdev, err);
	}
	fresh = c->fresh;
	mutex_unlock(&c->start);
	return fresh ? c : NULL;
}
