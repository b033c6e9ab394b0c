// SPDX-License-Identifier: GPL-2.0-only
#include "ui/lost.h"
#include "ui/output.h"

void tell_lost(FILE *to, const struct lclone_layers *layers, u32 count, struct lclone_names *names)
{
	const struct lclone_layer *layer;
	u32 i;

	*names = (struct lclone_names){ .count = 0 };
	for (i = 0; i < count; i++) {
		layer = &layers->layer[i];
		if (lclone_snapshot_name(&layer->sb)) {
			say_to(to, "%s, on %s, goes, too\n", layer->sb.label, layer->path);
			lclone_add_name(names, layer->sb.label);
		} else {
			say_to(to, "%s goes, too\n", layer->path);
			lclone_add_name(names, layer->path);
		}
	}
}
