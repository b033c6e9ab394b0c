/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two disks with a volatile write cache, as the block layer defines it: a
 * write is durable once it had ended before the start of a flush, of the same
 * disk, that has ended.  Of all other writes that were started, a power cut
 * leaves any subset, each 512-byte sector on its own.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include "crash.h"

struct disk_io {
	enum crash_event_type type;
	u32 id;
	u64 sector;
	u32 count;
	bool ended;
	u64 end_time;
	const u8 *data;		/* of EV_WRITE; the caller keeps it */
};

struct disk_flush {
	u32 id;
	bool second;
	u64 start_time;
};

struct disk {
	u8 *image;		/* what is durable, or a crash state of it */
	u64 split;		/* sector where the second device begins */
	u64 time;
	/* Not durable: those that ended in the order of their end, then the others. */
	struct disk_io *io;
	u32 nr, room;
	struct disk_flush *flush;
	u32 nr_flush, flush_room;
	u64 generation;		/* counts changes of what is durable */
	/* What disk_cut() overwrote */
	struct disk_undo *undo;
	u32 nr_undo, undo_room;
	u64 cut_hash;		/* names the subset of the last cut */
	u8 *known;		/* not NULL: for the user; cleared of sectors that change */
};

void disk_init(struct disk *d, u8 *image, u64 split);
void disk_free(struct disk *d);

/*
 * A request starts, ends.  A flush is of the disk that @sector lies on.
 * disk_end() is false if no such request is there.
 */
void disk_start(struct disk *d, enum crash_event_type type, u32 id, u64 sector, u32 count,
		const u8 *data);
bool disk_end(struct disk *d, u32 id);

/* How much of the writes that are not durable a cut leaves */
enum disk_cut_mode {
	CUT_NONE,
	CUT_ALL,
	CUT_ONE,		/* one write */
	CUT_ALL_BUT_ONE,
	CUT_TORN,		/* all before one write, and that one up to some sector */
	CUT_TAIL,		/* all but one write, and that one from some sector on */
	CUT_WRITES,		/* any subset of the writes */
	CUT_SECTORS,		/* any subset of their sectors */
	CUT_MODES,
};

/* Turns the image into a crash state; disk_undo() takes it back. */
void disk_cut(struct disk *d, enum disk_cut_mode mode, struct crash_rng *rng);
/* A seed below CUT_MODES is a mode as such, any other chooses one. */
void disk_cut_seeded(struct disk *d, u64 seed);
void disk_undo(struct disk *d);
/* Keeps the crash state: nothing else is left of what was not durable. */
void disk_keep(struct disk *d);

/* What a request leaves on a sector */
void disk_apply(u8 *image, const struct disk_io *io, u32 i);

#endif /* CRASH_DISK_H */
