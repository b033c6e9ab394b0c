/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Jobs of one kind that several processes share, each of which waits most of its time.
 */
#ifndef LCLONE_CREW_H
#define LCLONE_CREW_H

#include <stddef.h>

struct lclone_crew {
	/*
	 * Does a job, in another process if there are several: what it changes in memory is not
	 * seen here.  0, or a negative errno with the sentence in lclone_why().
	 */
	int (*work)(size_t job, void *ctx);
	/*
	 * Told here of each job that has ended, in any order; @err is what work() has returned,
	 * with its sentence, or -ECHILD if its process was killed.  Not 0: no more are begun.
	 */
	int (*ended)(size_t job, int err, void *ctx);
	void *ctx;
};

/*
 * Returns when all have ended that were begun: 0, or a negative errno with the sentence in
 * lclone_why() if nothing could be.  The processes begin no job any more when this one is killed.
 */
int lclone_crew_work(const struct lclone_crew *crew, size_t count);

#endif /* LCLONE_CREW_H */
