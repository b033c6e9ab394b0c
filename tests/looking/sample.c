// SPDX-License-Identifier: GPL-2.0-only
/* sample [none]: metrics of made-up clones, whose names may be anything; or of none */
#include <stdio.h>
#include <string.h>

#include "ui/metrics.h"

static struct lclone_row rows[] = {
	{ .name = "web1", .base = "/dev/vg/template", .delta = "/dev/vg/web1",
	  .size_bytes = 40ull << 30, .used_bytes = 1234567168, .total_bytes = 4ull << 30,
	  .depth = 3,
	  .status = { .mode = "rw", .chunk_sectors = 128, .commits = 123456789012,
		      .checkpoints = 7 } },
	{ .name = "a \"quoted\" \\ name\n\xc3\xa4\xff", .base = "-", .delta = "/dev/dm-\\n",
	  .suspended = true, .depth = 1,
	  .status = { .mode = "fail", .chunk_sectors = 128, .needs_check = true, .full = true } },
	{ .name = "web2", .base = "/dev/vg/template", .delta = "/dev/vg/web2", .depth = 1,
	  .status = { .mode = "ro", .chunk_sectors = 128, .used = 300, .total = 1000,
		      .task = "merging", .task_chunks = 100, .task_sectors = 12800 } },
	{ .name = "web3", .base = "/dev/vg/template", .delta = "/dev/vg/web3", .depth = 1,
	  .status = { .mode = "rw", .chunk_sectors = 128, .task = "flatten_failed" } },
};

int main(int argc, char **argv)
{
	const struct lclone_overview o = {
		.row = rows, .count = argc > 1 ? 0 : sizeof(rows) / sizeof(rows[0]),
	};

	(void)argv;
	return metrics_print(stdout, &o) || fflush(stdout);
}
