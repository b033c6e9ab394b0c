// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/seal.h"
#include "clone/users.h"
#include "clone/verified.h"
#include "host/device.h"
#include "offline/image.h"
#include "offline/template.h"

/* The one of that name, whole or not; 1: there is none. */
static int find(const char *name, struct lclone_lv *lv)
{
	struct lclone_lv *lvs;
	size_t count, i, found = 0;
	int err;

	err = lclone_lv_list(&lvs, &count);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		if (!lclone_lv_is_base(&lvs[i]) || strcmp(lvs[i].name, name))
			continue;
		if (found++)
			err = lclone_fail(-ESTALE, "there are two templates %s: %s/%s and %s/%s",
					  name, lv->vg, lv->lv, lvs[i].vg, lvs[i].lv);
		*lv = lvs[i];
	}
	free(lvs);
	return err ?: !found;
}

static int refuse_taken(const char *name)
{
	struct lclone_lv lv;
	int ret = find(name, &lv);

	if (ret == 1)
		return 0;
	if (ret)
		return ret;
	if (lv.kind == LCLONE_LV_FILLING)
		return lclone_fail(-EEXIST, "the template %s is being made, or was, on %s/%s: if not by another lclone, \"lclone template remove %s\" removes that",
				   name, lv.vg, lv.lv, name);
	return lclone_fail(-EEXIST, "there is a template %s already, on %s/%s", name, lv.vg, lv.lv);
}

/* A template without is one, too. */
static int make_tree(const struct lclone_lv *lv, const struct lclone_watch *watch,
		     struct lclone_lv *tree)
{
	int err = lclone_seal_make(lv, watch, tree);

	if (err)
		tree->lv[0] = '\0';
	return err == -EPROTONOSUPPORT ? 0 : err;
}

/* Whole or not, if it is there */
static int remove_tree(const struct lclone_lv *lv)
{
	const struct lclone_lv *tree;
	struct lclone_lv *lvs;
	size_t count;
	int err;

	err = lclone_lv_list(&lvs, &count);
	tree = err ? NULL : lclone_seal_in(lvs, count, lv);
	if (tree)
		err = lclone_lv_remove(tree);
	free(lvs);
	return err;
}

static int fill(struct lclone_image *image, const struct lclone_lv *lv,
		const struct lclone_watch *watch, struct lclone_lv *tree)
{
	char path[LCLONE_LV_PATH_SIZE], why[1024];
	int err;

	err = lclone_lv_create(lv);
	if (err)
		return err;
	lclone_lv_path(lv, path);
	err = lclone_image_copy(image, path, watch) ?: make_tree(lv, watch, tree) ?:
	      lclone_lv_seal(lv);
	if (!err)
		return 0;
	snprintf(why, sizeof(why), "%s", lclone_why());
	if ((tree->lv[0] && lclone_lv_remove(tree)) || lclone_lv_remove(lv))
		return lclone_fail(err, "%s; and the volume %s/%s could not be removed", why,
				   lv->vg, lv->lv);
	return lclone_fail(err, "%s: no template was made", why);
}

int lclone_template_add(const char *name, const char *image_path, bool other_files,
			const char *vg, const struct lclone_watch *watch, struct lclone_lv *lv,
			struct lclone_lv *tree)
{
	static struct lclone_image image = { .file = { .fd = -1 } };
	int err;

	*lv = (struct lclone_lv){ .kind = LCLONE_LV_FILLING };
	*tree = (struct lclone_lv){ .kind = LCLONE_LV_VERITY };
	err = lclone_lv_check_name("a template", name) ?: lclone_lv_set_vg(lv, vg);
	if (err)
		return err;
	snprintf(lv->name, sizeof(lv->name), "%s", name);
	snprintf(lv->lv, sizeof(lv->lv), "%s", name);
	err = refuse_taken(name);
	if (err)
		return err;
	err = lclone_image_open(&image, image_path, other_files);
	lv->sectors = image.sectors;
	if (!err)
		err = fill(&image, lv, watch, tree);
	lclone_image_close(&image);
	return err;
}

static int no_template(const char *name)
{
	return lclone_fail(-ENOENT, "there is no template %s (\"lclone template list\" shows those that are)",
			   name);
}

int lclone_template_find(const char *name, struct lclone_lv *lv)
{
	int ret = find(name, lv);

	if (ret == 1 || (!ret && lv->kind != LCLONE_LV_BASE))
		return no_template(name);
	return ret;
}

int lclone_template_find_any(const char *name, struct lclone_lv *lv)
{
	int ret = find(name, lv);

	return ret == 1 ? no_template(name) : ret;
}

int lclone_template_path(const char *word, char path[PATH_MAX])
{
	char volume[LCLONE_LV_PATH_SIZE];
	struct lclone_lv lv;
	int err;

	if (strchr(word, '/')) {
		snprintf(path, PATH_MAX, "%s", word);
		return 0;
	}
	err = lclone_template_find(word, &lv) ?: lclone_lv_activate(&lv);
	if (err)
		return err;
	lclone_lv_path(&lv, volume);
	snprintf(path, PATH_MAX, "%s", volume);
	return 0;
}

int lclone_template_may_go(const struct lclone_lv *lv)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_file file;
	int err;

	if (lv->kind == LCLONE_LV_FILLING)
		return 0;
	lclone_lv_path(lv, path);
	err = lclone_lv_activate(lv);
	if (err)
		return err;
	lclone_verified_tidy(lclone_dev_at(path));
	err = lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL) ?:
	      lclone_refuse_base_of_others(&file, NULL, false, NULL);
	lclone_file_close(&file);
	return err;
}

int lclone_template_remove(const struct lclone_lv *lv)
{
	return lclone_template_may_go(lv) ?: remove_tree(lv) ?: lclone_lv_remove(lv);
}
