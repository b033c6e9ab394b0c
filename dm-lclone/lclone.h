/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-lclone: what the parts of the module share.
 *
 * Dependencies point one way: target -> io -> chain -> leaf, alloc -> commit,
 * tree -> meta -> format.  Each section below is the contract of one .c file: context,
 * errors, ordering.
 */
#ifndef LCLONE_H
#define LCLONE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "lclone_format.h"

#define DM_MSG_PREFIX "lclone"

/* Spare bits of an exception in RAM: never on disk. */
#define LCLONE_EXC_DIRTY	BIT_ULL(LCLONE_PHYS_BITS)	/* not yet in a durable commit */
#define LCLONE_EXC_BUSY		BIT_ULL(LCLONE_PHYS_BITS + 1)	/* first writes keep out */

enum lclone_mode {
	LCLONE_RW,
	LCLONE_READ_ONLY,	/* as the table says, or since metadata failed */
};

/* In-flight I/O to the delta that this CPU has seen begin less end, by epoch */
struct lclone_inflight {
	long count[2];
};

/* A run of chunks or of metadata blocks */
struct lclone_extent {
	struct list_head list;
	u64 start;
	u64 len;
};

/*
 * A leaf of the tree in RAM: one page, the header of the disk node replaced by
 * what only RAM needs.
 */
struct lclone_leaf {
	atomic_t pins;			/* by mutators in flight and by jobs, or LCLONE_LEAF_DEAD */
	u32 index;
	unsigned long flags;		/* LEAF_* */
	unsigned long groups;		/* which groups of 8 entries may hold DIRTY ones */
	struct list_head uncommitted;	/* commit.lock */
	union {
		struct list_head dirty;	/* commit.lock */
		struct rcu_head rcu;	/* once dead */
	};
	struct lclone_delta *delta;
	u64 exceptions[LCLONE_LEAF_EXCEPTIONS] __aligned(64);
};

static_assert(sizeof(struct lclone_leaf) <= PAGE_SIZE);

#define LCLONE_LEAF_DEAD	INT_MIN
#define LCLONE_PIN_JOB		0x100000	/* a job's pin, above all that bios can make */
#define LCLONE_GROUP		8

enum {
	LEAF_UNCOMMITTED,		/* may hold DIRTY entries: on commit.uncommitted, .round */
	LEAF_DIRTY,			/* differs from the tree on disk: on commit.dirty */
	LEAF_FRESH,			/* loaded since the last pass of the shrinker */
};

/* Directory of leaves: two levels, the lower ones made on demand. */
#define LCLONE_DIR_SLOTS	(PAGE_SIZE / sizeof(void *))

struct lclone_dir_page {
	struct lclone_leaf __rcu *leaf[LCLONE_DIR_SLOTS];
};

struct lclone_dir {
	u64 nr_pages;
	struct lclone_dir_page __rcu *page[];
};

/* What the worker goes on with when it is ready */
struct lclone_task {
	struct list_head list;
	struct lclone_leaf *quiet;	/* waits for first writes to this leaf only, or NULL */
	void (*step)(struct lclone_task *task);
};

/* Why a deferred bio waits */
enum lclone_wait {
	WAIT_BUSY,			/* for a BUSY exception */
	WAIT_SPACE,			/* for a free chunk */
	WAIT_CHECKPOINT,		/* too many dirty leaves */
	WAIT_MEMORY,			/* for a job or a load to end, the pools are empty */
	NR_WAITS,
};

/* Can a chunk be had? SCAN: perhaps, the search has to find it. */
enum lclone_space { LCLONE_SPACE_OK, LCLONE_SPACE_SCAN, LCLONE_SPACE_NONE };

/* Chunks handed to map(): taken without a lock, refilled by the worker. */
#define LCLONE_SLOTS		8

struct lclone_alloc {
	atomic64_t slot[LCLONE_SLOTS];	/* start:32 | len:32 */

	u32 reserve;			/* chunks that a checkpoint may need; tree_lock */
	bool scanning;			/* chunks are taken under the lock only, and marked */

	spinlock_t lock;		/* all below, and to change scanning; irqs on */
	u32 end;			/* of the device: no phys from here on */
	u32 hwm;			/* every phys >= hwm is free, but for the slots' */
	u32 freed;			/* free chunks below hwm */
	u32 new_leaves;			/* leaves made since the last checkpoint */
	unsigned long *used;		/* a bit per phys, from the start of the scan on */
	u32 nr_used;			/* bits in it */
	u32 hint;			/* where the search for a clear bit goes on */
	struct list_head freed_in_scan;	/* chunks (lclone_extent) */
	bool scanned;			/* used is complete */
	bool scan_failed;		/* not tried again before the device grows */
	bool exact;			/* no free chunk below hwm but those that freed counts */
	struct list_head nodes;		/* free metadata blocks (lclone_extent) */
	u64 nr_nodes;			/* their number */
};

struct lclone_commit {
	spinlock_t lock;		/* irqs off */
	bool busy;			/* a commit or checkpoint is under way */
	bool clean;			/* not busy, nothing uncommitted, no commit has failed */
	bool overdue;			/* the timer has ended: a round is wanted */
	bool want_checkpoint;
	struct list_head uncommitted;	/* leaves with DIRTY entries */
	struct list_head round;		/* those of the round under way */
	struct list_head dirty;		/* leaves that differ from the tree */
	u32 nr_dirty;
	u32 dirty_max;			/* no more leaves than this are dirty at a time */
	u32 dirty_soft;			/* with so many a checkpoint starts */
	struct bio_list waiters;	/* flushes for the next round */
	struct bio_list serving;	/* ... of the round under way */
	struct list_head freed;		/* chunks freed by entries not yet committed */
	struct list_head freeing;	/* ... of the round under way */
	struct list_head free;		/* chunks that a durable commit freed */
	u32 log_tail;			/* owned by who set busy, like all below */
	u64 next_commit;
	u32 nr_blocks;			/* in the step under way */
	struct lclone_log_disk *log;	/* room for one leaf, always there */
	struct lclone_log_disk *big;	/* a larger one for the write under way, or NULL */
	struct bio bio;			/* for the step's flush and its write */
	struct bio_vec bvec;
	u64 commits;
	u64 checkpoints;
};

#define LCLONE_LAYERS_MAX	255		/* of a chain */

