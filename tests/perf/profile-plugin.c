// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU TCG plugin: counts the instructions executed at each kernel address
 * between two executions of a marker.
 *
 *	-plugin libprofile.so,marker=ADDRESS,out=FILE
 *
 * An odd execution of the marker starts a window, an even one ends it.  FILE
 * gets a line "window N" for each, then "ADDRESS COUNT" lines; user space is
 * address 0.  `profile` turns that into functions.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The part of QEMU's plugin interface, version 1, that is used.  Debian 12
 * ships no header for it.
 */
#define QEMU_PLUGIN_EXPORT	__attribute__((visibility("default")))
#define QEMU_PLUGIN_CB_NO_REGS	0
#define QEMU_PLUGIN_INLINE_ADD_U64 0

struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
		void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
		void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
		void *counter, uint64_t add);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

/* Open hash of counters; never grows, so that pointers into it stay good */
#define COUNTERS	(1u << 22)

struct counter {
	uint64_t addr;
	uint64_t count;
	uint64_t start;		/* of count, when the window began */
};

static struct counter *counters;
static struct counter user;
static uint64_t marker;
static FILE *out;
static unsigned int marks;

static struct counter *find_counter(uint64_t addr)
{
	uint32_t i = (addr * 0x9e3779b97f4a7c15ULL) >> 42;
	uint32_t n;

	for (n = 0; n < COUNTERS; n++, i = (i + 1) % COUNTERS) {
		if (!counters[i].addr)
			counters[i].addr = addr;
		if (counters[i].addr == addr)
			return &counters[i];
	}
	fprintf(stderr, "profile: more than %u instructions\n", COUNTERS);
	exit(1);
}

static void print_counter(const struct counter *c)
{
	if (c->count != c->start)
		fprintf(out, "%" PRIx64 " %" PRIu64 "\n", c->addr, c->count - c->start);
}

static void mark(unsigned int cpu, void *data)
{
	uint32_t i;

	(void)cpu;
	(void)data;
	if (marks++ % 2) {
		fprintf(out, "window %u\n", marks / 2);
		print_counter(&user);
		for (i = 0; i < COUNTERS; i++)
			print_counter(&counters[i]);
		fflush(out);
	} else {
		user.start = user.count;
		for (i = 0; i < COUNTERS; i++)
			counters[i].start = counters[i].count;
	}
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i;

	(void)id;
	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t addr = qemu_plugin_insn_vaddr(insn);
		struct counter *c = addr >> 63 ? find_counter(addr) : &user;

		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
							   &c->count, 1);
		if (addr == marker)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, QEMU_PLUGIN_CB_NO_REGS,
							       NULL);
	}
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "marker=", 7))
			marker = strtoull(argv[i] + 7, NULL, 0);
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	counters = calloc(COUNTERS, sizeof(*counters));
	if (!marker || !out || !counters) {
		fprintf(stderr, "profile: needs marker=ADDRESS,out=FILE\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
