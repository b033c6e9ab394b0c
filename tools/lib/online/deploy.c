// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "host/dm.h"
#include "host/feature.h"
#include "host/pending.h"
#include "host/tab.h"
#include "offline/remove.h"
#include "offline/template.h"
#include "online/close.h"
#include "online/deploy.h"

#define DELTA_SECTORS	(1ull << 21)	/* what is small at first: 1 GiB */

struct plan {
	const struct deployment *d;
	const char *const *name;
	size_t count;
	struct lclone_lv template;
	char base[LCLONE_LV_PATH_SIZE];
	/* One of each for each name */
	struct lclone_lv *lv;
	u8 (*uuid)[LCLONE_UUID_SIZE];
	bool *volume, *active;
	struct lclone_inventory inv;	/* one look at all devices serves all */
};

/* Looking before anything is made */

static int refuse_twice(const struct plan *p, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (!strcmp(p->name[i], p->name[j]))
			return lclone_fail(-ERANGE, "the name %s is given twice", p->name[i]);
	return 0;
}

static int refuse_taken(const char *name, const struct lclone_tab *tab,
			const struct lclone_lv *lvs, size_t count)
{
	const struct lclone_tab_entry *entry = lclone_tab_find(tab, name);
	size_t i;

	if (entry)
		return lclone_fail(-EEXIST, "%s is a clone already: %s, line %u", name,
				   lclone_tab_path(), entry->line);
	for (i = 0; i < count; i++)
		if (lvs[i].kind == LCLONE_LV_DELTA && !strcmp(lvs[i].name, name))
			return lclone_fail(-EEXIST, "%s is a clone already: its delta is on %s/%s",
					   name, lvs[i].vg, lvs[i].lv);
	return 0;
}

static int check_names(struct plan *p)
{
	struct lclone_lv *lvs = NULL;
	struct lclone_tab tab;
	size_t count = 0, i;
	int err;

	err = lclone_tab_read(&tab, NULL, NULL) ?: lclone_lv_list(&lvs, &count);
	for (i = 0; !err && i < p->count; i++) {
		err = refuse_twice(p, i) ?: lclone_check_free_name(p->name[i]) ?:
		      refuse_taken(p->name[i], &tab, lvs, count) ?:
		      lclone_delta_lv(&p->lv[i], p->name[i], p->uuid[i]);
		if (!err && strlen(p->name[i]) >= LCLONE_LABEL_SIZE)
			err = lclone_fail(-ENAMETOOLONG, "%s: a name has at most %d characters",
					  p->name[i], LCLONE_LABEL_SIZE - 1);
	}
	free(lvs);
	lclone_tab_free(&tab);
	return err;
}

/* Of a small clone, no more than it can ever need: what is written, and what says where */
static u64 delta_sectors(const struct plan *p)
{
	u64 size = p->d->creation->format->virtual_sectors ?: p->template.sectors;
	u64 most = size + size / 64 + (16ull << 11);

	return p->d->delta_sectors ?: most < DELTA_SECTORS ? most : DELTA_SECTORS;
}

static int prepare(struct plan *p)
{
	size_t i;
	int err;

	p->lv = calloc(p->count, sizeof(*p->lv));
	p->uuid = calloc(p->count, sizeof(*p->uuid));
	p->volume = calloc(p->count, sizeof(*p->volume));
	p->active = calloc(p->count, sizeof(*p->active));
	if (!p->lv || !p->uuid || !p->volume || !p->active)
		return lclone_fail(-ENOMEM, "out of memory");
	err = lclone_template_find(p->d->from, &p->template) ?: check_names(p);
	lclone_lv_path(&p->template, p->base);
	for (i = 0; !err && i < p->count; i++) {
		p->lv[i].kind = LCLONE_LV_DELTA;
		p->lv[i].sectors = delta_sectors(p);
		snprintf(p->lv[i].from, sizeof(p->lv[i].from), "%s", p->template.name);
		err = lclone_lv_set_vg(&p->lv[i], p->d->vg ?: p->template.vg);
	}
	return err;
}

/* Making */

static int make_one(struct plan *p, size_t i)
{
	struct format_arguments format = *p->d->creation->format;
	struct creation c = *p->d->creation;
	char path[LCLONE_LV_PATH_SIZE];

	format.label = p->name[i];
	format.uuid = p->uuid[i];
	c.format = &format;
	c.inv = &p->inv;
	lclone_lv_path(&p->lv[i], path);
	return lclone_wipe_recycled(path) ?:
	       lclone_create_clone(p->name[i], p->base, path, &c);
}