/* The way of a search for free chunks: the worker's and, where a work is queued, that work's */
enum lclone_search_step {
	SEARCH_NONE,
	SEARCH_MEMORY,			/* the work gets memory for the bitmap */
	SEARCH_READY,			/* the worker is to begin */
	SEARCH_DRAIN,			/* I/O that has taken a chunk before ends */
	SEARCH_WALK,			/* the work looks at all leaves */
};

struct lclone_search {
	enum lclone_search_step step;
	bool stop;			/* none begins, and the one under way ends */
	unsigned long *used;		/* the bitmap, until it is the allocator's */
	u32 bits;			/* in it */
	struct delayed_work work;
};

/* The sealed layers between a delta and its base, top to bottom */
struct lclone_chain {
	u32 nr;
	struct lclone_delta *layer[];
};

/*
 * Per-delta state: one per block device, shared by the tables of one mapped
 * device, or, of a sealed layer, by all that have it in their chain.
 */
struct lclone_delta {
	/* Read by every I/O */
	struct lclone_dir __rcu *dir;
	struct block_device *bdev;
	/* What lies below, changed in preresume only */
	struct lclone_chain *chain;	/* or NULL */
	struct block_device *base;	/* or NULL */
	sector_t base_sectors;
	sector_t plain_sectors;		/* of these, those that lie right below the delta */
	u32 block_sectors;		/* of the clone's logical blocks */
	bool merge;			/* the base is written; changed in preresume only */
	u32 chunk_shift;		/* in sectors */
	u32 sub_shift;
	u32 last_leaf;			/* index of it */
	u32 total;			/* chunks that data and nodes can have */
	enum lclone_mode mode;
	int epoch;			/* index of the count that new I/O is in */
	bool drain_kick;		/* who ends queues the worker */
	struct lclone_inflight __percpu *inflight;
	struct workqueue_struct *wq;	/* of all the works below but event_work */

	/* Other features of the active table; changed in preresume only */
	struct lclone_sweep *sweep;	/* or NULL */
	u32 no_space_timeout;		/* s */
	u32 commit_interval;		/* ms */
	u32 low_water_mark;		/* chunks */
	bool error_if_no_space;
	bool discard_passdown;

	struct lclone_alloc alloc ____cacheline_aligned_in_smp;
	struct lclone_commit commit;
	struct lclone_search search;

	/* Deferred I/O */
	spinlock_t lock;		/* irqs off */
	struct bio_list deferred;
	struct bio_list mapped;		/* only to be sent */
	struct bio_list parked[NR_WAITS];
	unsigned int wakeups[NR_WAITS];	/* count lclone_unpark() */
	unsigned int seen[NR_WAITS];	/* worker only: wakeups before it looked at the bio */
	enum lclone_space space;	/* worker only: what the last refill found */
	bool space_came;
	u32 leaf_ahead;			/* a writer is about to get there; 0: none */
	bool stopping;			/* bios that wait for space are given back */
	bool noflush;
	wait_queue_head_t idle;		/* woken when lclone_io_idle() may have come true */
	struct list_head ready;		/* tasks that may go on */
	struct list_head draining;	/* worker only: tasks for the drain under way */
	struct list_head drain_next;	/* worker only: tasks for the next one */
	struct list_head free_draining;	/* worker only: freed chunks for the drain under way */
	struct list_head discarding;	/* ... behind it, that are discarded first ... */
	struct list_head discarded;	/* ... and that have been: for a scan all three are used */
	bool drain_busy;		/* worker only */
	bool drain_ready;		/* nobody joins the old epoch any more */
	int evicted;			/* a leaf, since the last drain began; cache_lock to set */
	struct rcu_head drain_rcu;

	/* Leaf cache: slots of the directory change under this lock only */
	spinlock_t cache_lock;
	struct list_head loads;		/* worker only */
	struct list_head loads_to_find;	/* d->lock */
	atomic_t nr_leaves;
	u64 clock;			/* shrinker's hand */
	mempool_t leaf_pool;		/* pages: leaves and directory pages */
	mempool_t load_pool;
	mempool_t job_pool;
	struct bio_set bios;		/* for parts of deferred ones */

	/* Tree */
	struct mutex tree_lock;
	struct mutex index_lock;	/* held for no write */
	struct lclone_sb sb;		/* to change: tree_lock and index_lock */
	u32 root_level;			/* for the virtual size, may be > sb.root_level; likewise */
	struct xarray index;		/* of struct lclone_index, by level and index; index_lock */
	void *bounce;			/* one block; tree_lock */

	struct work_struct worker;
	struct work_struct find_work;
	struct work_struct discard_work;
	struct work_struct commit_work;
	struct work_struct log_work;
	struct work_struct checkpoint_work;
	struct work_struct check_work;	/* notes on disk that a check is needed */
	struct work_struct event_work;
	struct delayed_work commit_timer;
	struct delayed_work space_timer;

	/* Out of space */
	bool full;			/* said so */
	bool space_expired;		/* no_space_timeout ran out */
	unsigned long space_deadline;	/* jiffies: when it does */
	bool below_low_water;

	/* Registry */
	struct list_head list;		/* registry lock */
	struct mapped_device *md;
	struct dm_table *table;		/* of the active target, for events; registry lock */
	struct dm_table *newest;	/* the last one that was loaded; registry lock */
	struct rw_semaphore messages;	/* for reading: one is under way, a stop waits for it */
	bool activated;			/* this incarnation is on disk */
	bool read_only;			/* the active table says so; tree_lock */
	bool fresh;			/* formatted for a table that was never resumed */
	bool degraded;			/* metadata failed: never rw again */
	bool needs_check;
	bool opening;			/* registry lock: its table is still being loaded */
	bool changes_base;		/* registry lock: it is merged into */
	bool is_layer;			/* sealed, and below others; registry lock */
	bool replaced;			/* changed on disk: tables open it anew; registry lock */
	unsigned int refs;		/* registry lock */
	atomic_t faults;		/* said so far */
	struct completion opened;	/* for who wants to share a layer */
	u64 incarnation;		/* the largest there is on disk */
	char name[BDEVNAME_SIZE];
} __aligned(64);			/* see IO_FLAGS */

struct lclone_parent {
	const char *name;		/* while the table is constructed */
	struct dm_dev *dev;
};

