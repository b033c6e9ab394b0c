// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <uuid/uuid.h>

#include "basic/text.h"
#include "clone/family.h"
#include "clone/owner.h"
#include "clone/snapshot.h"
#include "cmd/commands.h"
#include "ui/output.h"

/* Text */

static void print_node(const struct family *t, const struct member *n, int depth)
{
	const struct lclone_sb *sb = &n->found->sb;
	char label[4 * LCLONE_LABEL_SIZE], used[16], time[LCLONE_TIME_SIZE];
	char owner[LCLONE_OWNER_TEXT_SIZE];
	size_t i;

	say("%*s%s: ", 2 * depth, "", n->found->path);
	if (n->clone)
		say("active as %s%s", n->clone->name, n->clone->suspended ? ", SUSPENDED" : "");
	else if (!n->found->rdev)
		printf("volume that is not active");
	else
		printf("%s", sb->state & LCLONE_STATE_SEALED ? "sealed layer" : "not active");
	printf(", %s, %s used", LCLONE_SIZE(sb->virtual_sectors),
	       lclone_size_text(lclone_family_used(n) * 512, used));
	if (sb->label[0])
		printf(", \"%s\"", lclone_text_plain(label, sizeof(label), sb->label));
	lclone_time_text(sb->sealed_at, time);
	if (time[0])
		printf(", of %s", time);
	if (lclone_is_owned(sb) && !n->clone)
		printf(", OPEN ON %s", lclone_owner_text(sb, owner));
	if (lclone_half_written(sb))
		printf(", HALF WRITTEN");
	else if (lclone_half_merged(sb))
		printf(", merge of the layer above begun");
	else if (sb->state & LCLONE_STATE_MERGING)
		printf(", merge into the base begun");
	if (n->merged_into)
		say(", LEFT OVER: was merged into %s", n->merged_into->path);
	if (sb->state & LCLONE_STATE_NEEDS_CHECK)
		printf(", NEEDS CHECK");
	if (n->broken[0])
		say(", BROKEN: %s", n->broken);
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

static struct json_object *node_to_json(const struct family *t, const struct member *n)
{
	struct json_object *o = json_object_new_object(), *children = json_object_new_array();
	const struct lclone_sb *sb = &n->found->sb;
	char uuid[UUID_STR_LEN], owner[LCLONE_HOST_NAME_MAX + 1];
	size_t i;

	uuid_unparse(sb->uuid, uuid);
	lclone_owner_name(sb, owner);
	add_text(o, "device", n->found->path);
	add_text(o, "clone", n->clone ? n->clone->name : NULL);
	add_text(o, "label", sb->label);
	add_text(o, "snapshot", lclone_snapshot_name(sb));
	json_object_object_add(o, "sealed_at", json_object_new_uint64(sb->sealed_at));
	add_text(o, "uuid", uuid);
	json_object_object_add(o, "generation", json_object_new_uint64(sb->generation));
	json_object_object_add(o, "sealed",
			       json_object_new_boolean(sb->state & LCLONE_STATE_SEALED));
	json_object_object_add(o, "size_bytes",
			       json_object_new_uint64(512 * sb->virtual_sectors));
	json_object_object_add(o, "used_bytes",
			       json_object_new_uint64(512 * lclone_family_used(n)));
	json_object_object_add(o, "suspended",
			       json_object_new_boolean(n->clone && n->clone->suspended));
	json_object_object_add(o, "merging",
			       json_object_new_boolean(sb->state & LCLONE_STATE_MERGING));
	json_object_object_add(o, "needs_check",
			       json_object_new_boolean(sb->state & LCLONE_STATE_NEEDS_CHECK));
	add_text(o, "owner", owner);
	json_object_object_add(o, "owned_since", json_object_new_uint64(sb->owned_since));
	add_text(o, "merged_into", n->merged_into ? n->merged_into->path : NULL);
	add_text(o, "broken", n->broken);
	for (i = 0; i < t->inv.count; i++)
		if (t->node[i].parent == n)
			json_object_array_add(children, node_to_json(t, &t->node[i]));
	json_object_object_add(o, "children", children);
	return o;
}

/* A base, as text or into @array */
static void show_base(const struct family *t, const struct member *first, struct json_object *array)
{
	const char *path = first->base;
	u64 sectors = first->found->sb.base_sectors;
	struct json_object *o, *children;
	size_t i;

	/* it may have been enlarged between two clones */
	for (i = 0; i < t->inv.count; i++)
		if (!t->node[i].parent && lclone_family_one_base(&t->node[i], first) &&
		    t->node[i].found->sb.base_sectors > sectors)
			sectors = t->node[i].found->sb.base_sectors;

	if (!array && path[0] == '-')
		printf("no base (-)\n");
	else if (!array)
		say("%s: base, %s\n", path[0] ? path : "a base that was not found",
		    LCLONE_SIZE(sectors));
	if (array) {
		o = json_object_new_object();
		children = json_object_new_array();
		add_text(o, "base", path);
		json_object_object_add(o, "size_bytes", json_object_new_uint64(512 * sectors));
		json_object_object_add(o, "children", children);
		json_object_array_add(array, o);
	}
	for (i = 0; i < t->inv.count; i++) {
		if (t->node[i].parent || !lclone_family_one_base(&t->node[i], first))
			continue;
		if (array)
			json_object_array_add(children, node_to_json(t, &t->node[i]));
		else
			print_node(t, &t->node[i], 1);
	}
}

static void show(const struct family *t, struct json_object *array)
{
	size_t i;

	for (i = 0; i < t->inv.count; i++)
		if (lclone_family_first_of_base(t, i))
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
	struct family tree = { .node = NULL };
	int option, ret = 0;

	while ((option = next_option(&cmd_tree, argc, argv, options, &ret)) != -1) {
		if (option != 'j')
			return ret;
		array = array ?: json_object_new_array();
	}
	if (optind != argc)
		return usage_error(&cmd_tree, "takes no arguments");
	ret = lclone_family_read(&tree);
	if (!ret)
		show(&tree, array);
	if (!ret && array)
		put_json(json_object_get(array), JSON_C_TO_STRING_PRETTY);
	json_object_put(array);
	lclone_family_free(&tree);
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
