// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>

#include "basic/text.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/measure.h"
#include "ui/options.h"
#include "ui/output.h"

static void print_text(const struct plan *p)
{
	char size[16];

	printf("%s: copies %s", p->name, lclone_size_text(p->copy, size));
	if (p->zero)
		printf(", zeroes %s", lclone_size_text(p->zero, size));
	printf(", at least %.1f s; needs %s", p->seconds, lclone_size_text(p->space, size));
	printf(" (%s", p->what);
	if (p->available != UINT64_MAX)
		printf(": %s%s", lclone_size_text(p->available, size),
		       p->space > p->available ? ", TOO LITTLE" : "");
	printf(")\n");
}

static void add(struct json_object *o, const char *name, u64 value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

static void print_json(const struct plan *plan, int n)
{
	struct json_object *all = json_object_new_object(), *o;

	for (; n--; plan++) {
		o = json_object_new_object();
		add(o, "copied_bytes", plan->copy);
		add(o, "zeroed_bytes", plan->zero);
		json_object_object_add(o, "seconds", json_object_new_double(plan->seconds));
		add(o, "needed_bytes", plan->space);
		if (plan->available != UINT64_MAX)
			add(o, "available_bytes", plan->available);
		json_object_object_add(all, plan->name, o);
	}
	put_json(all, JSON_C_TO_STRING_PRETTY);
}

static int print_plans(const char *base, const char *delta, const struct lclone_parents *parents,
		       bool json)
{
	struct plan plan[PLANS_MAX];
	int i, n = lclone_measure(base, delta, parents, plan);

	if (n < 0)
		return n;
	if (json)
		print_json(plan, n);
	for (i = 0; !json && i < n; i++)
		print_text(&plan[i]);
	return 0;
}

static const struct option options[] = {
	PARENT_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_parents parents = { 0 };
	static struct lclone_named named;
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_measure, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'j')
			json = true;
		else
			ret = lclone_add_parent(&parents, optarg);
		if (ret)
			return ret;
	}
	if (argc - optind == 1)
		return lclone_pair_of(lclone_dm_name(argv[optind]), &named) ?:
		       print_plans(named.base, named.delta, &parents, json);
	if (argc - optind != 2)
		return usage_error(&cmd_measure, "needs a name, or a base (or -) and a delta");
	return print_plans(argv[optind], argv[optind + 1], &parents, json);
}

const struct command cmd_measure = {
	.name = "measure",
	.summary = "tell what a merge, flatten or copy will need",
	.usage =
	"measure [--json] NAME[@SNAPSHOT]\n"
	"       lclone measure [--parent LAYER]... [--json] BASE|- DELTA\n\n"
	"Tells how much would be copied by a merge of DELTA into its base or the layer below,\n"
	"by making DELTA independent of all that (flatten), and by a copy to another device;\n"
	"how long that takes at least, at the rate at which the devices can be read now; and\n"
	"which space it needs. Changes nothing. NAME is a clone's, active or not.\n"
	"DELTA may be active: it is measured as of one moment.\n\n"
	"  --parent LAYER  a layer that DELTA lies on; those not named are looked for\n"
	"  --json          as a JSON object\n",
	.run = run,
};
