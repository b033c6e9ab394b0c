// SPDX-License-Identifier: GPL-2.0-only
/*
 * check [-n STATES] [-s SEED] [-j JOBS] [-i] LOG: judge what a power cut leaves.
 * check -x EVENT:SEED DIR LOG: write that state's delta and base into DIR.
 *
 * Builds states in which a power cut could have left the devices, all along the
 * log that the recorder wrote: after each request that of all that was written
 * so far, after each flush that of what must be there and no more, and as many
 * others as asked for, with any part of the writes that were under way or in
 * the disk's cache.  In each the tool's checker must find no damage, and each
 * sector of the clone, read as the tool reads it, must satisfy the oracle.
 *
 * The states that the guest woke up in are judged as well, and what the kernel
 * read there must be what the tool reads.
 *
 * -i ignores every second flush: a test of the test, which must then fail.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "offline/check.h"
#include "format/delta.h"
#include "disk.h"
#include "image.h"
#include "oracle.h"

#define TRIES		6		/* for one new state */
#define REPORTS_MAX	5
#define JOBS_MAX	64

struct recorded {
	struct crash_event ev;
	const u8 *data;
};

struct counts {
	u64 states;		/* different ones that were judged */
	u64 points;		/* events in which a power cut makes a difference */
	u64 woken;		/* states that the kernel woke up in */
	u64 compared;		/* sectors that the kernel read there */
	u64 commits, nodes;	/* replayed, read, in all states */
	u64 ended;		/* states in which the superblock says that the log is empty */
	u64 bad;
};

/* Whose sector of the clone a sector of the devices was read as, and what it held */
struct stamp {
	u64 vsector;
	u32 id;
};

/* With the feature owner: what the superblock says of who has the delta open */
enum note {
	NOTE_ANY,		/* it is being opened, or no note is wanted */
	NOTE_THERE,		/* the clone is in use */
	NOTE_GOING,		/* it is being closed */
	NOTE_GONE,
};

struct run {
	const char *log;
	struct crash_params params;
	struct recorded *events;
	u32 nr_events;
	struct disk disk;
	struct oracle oracle;
	bool dead;
	enum note note;
	u32 *ids;			/* of the state that was judged last */
	struct stamp *stamps;		/* what sectors of the image hold, if disk.known */
	u32 *woken;			/* of the state that the guest woke up in */
	u64 *seen;			/* hash table of states */
	u64 seen_size;
	u64 seed;
	u32 reports;
	struct counts counts;
	char why[512];
};

/* The log */

static void load(struct run *r, const char *path)
{
	int fd = open(path, O_RDONLY);
	const u8 *map, *at, *end;
	struct stat st;
	u32 room = 0;

	if (fd < 0 || fstat(fd, &st))
		err(2, "%s", path);
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		err(2, "%s", path);
	close(fd);
	end = map + st.st_size;
	memcpy(&r->params, map, sizeof(r->params));
	if (r->params.magic != CRASH_MAGIC)
		errx(2, "%s: not a log of recorder", path);
	for (at = map + sizeof(r->params); at < end; at += r->events[r->nr_events++].ev.bytes) {
		if (r->nr_events == room) {
			room = room ? room * 2 : 4096;
			r->events = reallocarray(r->events, room, sizeof(*r->events));
			if (!r->events)
				err(2, "realloc");
		}
		memcpy(&r->events[r->nr_events].ev, at, sizeof(struct crash_event));
		at += sizeof(struct crash_event);
		r->events[r->nr_events].data = at;
	}
	r->log = path;
}

static bool is_disk_event(const struct crash_event *ev)
{
	return ev->type <= EV_END;
}

static struct crash_mark mark_of(const struct recorded *rec)
{
	struct crash_mark mark;

	memcpy(&mark, rec->data, sizeof(mark));
	return mark;
}

/* Tells the oracle the history; counts the points of a cut. */
static void tell_history(struct run *r)
{
	bool dead = false;
	u32 i;

	oracle_init(&r->oracle, &r->params);
	for (i = 0; i < r->nr_events; i++) {
		const struct recorded *rec = &r->events[i];
		struct crash_mark mark;

		if (rec->ev.type == EV_CUT || rec->ev.type == EV_REVIVE)
			dead = rec->ev.type == EV_CUT;
		if (dead)
			continue;
		if (rec->ev.type == EV_MARK) {
			mark = mark_of(rec);
			oracle_mark(&r->oracle, &mark, i + 1);
		} else if (is_disk_event(&rec->ev)) {
			r->counts.points++;
		}
	}
	oracle_complete(&r->oracle);
}

