// SPDX-License-Identifier: GPL-2.0-only
/* The rules that what is left of a damaged delta has to keep */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format/tree.h"
#include "format_user.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-losses.h"
#include "offline/salvage-rules.h"
#include "offline/salvage-state.h"

/* What is told of while a leaf is judged, once of each */
enum tell {
	TELL_NOTHING = 0,
	TELL_RULES = 1,			/* what breaks a rule of its own */
	TELL_USERS = 2,			/* what others claim, too */
};

/* A leaf that is judged */
struct judged {
	struct lclone_salvage *s;
	struct lclone_salvaged *leaf;
	u64 first, age;
	bool changed;
	u64 exc[LCLONE_LEAF_EXCEPTIONS];
	u64 commit[LCLONE_LEAF_EXCEPTIONS];	/* that has logged it, + 1; 0: none */
};

static void set(struct judged *j, u32 i, u64 exc)
{
	j->changed |= j->exc[i] != exc;
	j->exc[i] = exc;
}

static int drop(struct judged *j, u32 i, u32 lost, u32 zero, bool tell)
{
	set(j, i, lclone_exc_make(0, 0, zero));
	if (!tell)
		return 0;
	j->s->dropped++;
	return lclone_lose_subchunks(j->s, j->first + i, lost);
}

static int apply_log(struct judged *j, enum tell tell)
{
	struct lclone_salvage *s = j->s;
	size_t l = lclone_logged_lower_bound(s, j->first);
	int err = 0;

	for (; !err && l < s->nr_logged; l++) {
		const struct lclone_logged *logged = &s->logged[l];
		u64 i = logged->chunk - j->first;

		if (i >= LCLONE_LEAF_EXCEPTIONS)
			break;
		j->commit[i] = logged->commit + 1;
		if (logged->bad)
			err = drop(j, i, LCLONE_MASK_ALL, 0, tell & TELL_RULES);
		else
			set(j, i, logged->exc);
	}
	return err;
}

/* An exception that breaks a rule of its own. Zeros are kept if only the chunk is wrong. */
static int apply_rules(struct judged *j, enum tell tell)
{
	struct lclone_salvage *s = j->s;
	struct lclone_fault fault;
	u32 i, written, zero;
	int err = 0;

	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		u64 exc = j->exc[i];
		u32 phys = lclone_exc_phys(exc);

		written = lclone_exc_written(exc);
		zero = lclone_exc_zero(exc);
		if (!lclone_exc_verify(&s->delta.sb, j->first + i, exc, &fault)) {
			/* a chunk with nothing in it is no loss */
			if (phys && lclone_bit(s->node, phys))
				err = drop(j, i, written, zero, tell & TELL_RULES);
			continue;
		}
		if (j->first + i >= s->delta.chunks || exc & LCLONE_SPARE_MASK ||
		    written & zero || (written && !phys))
			err = drop(j, i, written | zero, 0, tell & TELL_RULES);
		else
			err = drop(j, i, written, zero, tell & TELL_RULES);
	}
	return err;
}

/* The later a claim was made, the better it is. */
static u64 age_of(const struct judged *j, u32 i)
{
	return j->commit[i] ? (1ull << 63) + j->commit[i] - 1 : j->age;
}

static u64 phys_of(const void *contest)
{
	return ((const struct lclone_contest *)contest)->phys;
}

static struct lclone_contest *contest_of(const struct lclone_salvage *s, u32 phys)
{
	size_t i = lclone_lower_bound(s->contest, s->contests, sizeof(*s->contest), phys, phys_of);

	return i < s->contests && s->contest[i].phys == phys ? &s->contest[i] : NULL;
}

/* Of several users of a chunk the last to claim it may be right, the others are wrong. */
static int apply_contests(struct judged *j, enum tell tell)
{
	const struct lclone_contest *contest;
	int err = 0;
	u32 i, phys;

	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		phys = lclone_exc_phys(j->exc[i]);
		contest = phys ? contest_of(j->s, phys) : NULL;
		if (!contest)
			continue;
		if (contest->tied || contest->age != age_of(j, i))
			err = drop(j, i, lclone_exc_written(j->exc[i]), lclone_exc_zero(j->exc[i]),
				   tell & TELL_USERS);
		else if (tell & TELL_USERS)
			err = lclone_lose_chunks(j->s, j->first + i, 1, true, UINT64_MAX);
	}
	return err;
}

/* Reads a leaf, and makes of it what it is to be, so far as is known yet. */
static int judge(struct lclone_salvage *s, struct lclone_salvaged *leaf, enum tell tell,
		 struct judged *j)
{
	union lclone_node node;
	int err;
	u32 i;

	memset(j, 0, sizeof(*j));
	j->s = s;
	j->leaf = leaf;
	j->first = (u64)leaf->place * LCLONE_LEAF_EXCEPTIONS;
	err = lclone_leaf_read(s, leaf, &node);
	if (err)
		return err;
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		j->exc[i] = le64_to_cpu(node.leaf.exceptions[i]);
	j->age = leaf->block ? le64_to_cpu(node.head.checkpoint) : s->checkpoint;
	if (leaf->flags & LCLONE_LEAF_ORPHAN)
		j->age = 0;
	else if (leaf->flags & LCLONE_LEAF_LIMITED)
		j->age = min_u64(j->age, lclone_leaf_limit(s, leaf->place));
	if (tell & TELL_RULES)
		lclone_mark_leaf(s, &node.leaf, leaf->block, 0);
	err = apply_log(j, tell);
	if (!err)
		err = apply_rules(j, tell);
	if (!err && s->judged)
		err = apply_contests(j, tell);
	return err;
}

