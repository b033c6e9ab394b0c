/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta or layer that is written whole: it gets the content that it has in order of its
 * sectors, and nobody reads it before the end.
 *
 *	struct lclone_writer *w;
 *
 *	err = lclone_writer_begin(&w, &file, &options);
 *	while (!err && ...)
 *		err = lclone_writer_data(w, sector, buf, sectors);	(or _zero)
 *	if (!err)
 *		err = lclone_writer_end(w);
 *	lclone_writer_free(w);
 *
 * From begin to end the device is half written, see lclone_half_written(): every command and the kernel
 * refuse it, also after a crash or an error.  Only end makes it whole.  Memory is about 34 MiB, and
 * 24 bytes for each 504 chunks.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().  Not thread-safe.
 */
#ifndef LCLONE_WRITER_H
#define LCLONE_WRITER_H

#include "clone/super.h"

struct lclone_writer_options {
	/* size, chunk size, label, uuid (NULL: a new one), and the layer that it will lie on */
	struct lclone_format_options format;
	struct lclone_file *base;	/* NULL: that of the layer below, if there is one */
	bool sealed;			/* as a layer; else it is a delta, and can be written on */
	u64 generation, sealed_at;	/* of a layer: see format.rst */
	bool force;			/* overwrite what is on the device, see overwrite.h */
	/*
	 * Reads what the disk has below this delta.  It is asked for the rest of a subchunk, of
	 * which only a part is given; NULL: nothing is below, or there are no such parts.
	 */
	int (*below)(void *ctx, void *buf, u64 sector, u32 sectors);
	void *ctx;
};

struct lclone_writer;

/*
 * @file is open with O_RDWR and O_EXCL, and must outlive it.  What is on it must not be needed by
 * anybody.  A half written delta of the same uuid, generation, size, and layer or base below is the
 * rest of an earlier run: it is gone over.
 */
int lclone_writer_begin(struct lclone_writer **writer, struct lclone_file *file,
			const struct lclone_writer_options *options);
void lclone_writer_free(struct lclone_writer *writer);

/*
 * The next sectors: they lie behind those of the calls before, and not beyond the disk's end
 * (-ERANGE).  What is left out comes from below.  -ENOSPC: the device is full.
 */
int lclone_writer_data(struct lclone_writer *writer, u64 sector, const void *buf, u32 sectors);
int lclone_writer_zero(struct lclone_writer *writer, u64 sector, u64 sectors);

/* All was given: now it is whole, and durable.  *sb is what it has become. */
int lclone_writer_end(struct lclone_writer *writer, struct lclone_sb *sb);

#endif /* LCLONE_WRITER_H */
