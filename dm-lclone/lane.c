// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lanes of a sweep: functions that several of its parts need.
 */
#include "lane.h"

void lclone_lane_go(struct lclone_lane *l, void (*step)(struct lclone_lane *l))
{
	l->step = step;
	lclone_task_ready(&l->sweep->delta->queue, &l->task);
}

bool lclone_lane_subchunk(struct lclone_lane *l, u32 mask, u32 *offset)
{
	u32 shift = l->sweep->delta->geo.sub_shift;

	mask &= ~0u << (l->offset >> shift);
	if (!mask)
		return false;
	*offset = __ffs(mask) << shift;
	l->offset = *offset + (1u << shift);
	return true;
}

static void lane_step(struct lclone_task *task)
{
	struct lclone_lane *l = container_of(task, struct lclone_lane, task);

	l->step(l);
}

void lclone_lane_init(struct lclone_lane *l, struct lclone_sweep *s)
{
	l->sweep = s;
	l->task.step = lane_step;
}
