// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "cmd/commands.h"
#include "host/find.h"
#include "host/stack.h"
#include "ui/output.h"

/* A delta or layer, and its place in the tree */
struct node {
	const struct lclone_found *found;
	const struct lclone_clone *clone;	/* the active one that writes it, or NULL */
	struct node *parent;			/* NULL: the base, or a layer that is missing */
	char broken[PATH_MAX + LCLONE_WHY_SIZE];	/* why the layer is missing, or "" */
	const struct lclone_found *merged_into;	/* it is left over from that, or NULL */
	char base[PATH_MAX];			/* "-": none; "": not found */
	bool known;				/* ... by the table of an active clone */
};

struct tree {
	struct lclone_inventory inv;
	struct node *node;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct lclone_found *)a)->path,
		      ((const struct lclone_found *)b)->path);
}

/* What an active clone has right below it; else its superblock counts. */
static struct node *layer_below(struct tree *t, const struct node *n)
{
	dev_t below;
	size_t i;

	if (!lclone_next_with(&t->inv, n->found->rdev, NULL, &below))
		return NULL;
	for (i = 0; i < t->inv.count; i++)
		if (lclone_shows_same(t->inv.found[i].rdev, below))
			return &t->node[i];
	return NULL;
}

static void guess_parent(struct tree *t, struct node *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	char why[LCLONE_WHY_SIZE];
	size_t i;

	for (i = 0; i < t->inv.count; i++) {
		const struct lclone_found *found = &t->inv.found[i];

		if (uuid_compare(found->sb.uuid, sb->parent_uuid) ||
		    lclone_left_over_by(&t->inv, &found->sb))
			continue;
		if (!lclone_link_check(sb, &found->sb, why)) {
			n->parent = &t->node[i];
			n->broken[0] = '\0';
			return;
		}
		snprintf(n->broken, sizeof(n->broken), "%s %s", found->path, why);
	}
}

static void find_parent(struct tree *t, struct node *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	char uuid[UUID_STR_LEN];

	if (!lclone_has_parent(sb))
		return;
	n->merged_into = lclone_left_over_by(&t->inv, sb);
	if (n->merged_into)
		return;
	n->parent = layer_below(t, n);
	if (n->parent)
		return;
	uuid_unparse(sb->parent_uuid, uuid);
	snprintf(n->broken, sizeof(n->broken), "its parent layer (uuid %s, generation %llu) is missing",
		 uuid, (unsigned long long)sb->parent_generation);
	guess_parent(t, n);
}

/* Bases: devices with the same content look the same, but an active clone's table is sure. */

static bool same_base(const struct lclone_sb *a, const struct lclone_sb *b)
{
	return a->base_fp_alg == b->base_fp_alg && a->base_sectors == b->base_sectors &&
	       a->base_fp == b->base_fp;
}

static void ask_base(const struct tree *t, struct node *n)
{
	const struct lclone_clone *clone;
	dev_t below;

	if (n->found->sb.base_fp_alg == LCLONE_FP_NONE)
		strcpy(n->base, "-");
	clone = lclone_next_with(&t->inv, n->found->rdev, NULL, &below);
	n->known = clone || n->base[0];
	if (clone)
		name_of(clone->table.base, n->base);
}

static int guess_base(const struct tree *t, struct node *n)
{
	size_t i;

	for (i = 0; i < t->inv.count; i++) {
		const struct node *other = &t->node[i];

		if ((other->known || other < n) && same_base(&other->found->sb, &n->found->sb)) {
			strcpy(n->base, other->base);
			return 0;
		}
	}
	return lclone_find_base(&n->found->sb, n->base);
}

static int find_bases(struct tree *t)
{
	size_t i;
	int err = 0;

	for (i = 0; i < t->inv.count; i++)
		ask_base(t, &t->node[i]);
	for (i = 0; !err && i < t->inv.count; i++)
		if (!t->node[i].known)
			err = guess_base(t, &t->node[i]);
	return err;
}

