// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/owner.h"
#include "host/device.h"
#include "host/lv-lock.h"
#include "host/machine.h"

static struct {
	bool allowed;
	lclone_takeover_fn ask;
	char answered[PATH_MAX];	/* for that it was asked */
} takeover;

void lclone_take_over(lclone_takeover_fn ask)
{
	takeover.allowed = true;
	takeover.ask = ask;
}

void lclone_owner_name(const struct lclone_sb *sb, char name[LCLONE_HOST_NAME_MAX + 1])
{
	snprintf(name, LCLONE_HOST_NAME_MAX + 1, "%.*s",
		 lclone_is_owned(sb) ? (int)strcspn(sb->owner, "/") : 0, sb->owner);
}

const char *lclone_owner_text(const struct lclone_sb *sb, char text[LCLONE_OWNER_TEXT_SIZE])
{
	char name[LCLONE_HOST_NAME_MAX + 1], since[LCLONE_TIME_SIZE];

	lclone_owner_name(sb, name);
	lclone_time_text(sb->owned_since, since);
	snprintf(text, LCLONE_OWNER_TEXT_SIZE, "%s%s%s", name, since[0] ? " since " : "", since);
	return text;
}

bool lclone_owned_elsewhere(const struct lclone_sb *sb)
{
	char here[LCLONE_OWNER_SIZE];

	return lclone_is_owned(sb) &&
	       (!lclone_this_host(here) || !lclone_owner_same(here, sb->owner));
}

int lclone_refuse_owned(const char *path, const struct lclone_sb *sb)
{
	char text[LCLONE_OWNER_TEXT_SIZE];
	int err = 0;

	/* LVM's lock is more than a note: nobody else can have it open any more */
	if (!lclone_owned_elsewhere(sb) || lclone_lv_is_alone(lclone_dev_at(path)))
		return 0;
	lclone_owner_text(sb, text);
	if (!takeover.allowed)
		return lclone_fail(-LCLONE_OWNED, "%s: the host %s has it open for writing, and has not closed it (lclone open --takeover, if that host is down)",
				   path, text);
	if (takeover.ask && strcmp(takeover.answered, path))
		err = takeover.ask(path, text);
	if (!err)
		snprintf(takeover.answered, sizeof(takeover.answered), "%s", path);
	return err;
}
