// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/lv-extend.h"
#include "host/stack.h"
#include "online/extend.h"

/* What a delta needs beyond what the clone has, when all of it is written: its metadata */
#define METADATA_SECTORS(clone)	((clone) / 50 + 262144)

bool lclone_is_short(const struct lclone_status *status, const struct lclone_autoextend *when)
{
	return status->full || status->used * 100 >= status->total * when->threshold;
}

bool lclone_is_nearly_short(const struct lclone_status *status,
			    const struct lclone_autoextend *when)
{
	return status->full || status->used * 400 >= status->total * when->threshold * 3;
}

u64 lclone_short_mark(const struct lclone_status *status, const struct lclone_autoextend *when)
{
	u64 mark = status->total * (100 - when->threshold) / 100;

	return mark + 1 < LCLONE_PHYS_MASK ? mark + 1 : LCLONE_PHYS_MASK;
}

u64 lclone_extended_size(u64 sectors, u64 clone, bool full, const struct lclone_autoextend *how)
{
	u64 more = sectors / 100 * how->percent, size = sectors + (more ?: 1);

	/* a delta that can take the whole clone is never short of space again, but by accident */
	if (!full && sectors >= clone + METADATA_SECTORS(clone))
		return sectors;
	if (how->max && size > how->max)
		size = how->max;
	return size > sectors ? size : sectors;
}

/* Sectors, as sysfs has them: nothing is opened */
static int size_of(dev_t rdev, u64 *sectors)
{
	*sectors = lclone_dev_attribute(rdev, "size");
	return *sectors ? 0 : lclone_fail(-EIO, "the size of device %u:%u is not known",
					  major(rdev), minor(rdev));
}

/* How large is the delta, and what is it called? */
static int look(const char *name, struct lclone_clone *clone, dev_t *rdev,
		struct lclone_extended *x)
{
	int err = lclone_dm_get(name, clone);

	if (err)
		return err;
	*rdev = lclone_dev_number(clone->table.delta);
	lclone_dev_name(*rdev, x->delta);
	err = size_of(*rdev, &x->before);
	x->now = x->before;
	return err;
}

static int refuse_no_more(const char *name, const struct lclone_autoextend *how,
			  const struct lclone_extended *x)
{
	char text[16];

	return lclone_fail(-ENOSPC, "%s: its delta %s has reached %s, the most that is allowed", name,
			   x->delta, lclone_size_text(how->max * 512, text));
}

/*
 * Tells the kernel to look how large the delta is.  When there is more space, the writes that waited
 * for it are sent a moment later, and until then the delta counts as full.
 */
static int tell_grown(const char *name, struct lclone_status *status)
{
	int err = lclone_dm_status(name, status), i;
	u64 total = err ? 0 : status->total;

	err = err ?: lclone_dm_message(name, "grow");
	err = err ?: lclone_dm_status(name, status);
	for (i = 0; !err && i < 10; i++) {
		if (!status->full || status->total == total || status->used >= status->total)
			break;
		usleep(20000);
		err = lclone_dm_status(name, status);
	}
	return err;
}

int lclone_extend(const char *name, const struct lclone_autoextend *how, struct lclone_extended *x)
{
	static struct lclone_clone clone;
	struct lclone_status status;
	dev_t rdev;
	u64 size;
	int err;

	err = look(name, &clone, &rdev, x);
	if (!err && clone.suspended)	/* it takes no message */
		err = lclone_fail(-EAGAIN, "%s is suspended", name);
	/* who was killed behind the growth of the device has not said so to the kernel */
	err = err ?: tell_grown(name, &status);
	if (err || !lclone_is_short(&status, how))
		return err;
	size = lclone_extended_size(x->before, clone.sectors, status.full, how);
	if (size == x->before)
		return how->max && size >= how->max ? refuse_no_more(name, how, x) : 1;
	if (!lclone_dev_is_lv(rdev))
		return lclone_fail(-ENOTBLK, "%s: its delta %s is not a logical volume, and cannot be extended",
				   name, x->delta);
	err = lclone_lv_extend(rdev, x->delta, size);
	if (err)
		return lclone_fail(err == -ECHILD ? -ENOSPC : err, "%s: its delta %s could not be extended: %s",
				   name, x->delta, lclone_why());
	err = size_of(rdev, &x->now);
	return err ?: tell_grown(name, &status);
}