/* A table's view: ti->private */
struct lclone {
	struct list_head list;		/* registry lock */
	struct lclone_delta *delta;
	struct dm_target *ti;
	struct dm_dev *base_dev;	/* or NULL */
	struct dm_dev *delta_dev;
	struct lclone_parent *parents;	/* bottom to top */
	u32 nr_parents;
	struct lclone_chain *chain;	/* made of them, or NULL */
	struct lclone_sweep *sweep;	/* what it wants, until it is resumed; or NULL */

	/* as given, or the default */
	bool read_only;
	bool error_if_no_space;
	bool no_discard_passdown;
	bool merge;
	bool flatten;
	bool flatten_layer;
	bool rebase;
	bool no_space_timeout_given, low_water_mark_given;
	bool commit_interval_given, chunk_size_given;
	u32 no_space_timeout;		/* s */
	u32 low_water_mark;		/* chunks */
	u32 commit_interval;		/* ms */
	u32 chunk_sectors;
	u64 base_fp;			/* of the base, for a rebase or a seal */
	u32 block_size;			/* of the clone: the largest of all devices, bytes */
};

/* ti->error for a table that is refused; returns @err. Parsing and opening only. */
static inline int lclone_refuse(struct lclone *t, int err, char *why)
{
	t->ti->error = why;
	return err;
}

/*
 * What a bio holds from map to end_io is in its bi_private, which dm hands over
 * clean: per-bio data would make dm's clones of bios a cache line larger.
 * leaf's index:32 | first subchunk in it:13 | subchunks:13 | flags:6
 * While a layer loads a leaf for it, the delta that it goes back to takes the
 * place of all but the flags.
 */
#define IO_COUNTED		1	/* in flight to the delta, or by its word to the base ... */
#define IO_EPOCH		2	/* ... in this epoch */
#define IO_COUNT_MASK		3
#define IO_FIRST		4	/* first write, its leaf is pinned: end_io publishes it */
#define IO_NEEDS_COMMIT		8	/* FUA whose mapping is not durable yet */
#define IO_FLAGS		63ull
#define IO_SUBS_SHIFT		6
#define IO_SUBS_BITS		13
#define IO_SUBCHUNK_SHIFT	(IO_SUBS_SHIFT + IO_SUBS_BITS)
#define IO_INDEX_SHIFT		32
static_assert(LCLONE_LEAF_EXCEPTIONS * LCLONE_SUBCHUNKS < 1 << IO_SUBS_BITS);
static_assert(sizeof(void *) == sizeof(u64));

static inline u64 lclone_io_state(const struct bio *bio)
{
	return (u64)bio->bi_private;
}

static inline void lclone_io_set(struct bio *bio, u64 state)
{
	bio->bi_private = (void *)state;
}

static inline u32 lclone_chunk_offset(const struct lclone_delta *d, sector_t sector)
{
	return sector & ((1u << d->chunk_shift) - 1);
}

static inline u32 lclone_sub_offset(const struct lclone_delta *d, sector_t sector)
{
	return sector & ((1u << d->sub_shift) - 1);
}

/* The subchunks that @sectors from @offset touch, in one chunk. */
static inline u32 lclone_sub_mask(const struct lclone_delta *d, u32 offset, u32 sectors)
{
	u32 first = offset >> d->sub_shift, last = (offset + sectors - 1) >> d->sub_shift;

	return (2u << last) - (1u << first);
}

struct lclone_source;

static inline sector_t lclone_chunk_start(const struct lclone_delta *d, u64 chunk)
{
	return chunk << d->chunk_shift;
}

static inline u32 lclone_blocks_per_chunk(const struct lclone_delta *d)
{
	return d->sb.chunk_sectors / LCLONE_BLOCK_SECTORS;
}

/* What became of a bio */
enum lclone_verdict {
	LCLONE_REMAPPED,		/* device and sector are set */
	LCLONE_NOT_OURS,		/* the bio has ended, or belongs to somebody else now */
	LCLONE_NO_LEAF,		/* not in RAM */
	LCLONE_NO_PIN,			/* the tree has no leaf yet, or it is being evicted */
	LCLONE_BUSY,
	LCLONE_THROTTLED,		/* too many dirty leaves */
	LCLONE_NO_SPACE,
	LCLONE_PARTIAL,		/* a subchunk has to be copied up first */
};

static inline u64 lclone_bio_chunk(const struct lclone_delta *d, const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> d->chunk_shift;
}

static inline u32 lclone_chunk_len(const struct lclone_delta *d)
{
	return 1u << d->chunk_shift;
}

struct lclone_write {
	bool whole;		/* in: the bio can't be cut */
	u32 run;		/* sectors that the verdict holds for */
	bool first;		/* some of them for the first time */
	bool dirty;		/* or with a mapping that is not durable */
	u32 partial;		/* LCLONE_PARTIAL: the subchunk */
	u32 spare_phys, spare;	/* chunks taken and not used yet */
};

#define LCLONE_LEVELS		8

/* An index node in RAM: its references are kept as on disk. */
struct lclone_index {
	struct list_head dirty;		/* a reference was changed since the last checkpoint */
	u64 index;
	u64 block;			/* of its copy on disk, 0: none */
	struct lclone_index_disk *disk;
};

/* What a slot holds */
struct lclone_sb_slot {
	int err;		/* of lclone_sb_unpack(), or of the read */
	bool zero;		/* the whole block */
	struct lclone_sb sb;
	struct lclone_fault fault;
};

int lclone_base_fingerprint(struct block_device *bdev, u64 sectors, u64 *fp);
u64 lclone_base_sectors(const struct lclone *t);
int lclone_base_check(struct lclone *t, const struct lclone_sb *sb);
int lclone_new_sb(struct lclone *t, struct lclone_sb *sb);
int lclone_delta_format(struct lclone *t);
int lclone_check_block_size(struct lclone *t, u32 chunk_sectors);
int lclone_check_clone_blocks(struct lclone *t, const struct lclone_sb *sb);
unsigned long lclone_cache_evict(struct lclone_delta *d, unsigned long want, bool fresh_too);
void lclone_delta_set_limits(struct lclone_delta *d);
struct lclone_extent *lclone_extent_alloc(void);
void lclone_extents_free(struct list_head *list);
int lclone_delta_take_size(struct lclone_delta *d);
int lclone_link_check(struct lclone *t, const char *name, const struct lclone_sb *sb,
		      const struct lclone_delta *below);