/* Closes those from @from to before @end, and removes what was made for them. */
static int undo(struct plan *p, size_t from, size_t end)
{
	struct lclone_lv *gone = calloc(end - from + 1, sizeof(*gone));
	char path[LCLONE_LV_PATH_SIZE];
	size_t i, count = 0;
	int err = 0;

	if (!gone)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = from; i < end; i++) {
		if (p->active[i] && lclone_close_clone(p->name[i])) {
			err = -EBUSY;
			continue;
		}
		lclone_pending_forget(p->name[i]);
		if (p->active[i]) {	/* or the volume's next owner would find a delta on it */
			lclone_lv_path(&p->lv[i], path);
			lclone_remove_delta(path);
		}
		p->active[i] = false;
		if (p->volume[i])
			gone[count++] = p->lv[i];
		p->volume[i] = false;
	}
	err = lclone_lv_remove_many(gone, count) ?: err;
	free(gone);
	return err;
}

static int undo_all(struct plan *p, int err)
{
	char why[1024];

	snprintf(why, sizeof(why), "%s", lclone_why());
	if (undo(p, 0, p->count))
		return lclone_fail(err, "%s; and not all that was made could be removed: %s", why,
				   lclone_why());
	return lclone_fail(err, "%s: nothing was made", why);
}

static void tell_failed(struct plan *p, size_t i)
{
	char why[1024];

	snprintf(why, sizeof(why), "%s", lclone_why());
	p->d->told(p->d->ctx, p->name[i], &p->lv[i], why);
}

/* All that there are volumes for */
static int make_all(struct plan *p)
{
	bool stopped = false;
	size_t i;
	int err;

	for (i = 0; i < p->count; i++) {
		if (!stopped && lclone_watch_stops(p->d->watch, "creating", i, p->count)) {
			stopped = true;
			lclone_fail(-EINTR, "interrupted");
		}
		if (stopped && !p->d->keep_going)
			return -EINTR;
		if (!p->volume[i])
			lclone_fail(-ECHILD, "its volume could not be made");
		err = stopped || !p->volume[i] ? -ECHILD : make_one(p, i);
		p->active[i] = !err;
		if (!err) {
			/* its note is of no use to a next run, and keeps a file open */
			lclone_pending_forget(p->name[i]);
			continue;
		}
		if (!p->d->keep_going)
			return lclone_fail(err, "%s: %s", p->name[i], lclone_why());
		tell_failed(p, i);
		undo(p, i, i + 1);
	}
	lclone_watch_stops(p->d->watch, "creating", p->count, p->count);
	return 0;
}

/* At the next boot they are there again. */
static int enter(struct plan *p)
{
	struct lclone_tab_entry *entry = calloc(p->count + 1, sizeof(*entry));
	char (*path)[LCLONE_LV_PATH_SIZE] = calloc(p->count + 1, sizeof(*path));
	char options[LCLONE_FEATURE_WORDS + 8];
	size_t i, n = 0;
	int err = 0;

	if (!entry || !path)
		err = lclone_fail(-ENOMEM, "out of memory");
	lclone_feature_words(p->d->creation->features, options, sizeof(options));
	if (p->d->creation->host)
		strcat(options, options[0] ? ",host" : "host");
	for (i = 0; !err && i < p->count; i++) {
		if (!p->active[i])
			continue;
		lclone_lv_path(&p->lv[i], path[n]);
		entry[n] = (struct lclone_tab_entry){ .name = p->name[i], .base = p->base,
						      .delta = path[n], .options = options };
		n++;
	}
	if (!err && n)
		err = lclone_tab_add(entry, n);
	free(entry);
	free(path);
	return err;
}

static int make(struct plan *p, size_t *failed)
{
	struct lclone_file base_file, *base;
	size_t i;
	int err;

	err = lclone_lv_activate(&p->template);
	if (err)
		return err;
	err = lclone_open_base(p->base, &base_file, &base);	/* locked till all are made */
	if (err)
		goto out;
	err = lclone_lv_create_many(p->lv, p->count, p->volume);
	if (err == -EIO)
		goto out;		/* what is to be undone is not known */
	if (err == -ECHILD && p->d->keep_going)
		err = 0;
	err = err ?: make_all(p) ?: enter(p);
	if (err)
		err = undo_all(p, err);
	for (i = 0; !err && i < p->count; i++) {
		*failed += !p->active[i];
		if (p->active[i])
			p->d->told(p->d->ctx, p->name[i], &p->lv[i], NULL);
	}
out:
	lclone_close_base(base);
	return err;
}

int lclone_deploy(const char *const *names, size_t count, const struct deployment *d,
		  size_t *failed)
{
	struct plan p = { .d = d, .name = names, .count = count };
	int err;

	*failed = 0;
	err = prepare(&p) ?: make(&p, failed);
	lclone_inventory_free(&p.inv);
	free(p.lv);
	free(p.uuid);
	free(p.volume);
	free(p.active);
	return err;
}
