// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>

#include "offline/vhd-file.h"

int lclone_vhd_file_open(struct lclone_vhd_file *f, const char *path)
{
	f->vhd = (struct lclone_vhd){ .dev = NULL };
	return lclone_file_open_ready(&f->file, path, O_RDONLY) ?:
	       lclone_vhd_open(&f->vhd, &f->file.dev, path);
}

void lclone_vhd_file_close(struct lclone_vhd_file *f)
{
	lclone_vhd_close(&f->vhd);
	lclone_file_close(&f->file);
}