static int read_tree(struct tree *t)
{
	size_t i;
	int err;

	err = lclone_inventory_read_all(&t->inv);
	if (err)
		return err;
	t->node = calloc(t->inv.count + 1, sizeof(*t->node));
	if (!t->node)
		return lclone_fail(-ENOMEM, "out of memory");
	if (t->inv.count)
		qsort(t->inv.found, t->inv.count, sizeof(*t->inv.found), by_path);
	for (i = 0; i < t->inv.count; i++) {
		t->node[i].found = &t->inv.found[i];
		t->node[i].clone = lclone_clone_with_delta(&t->inv, t->inv.found[i].rdev);
		find_parent(t, &t->node[i]);
	}
	return find_bases(t);
}

static void free_tree(struct tree *t)
{
	free(t->node);
	lclone_inventory_free(&t->inv);
}

static bool together(const struct node *a, const struct node *b)
{
	if (a->base[0] || b->base[0])
		return !strcmp(a->base, b->base);
	return same_base(&a->found->sb, &b->found->sb);
}

static bool is_first_of_base(const struct tree *t, size_t i)
{
	size_t k;

	if (t->node[i].parent)
		return false;
	for (k = 0; k < i; k++)
		if (!t->node[k].parent && together(&t->node[k], &t->node[i]))
			return false;
	return true;
}

/* Of an active clone the kernel knows it now; else it is that of the last checkpoint. */
static u64 used_sectors(const struct node *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	struct lclone_status status;

	if (n->clone && !lclone_dm_status(n->clone->name, &status))
		return status.used * status.chunk_sectors;
	return (u64)(sb->hwm - sb->first_chunk - sb->freed) * sb->chunk_sectors;
}

/* Text */

static void print_node(const struct tree *t, const struct node *n, int depth)
{
	const struct lclone_sb *sb = &n->found->sb;
	char label[4 * LCLONE_LABEL_SIZE];
	size_t i;

	printf("%*s%s: ", 2 * depth, "", n->found->path);
	if (n->clone)
		printf("active as %s%s", n->clone->name, n->clone->suspended ? ", SUSPENDED" : "");
	else if (!n->found->rdev)
		printf("volume that is not active");
	else
		printf("%s", sb->state & LCLONE_STATE_SEALED ? "sealed layer" : "not active");
	printf(", %llu MiB, %.1f MiB used", (unsigned long long)sb->virtual_sectors >> 11,
	       used_sectors(n) / 2048.0);
	if (sb->label[0])
		printf(", \"%s\"", lclone_text_plain(label, sizeof(label), sb->label));
	if (lclone_half_merged(sb))
		printf(", merge of the layer above begun");
	else if (sb->state & LCLONE_STATE_MERGING)
		printf(", merge into the base begun");
	if (n->merged_into)
		printf(", LEFT OVER: was merged into %s", n->merged_into->path);
	if (sb->state & LCLONE_STATE_NEEDS_CHECK)
		printf(", NEEDS CHECK");
	if (n->broken[0])
		printf(", BROKEN: %s", n->broken);
	putchar('\n');
	for (i = 0; i < t->inv.count; i++)
		if (t->node[i].parent == n)
			print_node(t, &t->node[i], depth + 1);
}

/* JSON */

static void add_text(struct json_object *o, const char *name, const char *text)
{
	char utf8[4 * PATH_MAX];

	json_object_object_add(o, name, text && text[0] ?
			       json_object_new_string(lclone_text_utf8(utf8, sizeof(utf8), text)) :
			       NULL);
}

static struct json_object *node_to_json(const struct tree *t, const struct node *n)
{
	struct json_object *o = json_object_new_object(), *children = json_object_new_array();
	const struct lclone_sb *sb = &n->found->sb;
	char uuid[UUID_STR_LEN];
	size_t i;

