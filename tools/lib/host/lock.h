/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks between runs of lclone on this host.
 *
 * What:	a device or plain file that holds a delta, a layer, a base, or the target
 *		of a copy; and, for the switch of its table, the name of a clone.
 * Shared:	who reads it, and needs that it stays what it is: every reader, of all
 *		levels of the chain and of the base; who formats a delta on it, till that
 *		is durable; who loads a table that has it as a layer or base, till it is loaded.
 * Exclusive:	who writes to it, or loads a table that lets the kernel write. This is taken
 *		before the look at who depends on it, and held until the last write, or the load,
 *		so that nobody can come in between. The layer that another one is merged into is
 *		an exception: once its superblock says so, which keeps out by itself who does not
 *		come through the upper one, the lock is shared, and clones above can be opened
 *		while it is merged.
 * Order:	from the top of a chain to its bottom, then a base, then a target. Nobody waits
 *		for long: after LCLONE_LOCK_MS it is -EBUSY, so that a wrong order is no
 *		deadlock. What is looked at before a lock is taken counts only if it
 *		is looked at again behind it.
 *
 * The lock of a device is on a file in LCLONE_LOCK_DIR that is named after its number,
 * since udev, mkfs and others lock device nodes themselves. The lock of a plain file is
 * on the file: a dead writer's lock goes when its last I/O has ended, and not before.  A loop
 * device that shows a file from its beginning has both, as the file is a delta by any name.
 * They end with the process. A process does not exclude itself, but for an exclusive lock on
 * what another file of it has locked as shared: others may be reading that.
 *
 * The kernel knows nothing of these locks. It is kept out by O_EXCL, and by what superblocks say;
 * whether it has the same by another loop device is looked at behind the lock.
 * Who writes has each delta and target open with O_EXCL. Readers of a delta that is no layer
 * share that, too: the first has it open so, for all who come meanwhile, and has locked a second
 * file that is named after the device. If the first one ends before them, the others read on
 * without, and look at their end whether the superblock is still the same: no kernel writes
 * anything before it has written that.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LOCK_H
#define LCLONE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#define LCLONE_LOCK_DIR		"/run/lclone"
#define LCLONE_LOCK_MS		2000	/* how long others are waited for */
#define LCLONE_LOCK_POLL_MS	20

struct lclone_claim;
struct lclone_lock;

enum lclone_lock_kind {
	LCLONE_LOCK_SHARED,
	LCLONE_LOCK_EXCLUSIVE,
};

/* What can be locked: a device, or a plain file, that is open. */
struct lclone_locked {
	int fd;
	bool block;			/* a block device, else a plain file */
	const char *path;		/* for sentences */
};

/*
 * Locks it; *lock is NULL before, or what an earlier call has set, whose lock becomes one of
 * @kind.  See lclone_lock() in file.h.
 */
int lclone_lock_take(struct lclone_lock **lock, const struct lclone_locked *what,
		     enum lclone_lock_kind kind);

/* Ends that; *lock is NULL afterwards. Nothing is done if it is NULL. */
void lclone_lock_drop(struct lclone_lock **lock);

/*
 * The claim of a device (O_EXCL) that readers share. 0: it is there, *claim has it, or, being
 * NULL, another reader. -EBUSY without a sentence: the device is claimed by none of them.
 */
int lclone_claim_take(struct lclone_claim **claim, const struct lclone_locked *what);
void lclone_claim_drop(struct lclone_claim **claim);

/* Does a reader claim that device? */
bool lclone_claim_is_taken(dev_t dev);

/* Who switches the table of a clone. A descriptor, to be closed, or a negative errno. */
int lclone_lock_clone(const char *name);

/*
 * Who makes clones with their volumes: shared; exclusive: who takes over what one that was killed
 * has left, and so has to know that nobody is at it.  What takes long, as an import, is done without:
 * then it is the volume that is locked until it is kept.  The same.
 */
int lclone_lock_creation(enum lclone_lock_kind kind);

/*
 * Shared: who uses a volume of a group that hosts share, @volume as group and name; exclusive: who
 * gives it back to them.  The same.
 */
int lclone_lock_volume(const char *volume, enum lclone_lock_kind kind);

/*
 * Who makes a layer with an identity that others gave it: from the look whether it is here until
 * a superblock says so.  The same.
 */
int lclone_lock_receive(void);

/* Who changes lclonetab(5), whose @path is for sentences. The same. */
int lclone_lock_tab(const char *path);

/* The only one that extends deltas by itself. The same; -EBUSY: there is one. */
int lclone_lock_daemon(void);

#endif /* LCLONE_LOCK_H */
