// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/crew.h"
#include "basic/fail.h"
#include "clone/base.h"
#include "clone/inventory.h"
#include "clone/seal.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "clone/users.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/feature.h"
#include "host/find.h"
#include "host/lock.h"
#include "host/lv-lock.h"
#include "host/pending.h"
#include "host/tab.h"
#include "offline/remove.h"
#include "offline/template.h"
#include "online/close.h"
#include "online/deploy.h"
#include "online/half-made.h"
#include "online/open.h"

/* A clone that is made */
struct one {
	const char *name;
	struct lclone_lv lv;
	u8 uuid[LCLONE_UUID_SIZE];
	bool earlier;			/* a run that was killed has made its volume */
	bool opened;			/* ... and has opened it: it is taken as it is */
	bool entered;			/* ... and has entered its line */
	bool kept;			/* ... and has ended with it; or what is filled is whole */
	bool volume, active;		/* what there is */
	bool told;			/* that it could not be made */
};

struct plan {
	const struct deployment *d;
	size_t count;
	struct one *one;
	struct lclone_lv template;	/* of a snapshot: only what counts for its clones */
	char base[PATH_MAX];
	struct lclone_parents parents;	/* of a snapshot: that layer, and those below it */
	u8 layer[LCLONE_UUID_SIZE];	/* that layer's; 0: none */
	u8 root[LCLONE_ROOT_SIZE];	/* of the base's verity tree */
	int lock;			/* see lclone_lock_creation() */
	bool alone, must_be_alone;	/* nobody else makes clones */
	struct one **job;		/* those that are made side by side */
	size_t jobs, ended;
	bool stopped;			/* by who watches */
	int failure;			/* why no more are made, with its sentence */
	char why[1024];
};

/* Looking before anything is made */

static int refuse_twice(const struct plan *p, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (!strcmp(p->one[i].name, p->one[j].name))
			return lclone_fail(-ERANGE, "the name %s is given twice", p->one[i].name);
	return 0;
}

static int refuse_line(const struct lclone_tab_entry *entry)
{
	return lclone_fail(-EEXIST, "%s is a clone already: %s, line %u", entry->name,
			   lclone_tab_path(), entry->line);
}

static int refuse_taken(const char *name, const struct lclone_tab *tab,
			const struct lclone_lv *lvs, size_t count)
{
	const struct lclone_tab_entry *entry = lclone_tab_find(tab, name);
	const struct lclone_lv *lv = lclone_lv_named(lvs, count, LCLONE_LV_DELTA, name);

	if (entry)
		return refuse_line(entry);
	return lv ? lclone_fail(-EEXIST, "%s is a clone already: its delta is on %s/%s", name,
				lv->vg, lv->lv) : 0;
}

/* The volume that a run with the same words has made */
static const struct lclone_lv *find_earlier(const struct one *one, const struct lclone_lv *lvs,
					    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (lvs[i].kind == LCLONE_LV_DELTA && !strcmp(lvs[i].vg, one->lv.vg) &&
		    !strcmp(lvs[i].name, one->name) && !strcmp(lvs[i].from, one->lv.from))
			return &lvs[i];
	return NULL;
}

/* What a clone that is gone has left to others, its layer, keeps its name. */
static int choose_volume(struct one *one, const struct lclone_lv *lvs, size_t count)
{
	char first[LCLONE_NAME_SIZE];
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(lvs[i].vg, one->lv.vg) && !strcmp(lvs[i].lv, one->lv.lv))
			break;
	if (i == count)
		return 0;
	strcpy(first, one->lv.lv);
	return lclone_lv_free_name(one->lv.vg, first, one->lv.lv);
}

/* The template's name is in a tag, but which snapshot a clone was made of is not. */
static int lies_on_wanted(const struct plan *p, const struct lclone_lv *lv)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_sb sb;
	int err;

	lclone_lv_path(lv, path);
	err = lclone_sb_of(path, &sb);
	if (!err && memcmp(sb.parent_uuid, p->layer, LCLONE_UUID_SIZE))
		err = lclone_fail(-EEXIST, "%s was made of something else than %s by an lclone that was killed: remove it (lclone remove %s), or run that again",
				  lv->name, p->d->from, lv->name);
	return err;
}

