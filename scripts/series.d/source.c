struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s)
{
	u32 sub = offset >> d->geo.sub_shift, run = LCLONE_SUBCHUNKS - sub;
	bool found = source_in(d, exc, offset, &run, s);

	s->sectors = ((sub + run) << d->geo.sub_shift) - offset;
	if (!found)
		source_base(d, lclone_chunk_start(&d->geo, chunk) + offset, s);
	return NULL;
}

/* Until the next patch there are no layers: a delta that lies on one is refused. */

struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask)
{
	return NULL;
}