/* A state */

static void __attribute__((format(printf, 2, 3))) complain(struct run *r, const char *fmt, ...)
{
	va_list args;

	if (r->why[0])
		return;		/* the first reason is the best */
	va_start(args, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, args);
	va_end(args);
}

static void damage(const struct lclone_finding *finding, void *ctx)
{
	complain(ctx, "%s: %s", lclone_damage_name(finding->class), finding->text);
}

struct devices {
	struct lclone_memdev delta, base;
	const struct lclone_dev *base_or_null;
};

static void open_devices(const struct run *r, struct devices *dev)
{
	const struct crash_params *p = &r->params;

	lclone_memdev_init(&dev->delta, r->disk.image, p->delta_sectors);
	lclone_memdev_init(&dev->base, r->disk.image + p->delta_sectors * SECTOR, p->base_sectors);
	dev->base_or_null = p->base_sectors ? &dev->base.dev : NULL;
}

/* Few sectors change from one state to the next. */
static u32 stamp_id(struct run *r, u64 vsector, const u8 *data)
{
	u64 at = (data - r->disk.image) / SECTOR;

	if (!r->disk.known[at] || r->stamps[at].vsector != vsector) {
		r->stamps[at] = (struct stamp){ vsector, crash_stamp_id(data, vsector) };
		r->disk.known[at] = 1;
	}
	return r->stamps[at].id;
}

static void judge_sector(struct run *r, u64 k, u64 vsector, const u8 *data)
{
	const char *objection;
	char text[128];

	r->ids[k] = data ? stamp_id(r, vsector, data) : CRASH_ID_ZERO;
	objection = oracle_objection(&r->oracle, k, vsector, r->ids[k]);
	if (objection)
		complain(r, "sector %" PRIu64 " of the clone %s: it holds %s; it held %u at the start "
			 "of this life", vsector, objection,
			 data ? crash_stamp_describe(data, text, sizeof(text)) : "zeros",
			 r->oracle.sector[k].initial);
}

/* Where no operation was, nothing may have come between the clone and its base. */
static void judge_outside(struct run *r, const struct lclone_extent *e, u64 from, u64 to)
{
	bool below = (e->source == LCLONE_FROM_BASE && to <= r->params.base_sectors) ||
		     (e->source == LCLONE_FROM_ZERO && from >= r->params.base_sectors);

	if (!below)
		complain(r, "sectors %" PRIu64 "-%" PRIu64 " of the clone are mapped, but were never "
			 "written", from, to - 1);
}

/* @island and @k: the first island that ends behind the extent's start, and sectors before it */
static void judge_extent(struct run *r, const struct lclone_extent *e, u32 island, u64 k)
{
	const struct crash_params *p = &r->params;
	u64 at = e->sector, end = e->sector + e->sectors, from, to;
	const u8 *delta = r->disk.image, *base = delta + p->delta_sectors * SECTOR;

	for (; island < p->nr_islands && at < end; k += p->island[island++].count) {
		const struct crash_island *is = &p->island[island];

		from = is->start > at ? is->start : at;
		to = is->start + is->count < end ? is->start + is->count : end;
		if (from >= end)
			break;
		if (at < from)
			judge_outside(r, e, at, from);
		for (at = from; at < to; at++) {
			const u8 *data = e->source == LCLONE_FROM_ZERO ? NULL :
				e->source == LCLONE_FROM_BASE ? base + at * SECTOR :
				delta + (e->delta_sector + at - e->sector) * SECTOR;

			judge_sector(r, k + at - is->start, at, data);
		}
	}
	if (at < end)
		judge_outside(r, e, at, end);
}

