// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events: made here, from what trace.h says.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
