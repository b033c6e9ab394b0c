// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/dry.h"
#include "basic/fail.h"
#include "host/dm.h"
#include "host/feature.h"
#include "host/lock.h"
#include "host/part.h"
#include "host/tab.h"

#define BLANKS	" \t\r"
#define FIELDS	4
#define SHARED	"shared"

const char *lclone_tab_path(void)
{
	return getenv("LCLONE_TAB") ?: LCLONE_TAB;
}

/* Fields */

static bool is_octal(const char *s)
{
	return s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
	       s[3] >= '0' && s[3] <= '7' && strncmp(s, "\\000", 4);
}

/* In place: \040 becomes a blank, any other \ is itself. */
static void decode(char *s)
{
	char *to = s;

	while (*s) {
		if (is_octal(s)) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* @more than what ends any field ends this one. */
static void put_encoded(struct lclone_buffer *b, const char *s, const char *more)
{
	for (; *s; s++)
		if (strchr(BLANKS "\n\\#", *s) || strchr(more, *s))
			lclone_put(b, "\\%03o", (unsigned char)*s);
		else
			lclone_put_bytes(b, s, 1);
}

/* Lines */

static int check_device(const char *path)
{
	const char *part = path, *end;

	if (strncmp(path, "/dev/", 5))
		return lclone_fail(-EINVAL, "%s is not the path of a device (/dev/...)", path);
	if (strlen(path) >= PATH_MAX)
		return lclone_fail(-EINVAL, "the path of a device is too long");
	for (; *part; part = *end ? end + 1 : end) {
		end = part + strcspn(part, "/");
		if ((end - part == 1 && part[0] == '.') ||
		    (end - part == 2 && !strncmp(part, "..", 2)))
			return lclone_fail(-EINVAL, "%s has a . or .. in it", path);
	}
	return 0;
}

/* Copies a word of the options, that @len is the length of, to @word. */
static int take_word(const char *from, size_t len, char *word, size_t size)
{
	if (len >= size)
		return lclone_fail(-EINVAL, "the option %.64s... is too long", from);
	memcpy(word, from, len);
	word[len] = '\0';
	return 0;
}

static int set_option(struct lclone_tab_entry *entry, const char *word, char *value)
{
	int ret;

	if (!strncmp(word, "x-", 2))	/* of others, as in fstab */
		return 0;
	if (!strcmp(word, "parent")) {
		if (!value)
			return lclone_fail(-EINVAL, "parent needs a device");
		decode(value);
		return check_device(value);
	}
	ret = lclone_feature_set(&entry->features, word, value);
	if (ret)
		return ret < 0 ? -EINVAL : 0;
	if (!strcmp(word, "nofail") && !value)
		entry->nofail = true;
	else if (!strcmp(word, "noauto") && !value)
		entry->noauto = true;
	else if (!strcmp(word, "_netdev") && !value)
		entry->netdev = true;
	else if (!strcmp(word, SHARED) && !value)
		entry->shared = true;
	else if (!strcmp(word, "host") && !value)
		entry->host = true;
	else if ((strcmp(word, "defaults") && strcmp(word, "-")) || value)
		return lclone_fail(-EINVAL, "there is no option \"%s%s%s\"", word,
				   value ? "=" : "", value ?: "");
	return 0;
}

static int parse_options(struct lclone_tab_entry *entry)
{
	const char *at = entry->options;
	char word[PATH_MAX + 32], *value;
	size_t len;
	int err = 0;

	for (; !err && *at; at += len + (at[len] == ',')) {
		len = strcspn(at, ",");
		err = take_word(at, len, word, sizeof(word));
		if (err || !len)
			continue;
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		err = set_option(entry, word, value);
	}
	return err;
}

static int check_entry(struct lclone_tab_entry *entry)
{
	if (lclone_dm_check_name(entry->name))
		return -EINVAL;
	if (strcmp(entry->base, "-") && check_device(entry->base))
		return -EINVAL;
	if (check_device(entry->delta))
		return -EINVAL;
	if (!strcmp(entry->base, entry->delta))
		return lclone_fail(-EINVAL, "base and delta are one device");
	return parse_options(entry);
}

/* Splits a line in place.  Returns how many fields there are, of which FIELDS are kept. */
static int split(char *line, char *field[FIELDS])
{
	char *save, *word;
	int n = 0;

	for (word = strtok_r(line, BLANKS, &save); word; word = strtok_r(NULL, BLANKS, &save))
		if (n++ < FIELDS)
			field[n - 1] = word;
	return n;
}

/* 1: there is nothing in it, or a comment. @line is changed, and has to stay. */
static int parse_line(char *line, size_t len, struct lclone_tab_entry *entry)
{
	char *field[FIELDS] = { };
	int n;

	if (strlen(line) != len)
		return lclone_fail(-EINVAL, "there is a zero byte in it");
	n = split(line, field);
	if (!n || field[0][0] == '#')
		return 1;
	if (n < 3)
		return lclone_fail(-EINVAL, "there are fewer fields than three: name, base (or -), delta");
	if (n > FIELDS)
		return lclone_fail(-EINVAL, "there are more fields than four: name, base, delta, options");
	/* options are taken apart before they are decoded: a path may have a comma */
	decode(field[0]);
	decode(field[1]);
	decode(field[2]);
	entry->name = field[0];
	entry->base = field[1];
	entry->delta = field[2];
	entry->options = field[3] ?: "";
	return check_entry(entry);
}

/* The file */

/* NULL without an error: there is none.  Ends with a zero byte. */
static int read_text(int fd, const char *path, char **text, size_t *len)
{
	struct stat st;
	ssize_t n;
	char *all;

	if (fstat(fd, &st))
		return lclone_fail(-errno, "%s: %m", path);
	if (!S_ISREG(st.st_mode))
		return lclone_fail(-EINVAL, "%s is not a file", path);
	all = malloc(st.st_size + 1);
	if (!all)
		return lclone_fail(-ENOMEM, "out of memory");
	for (*len = 0; *len < (size_t)st.st_size; *len += n) {
		n = read(fd, all + *len, st.st_size - *len);
		if (n < 0) {
			free(all);
			return lclone_fail(-errno, "%s: %m", path);
		}
		if (!n)
			break;
	}
	all[*len] = '\0';
	*text = all;
	return 0;
}

static int open_text(const char *path, char **text, size_t *len, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), err;

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : lclone_fail(-errno, "%s: %m", path);
	err = read_text(fd, path, text, len);
	if (!err && st && fstat(fd, st))
		err = lclone_fail(-errno, "%s: %m", path);
	close(fd);
	return err;
}

static int add_entry(struct lclone_tab *tab, const struct lclone_tab_entry *entry)
{
	struct lclone_tab_entry *bigger;

	if (!(tab->count & (tab->count - 1))) {
		bigger = reallocarray(tab->entry, tab->count ? 2 * tab->count : 1, sizeof(*bigger));
		if (!bigger)
			return lclone_fail(-ENOMEM, "out of memory");
		tab->entry = bigger;
	}
	tab->entry[tab->count++] = *entry;
	return 0;
}

static int refuse_twice(const struct lclone_tab *tab, const struct lclone_tab_entry *entry)
{
	const struct lclone_tab_entry *other;
	size_t i;

	for (i = 0; i < tab->count; i++) {
		other = &tab->entry[i];
		if (!strcmp(other->name, entry->name))
			return lclone_fail(-EEXIST, "line %u has the name %s already", other->line,
					   entry->name);
		if (!strcmp(other->delta, entry->delta))
			return lclone_fail(-EEXIST, "line %u has the delta %s already", other->line,
					   entry->delta);
	}
	return 0;
}

int lclone_tab_read(struct lclone_tab *tab, lclone_tab_bad_fn bad, void *ctx)
{
	struct lclone_tab_entry entry;
	char *line, *end, *all_end;
	unsigned int number = 0;
	size_t len;
	int err;

	memset(tab, 0, sizeof(*tab));
	err = open_text(lclone_tab_path(), &tab->text, &len, NULL);
	if (err || !tab->text)
		return err;
	all_end = tab->text + len;
	for (line = tab->text; line < all_end; line = end + 1) {
		end = memchr(line, '\n', all_end - line) ?: all_end;
		*end = '\0';
		entry = (struct lclone_tab_entry){ .line = ++number };
		err = parse_line(line, end - line, &entry);
		if (err > 0)
			continue;
		err = err ?: refuse_twice(tab, &entry);
		if (err && bad)
			bad(number, lclone_why(), ctx);
		if (!err && add_entry(tab, &entry))
			return -ENOMEM;
	}
	return 0;
}

void lclone_tab_free(struct lclone_tab *tab)
{
	free(tab->entry);
	free(tab->text);
	memset(tab, 0, sizeof(*tab));
}

const struct lclone_tab_entry *lclone_tab_find(const struct lclone_tab *tab, const char *name)
{
	size_t i;

	for (i = 0; i < tab->count; i++)
		if (!strcmp(tab->entry[i].name, name))
			return &tab->entry[i];
	return NULL;
}

bool lclone_tab_parent(const struct lclone_tab_entry *entry, const char **at,
		       char device[PATH_MAX])
{
	static const char word[] = "parent=";
	const size_t skip = sizeof(word) - 1;
	const char *option = *at ?: entry->options;
	size_t len;

	for (; *option; option += len + (option[len] == ',')) {
		len = strcspn(option, ",");
		if (strncmp(option, word, skip) ||
		    take_word(option + skip, len - skip, device, PATH_MAX))
			continue;
		decode(device);
		*at = option + len + (option[len] == ',');
		return true;
	}
	*at = option;
	return false;
}

/* Changes */

struct change {
	char path[PATH_MAX];		/* without symbolic links, which stay */
	int lock;
	char *before;			/* NULL: there was no file */
	size_t len;
	struct stat st;			/* of that file */
	struct lclone_buffer after;
};

static int begin(struct change *c)
{
	const char *path = lclone_tab_path();

	*c = (struct change){ .lock = lclone_lock_tab(path), .st.st_mode = 0644 };
	if (c->lock < 0)
		return c->lock;
	if (!realpath(path, c->path) && snprintf(c->path, PATH_MAX, "%s", path) >= PATH_MAX)
		return lclone_fail(-ENAMETOOLONG, "%.64s...: the name is too long", path);
	return open_text(c->path, &c->before, &c->len, &c->st);
}

static int write_text(int fd, const struct change *c)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < c->after.len; done += n) {
		n = write(fd, c->after.text + done, c->after.len - done);
		if (n < 0)
			return -errno;
	}
	if ((c->before && fchown(fd, c->st.st_uid, c->st.st_gid)) ||
	    fchmod(fd, c->st.st_mode & 07777) || fsync(fd))
		return -errno;
	return 0;
}

