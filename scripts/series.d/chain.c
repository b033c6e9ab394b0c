struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s)
{
	u32 sub = offset >> d->sub_shift, run = LCLONE_SUBCHUNKS - sub;
	bool found = source_in(d, exc, offset, &run, s);

	s->sectors = ((sub + run) << d->sub_shift) - offset;
	if (!found)
		source_base(d, lclone_chunk_start(d, chunk) + offset, s);
	return NULL;
}

/* Until the next patch there are no layers: a delta that lies on one is refused. */

struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask)
{
	return NULL;
}

bool lclone_is_half_merged(const struct lclone_sb *sb)
{
	const u32 half = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;

	return (sb->state & half) == half && sb->owner[0];
}

bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above)
{
	return false;
}

int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb)
{
	if (!memchr_inv(sb->parent_uuid, 0, sizeof(sb->parent_uuid)))
		return 0;
	t->ti->error = "The delta has a parent layer: not supported";
	return -EINVAL;
}

void lclone_chain_name(struct lclone *t, struct lclone_sb *sb)
{
	memset(sb->parent_uuid, 0, sizeof(sb->parent_uuid));
	sb->parent_generation = 0;
}

int lclone_chain_get(struct lclone *t)
{
	if (!t->nr_parents)
		return 0;
	t->ti->error = "Parent layers are not supported";
	return -EINVAL;
}

void lclone_chain_put(struct lclone *t)
{
}

int lclone_chain_start(struct lclone *t)
{
	return 0;
}
