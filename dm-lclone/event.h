/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: device-mapper tells who waits for one that a delta's state has changed.
 *
 * What is done then is set by who composes the delta: only the registry knows the table.
 */
#ifndef LCLONE_EVENT_H
#define LCLONE_EVENT_H

#include <linux/workqueue.h>

/**
 * struct lclone_event - the event of a delta
 * @work: sends it
 */
struct lclone_event {
	struct work_struct work;
};

/**
 * lclone_event_send() - send a dm event
 * @event: the delta's
 *
 * Any context.  Not by the queue of the delta: the work takes the registry's lock, and who
 * has that may be allocating memory, which may wait for I/O that nobody but the rescuer of
 * the delta's queue goes on with.
 */
static inline void lclone_event_send(struct lclone_event *event)
{
	schedule_work(&event->work);
}

#endif /* LCLONE_EVENT_H */