/* What was made of it is kept if it was opened, else it is made anew. */
static int take_over(struct plan *p, struct one *one, const struct lclone_lv *lv,
		     const struct lclone_tab_entry *entry)
{
	char path[LCLONE_LV_PATH_SIZE];
	enum lclone_half_made made;
	int err;

	if (!p->alone) {
		p->must_be_alone = true;
		return 0;
	}
	lclone_lv_path(lv, path);
	if (entry && strcmp(entry->delta, path))
		return refuse_line(entry);
	err = lclone_half_made(lv, p->base, &p->parents, p->d->creation->features, &made);
	if (err)
		return err;
	if (entry && made == LCLONE_MADE_VOLUME)
		return refuse_line(entry);
	if (made != LCLONE_MADE_VOLUME && p->d->fill)
		return lclone_fail(-EEXIST, "%s was made by an lclone that was killed, of what cannot be told: remove it (lclone remove %s)",
				   lv->name, lv->name);
	err = made == LCLONE_MADE_VOLUME ? 0 : lies_on_wanted(p, lv);
	if (err)
		return err;
	one->earlier = true;
	one->entered = entry;
	one->active = made == LCLONE_MADE_ACTIVE;
	one->opened = one->volume = made != LCLONE_MADE_VOLUME;
	strcpy(one->lv.lv, lv->lv);
	if (one->opened)
		one->lv = *lv;
	return 0;
}

/*
 * A run that was killed may have ended with some, and not with all.  Then they are just what this
 * one would make of them.
 */
static bool take_kept(const struct plan *p, struct one *one, const struct lclone_lv *lv,
		      const struct lclone_tab_entry *entry)
{
	char path[LCLONE_LV_PATH_SIZE];

	lclone_lv_path(lv, path);
	if (!entry || strcmp(entry->delta, path) ||
	    !lclone_is_open_so(one->name, p->base, path, &p->parents, p->d->creation->features))
		return false;
	one->kept = one->entered = one->active = one->opened = one->volume = true;
	one->lv = *lv;
	return true;
}

/* Its line in lclonetab(5) is what it lacks, and it may not be open yet. */
static void take_filled(const struct plan *p, struct one *one, const struct lclone_lv *lv)
{
	char path[LCLONE_LV_PATH_SIZE];

	lclone_lv_path(lv, path);
	one->earlier = one->kept = one->opened = one->volume = true;
	one->active = lclone_is_open_so(one->name, p->base, path, &p->parents,
					p->d->creation->features);
	one->lv = *lv;
}

static int check_free(struct one *one, const struct lclone_tab *tab, const struct lclone_lv *lvs,
		      size_t count)
{
	return lclone_check_free_name(one->name) ?: refuse_taken(one->name, tab, lvs, count);
}

static int check_name(struct plan *p, size_t i, const struct lclone_tab *tab,
		      const struct lclone_lv *lvs, size_t count)
{
	struct one *one = &p->one[i];
	const struct lclone_lv *earlier;
	int err;

	if (strlen(one->name) >= LCLONE_LABEL_SIZE)
		return lclone_fail(-ENAMETOOLONG, "%s: a name has at most %d characters",
				   one->name, LCLONE_LABEL_SIZE - 1);
	err = refuse_twice(p, i) ?: lclone_delta_lv(&one->lv, one->name, one->uuid);
	if (err)
		return err;
	earlier = find_earlier(one, lvs, count);
	if (earlier && earlier->is_new)
		return take_over(p, one, earlier, lclone_tab_find(tab, one->name));
	if (earlier && p->d->filled && !lclone_tab_find(tab, one->name)) {
		take_filled(p, one, earlier);
		return 0;
	}
	if (earlier && take_kept(p, one, earlier, lclone_tab_find(tab, one->name)))
		return 0;
	return check_free(one, tab, lvs, count) ?: choose_volume(one, lvs, count);
}

/* With none that is left to be ended no run was killed: what there is is another's. */
static bool ends_earlier(const struct plan *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (p->one[i].earlier)
			return true;
	return p->must_be_alone && !p->alone;
}

