// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/owner.h"
#include "clone/protect.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/salvage.h"
#include "offline/undo.h"
#include "ui/confirm.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"

/* A run: what it has found, and how far it is */
struct run {
	struct json_object *findings;	/* NULL: they were printed */
	struct meter meter;
	const char *phase;
};

static void report_text(const struct lclone_finding *f, void *ctx)
{
	meter_hide(&((struct run *)ctx)->meter);
	say("%s: %s\n", lclone_damage_name(f->class), f->text);
}

static void add(struct json_object *o, const char *name, u64 value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

static void report_json(const struct lclone_finding *f, void *ctx)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "class", json_object_new_string(lclone_damage_name(f->class)));
	add(o, "block", f->block);
	add(o, "chunk", f->chunk);
	add(o, "chunks", f->chunks);
	json_object_object_add(o, "text", json_object_new_string(f->text));
	json_object_array_add(((struct run *)ctx)->findings, o);
}

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	struct run *run = ctx;

	if (!run->phase || strcmp(run->phase, phase))
		meter_start(&run->meter, done);
	run->phase = phase;
	meter_show(&run->meter, phase, done, total, false);
	return interrupted();
}

/* Sectors in all of one kind */
static u64 sum(const struct lclone_salvage *s, bool old)
{
	u64 sectors = 0;
	size_t i;

	for (i = 0; i < s->losses; i++)
		if (s->loss[i].old == old)
			sectors += s->loss[i].sectors;
	return sectors;
}

static void print_text(const struct lclone_repair *r, const char *path, const char *save)
{
	const struct lclone_salvage *s = &r->salvage;
	size_t i;

	for (i = 0; i < s->losses; i++) {
		const struct lclone_loss *l = &s->loss[i];

		printf("%s: sectors %llu to %llu (%llu bytes from %llu)\n",
		       l->old ? "may be old" : "lost", (unsigned long long)l->sector,
		       (unsigned long long)(l->sector + l->sectors - 1),
		       (unsigned long long)l->sectors * 512, (unsigned long long)l->sector * 512);
	}
	if (s->dropped)
		printf("exceptions that break a rule: %llu\n", (unsigned long long)s->dropped);
	if (s->orphans)
		printf("leaves that nothing led to any more: %llu\n",
		       (unsigned long long)s->orphans);
	if (s->missing)
		printf("blocks of commits that are missing in the log: %llu\n",
		       (unsigned long long)s->missing);
	if (s->nr_unread)
		printf("blocks of the log that cannot be read: %zu; a repair makes them zeros, which cannot be undone\n", s->nr_unread);
	say("%s: %s, %llu bytes of the clone %s lost, %llu may be old\n", path,
	    save ? "repaired" : "can be repaired", (unsigned long long)sum(s, false) * 512,
	    save ? "are" : "would be", (unsigned long long)sum(s, true) * 512);
	if (s->losses && s->delta.sb.state & LCLONE_STATE_SEALED)
		say("%s: is a layer; what lies on it is refused %s, and lclone rebase --parent accepts it\n",
		    path, save ? "now" : "then");
	if (save && s->nr_unread)
		say("%s: what was there before, as far as it could be read; it cannot be put back\n",
		    save);
	else if (save)
		say("%s: what was there before; lclone repair --undo puts it back\n", save);
	else
		say("%s: nothing was changed; lclone repair --save FILE does it\n", path);
}

static struct json_object *ranges(const struct lclone_salvage *s, bool old)
{
	struct json_object *array = json_object_new_array(), *o;
	size_t i;

	for (i = 0; i < s->losses; i++) {
		if (s->loss[i].old != old)
			continue;
		o = json_object_new_object();
		add(o, "sector", s->loss[i].sector);
		add(o, "sectors", s->loss[i].sectors);
		add(o, "byte", s->loss[i].sector * 512);
		add(o, "bytes", s->loss[i].sectors * 512);
		json_object_array_add(array, o);
	}
	return array;
}

static void print_json(const struct lclone_repair *r, struct json_object *findings, bool repaired)
{
	const struct lclone_salvage *s = &r->salvage;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "findings", json_object_get(findings));
	json_object_object_add(o, "lost", ranges(s, false));
	json_object_object_add(o, "may_be_old", ranges(s, true));
	add(o, "dropped_exceptions", s->dropped);
	add(o, "orphaned_leaves", s->orphans);
	add(o, "missing_log_blocks", s->missing);
	add(o, "unreadable_log_blocks", s->nr_unread);
	json_object_object_add(o, "repaired", json_object_new_boolean(repaired));
	put_json(o, JSON_C_TO_STRING_PRETTY);
}

