/* SPDX-License-Identifier: GPL-2.0-only */
/* A VHD in a file, which is opened and closed with it. */
#ifndef LCLONE_VHD_FILE_H
#define LCLONE_VHD_FILE_H

#include "host/file.h"
#include "offline/vhd.h"

struct lclone_vhd_file {
	struct lclone_file file;
	struct lclone_vhd vhd;		/* its dev is the file's */
};

/*
 * @path must outlive it.  Close it in any case.  0, or a negative errno with the sentence in
 * lclone_why(), see lclone_vhd_open().
 */
int lclone_vhd_file_open(struct lclone_vhd_file *f, const char *path);
/* One that is 0 but for a file.fd of -1 was never opened, and need not be closed, but may be. */
void lclone_vhd_file_close(struct lclone_vhd_file *f);

#endif /* LCLONE_VHD_FILE_H */
