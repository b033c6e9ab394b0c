// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ui/screen.h"

static struct termios before;

/* That it has come is enough: it ends a wait for a key. */
static void on_resize(int signal)
{
	(void)signal;
}

static void put(const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;		/* the terminal is gone: the next key says so */
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
}

static void put_text(const char *text)
{
	put(text, strlen(text));
}

int screen_begin(void)
{
	struct sigaction resize = { .sa_handler = on_resize };
	struct termios raw;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before))
		return -ENOTTY;
	sigaction(SIGWINCH, &resize, NULL);
	raw = before;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	/* who is stopped would leave the terminal as it is now */
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	/* another screen, no cursor, and lines that are cut off */
	put_text("\033[?1049h\033[?25l\033[?7l\033[H\033[J");
	return 0;
}

void screen_end(void)
{
	put_text("\033[?7h\033[?25h\033[?1049l");
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

int screen_lines(void)
{
	struct winsize size;

	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row ? size.ws_row : 24;
}

void screen_show(const char *text)
{
	int left = screen_lines();
	char *frame = NULL;
	size_t size, len;
	FILE *f;

	f = open_memstream(&frame, &size);
	if (!f)
		return;
	fputs("\033[H", f);
	for (; *text && left; left--) {
		len = strcspn(text, "\n");
		fprintf(f, "%.*s\033[0m\033[K", (int)len, text);
		text += len + !!text[len];
		if (*text && left > 1)
			fputs("\r\n", f);
	}
	fputs("\033[J", f);
	if (!fclose(f))
		put(frame, size);
	free(frame);
}

/* The rest of a key that begins with an escape, all of which is there at once */
static int escape(void)
{
	char rest[8];
	ssize_t n = read(STDIN_FILENO, rest, sizeof(rest));

	if (n >= 2 && (rest[0] == '[' || rest[0] == 'O')) {
		if (rest[1] == 'A')
			return KEY_UP;
		if (rest[1] == 'B')
			return KEY_DOWN;
	}
	return KEY_NONE;
}

int screen_key(double seconds)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char key;
	ssize_t n;
	int ret;

	ret = poll(&input, 1, seconds > 0 ? (int)(seconds * 1000 + 0.5) : 0);
	if (ret <= 0)
		return KEY_NONE;
	if (!(input.revents & POLLIN))
		return KEY_END;
	n = read(STDIN_FILENO, &key, 1);
	if (n != 1)
		return n < 0 && errno == EINTR ? KEY_NONE : KEY_END;
	return key == '\033' ? escape() : key;
}
