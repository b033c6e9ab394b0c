// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of a damaged delta's leaves.
 *
 * Most come in order, from a tree.  The others wait in a list of their own until there
 * are an eighth as many of them: then they are sorted and merged into the first, in
 * place, so that the list costs little more than what is in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format_user.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-state.h"

#define ROOM_MIN	1024u
#define AHEAD_BLOCKS	64u

static int make_room(struct lclone_salvage *s, size_t count)
{
	size_t room = s->leaves + s->leaves / 8 + count + ROOM_MIN;
	struct lclone_salvaged *bigger;

	if (s->leaves + count <= s->leaf_room)
		return 0;
	bigger = reallocarray(s->leaf, room, sizeof(*bigger));
	if (!bigger)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	s->leaf = bigger;
	s->leaf_room = room;
	return 0;
}

static int make_late_room(struct lclone_salvage *s)
{
	size_t room = s->leaves / 8 > ROOM_MIN ? s->leaves / 8 : ROOM_MIN;
	struct lclone_late *bigger;
	int err;

	if (s->nr_late < s->late_room)
		return 0;
	if (s->nr_late >= room) {
		err = lclone_leaves_settle(s);
		return err ?: make_late_room(s);
	}
	room = s->late_room ? room : ROOM_MIN;
	bigger = reallocarray(s->late, room, sizeof(*bigger));
	if (!bigger)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	s->late = bigger;
	s->late_room = room;
	return 0;
}

int lclone_leaf_add(struct lclone_salvage *s, struct lclone_salvaged leaf, u64 checkpoint)
{
	int err;

	if (!s->nr_late && (!s->leaves || s->leaf[s->leaves - 1].place < leaf.place)) {
		err = make_room(s, 1);
		if (!err)
			s->leaf[s->leaves++] = leaf;
	} else {
		err = make_late_room(s);
		if (!err)
			s->late[s->nr_late++] = (struct lclone_late){ leaf, checkpoint };
	}
	if (!err && leaf.flags & LCLONE_LEAF_LOST)
		s->lost_leaves++;
	return err;
}

int lclone_leaf_limit_add(struct lclone_salvage *s, u32 place, u64 checkpoint)
{
	if (s->limits && s->limit[s->limits - 1].place == place)
		return 0;
	if (!LCLONE_GROW(s, s->limit, s->limits))
		return -ENOMEM;
	s->limit[s->limits++] = (struct lclone_limit){ place, checkpoint };
	return 0;
}

/* By place; of one the newest first */
static int compare_late(const void *pa, const void *pb)
{
	const struct lclone_late *a = pa, *b = pb;

	if (a->leaf.place != b->leaf.place)
		return a->leaf.place < b->leaf.place ? -1 : 1;
	if (a->checkpoint != b->checkpoint)
		return a->checkpoint > b->checkpoint ? -1 : 1;
	return a->leaf.block < b->leaf.block ? -1 : a->leaf.block > b->leaf.block;
}

static int compare_limits(const void *pa, const void *pb)
{
	const struct lclone_limit *a = pa, *b = pb;

	return a->place < b->place ? -1 : a->place > b->place;
}

int lclone_leaves_settle(struct lclone_salvage *s)
{
	size_t late = 0, old = s->leaves, to, i;
	int err;

	if (s->limits)
		lclone_sort(s->limit, s->limits, sizeof(*s->limit), compare_limits);
	if (!s->nr_late)
		return 0;
	lclone_sort(s->late, s->nr_late, sizeof(*s->late), compare_late);
	for (i = 0; i < s->nr_late; i++)
		if (!late || s->late[late - 1].leaf.place != s->late[i].leaf.place)
			s->late[late++] = s->late[i];
	err = make_room(s, late);
	if (err)
		return err;
	s->leaves += late;
	for (to = s->leaves; late; )	/* from the end, where there is room */
		s->leaf[--to] = old && s->leaf[old - 1].place > s->late[late - 1].leaf.place ?
				s->leaf[--old] : s->late[--late].leaf;
	s->nr_late = 0;
	return 0;
}

void lclone_leaves_forget(struct lclone_salvage *s)
{
	s->leaves = s->nr_late = s->limits = s->lost_leaves = 0;
}

static u64 place_of(const void *leaf)
{
	return ((const struct lclone_salvaged *)leaf)->place;
}

size_t lclone_leaf_lower_bound(const struct lclone_salvage *s, u64 place)
{
	return lclone_lower_bound(s->leaf, s->leaves, sizeof(*s->leaf), place, place_of);
}

struct lclone_salvaged *lclone_leaf_find(struct lclone_salvage *s, u64 place)
{
	size_t i = lclone_leaf_lower_bound(s, place);

	return i < s->leaves && s->leaf[i].place == place ? &s->leaf[i] : NULL;
}

static u64 place_of_limit(const void *limit)
{
	return ((const struct lclone_limit *)limit)->place;
}

u64 lclone_leaf_limit(const struct lclone_salvage *s, u64 place)
{
	size_t next = lclone_lower_bound(s->limit, s->limits, sizeof(*s->limit), place + 1,
					 place_of_limit);

	return next ? s->limit[next - 1].checkpoint : 0;
}

static bool is_ahead(const struct lclone_salvage *s, u64 block)
{
	return block >= s->ahead_block && block - s->ahead_block < s->ahead_blocks;
}

void lclone_leaf_ahead(struct lclone_salvage *s, size_t i)
{
	u64 block = s->leaf[i].block;
	u32 n = 1;

	if (!block || is_ahead(s, block))
		return;
	while (n < AHEAD_BLOCKS && i + n < s->leaves && s->leaf[i + n].block == block + n)
		n++;
	if (!s->ahead)
		s->ahead = malloc(AHEAD_BLOCKS * sizeof(*s->ahead));
	s->ahead_block = block;
	s->ahead_blocks = n > 1 && s->ahead &&
			  !lclone_dev_read(s->delta.dev, s->ahead, block * LCLONE_BLOCK_SECTORS,
					   n * LCLONE_BLOCK_SECTORS) ? n : 0;
}

void lclone_leaf_ahead_end(struct lclone_salvage *s)
{
	free(s->ahead);
	s->ahead = NULL;
	s->ahead_blocks = 0;
}

int lclone_leaf_read(struct lclone_salvage *s, const struct lclone_salvaged *leaf,
		     union lclone_node *node)
{
	u64 first = (u64)leaf->place * LCLONE_LEAF_EXCEPTIONS;
	struct lclone_ref ref = { .block = leaf->block, .csum = leaf->csum };
	struct lclone_fault fault;

	if (!leaf->block) {
		memset(node, 0, sizeof(*node));
		return 0;
	}
	if (is_ahead(s, ref.block)) {
		*node = s->ahead[ref.block - s->ahead_block];
		if (!lclone_node_verify(&node->head, s->delta.sb.uuid, first, 0, ref.csum,
					s->delta.sb.checkpoint, &fault))
			return 0;
	}
	/* its checksum is not known any more: what is made of it has one that is */
	if (leaf->flags & LCLONE_LEAF_PLANNED &&
	    !lclone_dev_read(s->delta.dev, node, ref.block * LCLONE_BLOCK_SECTORS,
			     LCLONE_BLOCK_SECTORS))
		ref.csum = le32_to_cpu(node->head.csum);
	return lclone_delta_read_node(&s->delta, ref, 0, first, node);
}