static int check_names(struct plan *p)
{
	struct lclone_lv *lvs = NULL;
	struct lclone_tab tab;
	size_t count = 0, i;
	int err;

	err = lclone_tab_read(&tab, NULL, NULL) ?: lclone_lv_list(&lvs, &count);
	for (i = 0; !err && i < p->count; i++)
		err = check_name(p, i, &tab, lvs, count);
	for (i = 0; !err && !ends_earlier(p) && i < p->count; i++)
		if (p->one[i].kept)
			err = check_free(&p->one[i], &tab, lvs, count);
	free(lvs);
	lclone_tab_free(&tab);
	return err;
}

static u64 delta_sectors(const struct plan *p)
{
	return p->d->delta_sectors ?:
	       lclone_small_delta(p->d->creation->format->virtual_sectors ?: p->template.sectors);
}

/* As lclonetab has it: a volume by its group's name and its own */
static void call_by_volume(char path[PATH_MAX], const struct lclone_lv *lvs, size_t count)
{
	const struct lclone_lv *lv = lclone_lv_at(lvs, count, lclone_dev_at(path));
	char name[LCLONE_LV_PATH_SIZE];

	if (!lv)
		return;
	lclone_lv_path(lv, name);
	snprintf(path, PATH_MAX, "%s", name);
}

static int add_layers(struct plan *p, const struct lclone_named *named,
		      const struct lclone_layers *layers, u32 at)
{
	char path[PATH_MAX];
	u32 i;

	call_by_volume(p->base, named->lvs, named->lv_count);
	for (i = layers->count; i > at; i--) {
		snprintf(path, sizeof(path), "%s", layers->layer[i - 1].path);
		call_by_volume(path, named->lvs, named->lv_count);
		p->parents.path[p->parents.count] = strdup(path);
		if (!p->parents.path[p->parents.count++])
			return lclone_fail(-ENOMEM, "out of memory");
	}
	return 0;
}

/* CLONE@SNAPSHOT: its template, if it has one, counts these clones, too. */
static int find_snapshot(struct plan *p, const char *clone, const char *snapshot)
{
	static struct lclone_layers layers;
	static struct lclone_named named;
	u32 at;
	int err;

	err = lclone_snapshot_find(clone, snapshot, &named, &layers, &at);
	if (!err && !named.base[0])
		err = lclone_no_base(clone, &named.may, "open that on it first (lclone open NAME BASE DELTA)");
	if (!err) {
		p->template.sectors = layers.layer[at].sb.virtual_sectors;
		memcpy(p->layer, layers.layer[at].sb.uuid, LCLONE_UUID_SIZE);
		strcpy(p->template.name, named.lv.from);
		strcpy(p->template.vg, named.lv.vg);
		strcpy(p->base, named.base);
		err = add_layers(p, &named, &layers, at);
	}
	if (!err && !p->d->vg && !p->template.vg[0])
		err = lclone_fail(-ERANGE, "%s is on no volume that was made for it: say in which group those of its clones are to be made (--vg)",
				  clone);
	lclone_layers_free(&layers);
	lclone_named_free(&named);
	return err;
}

/* They are sealed, and do not change: what is seen now is what they will be. */
static int take_layers(struct plan *p, const struct lclone_parents *layers)
{
	struct lclone_sb sb;
	u32 i;
	int err = 0;

	for (i = 0; i < layers->count; i++) {
		p->parents.path[i] = strdup(layers->path[i]);
		p->parents.count++;
		if (!p->parents.path[i])
			return lclone_fail(-ENOMEM, "out of memory");
	}
	if (layers->count)
		err = lclone_sb_of(layers->path[layers->count - 1], &sb);
	if (!err && layers->count)
		memcpy(p->layer, sb.uuid, LCLONE_UUID_SIZE);
	return err;
}

static int find_origin(struct plan *p)
{
	char clone[LCLONE_NAME_SIZE];
	const char *snapshot = lclone_snapshot_split(p->d->from, clone);
	int err;

	if (snapshot)
		return find_snapshot(p, clone, snapshot);
	err = lclone_template_find(p->d->from, &p->template);
	lclone_lv_path(&p->template, p->base);
	if (!err && p->d->layers)
		err = take_layers(p, p->d->layers);
	return err ?: lclone_lv_activate(&p->template);
}

static int look(struct plan *p)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < p->count; i++) {
		struct lclone_lv *lv = &p->one[i].lv;

		p->one[i] = (struct one){ .name = p->one[i].name };
		lv->kind = LCLONE_LV_DELTA;
		lv->sectors = delta_sectors(p);
		snprintf(lv->from, sizeof(lv->from), "%s", p->template.name);
		err = lclone_lv_set_vg(lv, p->d->vg ?: p->template.vg);
	}
	return err ?: check_names(p);
}