int lclone_salvage_content(struct lclone_salvage *s, struct lclone_salvaged *leaf,
			   struct lclone_leaf_disk *node)
{
	struct judged j;
	u32 i;
	int err;

	err = judge(s, leaf, TELL_NOTHING, &j);
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		node->exceptions[i] = cpu_to_le64(j.exc[i]);
	return err;
}

static void note_verdict(const struct judged *j)
{
	bool any = false;
	u32 i;

	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		any |= j->exc[i] != 0;
	j->leaf->flags &= ~(LCLONE_LEAF_CHANGED | LCLONE_LEAF_EMPTY);
	j->leaf->flags |= (j->changed ? LCLONE_LEAF_CHANGED : 0) | (any ? 0 : LCLONE_LEAF_EMPTY);
	j->s->changed |= j->changed;
}

/* Calls @each for all leaves that have these flags. */
static int each_leaf(struct lclone_salvage *s, u32 flags, enum tell tell,
		     void (*each)(struct judged *j, void *ctx), void *ctx)
{
	u64 total = s->delta.sb.virtual_sectors << 9;
	struct judged j = { .first = 0 };
	int err = 0;
	size_t i;

	for (i = 0; !err && i < s->leaves; i++) {
		if ((s->leaf[i].flags & flags) != flags)
			continue;
		if (lclone_watch_stops(s->watch, "judging",
				       (j.first * s->delta.sb.chunk_sectors) << 9, total)) {
			err = lclone_salvage_why(s, -EINTR, "interrupted");
			break;
		}
		lclone_leaf_ahead(s, i);
		err = judge(s, &s->leaf[i], tell, &j);
		if (!err)
			each(&j, ctx);
	}
	lclone_leaf_ahead_end(s);
	return err;
}

static void use_chunks(struct judged *j, void *ctx)
{
	struct lclone_salvage *s = j->s;
	u8 *twice = ctx;
	u32 i, phys;

	note_verdict(j);
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		phys = lclone_exc_phys(j->exc[i]);
		if (!phys)
			continue;
		if (lclone_bit(s->data, phys))
			lclone_bit_set(twice, phys);
		lclone_bit_set(s->data, phys);
	}
}

static void compare_claims(struct judged *j, void *ctx)
{
	struct lclone_contest *contest;
	u32 i, phys;
	u64 age;

	(void)ctx;
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		phys = lclone_exc_phys(j->exc[i]);
		contest = phys ? contest_of(j->s, phys) : NULL;
		if (!contest)
			continue;
		j->leaf->flags |= LCLONE_LEAF_CONTESTED;
		age = age_of(j, i);
		if (contest->claimed && age == contest->age)
			contest->tied = true;
		if (contest->claimed && age <= contest->age)
			continue;
		contest->claimed = true;
		contest->tied = false;
		contest->age = age;
	}
}

static void decide(struct judged *j, void *ctx)
{
	(void)ctx;
	note_verdict(j);
}

static int list_contests(struct lclone_salvage *s, const u8 *twice)
{
	u32 end = lclone_phys_end(&s->delta.sb), i;
	size_t count = 0;

	for (i = 0; i <= end / 8; i++)
		count += __builtin_popcount(twice[i]);
	if (!count)
		return 0;
	s->contest = calloc(count, sizeof(*s->contest));
	if (!s->contest)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	for (i = 0; i < end; i++)
		if (lclone_bit(twice, i))
			s->contest[s->contests++].phys = i;
	return 0;
}

static int resolve_double_use(struct lclone_salvage *s)
{
	size_t i;
	int err;

	if (!s->contests)
		return 0;
	err = each_leaf(s, 0, TELL_NOTHING, compare_claims, NULL);
	if (err)
		return err;
	s->judged = true;
	for (i = 0; i < s->contests; i++)
		if (s->contest[i].tied)		/* nobody has it */
			s->data[s->contest[i].phys / 8] &= ~(1u << s->contest[i].phys % 8);
	return each_leaf(s, LCLONE_LEAF_CONTESTED, TELL_USERS, decide, NULL);
}

int lclone_apply_rules(struct lclone_salvage *s)
{
	size_t size = lclone_phys_end(&s->delta.sb) / 8 + 1, i;
	u8 *twice = calloc(1, size);
	int err;

	if (!twice)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	memset(s->data, 0, size);
	for (i = 0; i < s->leaves; i++)
		if (s->leaf[i].block)
			lclone_bit_set(s->node, lclone_chunk_of_block(s, s->leaf[i].block));
	err = each_leaf(s, 0, TELL_RULES, use_chunks, twice);
	if (!err)
		err = list_contests(s, twice);
	free(twice);
	return err ?: resolve_double_use(s);
}
