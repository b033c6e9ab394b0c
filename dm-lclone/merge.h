/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merge of a delta into its base while the clone is in use.
 */
#ifndef LCLONE_MERGE_H
#define LCLONE_MERGE_H

#include "lane.h"

extern const struct lclone_sweep_ops lclone_merge_ops;

#endif /* LCLONE_MERGE_H */
