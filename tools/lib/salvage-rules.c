// SPDX-License-Identifier: GPL-2.0-only
/* What is lost, and the rules that what is left has to keep */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "salvage-parts.h"

/* Losses */

static int add_loss(struct lclone_salvage *s, u64 sector, u64 sectors, bool old)
{
	u64 end = s->delta.sb.virtual_sectors;

	if (sector >= end)
		return 0;
	if (!LCLONE_GROW(s, s->loss, s->losses))
		return -ENOMEM;
	s->loss[s->losses++] = (struct lclone_loss){
		.sector = sector, .sectors = sectors < end - sector ? sectors : end - sector,
		.old = old,
	};
	return 0;
}

/* Subchunks of one chunk */
int lclone_lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask)
{
	u32 cs = s->delta.sb.chunk_sectors, sub = cs / LCLONE_SUBCHUNKS, i;
	int err = 0;

	for (i = 0; !err && i < LCLONE_SUBCHUNKS; i++)
		if (mask & 1u << i)
			err = add_loss(s, chunk * cs + i * sub, sub, false);
	return err;
}

/* Chunks, without those that the log has a value of from after @commit. */
int lclone_lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit)
{
	u32 cs = s->delta.sb.chunk_sectors;
	u64 end = count < s->delta.chunks - first ? first + count : s->delta.chunks;
	size_t i;
	int err = 0;

	for (i = lclone_logged_lower_bound(s, first); !err && i < s->nr_logged; i++) {
		const struct lclone_logged *l = &s->logged[i];

		if (l->chunk >= end)
			break;
		if (l->commit <= commit)
			continue;
		if (l->chunk > first)
			err = add_loss(s, first * cs, (l->chunk - first) * cs, old);
		first = l->chunk + 1;
	}
	if (!err && first < end)
		err = add_loss(s, first * cs, (end - first) * cs, old);
	return err;
}

static int compare_losses(const void *pa, const void *pb)
{
	const struct lclone_loss *a = pa, *b = pb;

	if (a->old != b->old)
		return a->old ? 1 : -1;
	return a->sector < b->sector ? -1 : a->sector > b->sector;
}

void lclone_join_losses(struct lclone_salvage *s)
{
	struct lclone_loss *last = NULL;
	size_t i, count = 0;

	if (s->losses)
		qsort(s->loss, s->losses, sizeof(*s->loss), compare_losses);
	for (i = 0; i < s->losses; i++) {
		const struct lclone_loss *l = &s->loss[i];

		if (last && last->old == l->old && l->sector <= last->sector + last->sectors) {
			if (l->sector + l->sectors > last->sector + last->sectors)
				last->sectors = l->sector + l->sectors - last->sector;
			continue;
		}
		last = &s->loss[count++];
		*last = *l;
	}
	s->losses = count;
}

/* Rules */

static int drop(struct lclone_salvage *s, struct lclone_salvaged *leaf, u32 i, u32 lost, u32 zero)
{
	lclone_salvage_set(s, leaf, leaf->first + i, lclone_exc_make(0, 0, zero));
	s->dropped++;
	return lclone_lose_subchunks(s, leaf->first + i, lost);
}

/* An exception that breaks a rule of its own. Zeros are kept if only the chunk is wrong. */
static int verify_leaf(struct lclone_salvage *s, struct lclone_salvaged *leaf)
{
	struct lclone_fault fault;
	u32 i, written, zero;
	int err = 0;

	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		u64 exc = leaf->exc[i];
		u32 phys = lclone_exc_phys(exc);

		written = lclone_exc_written(exc);
		zero = lclone_exc_zero(exc);
		if (!lclone_exc_verify(&s->delta.sb, leaf->first + i, exc, &fault)) {
			/* a chunk with nothing in it is no loss */
			if (phys && lclone_bit(s->node, phys))
				err = drop(s, leaf, i, written, zero);
			continue;
		}
		if (leaf->first + i >= s->delta.chunks || exc & LCLONE_SPARE_MASK ||
		    written & zero || (written && !phys))
			err = drop(s, leaf, i, written | zero, 0);
		else
			err = drop(s, leaf, i, written, zero);
	}
	return err;
}

