/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LCLONE_TEST_DIR_H
#define LCLONE_TEST_DIR_H

/* A directory of a group of tests, as its setup and teardown: with it goes what is in it. */
int make_dir(void **state);
int remove_dir(void **state);

/* The path of a file in it; that of four calls is kept. */
const char *path_of(const char *name);

#endif /* LCLONE_TEST_DIR_H */
