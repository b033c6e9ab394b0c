/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clones as metrics, in Prometheus' text format.
 */
#ifndef LCLONE_UI_METRICS_H
#define LCLONE_UI_METRICS_H

#include <stdio.h>

#include "clone/overview.h"

/* See lclone-metrics(8) for what there is; 0, or a negative errno with the sentence in lclone_why() */
int metrics_print(FILE *f, const struct lclone_overview *o);

#endif /* LCLONE_UI_METRICS_H */
