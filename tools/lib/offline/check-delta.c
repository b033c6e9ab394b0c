// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "basic/fail.h"
#include "clone/active.h"
#include "clone/chain.h"
#include "clone/owner.h"
#include "offline/check-delta.h"

/* The chain below, as far as it is there. 1: a finding was reported. */
static int check_chain(struct lclone_file *file, const struct lclone_dev *dev,
		       const struct lclone_parents *parents, lclone_report_fn report, void *ctx)
{
	struct lclone_finding finding = { .class = LCLONE_DAMAGE_PARENT };
	static struct lclone_chain chain;
	struct lclone_delta delta;
	int err = 0;

	if (!lclone_delta_open(&delta, dev))	/* if not: that was reported */
		err = lclone_chain_open(&chain, &delta, file, parents);
	lclone_chain_close(&chain);
	lclone_delta_close(&delta);
	switch (-err) {
	case ESTALE:
	case EUCLEAN:
	case EBADMSG:
	case EMEDIUMTYPE:
		finding.text = lclone_why();
		report(&finding, ctx);
		return 1;
	default:
		return err;
	}
}

long lclone_check_delta(const char *path, struct lclone_file *base,
			const struct lclone_parents *parents, void (*stale)(const char *why),
			lclone_report_fn report, void *ctx, struct lclone_usage *usage)
{
	struct lclone_delta before = { .dev = NULL };
	struct lclone_moment moment;
	const struct lclone_dev *dev;
	struct lclone_file file;
	char why[LCLONE_WHY_SIZE], owner[LCLONE_OWNER_TEXT_SIZE];
	bool readable = false;
	long ret, links;

	ret = lclone_open_delta_file_now(path, stale, &file, &moment, &dev);
	if (ret)
		goto out;
	readable = !lclone_delta_open_sb(&before, dev);
	if (readable && lclone_owned_elsewhere(&before.sb)) {
		snprintf(why, sizeof(why), "%s is open on the host %s", path,
			 lclone_owner_text(&before.sb, owner));
		stale(why);
	}
	ret = lclone_check(dev, base ? &base->dev : NULL, report, ctx, usage, why);
	if (ret < 0) {
		lclone_fail(ret, "%s: %s", path, why);
		ret = ret == -EINVAL ? -EMEDIUMTYPE : ret;
		goto out;
	}
	links = check_chain(&file, dev, parents, report, ctx);
	ret = links < 0 ? links : ret + links;
	if (links >= 0 && readable && !lclone_delta_unchanged(&before))
		ret = lclone_fail(-EBUSY, "%s was changed while it was read: run it again", path);
out:
	lclone_delta_close(&before);
	lclone_file_close(&file);
	lclone_moment_free(&moment);
	return ret;
}