/* After a crash there is the file of before, or this one. */
static int write_file(const struct change *c)
{
	char next[PATH_MAX + 16];
	int fd, err = lclone_change();

	if (err)
		return err;
	snprintf(next, sizeof(next), "%s.lclone-new", c->path);
	unlink(next);	/* of a run that was killed */
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lclone_fail(-errno, "%s: %m", next);
	err = write_text(fd, c);
	close(fd);
	if (!err && rename(next, c->path))
		err = -errno;
	if (!err)
		return lclone_sync_directory(c->path);
	unlink(next);
	return lclone_fail(err, "%s: cannot be written: %s", c->path, strerror(-err));
}

/* What is after it is written if there was no @err, which is returned. */
static int end(struct change *c, int err)
{
	if (!err && c->after.failed)
		err = lclone_fail(-ENOMEM, "out of memory");
	err = err ?: write_file(c);
	free(c->before);
	free(c->after.text);
	if (c->lock >= 0)
		close(c->lock);
	return err;
}

static void put_entry(struct lclone_buffer *b, const struct lclone_tab_entry *entry)
{
	put_encoded(b, entry->name, "");
	lclone_put(b, "\t");
	put_encoded(b, entry->base, "");
	lclone_put(b, "\t");
	put_encoded(b, entry->delta, "");
	if (entry->options && *entry->options)
		lclone_put(b, "\t%s", entry->options);
	lclone_put(b, "\n");
}

