/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Volumes of layers are read-only for LVM, as nobody but a command that changes a layer on purpose
 * may write to them: that lifts it, and sets it again if the layer stays.  A run that was killed in
 * between leaves a layer that can be written, and is as good to the next one.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_PROTECT_H
#define LCLONE_PROTECT_H

#include "host/file.h"

/*
 * Before @file, open with O_RDWR, is written: if it is read-only as the volume of a delta of ours
 * it is not any more; else -EROFS.
 */
int lclone_make_writable(const struct lclone_file *file);

/* After that: the volume, if it is a sealed layer's, is read-only again. */
int lclone_protect_layer(const char *path);

#endif /* LCLONE_PROTECT_H */
