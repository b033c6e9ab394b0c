/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layers that are lost with what a command does: what is told before it is asked for.
 */
#ifndef LCLONE_UI_LOST_H
#define LCLONE_UI_LOST_H

#include <stdio.h>

#include "clone/snapshot.h"

/*
 * A line to @to for each of the first @count layers, as a sentence names only some of them: @names,
 * of snapshots CLONE@SNAPSHOT, of other layers the devices.
 */
void tell_lost(FILE *to, const struct lclone_layers *layers, u32 count, struct lclone_names *names);

#endif /* LCLONE_UI_LOST_H */