/* What would be written is read as it will be. */
static int check_new(const struct lclone_tab_entry *entry)
{
	struct lclone_tab_entry again = { .options = "" };
	struct lclone_buffer line = { };
	int err;

	put_entry(&line, entry);
	if (line.failed) {
		free(line.text);
		return lclone_fail(-ENOMEM, "out of memory");
	}
	line.text[line.len - 1] = '\0';
	err = parse_line(line.text, line.len - 1, &again);
	if (err > 0 || (!err && (strcmp(again.name, entry->name) || strcmp(again.base, entry->base) ||
				 strcmp(again.delta, entry->delta) ||
				 strcmp(again.options, entry->options ?: "") ||
				 strchr(again.options, '\n'))))
		err = lclone_fail(-EINVAL, "%s: a line cannot have such options", entry->name);
	free(line.text);
	return err;
}

/* The name and the delta of a line, also of a broken one; "" if there is none. To be freed. */
static char *words_of(const char *line, size_t len, const char **name, const char **delta)
{
	char *field[FIELDS] = { }, *copy = strndup(line, len);
	int n = copy ? split(copy, field) : 0;

	*name = *delta = "";
	if (n && field[0][0] != '#') {
		decode(field[0]);
		*name = field[0];
	}
	if (n >= 3 && field[0][0] != '#') {
		decode(field[2]);
		*delta = field[2];
	}
	return copy;
}

