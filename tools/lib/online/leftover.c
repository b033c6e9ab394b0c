// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/name.h"
#include "clone/super.h"
#include "format/layer.h"
#include "host/device.h"
#include "online/leftover.h"
#include "online/volume.h"

struct search {
	struct lclone_inventory inv;
	bool *gone;			/* of those: as if it were no more */
	struct lclone_lv *lvs;
	size_t count;
	struct lclone_leftovers *found;
};

static const struct lclone_found *found_on(const struct search *s, const struct lclone_lv *lv)
{
	size_t i;

	for (i = 0; i < s->inv.count; i++)
		if (lclone_found_volume(&s->inv.found[i], lv, 1))
			return &s->inv.found[i];
	return NULL;
}

/* Else something could lie on a layer by one that is not there. */
static bool all_is_seen(const struct lclone_inventory *inv)
{
	size_t i, k;

	for (i = 0; i < inv->count; i++) {
		const struct lclone_sb *sb = &inv->found[i].sb;

		if (!lclone_has_parent(sb) || lclone_left_over_by(inv, sb))
			continue;
		for (k = 0; k < inv->count; k++)
			if (!uuid_compare(inv->found[k].sb.uuid, sb->parent_uuid))
				break;
		if (k == inv->count)
			return false;
	}
	return !inv->unseen_count;
}

/*
 * Its delta is here, and says what it lies on.  One that has none here may have it on another host,
 * or be about to get it.
 */
static bool clone_is_seen(const struct search *s, const char *clone)
{
	static struct lclone_named named;
	bool seen = false;
	size_t i;
	int err;

	lclone_why_hold();
	err = lclone_name_find(clone, &named);
	for (i = 0; !err && !seen && i < s->inv.count; i++)
		seen = s->inv.found[i].rdev ?
		       lclone_dev_at(named.delta) == s->inv.found[i].rdev :
		       named.has_lv && lclone_found_volume(&s->inv.found[i], &named.lv, 1);
	lclone_named_free(&named);
	lclone_why_release();
	return seen;
}

static bool is_needed(const struct search *s, const struct lclone_found *layer)
{
	size_t i;

	if (!(layer->sb.state & LCLONE_STATE_SEALED) || lclone_is_active(&s->inv, layer->rdev))
		return true;
	for (i = 0; i < s->inv.count; i++)
		if (!s->gone[i] &&
		    lclone_lies_on(&s->inv, &s->inv.found[i], layer->rdev, &layer->sb))
			return true;
	return false;
}

/* It was wiped, to be removed. */
static bool is_blank(const struct lclone_lv *lv)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_sb sb;
	bool is;

	lclone_lv_path(lv, path);
	lclone_why_hold();
	is = !lclone_lv_activate(lv) && lclone_sb_of(path, &sb) == -ENODATA &&
	     !lclone_refuse_data(path);
	lclone_why_release();
	return is;
}

static bool is_left(struct search *s, const struct lclone_lv *lv)
{
	const struct lclone_found *found;

	if (lv->kind != LCLONE_LV_DELTA || !lv->layer[0] || lv->name[0] || lv->given || lv->is_new)
		return false;
	found = found_on(s, lv);
	if (found ? is_needed(s, found) : !is_blank(lv))
		return false;
	if (!clone_is_seen(s, lv->layer))
		return false;
	if (found)
		s->gone[found - s->inv.found] = true;
	return true;
}

/* One after the other, as what one lies on is needed no more behind it */
static void search(struct search *s)
{
	struct lclone_lv *to = s->found->lv;
	bool more = true;
	size_t i;

	while (more) {
		more = false;
		for (i = 0; i < s->count; i++) {
			if (!is_left(s, &s->lvs[i]))
				continue;
			to[s->found->count++] = s->lvs[i];
			s->lvs[i].kind = LCLONE_LV_NONE;
			more = true;
		}
	}
}

int lclone_leftovers_read(struct lclone_leftovers *leftovers)
{
	struct search s = { .found = leftovers };
	int err;

	*leftovers = (struct lclone_leftovers){ .count = 0 };
	err = lclone_inventory_read_all(&s.inv) ?: lclone_lv_list(&s.lvs, &s.count);
	if (!err && all_is_seen(&s.inv)) {
		s.gone = calloc(s.inv.count + 1, sizeof(*s.gone));
		leftovers->lv = calloc(s.count + 1, sizeof(*leftovers->lv));
		if (s.gone && leftovers->lv)
			search(&s);
		else
			err = lclone_fail(-ENOMEM, "out of memory");
	}
	free(s.gone);
	free(s.lvs);
	lclone_inventory_free(&s.inv);
	return err;
}

void lclone_leftovers_free(struct lclone_leftovers *leftovers)
{
	free(leftovers->lv);
}
