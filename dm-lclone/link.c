// SPDX-License-Identifier: GPL-2.0-only
/*
 * The links between layers: each layer names the one that it lies on.
 */
#include "link.h"

/* Returns the generation that a delta has once it is sealed. */
static u64 sealed_generation(const struct lclone_delta *d)
{
	return d->super.sb.generation + !(d->super.sb.state & LCLONE_STATE_SEALED);
}

/*
 * User space merges layers.  The lower one names the upper one as its owner until the merge has
 * ended: what it reads as makes sense only together with the upper one.
 */
bool lclone_is_half_merged(const struct lclone_sb *sb)
{
	const u32 half = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;

	return (sb->state & half) == half && sb->owner[0];
}

bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above)
{
	char uuid[UUID_STRING_LEN + 1];

	snprintf(uuid, sizeof(uuid), "%pUb", above->uuid);
	return !strcmp(half->owner, uuid);
}

static int check_layers(struct lclone *t, const struct lclone_sb *sb,
			const struct lclone_delta *below)
{
	if (lclone_is_half_merged(&below->super.sb) && !lclone_merges_with(&below->super.sb, sb)) {
		t->ti->error = "A merge into the parent layer has begun: go on with it first";
		return -EUCLEAN;
	}
	if (sb->chunk_sectors != below->super.sb.chunk_sectors) {
		t->ti->error = "The layers have different chunk sizes";
		return -EINVAL;
	}
	return 0;
}

int lclone_link_check(struct lclone *t, const char *name, const struct lclone_sb *sb,
		      const struct lclone_delta *below)
{
	bool has_parent = memchr_inv(sb->parent_uuid, 0, sizeof(sb->parent_uuid));

	if (!below && has_parent) {
		DMERR("%s: a parent layer is missing in the table", name);
		t->ti->error =
			"The delta, or a layer, has a parent layer that the table does not name";
		return -EINVAL;
	}
	if (!below)
		return 0;
	if (memcmp(sb->parent_uuid, below->super.sb.uuid, sizeof(sb->parent_uuid))) {
		DMERR("%s: %s is not its parent layer", name, below->dev.name);
		t->ti->error = "Not the parent layer";
		return -EINVAL;
	}
	if (sb->parent_generation != sealed_generation(below)) {
		DMERR("%s: its parent layer %s had generation %llu, now it has %llu", name,
		      below->dev.name, sb->parent_generation, sealed_generation(below));
		t->ti->error = "The parent layer was changed, or was never sealed";
		return -EINVAL;
	}
	return check_layers(t, sb, below);
}

struct lclone_delta *lclone_chain_top(const struct lclone *t)
{
	return t->chain ? t->chain->layer[0] : NULL;
}

int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb)
{
	const struct lclone_delta *below = lclone_chain_top(t);

	if (t->rebase)
		return below ? check_layers(t, sb, below) : 0;
	return lclone_link_check(t, t->delta->dev.name, sb, below);
}

void lclone_chain_name(struct lclone *t, struct lclone_sb *sb)
{
	const struct lclone_delta *below = lclone_chain_top(t);

	memset(sb->parent_uuid, 0, sizeof(sb->parent_uuid));
	sb->parent_generation = 0;
	if (!below)
		return;
	memcpy(sb->parent_uuid, below->super.sb.uuid, sizeof(sb->parent_uuid));
	sb->parent_generation = sealed_generation(below);
}
