// SPDX-License-Identifier: GPL-2.0-only
/* What a sector may hold, see oracle.h */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

static void *zalloc(size_t nr, size_t size)
{
	void *p = calloc(nr ? nr : 1, size);

	if (!p)
		err(1, "calloc");
	return p;
}

void oracle_init(struct oracle *o, const struct crash_params *params)
{
	u64 k = 0, s;
	u32 i;

	*o = (struct oracle){ .params = params, .nr_sectors = crash_island_sectors(params) };
	o->sector = zalloc(o->nr_sectors, sizeof(*o->sector));
	for (i = 0; i < params->nr_islands; i++)
		for (s = 0; s < params->island[i].count; s++)
			o->sector[k++].initial =
				params->island[i].start + s < params->base_sectors ?
				CRASH_ID_BASE : CRASH_ID_ZERO;
}

void oracle_free(struct oracle *o)
{
	free(o->op);
	free(o->by_durable);
	free(o->by_issue);
	free(o->sector);
}

static struct oracle_op *get_op(struct oracle *o, u32 id)
{
	u32 room = o->op_room;

	if (id >= room) {
		o->op_room = id * 2;
		o->op = reallocarray(o->op, o->op_room, sizeof(*o->op));
		if (!o->op)
			err(1, "realloc");
		memset(o->op + room, 0, (o->op_room - room) * sizeof(*o->op));
	}
	if (id >= o->nr_op)
		o->nr_op = id + 1;
	return &o->op[id];
}

void oracle_mark(struct oracle *o, const struct crash_mark *mark, u64 time)
{
	struct oracle_op *op;

	if (mark->type != MARK_ISSUE && mark->type != MARK_END)
		return;
	op = get_op(o, mark->id);
	if (mark->type == MARK_END) {
		if (!op->issue || op->end != UINT64_MAX)
			errx(1, "operation %u ends, but did not begin", mark->id);
		op->end = time;
		op->good = !mark->result;
		return;
	}
	*op = (struct oracle_op){
		.kind = mark->op, .sector = mark->sector, .count = mark->count,
		.issue = time, .end = UINT64_MAX, .durable = UINT64_MAX,
	};
}

static const struct oracle *sort_oracle;

static int compare(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int by_issue(const void *a, const void *b)
{
	return compare(sort_oracle->op[*(const u32 *)a].issue,
		       sort_oracle->op[*(const u32 *)b].issue);
}

static int by_durable(const void *a, const void *b)
{
	return compare(sort_oracle->op[*(const u32 *)a].durable,
		       sort_oracle->op[*(const u32 *)b].durable);
}

static bool is_flush(const struct oracle_op *op)
{
	return op->kind >= OP_FLUSH && op->good;
}

/* Flushes from the last to the first: each operation meets the earliest end of those after it. */
static void find_durable(struct oracle *o)
{
	struct oracle_op *op;
	u32 i, j;

	for (i = 0; i < o->nr_issue; i++) {
		op = &o->op[o->by_issue[i]];
		if (!op->good)
			continue;
		if (op->kind == OP_FUA)
			op->durable = op->end;
		for (j = i + 1; j < o->nr_issue; j++) {
			const struct oracle_op *flush = &o->op[o->by_issue[j]];

			if (flush->issue > op->durable)
				break;
			if (is_flush(flush) && flush->issue > op->end && flush->end < op->durable)
				op->durable = flush->end;
		}
	}
}

void oracle_complete(struct oracle *o)
{
	u32 id;

	sort_oracle = o;
	o->by_issue = zalloc(o->nr_op, sizeof(u32));
	o->by_durable = zalloc(o->nr_op, sizeof(u32));
	for (id = 0; id < o->nr_op; id++)
		if (o->op[id].issue)
			o->by_issue[o->nr_issue++] = id;
	qsort(o->by_issue, o->nr_issue, sizeof(u32), by_issue);
	find_durable(o);
	for (id = 0; id < o->nr_op; id++)
		if (o->op[id].issue && o->op[id].durable != UINT64_MAX)
			o->by_durable[o->nr_durable++] = id;
	qsort(o->by_durable, o->nr_durable, sizeof(u32), by_durable);
}

/* Calls @fn for the island sectors of an operation; ops lie within one island. */
static void for_sectors(struct oracle *o, const struct oracle_op *op, u64 from, u64 to,
			void (*fn)(struct oracle_sector *, const struct oracle_op *))
{
	const struct crash_island *is = o->params->island;
	u64 k = 0, s;

	while (op->sector < is->start || op->sector >= is->start + is->count)
		k += is++->count;
	for (s = from; s < to; s++)
		fn(&o->sector[k + s - is->start], op);
}

static void issued(struct oracle_sector *s, const struct oracle_op *op)
{
	if (op->end > s->zero_end)
		s->zero_end = op->end;
}

static void made_durable(struct oracle_sector *s, const struct oracle_op *op)
{
	if (op->issue > s->after)
		s->after = op->issue;
}

static void make_durable(struct oracle *o, const struct oracle_op *op)
{
	u64 from = op->sector, to = op->sector + op->count;
	u32 sub = o->params->chunk_sectors / 16;

	if (op->kind > OP_DISCARD || op->issue < o->life)
		return;
	if (op->kind == OP_DISCARD) {	/* a hint for what is not a whole subchunk */
		from = (from + sub - 1) / sub * sub;
		to = to / sub * sub;
	}
	for_sectors(o, op, from, to, made_durable);
	o->version++;
}

void oracle_advance(struct oracle *o, u64 time)
{
	const struct oracle_op *op;

	o->now = time;
	for (; o->next_issue < o->nr_issue; o->next_issue++) {
		op = &o->op[o->by_issue[o->next_issue]];
		if (op->issue > time)
			break;
		if ((op->kind == OP_ZEROES || op->kind == OP_DISCARD) && op->issue >= o->life)
			for_sectors(o, op, op->sector, op->sector + op->count, issued);
	}
	for (; o->next_durable < o->nr_durable; o->next_durable++) {
		op = &o->op[o->by_durable[o->next_durable]];
		if (op->durable > time)
			break;
		make_durable(o, op);
	}
}

void oracle_new_life(struct oracle *o, const u32 *ids, u64 time)
{
	u64 k;

	for (k = 0; k < o->nr_sectors; k++)
		o->sector[k] = (struct oracle_sector){ .initial = ids[k] };
	o->life = time;
	o->version++;
}

const char *oracle_objection(const struct oracle *o, u64 k, u64 vsector, u32 id)
{
	const struct oracle_sector *s = &o->sector[k];
	const struct oracle_op *op;

	if (id == s->initial && !s->after)
		return NULL;
	if (id == CRASH_ID_ZERO)
		return s->zero_end && s->zero_end >= s->after ? NULL :
		       s->initial == CRASH_ID_ZERO ? "is lost" : "was never zeroed, or written since";
	if (id == CRASH_ID_BASE || id == s->initial)
		return "is lost: what is there now is older";
	if (id == CRASH_ID_BAD || id >= o->nr_op)
		return "holds what is not of this sector of this clone";
	op = &o->op[id];
	if (op->kind > OP_FUA || vsector < op->sector || vsector >= op->sector + op->count)
		return "holds what no operation wrote there";
	if (op->issue < o->life)
		return "holds what was gone before the last power cut";
	if (op->issue > o->now)
		return "holds what was not written yet";
	return op->end >= s->after ? NULL : "is lost: what is there now is older";
}
