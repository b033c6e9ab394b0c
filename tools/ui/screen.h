/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole terminal, as long as a command has it: keys come one by one, and frames are drawn over
 * each other.  What was there before is there again at the end.
 */
#ifndef LCLONE_UI_SCREEN_H
#define LCLONE_UI_SCREEN_H

/* Keys that are no character */
enum {
	KEY_NONE,			/* the time has passed, the size has changed, or a signal came */
	KEY_UP = 0x100,
	KEY_DOWN,
	KEY_END,			/* the terminal is gone */
};

/*
 * Takes the terminal that standard input and output are; -ENOTTY if they are none.  Signals that
 * end the command are caught by then: it has to call screen_end().
 */
int screen_begin(void);
void screen_end(void);

/* How many lines of text there is room for */
int screen_lines(void);

/*
 * Shows the lines of @text, from the top, and nothing else.  A line that is too long is cut off.
 * It is one write, and nothing is cleared before: it does not flicker.
 */
void screen_show(const char *text);

/* Waits so long for a key */
int screen_key(double seconds);

#endif /* LCLONE_UI_SCREEN_H */