struct lclone_delta *lclone_chain_top(const struct lclone *t);
int lclone_delta_find_reserve(struct lclone_delta *d, bool load);
const struct lclone_sweep_ops *lclone_sweep_wanted(const struct lclone *t);
int lclone_replay(struct lclone_delta *d);
void lclone_space_refill(struct lclone_delta *d);
int lclone_sb_read(struct lclone_delta *d, u64 block, struct lclone_sb_slot *slot);
struct lclone_index *lclone_index_find(struct lclone_delta *d, u32 level, u64 n);
struct lclone_index *lclone_index_get(struct lclone_delta *d, u64 leaf, u32 want, bool create);
void lclone_checkpoint_init(struct lclone_delta *d);
void lclone_super_init(struct lclone_delta *d);
void lclone_queue_init(struct lclone_delta *d);
void lclone_space_init(struct lclone_delta *d);
enum lclone_verdict lclone_map_read(struct lclone_delta *d, struct bio *bio,
				    struct lclone_source *s, struct lclone_delta **missing);
enum lclone_verdict lclone_map_write(struct lclone_delta *d, struct bio *bio,
				     struct lclone_write *w);

/* args.c: table arguments */

/* Parses, but does not open devices. Sets ti->error; the caller frees t->parents. */
int lclone_parse_features(struct lclone *t, unsigned int argc, char **argv);
/* Prints the features that were given so that they parse to the same. */
unsigned int lclone_emit_features(struct lclone *t, char *result, unsigned int maxlen);

/*
 * registry.c: who has which delta
 *
 * lclone_delta_get() finds the delta of a new table, or reads (or formats) it, and
 * claims the base; lclone_delta_release() is its end.  lclone_delta_put() frees the
 * delta with the last table.  All may sleep.  Functions that take @t set ti->error.
 */
int lclone_delta_get(struct lclone *t);
void lclone_delta_release(struct lclone *t);
/* A layer of @t's chain; @last: the topmost one, which may be this mapped device's own delta. */
struct lclone_delta *lclone_layer_get(struct lclone *t, struct dm_dev *dev, bool last);
void lclone_delta_put(struct lclone_delta *d, struct dm_table *table);
/* A dm event; any context. */
void lclone_event(struct lclone_delta *d);
void lclone_event_work(struct work_struct *work);
/* preresume: @t's table gets I/O from now on. */
void lclone_registry_start(struct lclone *t);
/* A delta that was just sealed belongs to no mapped device any more. */
void lclone_registry_seal(struct lclone_delta *d);

extern struct list_head lclone_deltas;
extern struct mutex lclone_registry_lock;

/*
 * chain.c: the layers below a delta
 */

/* Where data are read from: sectors that lie together there */
struct lclone_source {
	struct block_device *bdev;	/* NULL: they are zeros */
	sector_t sector;
	u32 sectors;			/* at most to the end of the chunk */
};

/* Opens @t's parents. Before lclone_delta_get(). */
int lclone_chain_get(struct lclone *t);
void lclone_chain_put(struct lclone *t);
/* The delta's superblock and the layer below it must name the same, or it is a rebase. */
int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb);
/* What an interrupted merge of layers, by user space, leaves; and with which it goes on. */
bool lclone_is_half_merged(const struct lclone_sb *sb);
bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above);
/* For a delta that is to be formatted, or that gets a new parent: notes the layer below it. */
void lclone_chain_name(struct lclone *t, struct lclone_sb *sb);
/* preresume: seals the lclone_chain_top layer if it has just been a delta that was written. */
int lclone_chain_start(struct lclone *t);
/*
 * Finds the source of the data @offset sectors into a chunk, whose exception in
 * @d is @exc.  Returns NULL, or the delta whose leaf is not in RAM.  Under
 * rcu_read_lock_sched().
 */
struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s);
/* The exception of a chunk in a layer; false: its leaf is not in RAM. */
bool lclone_layer_exception(struct lclone_delta *layer, u64 chunk, u64 *exc);
/*
 * A read of subchunks (@mask) of one chunk that the delta knows nothing of: if they have
 * one source that is in RAM the bio gets its sector there, and the device is returned for
 * the caller to set; else NULL.  Under rcu_read_lock_sched().
 */
struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask);

/* Something lies below the delta at @sector: it is not known to read as zeros. */
static inline bool lclone_has_below(const struct lclone_delta *d, sector_t sector)
{
	return d->chain || sector < d->base_sectors;
}

/*
 * delta.c: the state of a delta, its superblock and its mode
 *
 * Opening: reads, or formats, the delta of a new table. May sleep.
 */
int lclone_delta_open(struct lclone *t);
/* The same for a delta that another table of the same mapped device has open. */
int lclone_delta_check(struct lclone *t);
/* The same for @d as a layer of @t's chain, @dev its device. */
int lclone_delta_open_layer(struct lclone *t, struct lclone_delta *d, struct dm_dev *dev);
struct lclone_delta *lclone_delta_create(struct block_device *bdev);
void lclone_delta_destroy(struct lclone_delta *d);
/* The delta was formatted for tables that are gone, and was never used: it is blank again. */
void lclone_delta_unformat(struct lclone_delta *d);
/* Another superblock than the one that was read is on the device: 1; or -errno. May sleep. */
int lclone_delta_changed(struct lclone_delta *d);
/* The delta of a table that was suspended becomes a layer: it does not change any more. */
int lclone_delta_seal(struct lclone_delta *d, u64 base_fp);
/* preresume: takes over the table's features; makes a new incarnation durable. */
int lclone_delta_start(struct lclone *t);
/* postsuspend: all I/O has ended; writes a checkpoint and marks the delta clean. */
void lclone_delta_stop(struct lclone_delta *d);
/* During a merge: makes durable what the base got. May sleep. */
int lclone_delta_flush_base(struct lclone_delta *d);
/* Takes a new size of the device in, if there is one. */
int lclone_delta_grow(struct lclone_delta *d);
/* Makes the virtual size larger. */
int lclone_delta_resize(struct lclone *t, u64 virtual_sectors);
/*
 * Flushes, then writes @sb to the slot whose turn it is, and makes it the
 * current one if that worked.  The caller holds tree_lock.
 */
int lclone_sb_write(struct lclone_delta *d, struct lclone_sb *sb);
/*
 * The one funnel for metadata that could not be written or that is damaged: the
 * delta is read-only from then on. Any context.  Of @err only a verify function can
 * tell that it is damage: a device may fail with any.
 */
