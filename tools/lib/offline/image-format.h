/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which format the image of a disk has, and whether it is all of the disk.
 *
 * Nothing is guessed: what looks like a format that is not read, or is called by one that it has
 * not, is refused, as is what names other files, if that is not wished: the image of somebody
 * else's could name any file of this host.
 */
#ifndef LCLONE_IMAGE_FORMAT_H
#define LCLONE_IMAGE_FORMAT_H

#include <stdbool.h>

/*
 * The format of the file @fd, which the user has called @path, as qemu-img's word for it.  0, or
 * a negative errno with the sentence in lclone_why(): -EPROTONOSUPPORT, or -EINVAL if it is too
 * small to be anything.
 */
int lclone_image_format(int fd, const char *path, bool other_files, const char **format);

/* The same of one that may name other files, and also lie on one: only its format is told. */
int lclone_image_format_only(int fd, const char *path, const char **format);

#endif /* LCLONE_IMAGE_FORMAT_H */
