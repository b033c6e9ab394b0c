// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/disk.h"
#include "clone/word.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/stack.h"
#include "host/tab.h"
#include "offline/picture.h"

/* Bytes of each source in the cell that is being looked at */
struct sums {
	u64 bytes[LCLONE_SOURCES_MAX];
	u32 cell;
};

static u32 source_of(const struct lclone_picture *p, const struct lclone_chain_extent *e)
{
	return e->source == LCLONE_FROM_DELTA ? e->level :
	       e->source == LCLONE_FROM_BASE ? lclone_picture_base(p) : lclone_picture_zeros(p);
}

/* Of two that have the same share the upper one is shown: it is what was written. */
static void end_cell(struct lclone_picture *p, struct sums *s)
{
	struct lclone_cell *cell = &p->cell[s->cell++];
	bool written = false;
	u32 i;

	for (i = 0; i < p->sources; i++) {
		if (s->bytes[i] > s->bytes[cell->source])
			cell->source = i;
		written |= s->bytes[i] && i < lclone_picture_base(p);
	}
	cell->mixed = written && cell->source >= lclone_picture_base(p);
	memset(s->bytes, 0, sizeof(s->bytes));
}

static void add(struct lclone_picture *p, struct sums *s, const struct lclone_chain_extent *e)
{
	u64 at = e->sector * 512, end = at + e->sectors * 512, cell_end, step;
	u32 source = source_of(p, e);

	p->part[source].bytes += end - at;
	p->part[source].pieces++;
	p->pieces++;
	if (e->source == LCLONE_FROM_ZERO && !e->level)
		p->zeroed_bytes += end - at;
	for (; at < end; at += step) {
		cell_end = (s->cell + 1) * p->cell_bytes;
		step = (end < cell_end ? end : cell_end) - at;
		s->bytes[source] += step;
		if (at + step == cell_end)
			end_cell(p, s);
	}
}

static void name_parts(const struct lclone_chain *chain, struct lclone_picture *p)
{
	u32 i;

	for (i = 0; i < chain->count; i++) {
		snprintf(p->part[i].path, sizeof(p->part[i].path), "%s", chain->file[i]->path);
		snprintf(p->part[i].label, sizeof(p->part[i].label), "%s",
			 chain->delta[i]->sb.label);
	}
}

static int make(const struct lclone_chain *chain, u32 cells, struct lclone_picture *p)
{
	u64 sectors = chain->delta[0]->sb.virtual_sectors;
	u64 cell = LCLONE_BLOCK_SIZE / 512, fit = (sectors + cells - 1) / cells;

	/* whole blocks: there are no smaller parts */
	if (fit > cell)
		cell = (fit + cell - 1) / cell * cell;
	p->size_bytes = sectors * 512;
	p->cell_bytes = cell * 512;
	p->cells = (sectors + cell - 1) / cell;
	p->sources = chain->count + 2;
	p->cell = calloc(p->cells + 1, sizeof(*p->cell));
	p->part = calloc(p->sources, sizeof(*p->part));
	return p->cell && p->part ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

int lclone_picture_of_chain(struct lclone_chain *chain, u32 cells, struct lclone_picture *p)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	struct sums s = { .cell = 0 };
	int ret;

	ret = make(chain, cells, p);
	if (ret)
		return ret;
	name_parts(chain, p);
	lclone_chain_extents_init(&x, chain, chain->count, 0, UINT64_MAX);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0)
		add(p, &s, &e);
	if (ret)
		return lclone_fail(ret, "%s: %s", chain->file[x.failed]->path,
				   chain->delta[x.failed]->why);
	if (s.cell < p->cells)
		end_cell(p, &s);
	return lclone_chain_unchanged(chain);
}

/* What a name stands for */
struct named {
	char delta[PATH_MAX], base[PATH_MAX];
	struct lclone_parents parents;
};

static int add_parent(struct named *n, const char *path)
{
	char *copy = strdup(path);

	return copy ? lclone_add_parent(&n->parents, copy) : lclone_fail(-ENOMEM, "out of memory");
}

