/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Progress of what takes long: a bar on a terminal, or lines of JSON; and the
 * signals that end it.
 */
#ifndef LCLONE_PROGRESS_H
#define LCLONE_PROGRESS_H

#include "lclone_format.h"

struct meter {
	bool tty, json;
	bool named;			/* the bar says the state, too */
	double start, last;		/* seconds; last: 0 as long as nothing was shown */
	u64 first;			/* bytes that were done at the start */
};

/* Who looks at a meter asks for signals, too: from now on they only set interrupted(). */
void meter_init(struct meter *meter, bool json);
bool interrupted(void);

/* Of what starts now with @first bytes done: bytes a second, and seconds that are left. */
void meter_start(struct meter *meter, u64 first);
void meter_rate(const struct meter *meter, u64 done, u64 total, double *rate, double *left);

/* Shows it if it is time to; always if @last. @state is a word of the JSON. */
void meter_show(struct meter *meter, const char *state, u64 done, u64 total, bool last);

/* A bar for what is counted: @done of @total things are made, or whatever @state says. */
void meter_count(struct meter *meter, const char *state, u64 done, u64 total);

/* The bar goes, until the next meter_show(): something is to be printed. */
void meter_hide(struct meter *meter);

/* The terminal's cursor is at the start of a line again. */
void meter_end(struct meter *meter);

#endif /* LCLONE_PROGRESS_H */
