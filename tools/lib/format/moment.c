// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/delta.h"
#include "format/moment.h"
#include "format_user.h"

#define BUCKETS		65536u
#define LOG_BATCH	32u	/* blocks read at a time */
#define TRIES		30
#define DOUBTS		3	/* that damage was seen in one and the same state */

struct lclone_moment_block {
	struct lclone_moment_block *next;
	u64 number;
	u32 pass;			/* in which it was read */
	int err;
	u8 data[LCLONE_BLOCK_SIZE];
};

/* Blocks */

static struct lclone_moment_block **bucket(const struct lclone_moment *m, u64 number)
{
	return &m->block[number % BUCKETS];
}

static struct lclone_moment_block *find(const struct lclone_moment *m, u64 number)
{
	struct lclone_moment_block *b = *bucket(m, number);

	while (b && b->number != number)
		b = b->next;
	return b;
}

static struct lclone_moment_block *find_or_add(struct lclone_moment *m, u64 number)
{
	struct lclone_moment_block *b = find(m, number);

	if (b)
		return b;
	b = malloc(sizeof(*b));
	if (!b)
		return NULL;
	b->number = number;
	b->next = *bucket(m, number);
	*bucket(m, number) = b;
	return b;
}

static int keep(struct lclone_moment *m, u64 number, int read_err, const u8 *data)
{
	struct lclone_moment_block *b = find_or_add(m, number);

	if (!b)
		return -ENOMEM;
	b->pass = m->pass;
	b->err = read_err;
	memcpy(b->data, data, LCLONE_BLOCK_SIZE);
	return 0;
}

/* Reads a block from the device; one that cannot be read is noted as that. */
static int fetch(struct lclone_moment *m, u64 number)
{
	u8 buf[LCLONE_BLOCK_SIZE] = { 0 };
	int err = lclone_dev_read(m->of, buf, number * LCLONE_BLOCK_SECTORS, LCLONE_BLOCK_SECTORS);

	return keep(m, number, err, buf);
}

/* So many at once, if all can be read; else from the last to the first */
static int fetch_many(struct lclone_moment *m, u64 number, u32 count)
{
	u8 buf[LOG_BATCH][LCLONE_BLOCK_SIZE];
	bool at_once;
	int err = 0;
	u32 i;

	at_once = !lclone_dev_read(m->of, buf, number * LCLONE_BLOCK_SECTORS,
				   count * LCLONE_BLOCK_SECTORS);
	for (i = count; !err && i-- > 0; )
		err = at_once ? keep(m, number + i, 0, buf[i]) : fetch(m, number + i);
	return err;
}

/* Forgets what the last try had no use for: it may be something else on the device now. */
static void forget_unused(struct lclone_moment *m)
{
	struct lclone_moment_block **at, *b;
	u32 i;

	for (i = 0; i < BUCKETS; i++) {
		for (at = &m->block[i]; (b = *at); ) {
			if (b->pass == m->pass) {
				at = &b->next;
				continue;
			}
			*at = b->next;
			free(b);
		}
	}
}

static int read_block(struct lclone_moment *m, u8 *buf, u64 number)
{
	struct lclone_moment_block *b = find(m, number);
	int err;

	if (!b && m->reading) {
		err = fetch(m, number);
		if (err)
			return err;
		b = find(m, number);
	}
	if (b && m->reading)
		b->pass = m->pass;
	if (!b)
		return lclone_dev_read(m->of, buf, number * LCLONE_BLOCK_SECTORS,
				       LCLONE_BLOCK_SECTORS);
	if (!b->err)
		memcpy(buf, b->data, LCLONE_BLOCK_SIZE);
	return b->err;
}

static int moment_dev_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	struct lclone_moment *m = container_of(dev, struct lclone_moment, dev);
	u8 *to = buf;
	int err = 0;

	if (sector % LCLONE_BLOCK_SECTORS || count % LCLONE_BLOCK_SECTORS)
		return lclone_dev_read(m->of, buf, sector, count);	/* no metadata */
	for (; !err && count; count -= LCLONE_BLOCK_SECTORS, sector += LCLONE_BLOCK_SECTORS,
	     to += LCLONE_BLOCK_SIZE)
		err = read_block(m, to, sector / LCLONE_BLOCK_SECTORS);
	return err;
}

/* One try; *whole becomes false if anything does not verify. */

/*
 * From its end to its start: a commit that is seen to be there was written when all before
 * it were.
 */
static int read_log(struct lclone_moment *m, const struct lclone_sb *sb)
{
	u32 left = sb->log_blocks, count;
	int err = 0;

	while (!err && left) {
		count = left % LOG_BATCH ?: LOG_BATCH;
		left -= count;
		err = fetch_many(m, sb->log_start + left, count);
	}
	return err;
}

/*
 * The blocks of one read can be read in any order, so that one may be missing before another:
 * where the log, as it was read, ends.  From there one read's blocks are read again, one by one.
 */
