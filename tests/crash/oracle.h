/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each sector of the clone may hold after a power cut.
 *
 * Time counts recorded events.  An operation was submitted after the time of
 * its first mark and had ended before that of its last one.  It is durable from
 * the end of the first flush that was submitted after its end, or from its own
 * end if it was a FUA write.  A sector may hold what any operation of this life
 * left there that was submitted by then, or what it held at the start of this
 * life, except what ended before the submission of an operation on that sector
 * which is durable.
 */
#ifndef CRASH_ORACLE_H
#define CRASH_ORACLE_H

#include "crash.h"

struct oracle_op {
	enum crash_op kind;
	u64 sector;
	u32 count;
	bool good;		/* ended without an error */
	u64 issue;		/* 0: no such operation */
	u64 end;		/* UINT64_MAX: never */
	u64 durable;		/* UINT64_MAX: never */
};

struct oracle_sector {
	u32 initial;		/* id at the start of this life */
	u64 after;		/* what ended before is gone for good; 0: nothing is */
	u64 zero_end;		/* end of the zeroing that ended last, of those submitted */
};

struct oracle {
	const struct crash_params *params;
	struct oracle_op *op;
	u32 nr_op, op_room;
	u32 *by_durable;	/* ids of operations that become durable, in that order */
	u32 nr_durable, next_durable;
	u32 next_issue;		/* in by_issue */
	u32 *by_issue;
	u32 nr_issue;
	u64 life;		/* when it began */
	u64 now;
	u64 version;		/* counts changes that forbid more */
	struct oracle_sector *sector;
	u64 nr_sectors;		/* of all islands */
};

/* First the whole history is told, in order of time, but nothing while the power is off ... */
void oracle_init(struct oracle *o, const struct crash_params *params);
void oracle_mark(struct oracle *o, const struct crash_mark *mark, u64 time);
void oracle_complete(struct oracle *o);
void oracle_free(struct oracle *o);

/* ... then time goes by. */
void oracle_advance(struct oracle *o, u64 time);
/* A new life: ids, one for each island sector, are what the power cut left. */
void oracle_new_life(struct oracle *o, const u32 *ids, u64 time);

/* NULL, or why island sector @k, @vsector of the clone, must not hold @id. */
const char *oracle_objection(const struct oracle *o, u64 k, u64 vsector, u32 id);

#endif /* CRASH_ORACLE_H */
