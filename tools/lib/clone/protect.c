// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "basic/fail.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/lv.h"

int lclone_make_writable(const struct lclone_file *file)
{
	struct lclone_lv lv, now;
	int ro = 0;

	if (!file->block || ioctl(file->fd, BLKROGET, &ro) || !ro)
		return 0;
	if (lclone_lv_of(file->rdev, &lv) || lv.kind != LCLONE_LV_DELTA || !lv.read_only)
		return lclone_fail(-EROFS, "%s is read-only: make it writable first (lvchange --permission rw, blockdev --setrw)",
				   file->path);
	now = lv;
	now.read_only = false;
	return lclone_lv_retag(&lv, &now);
}

int lclone_protect_layer(const char *path)
{
	struct lclone_lv lv, now;
	struct lclone_sb sb;
	int ret = lclone_lv_of(lclone_dev_at(path), &lv);

	if (ret || lv.kind != LCLONE_LV_DELTA || lv.read_only || lclone_sb_of(path, &sb) ||
	    !(sb.state & LCLONE_STATE_SEALED))
		return ret < 0 ? ret : 0;
	now = lv;
	now.read_only = true;
	return lclone_lv_retag(&lv, &now);
}