struct user {
	u32 phys;
	u64 age;		/* the later a claim was made, the better it is */
	struct lclone_salvaged *leaf;
	u32 i;
};

static int compare_users(const void *pa, const void *pb)
{
	const struct user *a = pa, *b = pb;

	if (a->phys != b->phys)
		return a->phys < b->phys ? -1 : 1;
	return a->age > b->age ? -1 : a->age < b->age;
}

static u64 age_of(const struct lclone_salvage *s, const struct lclone_salvaged *leaf, u32 i)
{
	size_t l = lclone_logged_lower_bound(s, leaf->first + i);

	if (l < s->nr_logged && s->logged[l].chunk == leaf->first + i)
		return (1ull << 63) + s->logged[l].commit;
	return leaf->age;
}

/* Of several users of a chunk the last to claim it may be right, the others are wrong. */
static int judge_users(struct lclone_salvage *s, struct user *user, size_t count)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		u64 exc = user[i].leaf->exc[user[i].i];
		bool first = !i || user[i].phys != user[i - 1].phys;
		bool tie = i + 1 < count && user[i + 1].phys == user[i].phys &&
			   user[i + 1].age == user[i].age;

		if (first && !tie)
			err = lclone_lose_chunks(s, user[i].leaf->first + user[i].i, 1, true,
						 UINT64_MAX);
		else
			err = drop(s, user[i].leaf, user[i].i, lclone_exc_written(exc),
				   lclone_exc_zero(exc));
	}
	return err;
}

static int resolve_double_use(struct lclone_salvage *s)
{
	size_t size = lclone_phys_end(&s->delta.sb) / 8 + 1, i, users = 0;
	u8 *twice = calloc(1, size);
	struct user *user = NULL;
	bool any = false;
	u32 k, phys;
	int err = 0;

	if (!twice)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	for (i = 0; i < s->leaves; i++) {
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
			phys = lclone_exc_phys(s->leaf[i]->exc[k]);
			if (phys && lclone_bit(s->data, phys)) {
				lclone_bit_set(twice, phys);
				any = true;
			}
			if (phys)
				lclone_bit_set(s->data, phys);
		}
	}
	for (i = 0; any && i < s->leaves; i++) {
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
			phys = lclone_exc_phys(s->leaf[i]->exc[k]);
			if (!phys || !lclone_bit(twice, phys))
				continue;
			if (!LCLONE_GROW(s, user, users)) {
				err = -ENOMEM;
				goto out;
			}
			user[users++] = (struct user){ phys, age_of(s, s->leaf[i], k),
						       s->leaf[i], k };
		}
	}
	if (users)
		qsort(user, users, sizeof(*user), compare_users);
	err = judge_users(s, user, users);
out:
	free(user);
	free(twice);
	return err;
}

int lclone_apply_rules(struct lclone_salvage *s)
{
	size_t size = lclone_phys_end(&s->delta.sb) / 8 + 1, i;
	int err = 0;
	u32 k;

	memset(s->data, 0, size);
	for (i = 0; i < s->leaves; i++)
		if (s->leaf[i]->ref.block)
			lclone_bit_set(s->node, lclone_chunk_of_block(s, s->leaf[i]->ref.block));
	for (i = 0; !err && i < s->leaves; i++)
		err = verify_leaf(s, s->leaf[i]);
	if (!err)
		err = resolve_double_use(s);
	/* what is left */
	memset(s->data, 0, size);
	for (i = 0; i < s->leaves; i++)
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++)
			if (lclone_exc_phys(s->leaf[i]->exc[k]))
				lclone_bit_set(s->data, lclone_exc_phys(s->leaf[i]->exc[k]));
	return err;
}