	uuid_unparse(sb->uuid, uuid);
	add_text(o, "device", n->found->path);
	add_text(o, "clone", n->clone ? n->clone->name : NULL);
	add_text(o, "label", sb->label);
	add_text(o, "uuid", uuid);
	json_object_object_add(o, "generation", json_object_new_uint64(sb->generation));
	json_object_object_add(o, "sealed",
			       json_object_new_boolean(sb->state & LCLONE_STATE_SEALED));
	json_object_object_add(o, "sectors", json_object_new_uint64(sb->virtual_sectors));
	json_object_object_add(o, "used_sectors", json_object_new_uint64(used_sectors(n)));
	json_object_object_add(o, "used_bytes", json_object_new_uint64(512 * used_sectors(n)));
	json_object_object_add(o, "suspended",
			       json_object_new_boolean(n->clone && n->clone->suspended));
	json_object_object_add(o, "merging",
			       json_object_new_boolean(sb->state & LCLONE_STATE_MERGING));
	json_object_object_add(o, "needs_check",
			       json_object_new_boolean(sb->state & LCLONE_STATE_NEEDS_CHECK));
	add_text(o, "merged_into", n->merged_into ? n->merged_into->path : NULL);
	add_text(o, "broken", n->broken);
	for (i = 0; i < t->inv.count; i++)
		if (t->node[i].parent == n)
			json_object_array_add(children, node_to_json(t, &t->node[i]));
	json_object_object_add(o, "children", children);
	return o;
}

/* A base, as text or into @array */
static void show_base(const struct tree *t, const struct node *first, struct json_object *array)
{
	const char *path = first->base;
	u64 sectors = first->found->sb.base_sectors;
	struct json_object *o, *children;
	size_t i;

	/* it may have been enlarged between two clones */
	for (i = 0; i < t->inv.count; i++)
		if (!t->node[i].parent && together(&t->node[i], first) &&
		    t->node[i].found->sb.base_sectors > sectors)
			sectors = t->node[i].found->sb.base_sectors;

	if (!array && path[0] == '-')
		printf("no base (-)\n");
	else if (!array)
		printf("%s: base, %llu MiB\n", path[0] ? path : "a base that was not found",
		       (unsigned long long)sectors >> 11);
	if (array) {
		o = json_object_new_object();
		children = json_object_new_array();
		add_text(o, "base", path);
		json_object_object_add(o, "sectors", json_object_new_uint64(sectors));
		json_object_object_add(o, "children", children);
		json_object_array_add(array, o);
	}
	for (i = 0; i < t->inv.count; i++) {
		if (t->node[i].parent || !together(&t->node[i], first))
			continue;
		if (array)
			json_object_array_add(children, node_to_json(t, &t->node[i]));
		else
			print_node(t, &t->node[i], 1);
	}
}

static void show(const struct tree *t, struct json_object *array)
{
	size_t i;

	for (i = 0; i < t->inv.count; i++)
		if (is_first_of_base(t, i))
			show_base(t, &t->node[i], array);
	tell_unseen(&t->inv);
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct json_object *array = NULL;
	struct tree tree = { .node = NULL };
	int option, ret = 0;

	while ((option = next_option(&cmd_tree, argc, argv, options, &ret)) != -1) {
		if (option != 'j')
			return ret;
		array = array ?: json_object_new_array();
	}
	if (optind != argc)
		return usage_error(&cmd_tree, "takes no arguments");
	ret = read_tree(&tree);
	if (!ret)
		show(&tree, array);
	if (!ret && array)
		put_json(json_object_get(array), JSON_C_TO_STRING_PRETTY);
	json_object_put(array);
	free_tree(&tree);
	return ret;
}

const struct command cmd_tree = {
	.name = "tree",
	.summary = "show bases, layers and clones, and who lies on whom",
	.usage =
	"tree [--json]\n\n"
	"Looks at all block devices and shows the deltas on them, active or not: under each\n"
	"base what lies on it, and under each layer what lies on that. Says which layers are\n"
	"missing, or not what they were.\n\n"
	"  --json  as a JSON array of bases\n",
	.run = run,
};