/* Who finds what may be another's, who lives, waits till there is none, and looks again. */
static int prepare(struct plan *p, const char *const *name)
{
	size_t i;
	int err;

	p->one = calloc(p->count, sizeof(*p->one));
	if (!p->one)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < p->count; i++)
		p->one[i].name = name[i];
	p->lock = lclone_lock_creation(LCLONE_LOCK_SHARED);
	if (p->lock < 0)
		return p->lock;
	err = find_origin(p) ?: look(p);
	if (err || !p->must_be_alone)
		return err;
	close(p->lock);
	p->lock = lclone_lock_creation(LCLONE_LOCK_EXCLUSIVE);
	if (p->lock < 0)
		return p->lock;
	p->alone = true;
	return look(p);
}

/*
 * What can be made anew is: its size may be another now.  Others need not wait till it is: who
 * takes over what a killed run has left has the lock alone, and cannot while this run has it shared.
 */
static int remove_earlier(struct plan *p)
{
	struct lclone_lv *gone = calloc(p->count, sizeof(*gone));
	size_t i, count = 0;
	int err;

	if (!gone)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < p->count; i++)
		if (p->one[i].earlier && !p->one[i].volume)
			gone[count++] = p->one[i].lv;
	err = lclone_lv_remove_new_many(gone, count);
	free(gone);
	if (err || !p->alone)
		return err;
	close(p->lock);
	p->lock = lclone_lock_creation(LCLONE_LOCK_SHARED);
	return p->lock < 0 ? p->lock : 0;
}

/* Making */

static int make_volumes(struct plan *p)
{
	struct lclone_lv *lv = calloc(p->count, sizeof(*lv));
	bool *made = calloc(p->count, sizeof(*made));
	struct one **one = calloc(p->count, sizeof(*one));
	struct lclone_names missing = { .count = 0 };
	size_t i, count = 0;
	int err = 0;

	if (!lv || !made || !one)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; !err && i < p->count; i++)
		if (!p->one[i].volume) {
			one[count] = &p->one[i];
			lv[count++] = p->one[i].lv;
		}
	err = err ?: lclone_lv_create_many(lv, count, made);
	for (i = 0; i < count; i++) {
		one[i]->volume = made[i];
		if (!made[i])
			lclone_add_name(&missing, one[i]->name);
	}
	if (err == -ECHILD)
		lclone_fail(err, "lvcreate failed for %s", missing.text);
	free(lv);
	free(made);
	free(one);
	return err;
}

/*
 * The device is locked from before it could be taken for the rest of a killed run, until it is kept,
 * or nobody else can have made another of its name.
 */
static int fill(struct plan *p, struct one *one, const char *path,
		const struct format_arguments *format)
{
	struct lclone_file file = { .fd = -1 };
	int err = lclone_wipe_recycled(path) ?:
		  lclone_file_open_ready(&file, path, O_RDWR | O_EXCL);

	if (!err) {
		close(p->lock);
		p->lock = -1;
		err = p->d->fill(p->d->ctx, &file, format) ?: lclone_lv_keep(&one->lv);
		one->kept = !err;
		lclone_why_hold();
		if (err)
			p->lock = lclone_lock_creation(LCLONE_LOCK_SHARED);
		if (err && p->lock < 0)		/* the next run removes it */
			one->volume = false;
		lclone_why_release();
	}
	lclone_file_close(&file);
	return err;
}

/*
 * What it was filled with is not in its tags: from before it can be opened on it is nobody's to
 * take over, who would take it for something else.
 */
static int make_filled(struct plan *p, struct one *one, const char *path,
		       const struct format_arguments *format)
{
	return fill(p, one, path, format) ?:
	       lclone_open_clone(one->name, p->base, path, &format->parents,
				 p->d->creation->features, p->d->creation->host);
}

