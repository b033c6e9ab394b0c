// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/text.h"
#include "host/machine.h"
#include "ui/output.h"

static void say_plain(FILE *to, const char *fmt, va_list args)
{
	char *text, *plain = NULL;
	int len = vasprintf(&text, fmt, args);
	bool line;

	if (len < 0)
		return;
	line = len && fmt[strlen(fmt) - 1] == '\n';
	text[len - line] = '\0';
	plain = malloc(4 * len + 1);
	if (plain)
		fprintf(to, "%s%s", lclone_text_plain(plain, 4 * len + 1, text), line ? "\n" : "");
	free(plain);
	free(text);
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_plain(stdout, fmt, args);
	va_end(args);
}

void say_to(FILE *to, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_plain(to, fmt, args);
	va_end(args);
}

static void add_version(struct json_object *o)
{
	json_object_object_add(o, "version", json_object_new_int(JSON_VERSION));
}

void put_json(struct json_object *json, int style)
{
	size_t i;

	if (json_object_is_type(json, json_type_object))
		add_version(json);
	else
		for (i = 0; i < json_object_array_length(json); i++)
			add_version(json_object_array_get_idx(json, i));
	puts(json_object_to_json_string_ext(json, style | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

void tell_unseen(const struct lclone_inventory *inv)
{
	size_t i;

	for (i = 0; i < inv->unseen_count; i++)
		say_to(stderr, "not looked at: %s %s\n", inv->unseen[i].path,
		       inv->unseen[i].why);
}

void tell_not_noted(const char *name)
{
	char owner[LCLONE_OWNER_SIZE];

	if (!lclone_this_host(owner))
		say_to(stderr, "%s: this host has no machine-id: no other one sees that it is open here\n",
		       name);
}