/*
 * Calls @visit for each line, with its length, line's end included, and the name and delta that
 * it has, as long as that returns 0.
 */
static int each_line(const struct change *c,
		     int (*visit)(const char *line, size_t len, const char *name,
				  const char *delta, void *ctx), void *ctx)
{
	const char *line = c->before, *all_end = c->before + c->len, *name, *delta, *eol;
	char *words;
	int ret = 0;

	for (; !ret && c->before && line < all_end; line = eol) {
		eol = memchr(line, '\n', all_end - line);
		eol = eol ? eol + 1 : all_end;
		words = words_of(line, eol - line - (eol[-1] == '\n'), &name, &delta);
		ret = words ? visit(line, eol - line, name, delta, ctx) :
			      lclone_fail(-ENOMEM, "out of memory");
		free(words);
	}
	return ret;
}

struct adding {
	const struct lclone_tab_entry *entry;
	size_t count;
	unsigned int line;
};

static int refuse_taken(const char *line, size_t len, const char *name, const char *delta,
			void *ctx)
{
	struct adding *a = ctx;
	size_t i;

	(void)line;
	(void)len;
	a->line++;
	for (i = 0; i < a->count && *name; i++) {
		if (!strcmp(a->entry[i].name, name))
			return lclone_fail(-EEXIST, "%s: line %u has the name %s already",
					   lclone_tab_path(), a->line, name);
		if (!strcmp(a->entry[i].delta, delta))
			return lclone_fail(-EEXIST, "%s: line %u, %s, has the delta %s already",
					   lclone_tab_path(), a->line, name, delta);
	}
	return 0;
}

/* Nor are two of those that are added alike. */
static int refuse_alike(const struct lclone_tab_entry *entry, size_t count)
{
	struct adding first = { .entry = entry };
	size_t i;
	int err = 0;

	for (i = 1; !err && i < count; i++) {
		first.count = i;
		err = refuse_taken("", 0, entry[i].name, entry[i].delta, &first);
	}
	return err ? lclone_fail(err, "%s, or its delta, is to be added twice", entry[i - 1].name) :
		     0;
}

int lclone_tab_add(const struct lclone_tab_entry *entry, size_t count)
{
	struct adding adding = { entry, count, 0 };
	struct change c;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < count; i++)
		err = check_new(&entry[i]);
	err = err ?: refuse_alike(entry, count);
	if (err)
		return err;
	err = begin(&c);
	err = err ?: each_line(&c, refuse_taken, &adding);
	if (!err) {
		if (c.len)
			lclone_put_bytes(&c.after, c.before, c.len);
		if (c.len && c.before[c.len - 1] != '\n')
			lclone_put_bytes(&c.after, "\n", 1);
		for (i = 0; i < count; i++)
			put_entry(&c.after, &entry[i]);
	}
	return end(&c, err);
}

