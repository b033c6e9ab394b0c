// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-flight I/O to the delta.
 *
 * I/O holds the current one of two references.  To wait for all I/O that may
 * have seen the table as it was, the other reference is made current and the
 * old one killed: it reaches zero when the last such I/O has ended.  The one
 * that is not current is dead, so that nobody who read a stale index gets it.
 */
#include "lclone.h"

static void inflight_release(struct percpu_ref *ref)
{
	struct lclone_delta *d = container_of(ref, struct lclone_inflight, ref)->delta;

	smp_store_release(&d->drained, true);
	queue_work(d->wq, &d->worker);
}

int lclone_drain_init(struct lclone_delta *d)
{
	int i, err;

	for (i = 0; i < 2; i++) {
		d->inflight[i].delta = d;
		err = percpu_ref_init(&d->inflight[i].ref, inflight_release,
				      PERCPU_REF_ALLOW_REINIT | (i ? PERCPU_REF_INIT_DEAD : 0),
				      GFP_KERNEL);
		if (err)
			goto exit;
	}
	return 0;
exit:
	while (i--)
		percpu_ref_exit(&d->inflight[i].ref);
	return err;
}

void lclone_drain_destroy(struct lclone_delta *d)
{
	percpu_ref_exit(&d->inflight[0].ref);
	percpu_ref_exit(&d->inflight[1].ref);
}

void lclone_drain_start(struct lclone_delta *d)
{
	int old = d->inflight_cur;

	d->drain_busy = true;
	/* full barrier inside: what the caller published is seen by who gets the new one */
	percpu_ref_reinit(&d->inflight[!old].ref);
	WRITE_ONCE(d->inflight_cur, !old);
	percpu_ref_kill(&d->inflight[old].ref);
}

bool lclone_drain_finish(struct lclone_delta *d)
{
	if (!d->drain_busy || !smp_load_acquire(&d->drained))
		return false;
	d->drained = false;
	d->drain_busy = false;
	return true;
}
