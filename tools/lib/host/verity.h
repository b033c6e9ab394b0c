/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verity trees: they are made by libcryptsetup, which is loaded when it is needed.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_HOST_VERITY_H
#define LCLONE_HOST_VERITY_H

#include "basic/watch.h"
#include "format/verity.h"
#include "host/file.h"

/* -EPROTONOSUPPORT: there is no libcryptsetup. */
int lclone_verity_can_make(void);

/*
 * Writes superblock and tree of @data, which is read once, on @hashes, and syncs that.  There is no
 * salt: the same content has the same root hash everywhere.  Until this ends there is no superblock.
 */
int lclone_verity_make(const struct lclone_file *data, struct lclone_file *hashes,
		       const struct lclone_watch *watch, u8 root[LCLONE_ROOT_SIZE]);

/*
 * The tree on @hashes, as its superblock has it.  -ESTALE if it is that of another size than
 * @data has, or if it does not end on @hashes; -ENODATA if there is none.
 */
int lclone_verity_read(const struct lclone_file *data, const struct lclone_file *hashes,
		       struct lclone_verity *verity);

#endif /* LCLONE_HOST_VERITY_H */