static void judge_content(struct run *r, struct lclone_delta *delta)
{
	const struct crash_params *p = &r->params;
	struct lclone_extents x;
	struct lclone_extent e;
	u32 island = 0;
	u64 k = 0;
	int ret;

	if (delta->sb.virtual_sectors != p->virtual_sectors)
		complain(r, "the clone has %" PRIu64 " sectors", delta->sb.virtual_sectors);
	lclone_extents_init(&x, delta, 0, p->virtual_sectors);
	while ((ret = lclone_extents_next(&x, &e)) > 0) {
		while (island < p->nr_islands &&
		       p->island[island].start + p->island[island].count <= e.sector)
			k += p->island[island++].count;
		judge_extent(r, &e, island, k);
	}
	if (ret)
		complain(r, "%s", delta->why);
}

/* Not formatted yet: all that it holds comes from the base. */
static void judge_blank(struct run *r)
{
	struct lclone_extent e = {
		.sectors = r->params.base_sectors, .source = LCLONE_FROM_BASE,
	};

	judge_extent(r, &e, 0, 0);
	e = (struct lclone_extent){
		.sectors = r->params.virtual_sectors, .source = LCLONE_FROM_ZERO,
	};
	judge_extent(r, &e, 0, 0);
}

/* It must not go before all that was written is durable, in the tree of the last checkpoint. */
static void judge_note(struct run *r, const struct lclone_delta *delta)
{
	if (lclone_is_owned(&delta->sb)) {
		if (r->note == NOTE_GONE)
			complain(r, "it is closed, and noted as open");
	} else if (r->note == NOTE_THERE || (r->note == NOTE_GOING && delta->commits)) {
		complain(r, "no note says that it is open");
	}
}

/* If the superblock says that the log is empty, the kernel does not read all of it. */
static void judge_end(struct run *r, const struct lclone_delta *delta)
{
	const struct lclone_sb *sb = &delta->sb;
	const struct lclone_log_disk *log;
	u32 i;

	if (!lclone_log_is_ended(sb) || lclone_delta_damaged_slot(delta) >= 0)
		return;
	r->counts.ended++;
	log = (const void *)(r->disk.image + sb->log_start * LCLONE_BLOCK_SIZE);
	for (i = 0; i < sb->log_blocks; i++)
		if (lclone_log_is_later(sb, &log[i]))
			complain(r, "the log has ended, says the superblock, and block %u is later", i);
}

/* Fills r->ids. False, with a reason in r->why, if the state must not be. */
static bool judge(struct run *r)
{
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	struct lclone_delta delta;
	struct devices dev;
	long found;
	int ret;

	r->why[0] = 0;
	open_devices(r, &dev);
	found = lclone_check(&dev.delta.dev, dev.base_or_null, damage, r, &usage, why);
	if (found == -ENODATA && !r->params.log_blocks) {
		judge_blank(r);
		return !r->why[0];
	}
	if (found < 0)
		complain(r, "%s", why);
	ret = lclone_delta_open(&delta, &dev.delta.dev);
	if (ret)
		complain(r, "%s", delta.why);
	else
		judge_content(r, &delta);
	if (!ret) {
		judge_note(r, &delta);
		judge_end(r, &delta);
	}
	r->counts.commits += delta.commits;
	r->counts.nodes += usage.nodes;
	lclone_delta_close(&delta);
	return !r->why[0];
}

/* States */

static void report(struct run *r, u32 event, u64 seed)
{
	r->counts.bad++;
	if (r->reports++ < REPORTS_MAX)
		printf("# %s: state %u:%" PRIu64 ": %s\n", r->log, event, seed, r->why);
}

static bool is_new(struct run *r)
{
	u64 hash = crash_mix(r->disk.cut_hash ^ crash_mix(r->oracle.version)) | 1, i;

	for (i = hash; r->seen[i % r->seen_size]; i++)
		if (r->seen[i % r->seen_size] == hash)
			return false;
	r->seen[i % r->seen_size] = hash;
	return true;
}

/* True if this was a state not seen before. */
static bool try_state(struct run *r, u32 event, u64 seed)
{
	bool new;

	disk_cut_seeded(&r->disk, seed);
	new = is_new(r);
	if (new) {
		r->counts.states++;
		if (!judge(r))
			report(r, event, seed);
	}
	disk_undo(&r->disk);
	return new;
}

static void power_cut(struct run *r, u32 event)
{
	disk_cut_seeded(&r->disk, r->events[event].ev.sector);
	r->counts.woken++;
	if (!judge(r))
		report(r, event, r->events[event].ev.sector);
	memcpy(r->woken, r->ids, r->oracle.nr_sectors * sizeof(*r->ids));
	disk_keep(&r->disk);
	r->dead = true;
}