void lclone_metadata_failed(struct lclone_delta *d, const char *what, int err);
void lclone_metadata_damaged(struct lclone_delta *d, const char *what, int err);

/* meta.c: metadata blocks. May sleep; return 0 or -errno. @buf is physically contiguous. */

int lclone_read_sectors(struct block_device *bdev, sector_t sector, void *buf, u32 sectors);
int lclone_meta_read(struct block_device *bdev, u64 block, void *buf, u32 blocks);
int lclone_meta_write(struct block_device *bdev, u64 block, void *buf, u32 blocks,
		      blk_opf_t flags);
/* Says in the log what a verify function found. */
void lclone_report_fault(struct lclone_delta *d, const char *where, u64 block,
			 const struct lclone_fault *fault);

/*
 * leaf.c: the leaf cache
 *
 * lclone_leaf_lookup() is called under rcu_read_lock_sched() and returns the leaf, which may be
 * the shared empty one (it cannot be pinned), or NULL: not in RAM.
 */
extern struct lclone_leaf lclone_empty_leaf;

static inline struct lclone_leaf *lclone_leaf_lookup(struct lclone_delta *d, u64 index)
{
	struct lclone_dir *dir = rcu_dereference_sched(d->dir);
	struct lclone_dir_page *page = rcu_dereference_sched(dir->page[index / LCLONE_DIR_SLOTS]);

	return rcu_dereference_sched(page->leaf[index % LCLONE_DIR_SLOTS]);
}

/*
 * A mutator pins the leaf before it looks at the entry and unpins it after it
 * has published.  A pinned leaf is neither evicted nor taken off the lists of
 * the commit.  Under RCU, or with another pin held.  Fully ordered: pairs with
 * the commit's and the BUSY setter's reading of pins.
 */
static inline bool lclone_leaf_pin(struct lclone_leaf *leaf)
{
	return atomic_inc_unless_negative(&leaf->pins);
}

static inline void lclone_leaf_unpin(struct lclone_leaf *leaf)
{
	smp_mb__before_atomic();	/* pairs with lclone_commit_take() */
	atomic_dec(&leaf->pins);
}

/*
 * Before the entry of @slot gets DIRTY; the leaf is pinned and marked.  Pairs
 * with lclone_commit_take().
 */
static inline void lclone_leaf_touch(struct lclone_leaf *leaf, u32 slot)
{
	if (!test_bit(slot / LCLONE_GROUP, &leaf->groups))
		set_bit(slot / LCLONE_GROUP, &leaf->groups);
}

/* A job's pin, and the end of it, which is that of a mutator, too. */
static inline void lclone_leaf_pin_job(struct lclone_leaf *leaf)
{
	atomic_add(LCLONE_PIN_JOB, &leaf->pins);
}

static inline void lclone_leaf_unpin_job(struct lclone_leaf *leaf)
{
	smp_mb__before_atomic();	/* pairs with lclone_commit_take() */
	atomic_sub(LCLONE_PIN_JOB, &leaf->pins);
}

int lclone_dir_create(struct lclone_delta *d);
/* Replaces the directory by one for the new virtual size. May sleep. */
int lclone_dir_resize(struct lclone_delta *d, u64 virtual_sectors);
void lclone_dir_destroy(struct lclone_delta *d);

/*
 * Synchronous load of a leaf, or a new one where the tree has none (@create;
 * else the shared empty leaf is installed).  May sleep on I/O; returns the leaf
 * pinned, or the empty leaf, or an ERR_PTR.
 */
struct lclone_leaf *lclone_leaf_get(struct lclone_delta *d, u64 index, bool create);
/* Is it in RAM, or known to be empty?  It may be evicted when this returns. */
bool lclone_leaf_cached(struct lclone_delta *d, u64 index);
/*
 * Worker only: loads a leaf if it is not in RAM, and puts @bio, if there is one, back to
 * the deferred ones when that has ended; ends it with an error where the leaf can't be read.
 */
void lclone_leaf_load(struct lclone_delta *d, u64 index, struct bio *bio);
void lclone_leaf_finish_loads(struct lclone_delta *d);
int lclone_leaf_init(struct lclone_delta *d);
void lclone_leaf_exit(struct lclone_delta *d);

/* Before the first delta */
void lclone_dir_setup(void);
int lclone_shrinker_init(void);
void lclone_shrinker_exit(void);

/*
 * alloc.c: chunks and metadata blocks of the delta
 *
 * lclone_alloc_chunks() takes up to @want contiguous chunks; any context, no
 * lock; returns how many (0: the worker has to refill) and the first.
 */
u32 lclone_alloc_chunks(struct lclone_delta *d, u32 want, u32 *phys);
/* Gives back what was taken and is in no entry; process context. */
void lclone_alloc_giveback(struct lclone_delta *d, u32 phys, u32 count);
/* Worker: fills the slots. */
enum lclone_space lclone_alloc_refill(struct lclone_delta *d);
/*
 * For search.c: the bitmap of a scan.  From lclone_alloc_scan_begin() on what is freed is
 * noted, and what is taken is marked in it, under the lock; false: it has the wrong size, and
 * nothing was begun.  What is on its way to be free is marked before, and by the worker,
 * which alone brings it to the allocator.  Then comes a drain, so that what was taken before is
 * in an entry or back in a slot; then all that is found in use is marked, until _end()
 * (tree_lock held) or _abort(): from _end() on what is not marked is free.
 */
unsigned long *lclone_alloc_bitmap(struct lclone_delta *d, u32 *bits);
bool lclone_alloc_scan_begin(struct lclone_delta *d, unsigned long *used, u32 bits);
void lclone_alloc_scan_mark(struct lclone_delta *d, const u64 *phys, u32 nr);
void lclone_alloc_scan_end(struct lclone_delta *d);
void lclone_alloc_scan_abort(struct lclone_delta *d, bool failed);
/* The space above the mark gets short, and below it there may be free chunks. */
bool lclone_alloc_wants_scan(struct lclone_delta *d);
/* Worker: a new leaf wants room for its node, outside the reserve. */
enum lclone_space lclone_alloc_new_leaf(struct lclone_delta *d);
/* A checkpoint may not find room for its nodes before a scan was made. */
bool lclone_alloc_reserve_short(struct lclone_delta *d);
/*
 * A chunk (0: none) that is about to be freed: keeps the search off it.  Worker, before the
 * entry that has it is cleared: a search beside it would else take the chunk for free.
 */
