/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: user space that waits for a device-mapper event learns that a delta's state has
 * changed.
 *
 * The work is set by the registry, because only the registry knows the table.
 */
#ifndef LCLONE_EVENT_H
#define LCLONE_EVENT_H

#include <linux/workqueue.h>

/**
 * struct lclone_event - the event of a delta
 * @work: sends the event
 */
struct lclone_event {
	struct work_struct work;
};

/**
 * lclone_event_send() - send a dm event
 * @event: the delta's
 *
 * Any context.  The work does not run in the workqueue of the delta: it takes the registry's
 * lock, whose holder may be allocating memory, which may wait for I/O to the clone.  When memory
 * is short that I/O may have only the rescuer of the workqueue, which must not wait here.
 */
static inline void lclone_event_send(struct lclone_event *event)
{
	schedule_work(&event->work);
}

#endif /* LCLONE_EVENT_H */
