/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flatten: the delta takes over what lies below it, or only what the layer right below has,
 * while the clone is in use.
 */
#ifndef LCLONE_FLATTEN_H
#define LCLONE_FLATTEN_H

#include "lane.h"

extern const struct lclone_sweep_ops lclone_flatten_ops;
extern const struct lclone_sweep_ops lclone_layer_ops;

#endif /* LCLONE_FLATTEN_H */