void lclone_alloc_pending(struct lclone_delta *d, u32 phys);
/* Chunks that nothing refers to any more, durably. Process context. */
void lclone_alloc_free(struct lclone_delta *d, u32 phys, u32 count);
u32 lclone_alloc_available(struct lclone_delta *d);	/* free chunks, without the reserve */
u32 lclone_alloc_used(struct lclone_delta *d);
/*
 * Up to @want contiguous metadata blocks, also from the reserve; tree_lock
 * held; may sleep. Returns how many, 0 if there are none.
 */
u32 lclone_alloc_nodes(struct lclone_delta *d, u32 want, u64 *block);
void lclone_free_nodes(struct lclone_delta *d, u64 block, u32 count);
/* For the last superblock: the slots are given back, and what is free is noted in @sb. */
void lclone_alloc_settle(struct lclone_delta *d, struct lclone_sb *sb);
/* After the superblock was read, and after any change of size. */
void lclone_alloc_set_limits(struct lclone_delta *d);
/* The superblock on disk has the device's size: takes it in. tree_lock held. */
void lclone_alloc_grow(struct lclone_delta *d);
void lclone_alloc_init(struct lclone_delta *d);
void lclone_alloc_destroy(struct lclone_delta *d);

/*
 * Appends to a list of extents: makes the last one longer, or uses @new.
 * Returns @new if it was not used, else NULL.
 */
struct lclone_extent *lclone_extent_append(struct list_head *list, struct lclone_extent *new,
					   u64 start, u64 len);
/* Sets the bits of the chunks in a list. */
void lclone_extents_mark(const struct list_head *list, unsigned long *used);

/*
 * search.c: finds the free chunks below the high-water mark, in the background
 *
 * Worker, with no drain under way: begins if one is wanted; true: it wants a drain.
 */
bool lclone_search_begin(struct lclone_delta *d);
/* Worker: that drain has ended. */
void lclone_search_drained(struct lclone_delta *d);
/* All of it, before the first I/O. May sleep; 0 or -errno. */
int lclone_search_now(struct lclone_delta *d);
/* postsuspend: ends the one under way, its result is lost; resume: it may begin again. */
void lclone_search_stop(struct lclone_delta *d);
void lclone_search_start(struct lclone_delta *d);
void lclone_search_init(struct lclone_delta *d);

/*
 * commit.c: group commit
 *
 * lclone_commit_mark() puts a pinned leaf on the commit's lists before its
 * entries change; process context; false if too many leaves are dirty (the
 * caller waits for a checkpoint).
 */
bool lclone_commit_mark(struct lclone_delta *d, struct lclone_leaf *leaf);

static inline bool lclone_commit_marked(const struct lclone_leaf *leaf)
{
	const unsigned long both = BIT(LEAF_UNCOMMITTED) | BIT(LEAF_DIRTY);

	/* behind the pin: pairs with lclone_commit_take() */
	return (READ_ONCE(leaf->flags) & both) == both;
}

/*
 * All that was published before this call is durable, or is in what a flush of the
 * device makes durable.  One load of what changes under the lock only: see 8 of the crash
 * argument in design.rst.
 */
static inline bool lclone_commit_clean(struct lclone_delta *d)
{
	return smp_load_acquire(&d->commit.clean);	/* pairs with lclone_commit_end() */
}

/* For a caller that has just seen an entry without DIRTY: it is durable, too. */
static inline bool lclone_commit_idle(struct lclone_delta *d)
{
	smp_rmb();	/* DIRTY goes after busy was set */
	if (READ_ONCE(d->commit.busy))
		return false;
	smp_rmb();	/* a commit that fails degrades the delta before it lets go of busy */
	return READ_ONCE(d->mode) == LCLONE_RW;
}

/*
 * Ends @bio when all that was published before this call is durable, as is all
 * that the delta acknowledged before. Any context; in atomic context the
 * commit is started by the worker.
 */
void lclone_commit_join(struct lclone_delta *d, struct bio *bio, bool atomic);
/* A chunk cleared from the table by an entry published before the call. Worker. */
void lclone_commit_free(struct lclone_delta *d, u32 phys);
/* Chunks are on their way to be free; starts the commit that they wait for. Worker. */
bool lclone_commit_freeing(struct lclone_delta *d);
/* Moves the chunks that a durable commit has freed to @list. */
void lclone_commit_take_freed(struct lclone_delta *d, struct list_head *list);
/* Sets the bits of chunks that are on their way to be free. Worker. */
void lclone_commit_mark_freed(struct lclone_delta *d, unsigned long *used);
/* Commits, or writes a checkpoint, and waits. Process context. */
int lclone_commit_sync(struct lclone_delta *d, bool checkpoint);
void lclone_commit_want_checkpoint(struct lclone_delta *d);
/* Puts a leaf that replay has changed among the dirty ones. Before the first I/O. */
void lclone_commit_replayed(struct lclone_delta *d, struct lclone_leaf *leaf);
/* After the superblock was read, and after any change of size. */
void lclone_commit_set_limits(struct lclone_delta *d);
void lclone_commit_init(struct lclone_delta *d);
int lclone_commit_alloc(struct lclone_delta *d);
void lclone_commit_exit(struct lclone_delta *d);

/* A commit or checkpoint is under way; false: it does not touch the delta any more, either. */
bool lclone_commit_busy(struct lclone_delta *d);

/* For tree.c only. The caller has set busy. Moves the leaves that are dirty to @leaves. */
void lclone_commit_begin_checkpoint(struct lclone_delta *d, struct list_head *leaves);
void lclone_commit_end(struct lclone_delta *d, blk_status_t status);
/*
 * Takes a leaf off the uncommitted list unless it is pinned or was changed just
 * now.  Returns the groups that hold all entries which were DIRTY before.
 */
unsigned long lclone_commit_take(struct lclone_delta *d, struct lclone_leaf *leaf);

/*
 * tree.c: index nodes and checkpoints
 *
 * tree_lock is held by the caller unless stated; all may sleep.
 */

/*
 * Reference to a leaf; block 0: the tree has none.  No lock.  That of a leaf that is in
 * RAM may be one that a checkpoint has not written yet; with tree_lock there is none.
 */