/* What has become of a buffer that was filled */
static char *text_of(struct lclone_buffer *b)
{
	if (!b->failed && b->text)
		return b->text;
	free(b->text);
	lclone_fail(-ENOMEM, "out of memory");
	return NULL;
}

char *lclone_tab_options(const struct lclone_tab_entry *entry,
			 bool (*stays)(const char *device, void *ctx), void *ctx,
			 const char *above)
{
	const char *option = entry->options, *at;
	struct lclone_tab_entry one = *entry;
	char word[PATH_MAX + 32], device[PATH_MAX];
	struct lclone_buffer b = { };
	bool shared = false;
	size_t len;

	lclone_put(&b, "%s", "");
	for (; *option; option += len + (option[len] == ',')) {
		len = strcspn(option, ",");
		if (take_word(option, len, word, sizeof(word)))
			continue;
		if (!strcmp(word, SHARED)) {
			if (!entry->shared)
				continue;
			shared = true;
		}
		one.options = word;
		at = NULL;
		if (!len || (lclone_tab_parent(&one, &at, device) && !stays(device, ctx)))
			continue;
		lclone_put(&b, "%s%s", b.len ? "," : "", word);
	}
	if (entry->shared && !shared)
		lclone_put(&b, "%s" SHARED, b.len ? "," : "");
	if (above) {
		lclone_put(&b, "%sparent=", b.len ? "," : "");
		put_encoded(&b, above, ",");
	}
	return text_of(&b);
}

char *lclone_tab_line(const struct lclone_tab_entry *entry)
{
	struct lclone_buffer b = { };
	char *line, *c;

	put_entry(&b, entry);
	line = text_of(&b);
	for (c = line; c && *c; c++)
		*c = *c == '\t' ? ' ' : *c == '\n' ? '\0' : *c;
	return line;
}

struct replacing {
	const struct lclone_tab_entry *entry;
	struct lclone_buffer *after;
	bool done;
};

static int put_replaced(const char *line, size_t len, const char *name, const char *delta,
			void *ctx)
{
	struct replacing *r = ctx;

	if (!strcmp(name, r->entry->name)) {
		if (!r->done)	/* further ones of that name would be broken lines */
			put_entry(r->after, r->entry);
		r->done = true;
		return 0;
	}
	if (*delta && !strcmp(delta, r->entry->delta))
		return lclone_fail(-EEXIST, "%s: %s has the delta %s already", lclone_tab_path(),
				   name, delta);
	lclone_put_bytes(r->after, line, len);
	return 0;
}

int lclone_tab_replace(const struct lclone_tab_entry *entry)
{
	struct replacing replacing = { .entry = entry };
	struct change c;
	int err;

	err = check_new(entry);
	if (err)
		return err;
	err = begin(&c);
	replacing.after = &c.after;
	err = err ?: each_line(&c, put_replaced, &replacing);
	if (!err && !replacing.done)
		err = lclone_fail(-ENOENT, "%s has no %s", lclone_tab_path(), entry->name);
	return end(&c, err);
}

struct removing {
	const char *const *name;
	size_t count;
	bool *found;
	struct lclone_buffer *after;
};

static int put_kept(const char *line, size_t len, const char *name, const char *delta, void *ctx)
{
	struct removing *r = ctx;
	size_t i;

	(void)delta;
	for (i = 0; i < r->count; i++)
		if (*name && !strcmp(name, r->name[i]))
			break;
	if (i < r->count)
		r->found[i] = true;
	else
		lclone_put_bytes(r->after, line, len);
	return 0;
}

int lclone_tab_remove(const char *const *name, size_t count)
{
	struct removing removing = { name, count, calloc(count + 1, sizeof(bool)), NULL };
	struct change c;
	size_t i;
	int err;

	if (!removing.found)
		return lclone_fail(-ENOMEM, "out of memory");
	err = begin(&c);
	removing.after = &c.after;
	err = err ?: each_line(&c, put_kept, &removing);
	for (i = 0; !err && i < count; i++)
		if (!removing.found[i])
			err = lclone_fail(-ENOENT, "%s has no %s", lclone_tab_path(), name[i]);
	free(removing.found);
	return end(&c, err);
}
