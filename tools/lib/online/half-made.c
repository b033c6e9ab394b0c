// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "host/file.h"
#include "online/create.h"
#include "online/half-made.h"
#include "online/open.h"

static int another(const struct lclone_lv *lv, const char *what)
{
	return lclone_fail(-EEXIST, "%s/%s, which was made for %s by an lclone that was killed, %s: remove it if nobody needs that (lvremove %s/%s)",
			   lv->vg, lv->lv, lv->name, what, lv->vg, lv->lv);
}

/* What is neither blank, nor ours, somebody else has put there. */
static int look_at_data(const struct lclone_lv *lv, const struct lclone_file *file,
			enum lclone_half_made *made)
{
	struct lclone_delta delta;
	char uuid[37];
	int err;

	err = lclone_delta_open_sb(&delta, &file->dev);
	uuid_unparse_lower(delta.sb.uuid, uuid);
	if (err == -EINVAL || err == -ENODATA)
		err = lclone_file_no_signature(file) ? another(lv, "has other data") : 0;
	else if (err)
		err = another(lv, "has a damaged delta");
	else if (strcmp(uuid, lv->uuid))
		err = lclone_is_recycled(file, &delta.sb, lv->uuid) ? 0 :
		      another(lv, "has another delta");
	else if (delta.sb.incarnation > 1)	/* that run has opened it once */
		err = another(lv, "was opened since");
	else if (delta.sb.incarnation)
		*made = LCLONE_MADE_OPENED;
	lclone_delta_close(&delta);
	return err;
}

int lclone_half_made(const struct lclone_lv *lv, const char *base,
		     const struct lclone_parents *parents,
		     const struct lclone_features *features, enum lclone_half_made *made)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_file file;
	int err;

	lclone_lv_path(lv, path);
	*made = LCLONE_MADE_ACTIVE;
	(void)lclone_was_opened(lv->name, base, path, features);	/* or half */
	if (lclone_is_open_so(lv->name, base, path, parents, features))
		return 0;
	*made = LCLONE_MADE_VOLUME;
	err = lclone_check_free_name(lv->name) ?: lclone_lv_activate(lv);
	if (err)
		return err;
	err = lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL);
	err = err ?: look_at_data(lv, &file, made);
	lclone_file_close(&file);
	return err;
}
