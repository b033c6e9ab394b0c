// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "clone/load.h"
#include "host/device.h"

int lclone_counters_parse(const char *line, struct lclone_counters *c)
{
	/* reads, merged, sectors, ms; the same of writes; in flight, ms busy, ms of all */
	return sscanf(line, "%" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64
		      " %*u %*u %" SCNu64, &c->reads, &c->read_sectors, &c->writes,
		      &c->write_sectors, &c->busy_ms) == 5 ? 0 : -EPROTO;
}

/* Of a device that has gone meanwhile, or of which nothing is counted, all is 0. */
static void read_counters(struct lclone_busy *b)
{
	char line[512];

	if (!lclone_dev_line(b->row.rdev, "stat", line, sizeof(line)) ||
	    lclone_counters_parse(line, &b->counters))
		b->counters = (struct lclone_counters){ .reads = 0 };
}

/* Another device may have got the name meanwhile, and another one the number. */
static const struct lclone_busy *same_clone(const struct lclone_load *load,
					    const struct lclone_busy *b)
{
	size_t i;

	for (i = 0; i < load->count; i++)
		if (load->clone[i].row.rdev == b->row.rdev &&
		    !strcmp(load->clone[i].row.name, b->row.name))
			return &load->clone[i];
	return NULL;
}

/* Counters that are less than before are those of a new device. */
static double rate(u64 now, u64 before, double seconds)
{
	return now > before ? (now - before) / seconds : 0;
}

void lclone_load_rates(struct lclone_load *load, const struct lclone_load *before)
{
	double seconds = load->seconds - before->seconds;
	const struct lclone_busy *was;
	size_t i;

	if (seconds <= 0)
		return;
	for (i = 0; i < load->count; i++) {
		struct lclone_busy *b = &load->clone[i];
		const struct lclone_counters *now = &b->counters;

		was = same_clone(before, b);
		if (!was)
			continue;
		b->reads = rate(now->reads, was->counters.reads, seconds);
		b->read_bytes = rate(now->read_sectors, was->counters.read_sectors, seconds) * 512;
		b->writes = rate(now->writes, was->counters.writes, seconds);
		b->write_bytes = rate(now->write_sectors, was->counters.write_sectors, seconds) *
				 512;
		b->busy = rate(now->busy_ms, was->counters.busy_ms, seconds) / 10;
		if (b->busy > 100)	/* the clocks are not the same */
			b->busy = 100;
		/* with another delta, as behind a snapshot, it is another use */
		if (!strcmp(b->row.delta, was->row.delta))
			b->growth_bytes = ((double)b->row.used_bytes - was->row.used_bytes) /
					  seconds;
	}
}

int lclone_load_read(struct lclone_load *load, const struct lclone_load *before)
{
	struct lclone_overview o = { .count = 0 };
	size_t i;
	int err;

	*load = (struct lclone_load){ .count = 0 };
	err = lclone_overview_read(&o);
	load->clone = err ? NULL : calloc(o.count + 1, sizeof(*load->clone));
	if (!err && !load->clone)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; !err && i < o.count; i++) {
		load->clone[i].row = o.row[i];
		read_counters(&load->clone[i]);
	}
	load->count = i;
	load->unseen = o.inv.unseen_count;
	load->seconds = lclone_seconds();
	if (!err && before && before->clone)
		lclone_load_rates(load, before);
	lclone_overview_free(&o);
	return err;
}

void lclone_load_free(struct lclone_load *load)
{
	free(load->clone);
	*load = (struct lclone_load){ .count = 0 };
}
