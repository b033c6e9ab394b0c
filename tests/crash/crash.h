/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the recorder, the workload in the guest and the checker share: the
 * parameters of a run, the stamp in each sector, the marks of the workload and
 * the recorded events.  All three run on one machine: host byte order.
 */
#ifndef CRASH_H
#define CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define SECTOR			512u
#define CRASH_MAGIC		0x316873617263636cULL
#define CRASH_ISLANDS		8

/* Islands are the parts of the virtual disk that the workload touches. */
struct crash_island {
	u64 start;		/* sector */
	u64 count;
};

/* How the delta is merged into the base, or the base flattened into it */
enum crash_merge {
	CRASH_MERGE_NONE,
	CRASH_MERGE_OFFLINE,	/* between lives */
	CRASH_MERGE_ONLINE,	/* while the clone is in use, on and off */
	CRASH_FLATTEN,		/* the same */
};

/* Also the content of the mark device's first sector, for the guest. */
struct crash_params {
	u64 magic;
	u64 seed;
	u64 delta_sectors;	/* of the delta device */
	u64 first_sectors;	/* of it that are used until the clone grows it */
	u64 base_sectors;	/* 0: no base */
	u64 virtual_sectors;
	u32 chunk_sectors;
	u32 log_blocks;		/* 0: the kernel formats the delta */
	u32 ops;		/* in each life */
	u32 lives;
	u32 threads;
	u32 discard_weight;	/* in 1/256 of the operations */
	u32 flush_weight;	/* of flushes, FUA writes and messages */
	u32 write_max;		/* sectors */
	u32 burst;		/* not 0: sectors written and committed at the start of each life */
	u32 merge;		/* enum crash_merge */
	u32 stillborn;		/* 1: in some lives the power goes before it is active */
	u32 nr_islands;
	char features[64];	/* of the table */
	struct crash_island island[CRASH_ISLANDS];
};

_Static_assert(sizeof(struct crash_params) <= SECTOR, "parameters");

/* False unless there is a scenario of that name. */
bool crash_scenario(const char *name, u64 seed, struct crash_params *p);
/* The names, in turn; NULL after the last. */
const char *crash_scenario_name(u32 i);

static inline u64 crash_island_sectors(const struct crash_params *p)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < p->nr_islands; i++)
		sum += p->island[i].count;
	return sum;
}

/* The address space of recorded requests: the delta, then the base. */
static inline u64 crash_space(const struct crash_params *p)
{
	return p->delta_sectors + p->base_sectors;
}

/* Random numbers that are the same everywhere */
static inline u64 crash_mix(u64 x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dULL;
	return x ^ x >> 33;
}

struct crash_rng {
	u64 state;
};

static inline u64 crash_rand(struct crash_rng *r, u64 below)
{
	r->state += 0x9e3779b97f4a7c15ULL;
	return crash_mix(r->state) % below;
}

/*
 * A stamp fills a sector and names the operation that wrote it.  Operations
 * are numbered from CRASH_ID_FIRST.
 */
#define CRASH_ID_ZERO		0u	/* zeros */
#define CRASH_ID_BASE		1u	/* the base as it was made */
#define CRASH_ID_FIRST		2u
#define CRASH_ID_BAD		0xffffffffu	/* anything else */

/* Other owners of a sector: what a recycled device and a trimmed range hold */
#define CRASH_OWNER_CLONE	1u
#define CRASH_OWNER_STALE	2u

void crash_stamp(void *sector, u32 owner, u64 vsector, u32 id);
/* The stamp's id, or CRASH_ID_BAD unless it is intact, this clone's and of @vsector. */
u32 crash_stamp_id(const void *sector, u64 vsector);
/* What a bad sector holds, for a report. */
const char *crash_stamp_describe(const void *sector, char *buf, size_t size);

/*
 * Marks: the workload writes them to the mark device, so that its operations
 * have a place in the order of recorded events.
 */
enum crash_mark_type {
	MARK_NONE,
	MARK_ISSUE,		/* the operation is about to be submitted */
	MARK_END,		/* it has ended, with @result */
	MARK_CUT,		/* cut the power: now, or with @count at the next write of the log */
	MARK_REVIVE,		/* power on again: the delta is what the cut left */
	MARK_CONTENT,		/* ids that were read through the clone follow */
	MARK_DONE,		/* the run is complete */
	MARK_FAILED,		/* the workload gave up: the payload says why */
};

enum crash_op {
	OP_WRITE,
	OP_FUA,			/* a write that is durable at its end */
	OP_ZEROES,
	OP_DISCARD,
	OP_FLUSH,
	OP_COMMIT,		/* message commit */
	OP_CHECKPOINT,		/* message checkpoint */
	OP_CLOSE,		/* a clean end, which makes everything durable, too */
	OP_KINDS,
};

struct crash_mark {
	u32 type;
	u32 op;			/* enum crash_op */
	u32 id;
	u32 result;		/* errno of MARK_END */
	u64 sector;		/* of the virtual disk; of MARK_CONTENT: island sectors before */
	u32 count;		/* sectors */
	u32 pad;
};

/* Events, as the recorder writes them to its log */
enum crash_event_type {
	EV_WRITE,		/* a request came in: EV_WRITE .. EV_FLUSH */
	EV_ZERO,
	EV_TRIM,
	EV_FLUSH,
	EV_END,			/* the reply was sent */
	EV_MARK,		/* payload: struct crash_mark and its data */
	EV_CUT,			/* sector: the seed of the state that stays */
	EV_REVIVE,
};

struct crash_event {
	u32 type;
	u32 id;			/* of the request */
	u64 sector;
	u32 count;
	u32 bytes;		/* of payload behind this */
};

#endif /* CRASH_H */
