// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>

#include "basic/text.h"
#include "ui/output.h"
#include "ui/progress.h"
#include "ui/stream.h"

int show_stream(void *ctx, const char *phase, u64 done, u64 total)
{
	meter_show(ctx, phase, done, total, done == total);
	return interrupted();
}

void tell_stream(const char *what, const char *from, const char *to, u64 data, u64 zeros,
		 bool json)
{
	struct json_object *o;
	char size[16], more[16];

	if (!json) {
		say("%s %s", what, to);
		if (from[0])
			say(" since %s", from);
		printf(": %s of data", lclone_size_text(data, size));
		if (zeros)
			printf(", %s of zeros", lclone_size_text(zeros, more));
		putchar('\n');
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "state", json_object_new_string(what));
	json_object_object_add(o, "name", json_object_new_string(to));
	json_object_object_add(o, "since", from[0] ? json_object_new_string(from) : NULL);
	json_object_object_add(o, "data_bytes", json_object_new_uint64(data));
	json_object_object_add(o, "zero_bytes", json_object_new_uint64(zeros));
	put_json(o, JSON_C_TO_STRING_SPACED);
}