static int make_one(struct plan *p, struct one *one)
{
	struct format_arguments format = *p->d->creation->format;
	struct creation c = *p->d->creation;
	char path[LCLONE_LV_PATH_SIZE];
	int err;

	format.parents = p->parents;
	format.uuid = one->uuid;
	format.base_root = p->root;
	format.fresh = true;
	c.format = &format;
	lclone_lv_path(&one->lv, path);
	if (one->opened)
		err = lclone_open_clone(one->name, p->base, path, &format.parents, c.features,
					c.host);
	else if (p->d->fill)
		err = make_filled(p, one, path, &format);
	else
		err = lclone_wipe_recycled(path) ?:
		      lclone_create_clone(one->name, p->base, path, &c);
	/* its note is of no use to a next run, and keeps a file open */
	lclone_pending_forget(one->name);
	return err;
}

/*
 * Closes those from @from to before @end, and removes what was made for them by this run: what an
 * earlier one has opened may have been written since, and what this one has no volume for, but is
 * there, another has made at the same time.
 */
static int undo(struct plan *p, size_t from, size_t end)
{
	struct lclone_lv *gone = calloc(end - from + 1, sizeof(*gone));
	char path[LCLONE_LV_PATH_SIZE];
	size_t i, count = 0;
	struct one *one;
	int err = 0;

	if (!gone)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = from; i < end; i++) {
		one = &p->one[i];
		if (one->opened || !one->volume)
			continue;
		lclone_lv_path(&one->lv, path);
		one->active |= lclone_is_open_so(one->name, p->base, path, &p->parents,
						 p->d->creation->features);
		if (one->active && lclone_close_clone(one->name)) {
			err = -EBUSY;
			continue;
		}
		lclone_pending_forget(one->name);
		if (one->active)	/* or the volume's next owner would find a delta on it */
			lclone_remove_delta(path);
		one->active = false;
		if (one->kept)
			err = lclone_lv_remove(&one->lv) ?: err;
		else
			gone[count++] = one->lv;
		one->volume = false;
	}
	err = lclone_lv_remove_new_many(gone, count) ?: err;
	free(gone);
	return err;
}

static int undo_all(struct plan *p, int err)
{
	char why[1024];
	size_t i;

	snprintf(why, sizeof(why), "%s", lclone_why());
	if (undo(p, 0, p->count))
		return lclone_fail(err, "%s; and not all that was made could be removed: %s", why,
				   lclone_why());
	for (i = 0; i < p->count; i++)
		if (p->one[i].active)
			return lclone_fail(err, "%s: nothing was made but what there was by an earlier run, as %s",
					   why, p->one[i].name);
	return lclone_fail(err, "%s: nothing was made", why);
}

static void give_up(struct plan *p, struct one *one)
{
	char why[1024];

	snprintf(why, sizeof(why), "%s", lclone_why());
	one->told = true;
	p->d->told(p->d->ctx, one->name, &one->lv, why);
	undo(p, one - p->one, one - p->one + 1);
}

/* Side by side: each waits for udev most of its time */

static int work(size_t i, void *ctx)
{
	struct plan *p = ctx;

	return make_one(p, p->job[i]);
}

/* Not 0: no more are to be made. */
static int ended(size_t i, int err, void *ctx)
{
	struct plan *p = ctx;
	struct one *one = p->job[i];

	one->active = !err;
	p->ended++;
	if (err && p->d->keep_going) {
		give_up(p, one);
	} else if (err && !p->failure) {
		p->failure = err;
		snprintf(p->why, sizeof(p->why), "%s: %s", one->name, lclone_why());
	}
	if (lclone_watch_stops(p->d->watch, "creating", p->ended, p->jobs))
		p->stopped = true;
	return p->stopped || p->failure;
}

/* All that there are volumes for */
static int make_all(struct plan *p)
{
	const struct lclone_crew crew = { .work = work, .ended = ended, .ctx = p };
	struct one *one;
	int err = 0;

	p->job = calloc(p->count, sizeof(*p->job));
	if (!p->job)
		return lclone_fail(-ENOMEM, "out of memory");
	for (one = p->one; one < p->one + p->count; one++)
		if (one->volume && !one->active)
			p->job[p->jobs++] = one;
	p->stopped = lclone_watch_stops(p->d->watch, "creating", 0, p->jobs);
	if (!p->stopped && p->jobs)
		err = lclone_crew_work(&crew, p->jobs);
	if (err)
		return err;
	if (p->failure)
		return lclone_fail(p->failure, "%s", p->why);
	if (p->stopped && !p->d->keep_going)
		return lclone_fail(-EINTR, "interrupted");
	for (one = p->one; one < p->one + p->count; one++) {
		if (one->active || one->told)
			continue;
		lclone_fail(-EINTR, one->volume ? "interrupted" : "its volume could not be made");
		give_up(p, one);
	}
	return 0;
}