/* What the kernel read at the start of a life is what the tool reads in that state. */
static void compare(struct run *r, u32 event, const struct crash_mark *mark)
{
	const u8 *data = r->events[event].data + sizeof(*mark);
	u32 i, id;

	if (mark->sector + mark->count > r->oracle.nr_sectors)
		errx(2, "%s: a mark beyond all sectors", r->log);
	r->why[0] = 0;
	for (i = 0; i < mark->count; i++, r->counts.compared++) {
		memcpy(&id, data + i * sizeof(id), sizeof(id));
		if (id != r->woken[mark->sector + i])
			complain(r, "island sector %" PRIu64 ": the kernel read %u, the tool %u",
				 mark->sector + i, id, r->woken[mark->sector + i]);
	}
	if (r->why[0])
		report(r, event, 0);
}

static void follow_note(struct run *r, const struct crash_mark *mark)
{
	if (!strstr(r->params.features, "owner "))
		return;
	if (mark->type == MARK_CONTENT)
		r->note = NOTE_THERE;
	else if (mark->op == OP_CLOSE)
		r->note = mark->type == MARK_ISSUE ? NOTE_GOING : NOTE_GONE;
}

/* Brings disk and oracle to the time after this event. */
static void step(struct run *r, u32 i, bool ignore_flushes)
{
	const struct crash_event *ev = &r->events[i].ev;
	struct crash_mark mark;

	if (ev->type == EV_REVIVE) {
		r->dead = false;
		r->note = NOTE_ANY;
		oracle_new_life(&r->oracle, r->woken, i + 1);
		oracle_advance(&r->oracle, i + 1);
		return;
	}
	if (r->dead)
		return;
	oracle_advance(&r->oracle, i + 1);
	switch (ev->type) {
	case EV_CUT:
		power_cut(r, i);
		break;
	case EV_MARK:
		mark = mark_of(&r->events[i]);
		if (mark.type == MARK_CONTENT)
			compare(r, i, &mark);
		follow_note(r, &mark);
		break;
	case EV_END:
		disk_end(&r->disk, ev->id);
		break;
	default:
		if (ev->type == EV_FLUSH && ignore_flushes && ev->id % 2)
			break;
		if (ev->type != EV_FLUSH && ev->sector >= r->params.delta_sectors &&
		    (!r->params.merge || r->params.merge == CRASH_FLATTEN)) {
			snprintf(r->why, sizeof(r->why), "a write to the base, sector %" PRIu64,
				 ev->sector - r->params.delta_sectors);
			report(r, i, 0);
		}
		disk_start(&r->disk, ev->type, ev->id, ev->sector, ev->count, r->events[i].data);
	}
}

static void judge_all(struct run *r, u64 states, u32 job, u32 jobs, bool ignore_flushes)
{
	u64 points = r->counts.points / jobs + 1, want, done, t;
	struct crash_rng rng = { crash_mix(r->seed) + job };
	u32 i;

	r->counts.points = 0;
	for (i = 0; i < r->nr_events; i++) {
		step(r, i, ignore_flushes);
		if (r->dead || !is_disk_event(&r->events[i].ev) || i % jobs != job)
			continue;
		/* what was not to be had at earlier points is made up for at later ones */
		want = states > r->counts.states ?
		       (states - r->counts.states) / (points - r->counts.points) + 1 : 1;
		if (++r->counts.points == points)
			points++;
		done = try_state(r, i, r->events[i].ev.type == EV_END ? CUT_NONE : CUT_ALL);
		for (t = 0; r->disk.nr && done < want && t < want * TRIES; t++)
			done += try_state(r, i, CUT_MODES + crash_rand(&rng, 1ULL << 60));
	}
}

static void setup(struct run *r, u64 states)
{
	disk_init(&r->disk, image_create(&r->params), r->params.delta_sectors);
	tell_history(r);
	r->ids = calloc(r->oracle.nr_sectors, sizeof(*r->ids));
	r->woken = calloc(r->oracle.nr_sectors, sizeof(*r->woken));
	r->seen_size = 4 * (states + r->counts.points) + 1;
	r->seen = calloc(r->seen_size, sizeof(*r->seen));
	r->disk.known = calloc(crash_space(&r->params), 1);
	r->stamps = calloc(crash_space(&r->params), sizeof(*r->stamps));
	if (!r->ids || !r->woken || !r->seen || !r->disk.known || !r->stamps)
		err(2, "calloc");
	for (u64 k = 0; k < r->oracle.nr_sectors; k++)
		r->woken[k] = r->oracle.sector[k].initial;
}