/* The layers that the table names: there may be copies of them. */
static int by_table(const struct lclone_table *table, struct named *n)
{
	char path[PATH_MAX];
	u32 i;
	int err = 0;

	lclone_name_of(table->delta, n->delta);
	lclone_base_name(table->base, n->base);
	for (i = 0; !err && i < table->parents; i++) {
		lclone_name_of(lclone_table_parent(table, i), path);
		err = add_parent(n, path);
	}
	return err;
}

/* 1, or 0 if there is none of that name */
static int by_tab(const char *name, struct named *n)
{
	const struct lclone_tab_entry *e;
	struct lclone_tab tab;
	const char *at = NULL;
	char path[PATH_MAX];
	int ret;

	ret = lclone_tab_read(&tab, NULL, NULL);
	e = ret ? NULL : lclone_tab_find(&tab, name);
	if (e) {
		snprintf(n->delta, sizeof(n->delta), "%s", e->delta);
		snprintf(n->base, sizeof(n->base), "%s", e->base);
		while (!ret && lclone_tab_parent(e, &at, path))
			ret = add_parent(n, path);
		ret = ret ?: 1;
	}
	lclone_tab_free(&tab);
	return ret;
}

/* 1, or 0 if it is no name, but maybe a file's */
static int by_word(const char *word, struct named *n)
{
	int err = lclone_delta_path(word, n->delta);

	return err ?: strcmp(word, n->delta) != 0;
}

/* 1: @what is a clone's name; 0: it is a delta, or nothing. */
static int look_up(const char *what, struct named *n)
{
	const char *name = lclone_dm_name(what);
	static struct lclone_clone clone;
	char why[1024];
	int err, ret;

	if (strchr(name, '/'))
		return 0;
	err = lclone_dm_get(name, &clone);
	if (!err)
		return by_table(&clone.table, n) ?: 1;
	if (err == -ENOTTY && name != what)	/* a delta may be called /dev/mapper/vg-delta */
		return 0;
	if (err != -ENXIO)
		return err;
	snprintf(why, sizeof(why), "%s", lclone_why());
	ret = by_tab(name, n) ?: by_word(name, n);
	if (!ret && !access(what, F_OK))
		return 0;
	return ret ?: lclone_fail(err, "%s", why);
}

static int read_disk(const char *delta, const struct lclone_parents *parents, u32 cells,
		     struct lclone_picture *p)
{
	static struct disk disk;
	int err;

	disk.file.fd = -1;
	err = lclone_open_disk_now(delta, parents, &disk);
	err = err ?: lclone_picture_of_chain(&disk.chain, cells, p);
	lclone_close_disk(&disk);
	return err;
}

int lclone_picture_read(const char *what, const struct lclone_parents *parents, u32 cells,
			struct lclone_picture *p)
{
	struct named n = { .delta = "" };
	int ret;
	u32 i;

	ret = look_up(what, &n);
	if (!ret) {
		ret = read_disk(what, parents, cells, p);
		snprintf(p->name, sizeof(p->name), "%s", what);
		return ret;
	}
	if (ret > 0)
		ret = read_disk(n.delta, n.parents.count ? &n.parents : parents, cells, p);
	snprintf(p->name, sizeof(p->name), "%s", lclone_dm_name(what));
	if (!ret)
		strcpy(p->part[lclone_picture_base(p)].path, n.base);
	for (i = 0; i < n.parents.count; i++)
		free((char *)n.parents.path[i]);
	return ret;
}

void lclone_picture_free(struct lclone_picture *p)
{
	free(p->cell);
	free(p->part);
}

u64 lclone_picture_merge_bytes(const struct lclone_picture *p)
{
	return p->part[0].bytes;
}

u64 lclone_picture_flatten_bytes(const struct lclone_picture *p)
{
	u64 bytes = 0;
	u32 i;

	for (i = 1; i <= lclone_picture_base(p); i++)
		bytes += p->part[i].bytes;
	return bytes;
}