int lclone_tree_leaf_ref(struct lclone_delta *d, u64 index, struct lclone_ref *ref);
/* Verifies a leaf as read, and each exception in it. No lock. */
int lclone_tree_verify_leaf(struct lclone_delta *d, u64 index, struct lclone_ref ref,
			    const struct lclone_leaf_disk *disk);
/* Brings the tree to the height that the virtual size wants. */
int lclone_tree_grow(struct lclone_delta *d);
/* Calls back for the block of each index node in RAM. */
void lclone_tree_each_index(struct lclone_delta *d,
			    void (*node)(struct lclone_delta *d, u64 block));
void lclone_tree_init(struct lclone_delta *d);
int lclone_tree_alloc(struct lclone_delta *d);
void lclone_tree_exit(struct lclone_delta *d);

/*
 * io.c: the bio path
 *
 * lclone_map() never sleeps, takes no global lock and allocates nothing that
 * can fail.
 */
int lclone_map(struct dm_target *ti, struct bio *bio);
int lclone_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);
void lclone_end_bio(struct bio *bio, blk_status_t status);
/* Gives a bio to the worker; any context. */
void lclone_defer(struct lclone_delta *d, struct bio *bio);
/* A bio that @d has loaded a leaf for goes on: at once, or, for a layer, where it came from. */
void lclone_defer_back(struct lclone_delta *d, struct bio *bio);
/*
 * Worker of @d: the bio goes on when @missing, @d or a layer below it, has
 * loaded the leaf of its first chunk.
 */
void lclone_load_for(struct lclone_delta *d, struct lclone_delta *missing, struct bio *bio);
void lclone_defer_list(struct lclone_delta *d, struct bio_list *bios);
/* Lets all bios go on that wait for @wait; any context; call it after the change. */
void lclone_unpark(struct lclone_delta *d, enum lclone_wait wait);
/*
 * Worker: lclone_look() comes before a bio is looked at; lclone_park() lets it
 * wait, unless there was a wakeup since.
 */
void lclone_look(struct lclone_delta *d);
void lclone_park(struct lclone_delta *d, struct bio *bio, enum lclone_wait wait);
/* Worker: the bio waits for a checkpoint. */
void lclone_throttle(struct lclone_delta *d, struct bio *bio);
/* Worker: @space is what it was told: the bio is tried again, waits, or fails as the table says. */
void lclone_no_space(struct lclone_delta *d, struct bio *bio, enum lclone_space space);
/* Worker: makes a leaf where the tree has none yet; 0 or -errno if there is space. */
int lclone_new_leaf(struct lclone_delta *d, u64 index, enum lclone_space *space);
/* There may be free chunks where there were none; any context. */
void lclone_space_came(struct lclone_delta *d);
/* From now on a bio that waits for space is requeued (@noflush) or failed. */
void lclone_io_stop(struct lclone_delta *d, bool noflush);
void lclone_io_start(struct lclone_delta *d);
/* The chunks that commit.c has handed over and that are not free yet. Worker. */
void lclone_io_mark_freed(struct lclone_delta *d, unsigned long *used);
/* No commit is under way and no chunk on its way to be free. With no I/O coming in. */
bool lclone_io_idle(struct lclone_delta *d);
void lclone_io_init(struct lclone_delta *d);

/*
 * drain.c: in-flight I/O to the delta, counted per CPU in two epochs.
 *
 * lclone_inflight_get() is called under rcu_read_lock_sched(), before the entry
 * is loaded for use; the count is dropped, in any context, after publishing and
 * before parking.  No lock is taken under rcu_read_lock_sched(): what is found is safe
 * by the count, so that the bio is remapped behind it.
 */
static inline int lclone_inflight_get(struct lclone_delta *d)
{
	/* in the new epoch what was changed before a drain is seen by what follows */
	int epoch = smp_load_acquire(&d->epoch);

	this_cpu_inc(d->inflight->count[epoch]);
	return epoch;
}

static inline void lclone_inflight_put(struct lclone_delta *d, int epoch)
{
	smp_wmb();	/* published before; pairs with the barrier in lclone_drain_finish() */
	this_cpu_dec(d->inflight->count[epoch]);
	/* a drain that is not seen here has its grace period, a barrier on every CPU, ahead */
	if (unlikely(READ_ONCE(d->drain_kick)))
		queue_work(d->wq, &d->worker);
}

/* A bio in flight. Under rcu_read_lock_sched(), before the exception that counts is loaded. */
static inline void lclone_io_count(struct lclone_delta *d, struct bio *bio)
{
	lclone_io_set(bio, IO_COUNTED | lclone_inflight_get(d) << 1);
}

static inline void lclone_io_uncount(struct lclone_delta *d, struct bio *bio)
{
	lclone_inflight_put(d, (lclone_io_state(bio) & IO_EPOCH) >> 1);
	lclone_io_set(bio, 0);
}

int lclone_drain_init(struct lclone_delta *d);
void lclone_drain_destroy(struct lclone_delta *d);
/*
 * Worker: starts to wait for all I/O that may have seen the table as it was
 * before the call; the worker is queued when that is over, with drain_busy
 * cleared by lclone_drain_finish().
 */
void lclone_drain_start(struct lclone_delta *d);
bool lclone_drain_finish(struct lclone_delta *d);

/* Any context: the worker goes on with the task. */
void lclone_task_ready(struct lclone_delta *d, struct lclone_task *task);
/* Worker: the task goes on when all I/O that may have missed what is BUSY now has ended. */
void lclone_task_drain(struct lclone_delta *d, struct lclone_task *task);
/* Worker: goes on with the tasks that are ready. */
void lclone_task_run(struct lclone_delta *d);

/*
 * freed.c: the end of a freed chunk's way, behind its drain; worker
 */
/* A drain has ended: no I/O is on its way any more to the chunks that waited for it. */
void lclone_freed_drained(struct lclone_delta *d);
/* Gives the allocator what has been discarded. */
void lclone_freed_finish(struct lclone_delta *d);
/* Any chunk waits for a drain or for its discard. Process context. */
bool lclone_freed_pending(struct lclone_delta *d);
void lclone_freed_init(struct lclone_delta *d);

/*
 * sweep.c: work on all chunks of a clone while it is in use, in batches
 */
#define LCLONE_BATCH		512	/* chunks of a batch at most */

enum lclone_sweep_state { SWEEP_RUNS, SWEEP_DONE, SWEEP_FAILED };