static void write_file(const char *dir, const char *name, const u8 *data, u64 sectors)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || (sectors && fwrite(data, sectors * SECTOR, 1, f) != 1) || fclose(f))
		err(2, "%s", path);
}

static void extract(struct run *r, u32 event, u64 seed, const char *dir)
{
	const struct crash_params *p = &r->params;
	u32 i;

	setup(r, 0);
	for (i = 0; i < event; i++)
		step(r, i, false);
	if (r->events[event].ev.type != EV_CUT)
		step(r, event, false);
	disk_cut_seeded(&r->disk, seed);
	printf("%s\n", judge(r) ? "a good state" : r->why);
	write_file(dir, "delta", r->disk.image, p->delta_sectors);
	write_file(dir, "base", r->disk.image + p->delta_sectors * SECTOR, p->base_sectors);
}

/* Each job goes through the whole log, but judges its own share of the events. */
static bool run_jobs(struct run *r, u64 states, u32 jobs, bool ignore_flushes)
{
	struct counts *shared = mmap(NULL, JOBS_MAX * sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct counts sum = { 0 };
	bool fine = true;
	int status;
	u32 j;

	if (shared == MAP_FAILED)
		err(2, "mmap");
	fflush(stdout);
	for (j = 0; j < jobs; j++) {
		pid_t pid = fork();

		if (pid < 0)
			err(2, "fork");
		if (pid)
			continue;
		setup(r, states / jobs);
		judge_all(r, states / jobs + 1, j, jobs, ignore_flushes);
		shared[j] = r->counts;
		fflush(stdout);
		_exit(0);
	}
	while (wait(&status) > 0)
		fine = fine && WIFEXITED(status) && !WEXITSTATUS(status);
	for (j = 0; j < jobs; j++) {
		sum.states += shared[j].states;
		sum.points += shared[j].points;
		sum.commits += shared[j].commits;
		sum.nodes += shared[j].nodes;
		sum.ended += shared[j].ended;
		sum.bad += shared[j].bad;
	}
	printf("# %s: %" PRIu64 " states in %" PRIu64 " places (%" PRIu64 " commits, %" PRIu64
	       " nodes read in them), in %" PRIu64 " the log is ended, %" PRIu64 " woken up in by the kernel, %" PRIu64
	       " sectors compared; %" PRIu64 " bad\n", r->log, sum.states, sum.points, sum.commits,
	       sum.nodes, sum.ended, shared[0].woken, shared[0].compared, sum.bad);
	return fine && !sum.bad && sum.states;
}

int main(int argc, char **argv)
{
	bool ignore_flushes = false, do_extract = false;
	struct run r = { .seed = 1 };
	u64 states = 1000;
	u32 jobs = 1, event;
	u64 seed;
	int c;

	while ((c = getopt(argc, argv, "n:s:j:ix:")) != -1) {
		switch (c) {
		case 'n':
			states = strtoull(optarg, NULL, 0);
			break;
		case 's':
			r.seed = strtoull(optarg, NULL, 0);
			break;
		case 'j':
			jobs = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			ignore_flushes = true;
			break;
		case 'x':
			do_extract = sscanf(optarg, "%" SCNu32 ":%" SCNu64, &event, &seed) == 2;
			if (do_extract)
				break;
			/* fall through */
		default:
			return 2;
		}
	}
	if (argc - optind != 1 + do_extract || !jobs || jobs > JOBS_MAX)
		errx(2, "usage: check [-n STATES] [-s SEED] [-j JOBS] [-i] LOG | -x EVENT:SEED DIR LOG");
	load(&r, argv[argc - 1]);
	if (do_extract) {
		if (event >= r.nr_events)
			errx(2, "there are %u events", r.nr_events);
		extract(&r, event, seed, argv[optind]);
		return 0;
	}
	return !run_jobs(&r, states, jobs, ignore_flushes);
}
