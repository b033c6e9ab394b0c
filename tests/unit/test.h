/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_TEST_H
#define LCLONE_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "format/delta.h"
#include "format_user.h"

#endif /* LCLONE_TEST_H */
