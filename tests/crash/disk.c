// SPDX-License-Identifier: GPL-2.0-only
/* The model of a disk with a write cache, see disk.h */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"

struct disk_undo {
	u64 sector;
	u8 data[SECTOR];
};

static void *grow(void *array, u32 nr, u32 *room, size_t size)
{
	if (nr < *room)
		return array;
	*room = *room ? *room * 2 : 64;
	array = realloc(array, *room * size);
	if (!array)
		err(1, "realloc");
	return array;
}

void disk_init(struct disk *d, u8 *image, u64 split)
{
	*d = (struct disk){ .image = image, .split = split };
}

void disk_free(struct disk *d)
{
	free(d->io);
	free(d->flush);
	free(d->undo);
}

void disk_apply(u8 *image, const struct disk_io *io, u32 i)
{
	u8 *to = image + (io->sector + i) * SECTOR;

	if (io->type == EV_WRITE)
		memcpy(to, io->data + (u64)i * SECTOR, SECTOR);
	else if (io->type == EV_ZERO)
		memset(to, 0, SECTOR);
	else	/* a trimmed sector may hold anything: the worst is what it never held */
		crash_stamp(to, CRASH_OWNER_STALE, io->sector + i, io->id);
}

static void forget(struct disk *d, u64 sector)
{
	if (d->known)
		d->known[sector] = 0;
}

void disk_start(struct disk *d, enum crash_event_type type, u32 id, u64 sector, u32 count,
		const u8 *data)
{
	d->time++;
	if (type == EV_FLUSH) {
		d->flush = grow(d->flush, d->nr_flush, &d->flush_room, sizeof(*d->flush));
		d->flush[d->nr_flush++] = (struct disk_flush){ id, sector >= d->split, d->time };
		return;
	}
	d->io = grow(d->io, d->nr, &d->room, sizeof(*d->io));
	d->io[d->nr++] = (struct disk_io){
		.type = type, .id = id, .sector = sector, .count = count, .data = data,
	};
}

static void flush_end(struct disk *d, const struct disk_flush *flush)
{
	u32 i, s, n = 0;

	for (i = 0; i < d->nr; i++) {
		const struct disk_io *io = &d->io[i];

		if (!io->ended || io->end_time > flush->start_time ||
		    (io->sector >= d->split) != flush->second) {
			d->io[n++] = *io;
			continue;
		}
		for (s = 0; s < io->count; s++) {
			disk_apply(d->image, io, s);
			forget(d, io->sector + s);
		}
	}
	if (n != d->nr)
		d->generation++;
	d->nr = n;
}

static void io_end(struct disk *d, u32 pos)
{
	struct disk_io io = d->io[pos];
	u32 to = pos;

	io.ended = true;
	io.end_time = d->time;
	while (to && !d->io[to - 1].ended)
		to--;
	memmove(d->io + to + 1, d->io + to, (pos - to) * sizeof(io));
	d->io[to] = io;
}

bool disk_end(struct disk *d, u32 id)
{
	u32 i;

	d->time++;
	for (i = 0; i < d->nr_flush; i++) {
		if (d->flush[i].id != id)
			continue;
		flush_end(d, &d->flush[i]);
		d->flush[i] = d->flush[--d->nr_flush];
		return true;
	}
	for (i = 0; i < d->nr; i++) {
		if (d->io[i].id != id)
			continue;
		io_end(d, i);
		return true;
	}
	return false;
}

static void put(struct disk *d, const struct disk_io *io, u32 i)
{
	struct disk_undo *undo;

	d->undo = grow(d->undo, d->nr_undo, &d->undo_room, sizeof(*d->undo));
	undo = &d->undo[d->nr_undo++];
	undo->sector = io->sector + i;
	memcpy(undo->data, d->image + undo->sector * SECTOR, SECTOR);
	disk_apply(d->image, io, i);
	forget(d, undo->sector);
	d->cut_hash = crash_mix(d->cut_hash + ((u64)io->id << 24) + i);
}

void disk_cut(struct disk *d, enum disk_cut_mode mode, struct crash_rng *rng)
{
	u32 one = d->nr ? crash_rand(rng, d->nr) : 0;
	u32 tear = d->nr ? crash_rand(rng, d->io[one].count) : 0;
	u64 odds = 1 + crash_rand(rng, 7);	/* of 8 that a part is kept */
	u32 i, s;

	d->cut_hash = crash_mix(d->generation);
	for (i = 0; i < d->nr; i++) {
		bool keep = mode == CUT_ALL || mode == CUT_TAIL || (mode == CUT_ONE && i == one) ||
			    (mode == CUT_ALL_BUT_ONE && i != one) ||
			    (mode == CUT_TORN && i <= one) ||
			    (mode == CUT_WRITES && crash_rand(rng, 8) < odds);

		for (s = 0; s < d->io[i].count; s++) {
			if (i == one && ((mode == CUT_TORN && s >= tear) ||
					 (mode == CUT_TAIL && s < tear)))
				continue;
			if (keep || (mode == CUT_SECTORS && crash_rand(rng, 8) < odds))
				put(d, &d->io[i], s);
		}
	}
}

void disk_cut_seeded(struct disk *d, u64 seed)
{
	struct crash_rng rng = { seed };

	disk_cut(d, seed < CUT_MODES ? seed : crash_rand(&rng, CUT_MODES), &rng);
}

void disk_undo(struct disk *d)
{
	while (d->nr_undo) {
		struct disk_undo *undo = &d->undo[--d->nr_undo];

		memcpy(d->image + undo->sector * SECTOR, undo->data, SECTOR);
		forget(d, undo->sector);
	}
}

void disk_keep(struct disk *d)
{
	d->nr = 0;
	d->nr_flush = 0;
	d->nr_undo = 0;
	d->generation++;
}