static int repair(const char *path, const char *save, bool json)
{
	struct run run = { .findings = json ? json_object_new_array() : NULL };
	const struct lclone_watch watch = { .progress = progress, .ctx = &run };
	struct lclone_delta before = { .dev = NULL };
	struct lclone_repair r = { .findings = 0 };
	struct lclone_file file;
	bool readable;
	int err;

	err = lclone_open_delta_file(path, save ? O_RDWR : O_RDONLY, &file);
	if (err)
		goto out;
	readable = !lclone_delta_open_sb(&before, &file.dev);
	meter_init(&run.meter, false);	/* its lines would be no part of the JSON object */
	run.meter.named = true;
	err = lclone_repair_plan(&r, &file.dev, json ? report_json : report_text, &run, &watch);
	if (err) {
		lclone_fail(err, "%s: %s", path, r.why);
		err = err == -EINVAL ? -EMEDIUMTYPE : err;
	} else if (save && r.findings) {
		err = lclone_refuse_owned(path, &r.salvage.delta.sb) ?:
		      lclone_make_writable(&file) ?: lclone_repair_apply(&r, &file, save);
	} else if (readable && !lclone_delta_unchanged(&before)) {
		err = lclone_fail(-EBUSY, "%s was changed while it was read: run it again", path);
	}
	meter_hide(&run.meter);
	if (err)
		goto out;
	if (json)
		print_json(&r, run.findings, save && r.findings);
	else if (r.findings)
		print_text(&r, path, save);
	else
		say("%s: no damage\n", path);
	if (r.findings && !save)
		err = EXIT_DAMAGED;
out:
	lclone_delta_close(&before);
	lclone_repair_free(&r);
	json_object_put(run.findings);
	lclone_file_close(&file);
	return !err && save ? lclone_protect_layer(path) : err;
}

static int undo(const char *path, const char *saved)
{
	struct lclone_file file;
	int err;

	err = lclone_file_open_ready(&file, path, O_RDWR | O_EXCL);
	if (!err)
		err = lclone_make_writable(&file);
	if (!err)
		err = lclone_repair_undo(&file, saved);
	if (!err)
		say("%s: as it was before the repair\n", path);
	lclone_file_close(&file);
	return err ?: lclone_protect_layer(path);
}

static const struct option options[] = {
	{ "save", required_argument, NULL, 's' },
	{ "undo", required_argument, NULL, 'u' },
	{ "json", no_argument, NULL, 'j' },
	TAKEOVER_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	const char *save = NULL, *saved = NULL;
	char path[PATH_MAX];
	struct takeover takeover = { .given = false };
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_repair, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 's':
			save = optarg;
			break;
		case 'u':
			saved = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'T':
		case 'y':
			parse_takeover_option(&takeover, option);
			break;
		default:
			return ret;
		}
	}
	take_over(&takeover, false);
	if (saved && (save || json))
		return usage_error(&cmd_repair, "--undo goes with no other option");
	if (argc - optind != 1)
		return usage_error(&cmd_repair, "needs a delta");
	ret = lclone_delta_path(argv[optind], path);
	if (ret)
		return ret;
	return saved ? undo(path, saved) : repair(path, save, json);
}

const struct command cmd_repair = {
	.name = "repair",
	.summary = "make a damaged delta whole again, with what is left of it",
	.usage =
	"repair [--json] [--save FILE] [--takeover [--yes]] NAME[@SNAPSHOT]|DELTA\n"
	"       lclone repair --undo FILE NAME[@SNAPSHOT]|DELTA\n\n"
	"Says what is damaged in DELTA, and which ranges of the clone would be lost, or may be\n"
	"old, after a repair. Changes nothing without --save.\n\n"
	"  --save FILE  repair, and keep what was there before in FILE, which must not exist\n"
	"  --undo FILE  put that back; not after the delta was used again\n"
	"  --json       findings and ranges as a JSON object\n"
	"  --takeover   also of a delta that another host has open by its note\n"
	"  --yes        do not ask before that\n",
	.run = run,
};