static bool every(const char *device, void *ctx)
{
	(void)device;
	(void)ctx;
	return true;
}

/* What is said to the lines of all, to be freed */
static char *options_of(const struct plan *p)
{
	char words[LCLONE_FEATURE_WORDS + 16], *longer;
	struct lclone_tab_entry entry = { .options = words,
					  .shared = lclone_vg_is_shared(p->one[0].lv.vg) ||
						    lclone_vg_is_shared(p->template.vg) };
	char *options = NULL;
	u32 i;

	lclone_feature_words(p->d->creation->features, words, sizeof(words));
	if (p->d->creation->host)
		strcat(words, words[0] ? ",host" : "host");
	options = lclone_tab_options(&entry, every, NULL, NULL);
	for (i = 0; options && i < p->parents.count; i++) {
		entry.options = options;
		longer = lclone_tab_options(&entry, every, NULL, p->parents.path[i]);
		free(options);
		options = longer;
	}
	return options;
}

/* At the next boot they are there again. */
static int enter(struct plan *p)
{
	struct lclone_tab_entry *entry = calloc(p->count + 1, sizeof(*entry));
	char (*path)[LCLONE_LV_PATH_SIZE] = calloc(p->count + 1, sizeof(*path));
	char *options = options_of(p);
	const struct one *one;
	size_t n = 0;
	int err = 0;

	if (!entry || !path || !options)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (one = p->one; !err && one < p->one + p->count; one++) {
		if (!one->active || one->entered)
			continue;
		lclone_lv_path(&one->lv, path[n]);
		entry[n] = (struct lclone_tab_entry){ .name = one->name, .base = p->base,
						      .delta = path[n], .options = options };
		n++;
	}
	if (!err && n)
		err = lclone_tab_add(entry, n);
	free(options);
	free(entry);
	free(path);
	return err;
}

/* From here on they are nobody's to remove. */
static int keep(const struct plan *p)
{
	struct lclone_lv *lv = calloc(p->count, sizeof(*lv));
	const struct one *one;
	size_t n = 0;
	int err;

	if (!lv)
		return lclone_fail(-ENOMEM, "out of memory");
	for (one = p->one; one < p->one + p->count; one++)
		if (one->active && !one->kept)
			lv[n++] = one->lv;
	err = n ? lclone_lv_keep_many(lv, n) : 0;
	free(lv);
	return err ? lclone_fail(err, "the clones are made, but %s: run this again", lclone_why()) :
		     0;
}

static int make(struct plan *p, struct lclone_names *failed)
{
	struct lclone_file base_file, *base;
	struct one *one;
	int err;

	/* locked till all are made: one look at all devices serves all */
	err = lclone_open_base(p->base, &base_file, &base);
	if (!err && base)
		err = lclone_refuse_as_base(base, "; if it is another: --assume-no-other-clones",
					    NULL);
	if (err)
		goto out;
	err = lclone_seal_root(base, p->root) ?: remove_earlier(p) ?: make_volumes(p);
	if (err == -EIO)
		goto out;		/* what is to be undone is not known */
	if (err == -ECHILD && p->d->keep_going)
		err = 0;
	err = err ?: make_all(p) ?: enter(p);
	err = err ? undo_all(p, err) : keep(p);
	for (one = p->one; !err && one < p->one + p->count; one++)
		if (one->active)
			p->d->told(p->d->ctx, one->name, &one->lv, NULL);
		else
			lclone_add_name(failed, one->name);
out:
	lclone_close_base(base);
	return err;
}

int lclone_deploy(const char *const *names, size_t count, const struct deployment *d,
		  struct lclone_names *failed)
{
	struct plan p = { .d = d, .count = count, .lock = -1 };
	int err;
	u32 i;

	*failed = (struct lclone_names){ .count = 0 };
	err = prepare(&p, names) ?: make(&p, failed);
	if (p.lock >= 0)
		close(p.lock);
	for (i = 0; i < p.parents.count; i++)
		free((char *)p.parents.path[i]);
	free(p.job);
	free(p.one);
	return err;
}