struct lclone_swept {
	struct lclone_leaf *leaf;	/* pinned for each of its chunks */
	u32 slot;
	u16 written, zero;		/* flatten: the subchunks that the delta takes over */
};

static inline u64 lclone_swept_chunk(const struct lclone_swept *swept)
{
	return (u64)swept->leaf->index * LCLONE_LEAF_EXCEPTIONS + swept->slot;
}

/* Data that go from one place to another in one piece */
struct lclone_run {
	struct block_device *from_bdev;	/* NULL: zeros */
	struct block_device *to_bdev;
	sector_t from, to;
	u32 sectors;
};

/* One batch after the other */
struct lclone_lane {
	struct lclone_task task;
	void (*step)(struct lclone_lane *l);
	struct lclone_sweep *sweep;
	struct delayed_work pause;
	int active;			/* a batch is under way, or will be */
	int error;
	u64 begun;			/* ns */
	u32 nr;
	u32 gathered;			/* sectors, roughly */
	struct lclone_swept chunk[LCLONE_BATCH];
	struct bio bio;
	struct bio_vec bvec;

	/* While it is copied, the copier's */
	struct list_head batch;
	u32 at, offset;			/* the chunk whose pieces are next, sectors into it */
	struct lclone_run ahead;	/* a piece that was looked at */
	u32 copies;			/* in flight, and one while there are more */
	u64 sectors;			/* that it took over */
};

/* Worker only but for what status and messages use */
struct lclone_sweep {
	struct lclone_delta *delta;
	const struct lclone_sweep_ops *ops;
	enum lclone_sweep_state state;
	bool found, taken;		/* any chunk to work on in this pass */
	u32 index, slot;		/* where the pass goes on */
	u64 chunks, sectors;		/* done */
	bool limited;			/* by rate, not by the time that batches take */
	bool idle_only;			/* while the guest does nothing; not limited */
	u32 rate;			/* KiB/s, 0: no limit */
	struct block_device *guest;	/* the clone; its statistics */
	unsigned long guest_ios, guest_seen;	/* guest_seen: jiffies */
	struct lclone_lane *lane;
	struct lclone_copier *copier;
};

/* What a merge or a flatten does, in the worker. */
struct lclone_sweep_ops {
	const char *name;
	const char *states[3];		/* for the status line */
	/*
	 * Takes chunks of a leaf, pinned or the empty one (then it may be replaced), from
	 * sweep->slot on.  Returns 1 at its end, 0 if the lane is full, -EAGAIN (the delta
	 * needs time), -EINPROGRESS (lclone_lane_again() will be called) or another error.
	 */
	int (*gather)(struct lclone_lane *l, struct lclone_leaf **leaf);
	/*
	 * What is next to be copied, from lane->at and ->offset on, which it moves; at most
	 * the rest of a chunk.  False: no more.  Nobody changes the chunks or their entries.
	 */
	bool (*piece)(struct lclone_lane *l, struct lclone_run *piece);
	/*
	 * flatten: what the delta lacks of a chunk, or -EAGAIN: a leaf for *@offset, sectors
	 * into it, is not in RAM.
	 */
	int (*lacks)(struct lclone_delta *d, u64 chunk, u64 exc, u32 *offset);
	/* All is copied: at the end it calls lclone_lane_done() or _failed(). */
	void (*copied)(struct lclone_lane *l);
};

extern const struct lclone_sweep_ops lclone_merge_ops, lclone_flatten_ops, lclone_layer_ops;

/* What a table wants, made when it is loaded. NULL: no memory. */
struct lclone_sweep *lclone_sweep_create(struct lclone_delta *d,
					 const struct lclone_sweep_ops *ops);
/* NULL does no harm. */
void lclone_sweep_destroy(struct lclone_sweep *s);
/* preresume: takes @t's sweep, unless the same is there already, or, with no @ops, none. */
void lclone_sweep_set(struct lclone *t, const struct lclone_sweep_ops *ops);
/* resume: starts it, or goes on with it. */
void lclone_sweep_start(struct lclone_delta *d);
/* postsuspend: waits for the batches under way; no other begins. */
void lclone_sweep_stop(struct lclone_delta *d);
/* Message: at most @arg KiB per second, 0: no limit; "auto": half of the time. */
int lclone_sweep_rate(struct lclone_delta *d, const char *arg);
/* For the status line of a table that has a sweep */
unsigned int lclone_sweep_status(struct lclone_delta *d, char *result, unsigned int maxlen);
void lclone_sweep_exit(struct lclone_delta *d);

/* For the ops. Makes an entry BUSY and takes it into the batch; false: another has it. */
bool lclone_lane_take(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot, u32 sectors);
bool lclone_lane_full(const struct lclone_lane *l);
/* Any context */
void lclone_lane_go(struct lclone_lane *l, void (*step)(struct lclone_lane *l));
void lclone_lane_again(struct lclone_lane *l);
void lclone_lane_done(struct lclone_lane *l);
void lclone_lane_failed(struct lclone_lane *l);

/*
 * copy.c: copies for a sweep, a bounded number in flight
 *
 * Batches are copied in the order in which they come: while one is, the drain and
 * the commit of others are under way.
 */
struct lclone_copier *lclone_copier_create(const struct lclone_sweep *s);
/* NULL does no harm. No batch may be under way, and the workqueue be flushed. */
void lclone_copier_destroy(struct lclone_copier *k);
/* Copies what ops->piece() says, then calls lclone_lane_copied() in the worker, lane->error set. */
void lclone_copy_batch(struct lclone_lane *l);
/* For ops->piece(): the next of the subchunks @mask from lane->offset on; moves that behind it. */
bool lclone_lane_subchunk(struct lclone_lane *l, u32 mask, u32 *offset);
void lclone_lane_copied(struct lclone_lane *l);

/* job.c: copy-up, discard and write-zeroes; worker only */

/* First write of a part of a subchunk: copy it up, then defer the bio again. */
void lclone_job_copyup(struct lclone_delta *d, struct bio *bio, u64 chunk, u32 sub);
void lclone_job_discard(struct lclone_delta *d, struct bio *bio);
/* Makes an exception BUSY; false if it is. */
bool lclone_set_busy(struct lclone_leaf *leaf, u32 slot);
/* The caller wakes who waits for it (WAIT_BUSY). */
void lclone_clear_busy(struct lclone_leaf *leaf, u32 slot);
int lclone_job_pool_init(struct lclone_delta *d);

#endif /* LCLONE_H */
