// SPDX-License-Identifier: GPL-2.0-only
#include "clone/seal.h"
#include "clone/users.h"
#include "offline/seal-base.h"

/* A merge that the kernel is at holds no lock of the base. */
int lclone_seal_base(const char *path, const struct lclone_watch *watch, struct lclone_lv *base,
		     struct lclone_lv *tree, bool *already)
{
	struct lclone_file file = { .fd = -1 };
	int err;

	err = lclone_seal_lock(path, &file) ?: lclone_refuse_as_base(&file, "", NULL) ?:
	      lclone_seal_locked(&file, watch, base, tree, already);
	lclone_file_close(&file);
	return err;
}