static int read_log_end(struct lclone_moment *m)
{
	struct lclone_delta delta;
	const struct lclone_scan *scan = &delta.scan;
	const struct lclone_sb *sb = &delta.sb;
	u32 at;
	int err = lclone_delta_open(&delta, &m->dev);

	at = min_u64(sb->log_pos + sb->log_blocks / 2, scan->end + scan->next_index + LOG_BATCH);
	for (err = err == -ENOMEM ? err : 0; !err && at-- > scan->end; )
		err = fetch(m, sb->log_start + at);
	lclone_delta_close(&delta);
	return err;
}

static int read_node(struct lclone_moment *m, struct lclone_delta *delta, struct lclone_ref ref,
		     u32 level, u64 first, union lclone_node *node)
{
	struct lclone_moment_block *b = find(m, ref.block);
	bool old = b && b->pass != m->pass;
	int err;

	err = lclone_delta_read_node(delta, ref, level, first, node);
	if (!err || !old)
		return err;
	/* another node was there before */
	return fetch(m, ref.block) ?: lclone_delta_read_node(delta, ref, level, first, node);
}

static int read_tree(struct lclone_moment *m, struct lclone_delta *delta, struct lclone_ref ref,
		     u32 level, u64 first, bool *whole)
{
	u64 span = level ? lclone_node_span(level - 1) : 0;
	union lclone_node node;
	struct lclone_ref child;
	u32 i;
	int err;

	err = read_node(m, delta, ref, level, first, &node);
	if (err) {
		*whole = false;
		return err == -ENOMEM ? err : 0;
	}
	for (i = 0; !err && level && i < LCLONE_NODE_REFS; i++) {
		if (lclone_delta_child(delta, &node, level, first, i, &child))
			*whole = false;
		else if (child.block)
			err = read_tree(m, delta, child, level - 1, first + i * span, whole);
	}
	return err;
}

static int read_content(struct lclone_moment *m, struct lclone_delta *delta, bool *whole)
{
	struct lclone_ref root;
	int err;

	err = read_log(m, &delta->sb);
	if (!err && m->doubts)
		err = read_log_end(m);
	if (err)
		return err;
	err = lclone_delta_replay(delta);
	if (err == -ENOMEM)
		return err;
	*whole = !err && lclone_delta_damaged_slot(delta) < 0;
	if (lclone_delta_root(delta, &root))
		*whole = false;
	return root.block ? read_tree(m, delta, root, delta->sb.root_level, 0, whole) : 0;
}

/* Doubts are of one state: where a slot is not as the try before has read it they begin anew. */
static int read_slot(struct lclone_moment *m, u64 number)
{
	const struct lclone_moment_block *b = find(m, number);
	struct lclone_moment_block before = { .err = 0 };
	int err;

	if (b)
		before = *b;
	err = fetch(m, number);
	if (err || !b)
		return err;
	if (b->err != before.err || memcmp(b->data, before.data, sizeof(b->data)))
		m->doubts = 0;
	return 0;
}

static bool slot_is_same(const struct lclone_moment *m, u64 number)
{
	const struct lclone_moment_block *b = find(m, number);
	u8 now[LCLONE_BLOCK_SIZE];

	return lclone_dev_read(m->of, now, number * LCLONE_BLOCK_SECTORS,
			       LCLONE_BLOCK_SECTORS) == b->err &&
	       (b->err || !memcmp(now, b->data, sizeof(now)));
}

static int read_all(struct lclone_moment *m, bool *whole)
{
	struct lclone_delta delta;
	int err;

	*whole = false;
	m->pass++;
	err = read_slot(m, LCLONE_SB_SLOT_A) ?: read_slot(m, LCLONE_SB_SLOT_B);
	if (err)
		return err;
	if (!lclone_delta_open_sb(&delta, &m->dev))
		err = read_content(m, &delta, whole);
	lclone_delta_close(&delta);
	return err;
}

int lclone_moment_read(struct lclone_moment *m, const struct lclone_dev *of)
{
	int tries, err = 0;
	bool whole;

	*m = (struct lclone_moment){ .dev = { of->sectors, moment_dev_read }, .of = of };
	m->block = calloc(BUCKETS, sizeof(*m->block));
	if (!m->block)
		return -ENOMEM;
	m->reading = true;
	for (tries = 0; !err && tries < TRIES; tries++) {
		err = read_all(m, &whole);
		if (!err && slot_is_same(m, LCLONE_SB_SLOT_A) &&
		    slot_is_same(m, LCLONE_SB_SLOT_B) && (whole || ++m->doubts == DOUBTS))
			break;
	}
	m->reading = false;
	forget_unused(m);
	return err ?: tries == TRIES ? -EBUSY : 0;
}

void lclone_moment_free(struct lclone_moment *m)
{
	struct lclone_moment_block *b, *next;
	u32 i;

	for (i = 0; m->block && i < BUCKETS; i++) {
		for (b = m->block[i]; b; b = next) {
			next = b->next;
			free(b);
		}
	}
	free(m->block);
	m->block = NULL;
}
