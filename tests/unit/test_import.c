// SPDX-License-Identifier: GPL-2.0-only
/* Overlays of others become deltas and layers with just their content; qemu-img is the judge. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "dir.h"
#include "makevhd.h"
#include "offline/check.h"
#include "offline/import-to.h"
#include "test.h"

#define MIB	(1 << 20)

static struct lclone_import_from from;
static struct lclone_import_to to;
static char paths[16][512];
static u32 layers_found, snapshots_seen;

/* A path that lasts as long as a test */
static const char *lasting(const char *name)
{
	static u32 next;

	next = (next + 1) % 16;
	snprintf(paths[next], sizeof(paths[next]), "%s", path_of(name));
	return paths[next];
}

/* A script in the directory of the tests */
static void run(const char *fmt, ...)
{
	char script[4096], command[5000];
	va_list args;

	va_start(args, fmt);
	vsnprintf(script, sizeof(script), fmt, args);
	va_end(args);
	snprintf(command, sizeof(command), "set -e; cd %s; { %s; } >log 2>&1 || { cat log; false; }",
		 path_of("."), script);
	if (system(command))
		fail_msg("%s", script);
}

/* WORKS: qemu-io, which writes with the sizes and patterns that are given */
#define IO	"qemu-io -f %s %s"

static void told(void *ctx, const struct lclone_image_file *file, const char *path,
		 const struct lclone_sb *sb)
{
	(void)ctx;
	(void)path;
	layers_found += !sb;
	snapshots_seen = file->snapshots;
}

static int begin(void **state)
{
	(void)state;
	from = (struct lclone_import_from){ .file = lasting("top.qcow2") };
	to = (struct lclone_import_to){ .from = &from, .base = lasting("base"), .told = told,
					.chunk_sectors = 128 };
	layers_found = 0;
	run("rm -rf *; truncate -s 64M delta d2 d3 d4 d5 e1; mkdir -p other");
	return 0;
}

static void add_target(const char *name)
{
	to.to.path[to.to.count++] = lasting(name);
}

/* The clone that has come of it, as a raw file, and whether it is sound */
static void flat(const char *delta)
{
	static struct lclone_pair pair;
	struct lclone_parents parents = { .count = 0 };
	static u8 buf[MIB];
	u64 sector = 0, n, total;
	int fd, err;
	u32 i;

	for (i = 0; i < to.layers.count; i++)
		parents.path[parents.count++] = to.layers.path[i];
	for (i = 0; i + 1 < to.to.count; i++)
		parents.path[parents.count++] = to.to.path[i];
	err = lclone_open_pair(to.base, delta, &parents, &pair);
	if (err)
		fail_msg("%s", lclone_why());
	fd = open(path_of("flat"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	total = pair.disk.delta.sb.virtual_sectors;
	for (; sector < total; sector += n) {
		n = total - sector < MIB / 512 ? total - sector : MIB / 512;
		assert_int_equal(lclone_chain_read(&pair.disk.chain, pair.base, buf, sector, n), 0);
		assert_int_equal(write(fd, buf, n << 9), n << 9);
	}
	close(fd);
	lclone_close_pair(&pair);
}

/* qemu-img finds in it what it finds in the image, and the same size. */
static void judge(const char *format, const char *image)
{
	run("qemu-img compare -f %s -F raw %s flat; qemu-img info -f %s --output=json %s | grep -q \"virtual-size.: $(stat -c %%s flat),\"",
	    format, image, format, image);
}

static void see(const struct lclone_finding *finding, void *ctx)
{
	(void)ctx;
	print_message("# %s\n", finding->text);
}

static void sound(const char *delta)
{
	char why[LCLONE_WHY_SIZE] = "";
	struct lclone_file file;
	struct lclone_usage usage;

	assert_int_equal(lclone_file_open(&file, path_of(delta), O_RDONLY), 0);
	if (lclone_check(&file.dev, NULL, see, NULL, &usage, why))
		fail_msg("%s: %s", delta, why);
	lclone_file_close(&file);
}

static void imported(void)
{
	int err = lclone_import_to(&to);
	u32 i;

	if (err)
		fail_msg("%s", lclone_why());
	for (i = 0; i < to.to.count; i++)
		sound(strrchr(to.to.path[i], '/') + 1);
	flat(to.to.path[to.to.count - 1]);
}

static void refused(int wanted, const char *why)
{
	int err = lclone_import_to(&to);

	if (err != wanted)
		fail_msg("%d, and not %d: %s", err, wanted, err ? lclone_why() : "");
	if (!strstr(lclone_why(), why))
		fail_msg("\"%s\" is not in \"%s\"", why, lclone_why());
}

/* The delta's own extents, subchunk for subchunk, in qemu-img's words: only with chunks of 64 KiB */
static void own_extents(const char *delta, char *text, size_t size)
{
	struct lclone_file file;
	struct lclone_delta d;
	struct lclone_extents x;
	struct lclone_extent e;
	size_t len = 0;

	text[0] = '\0';
	assert_int_equal(lclone_file_open(&file, path_of(delta), O_RDONLY), 0);
	assert_int_equal(lclone_delta_open(&d, &file.dev), 0);
	lclone_extents_init(&x, &d, 0, UINT64_MAX);
	x.base_sectors = UINT64_MAX;
	while (lclone_extents_next(&x, &e) > 0)
		if (e.source != LCLONE_FROM_BASE)
			len += snprintf(text + len, size - len, "%llu+%llu%s ",
					(unsigned long long)e.sector / 8,
					(unsigned long long)e.sectors / 8,
					e.source == LCLONE_FROM_ZERO ? "z" : "");
	lclone_delta_close(&d);
	lclone_file_close(&file);
}

static void qcow2(void **state)
{
	char text[4096];

	(void)state;
	run("head -c 16M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=128k -b base.raw -F raw top.qcow2");
	run(IO " -c 'write -P 1 4k 4k' -c 'write -P 2 100k 200k' -c 'write -z 1M 64k' -c 'write -z 1028k 8k' "
	    "-c 'write -P 0 2M 8k' -c 'write -P 3 16380k 4k'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");
	own_extents("delta", text, sizeof(text));
	assert_string_equal(text, "1+1 25+50 256+16z 512+2 4095+1 ");
}

/* Without subclusters, of all sizes of clusters; and versions, and compressed ones */
static void qcow2_kinds(void **state)
{
	static const char *const options[] = {
		"cluster_size=512", "cluster_size=4k", "cluster_size=2M", "compat=0.10",
		"compression_type=zstd", "lazy_refcounts=on",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		begin(NULL);
		run("head -c 8M /dev/urandom >base; cp base base.raw");
		run("qemu-img create -q -f qcow2 -o %s -b base.raw -F raw top.qcow2", options[i]);
		run(IO " -c 'write -P 1 1k 1k' -c 'write -P 2 100k 33k' -c 'write -z 3M 2M' -c 'write -P 9 3585k 512' "
		    "-c 'discard 6M 1M'", "qcow2", "top.qcow2");
		add_target("delta");
		imported();
		judge("qcow2", "top.qcow2");
	}
	begin(NULL);
	run("head -c 8M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw plain.qcow2");
	run(IO " -c 'write -P 1 1M 1M' -c 'write -P 2 5M 70k'", "qcow2", "plain.qcow2");
	run("qemu-img convert -c -f qcow2 -O qcow2 -B base.raw -F raw plain.qcow2 top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");
}

/* What it is now comes in, and that there is more is known. */
static void inner_snapshots(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	run(IO " -c 'write -P 1 1M 1M'", "qcow2", "top.qcow2");
	run("qemu-img snapshot -c one top.qcow2; qemu-img snapshot -c two top.qcow2");
	run(IO " -c 'write -P 2 1500k 1M' -c 'write -z 3M 64k'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");
	assert_int_equal(snapshots_seen, 2);
}

/* What the overlay has beyond its backing file is its own or zeros; what it has not, is not. */
static void sizes(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 20M");
	run(IO " -c 'write -P 1 7M 2M' -c 'write -P 2 19M 64k'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");

	begin(NULL);
	run("head -c 8M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 $((5 * 1024 * 1024 + 512))");
	run(IO " -c 'write -P 1 4M 64k' -c 'write -P 7 5242880 512'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");

	/* a base that LVM has rounded up has zeros there, and only then it is the same */
	begin(NULL);
	run("head -c 7M /dev/urandom >base.raw; cp base.raw base; truncate -s 8M base");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 12M");
	run(IO " -c 'write -P 1 6M 64k'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");
	run("printf x | dd of=base bs=1 seek=$((7 * 1024 * 1024 + 5)) conv=notrunc");
	run("rm delta; truncate -s 64M delta");
	refused(-ESTALE, "differ at byte 7340037");
}

/* A base that ends within a sector, and a disk that has none */
static void odd_sizes(void **state)
{
	(void)state;
	run("head -c 1000000 /dev/urandom >base.raw; cp base.raw base; truncate -s 1M base");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 1M");
	run(IO " -c 'write -P 1 64k 4k'", "qcow2", "top.qcow2");
	add_target("delta");
	imported();
	judge("qcow2", "top.qcow2");
	run("rm delta top.qcow2; truncate -s 64M delta; qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 0");
	refused(-ERANGE, "a disk of no size");
	run("cmp -n 67108864 delta /dev/zero");
}

/* A device of the size that is told is large enough. */
static void fits(u32 i, const struct lclone_import_below *below, u32 chunk_sectors)
{
	static struct lclone_image_chain images;
	const struct lclone_image_names none = { .count = 0 };
	struct lclone_import import = { .images = &images };
	struct lclone_file file;
	struct lclone_import_target target = {
		.file = &file, .chunk_sectors = chunk_sectors, .sealed = true,
		.below = below,
	};
	struct lclone_file base;
	struct lclone_sb sb;
	u64 sectors;
	int err;

	err = lclone_image_chain_open(&images, path_of("top.qcow2"), &none, LCLONE_IMAGES_ALL) ?:
	      lclone_open_base(to.base, &base, &import.base) ?:
	      lclone_import_sectors(&import, i, below, chunk_sectors, &sectors);
	if (err)
		fail_msg("%s", lclone_why());
	run("rm -f d5; truncate -s %llu d5", (unsigned long long)sectors << 9);
	if (lclone_file_open_ready(&file, path_of("d5"), O_RDWR | O_EXCL) ||
	    lclone_import_file(&import, i, &target, &sb))
		fail_msg("%s", lclone_why());
	lclone_file_close(&file);
	lclone_close_base(import.base);
	lclone_image_chain_close(&images);
}

static void sizes_fit(void **state)
{
	const struct lclone_import_below nothing = { .layers = { .count = 0 } };
	struct lclone_import_below below = { .layers = { .count = 1 } };
	struct lclone_file file;
	struct lclone_delta delta;

	(void)state;
	/* zeros that are less than a subchunk */
	run("truncate -s 64M base; qemu-img create -q -f qcow2 -o cluster_size=512 -b base -F raw top.qcow2");
	run("for i in $(seq 0 900); do echo write -z $((i * 65536 + 1024)) 512; done | qemu-io -f qcow2 top.qcow2 >/dev/null");
	fits(0, &nothing, 0);
	run("rm top.qcow2; qemu-img create -q -f qcow2 -b base -F raw top.qcow2");
	run("for i in $(seq 0 31); do echo write -z $((i * 2))M 64k; done | qemu-io -f qcow2 top.qcow2 >/dev/null");
	fits(0, &nothing, 4096);
	/* on a layer that is smaller than the base, and has larger chunks */
	run("truncate -s 6G base; rm -f top.qcow2; qemu-img create -q -f qcow2 -b base -F raw 1.qcow2 1M; "
	    "qemu-img create -q -f qcow2 -b 1.qcow2 -F qcow2 top.qcow2 6G");
	run(IO " -c 'write -P 1 0 64k'; " IO " -c 'write -P 1 1k 1k'", "qcow2", "1.qcow2", "qcow2", "top.qcow2");
	from.chain = true;
	to.chunk_sectors = 16;
	add_target("delta");
	run("truncate -s 1G d2");
	add_target("d2");
	assert_int_equal(lclone_import_to(&to), 0);
	below.layers.path[0] = lasting("delta");
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDONLY), 0);
	assert_int_equal(lclone_delta_open_sb(&delta, &file.dev), 0);
	below.last = delta.sb;
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	fits(0, &below, 0);
}

static void another_base(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	run("printf x | dd of=base.raw bs=1 seek=5000001 conv=notrunc; printf y | dd of=base bs=1 seek=5000001 conv=notrunc");
	add_target("delta");
	refused(-ESTALE, "differ at byte 5000001");
	run("cmp -n 67108864 delta /dev/zero");
	from.trust_base = true;
	assert_int_equal(lclone_import_to(&to), 0);
	run("rm delta base.raw; truncate -s 64M delta");
	assert_int_equal(lclone_import_to(&to), 0);	/* the file is not needed then */
}

static void make_chain(void)
{
	int i;

	run("head -c 8M /dev/urandom >base; cp base 0.qcow2; qemu-img convert -f raw -O qcow2 0.qcow2 base.qcow2; mv base.qcow2 0.qcow2");
	for (i = 1; i <= 5; i++) {
		run("qemu-img create -q -f qcow2 -b %d.qcow2 -F qcow2 -o cluster_size=%d %d.qcow2 %dM", i - 1,
		    i % 2 ? 65536 : 512, i, i == 3 ? 6 : i == 5 ? 12 : 8);
		run(IO ".qcow2 -c 'write -P %d %dk 300k' -c 'write -z %dk 100k' -c 'write -P %d 7000000 1024' || :", "qcow2",
		    (char[]){ '0' + i, 0 }, i, i * 500, i * 777, 16 + i);
	}
	from.chain = true;
	from.file = lasting("5.qcow2");
}

/* One layer is smaller than those around it: what is further below does not come through. */
static void chain(void **state)
{
	(void)state;
	make_chain();
	add_target("delta");
	refused(-ERANGE, "5 overlays, and 1 devices");
	add_target("d2");
	add_target("d3");
	add_target("d4");
	add_target("d5");
	imported();
	judge("qcow2", "5.qcow2");
	from.chain = false;
	refused(-ERANGE, "is an overlay, too");
}

/* What a run that was killed has ended with, of a chain or of all, is not written anew. */
static void made_before(void **state)
{
	(void)state;
	make_chain();
	run("rm -f 2.qcow2 3.qcow2 4.qcow2 5.qcow2; qemu-img create -q -f qcow2 -b 1.qcow2 -F qcow2 2.qcow2");
	run(IO " -c 'write -P 9 1M 64k'", "qcow2", "2.qcow2");
	from.file = lasting("2.qcow2");
	to.label = "web1";
	add_target("delta");
	add_target("d2");
	imported();
	run("cp delta delta.was; cp d2 d2.was");
	imported();
	run("cmp delta delta.was; cmp d2 d2.was; rm d2; truncate -s 64M d2");
	imported();
	run("cmp delta delta.was; cp d2 d2.was");
	judge("qcow2", "2.qcow2");
	/* that is not what would be made now */
	to.label = "web2";
	assert_true(lclone_import_to(&to) < 0);
	to.label = "web1";
	to.chunk_sectors = 64;
	assert_true(lclone_import_to(&to) < 0);
	to.chunk_sectors = 128;
	run(IO " -c 'write -P 8 1M 512'", "qcow2", "2.qcow2");
	assert_true(lclone_import_to(&to) < 0);
	run("cmp delta delta.was; cmp d2 d2.was");
}

/* A sibling shares the layers that are there, if they are just what its files have. */
static void sibling(void **state)
{
	(void)state;
	make_chain();
	add_target("delta");
	add_target("d2");
	add_target("d3");
	add_target("d4");
	add_target("d5");
	imported();
	run("qemu-img create -q -f qcow2 -b 4.qcow2 -F qcow2 s.qcow2 9M");
	run(IO " -c 'write -P 77 1M 64k'", "qcow2", "s.qcow2");
	from.file = lasting("s.qcow2");
	memcpy(to.layers.path, to.to.path, sizeof(to.layers.path));
	to.layers.count = 4;
	to.to.count = 0;
	add_target("e1");
	layers_found = 0;
	imported();
	assert_int_equal(layers_found, 4);
	judge("qcow2", "s.qcow2");
	/* one that has changed, in what it has, or has not */
	run("rm e1; truncate -s 64M e1");
	run(IO " -c 'write -P 99 1100k 1k'", "qcow2", "2.qcow2");
	refused(-ESTALE, "d2 has not what");
	run(IO " -c 'write -P 2 1100k 1k'", "qcow2", "2.qcow2");
	run(IO " -c 'write -P 5 5M 512'", "qcow2", "4.qcow2");
	refused(-ESTALE, "d4 has not what");
	to.layers.path[1] = to.layers.path[2];
	refused(-ESTALE, "is no layer");
}

/* The layer that was compared becomes another one before it is used. */
static void exchange(void *ctx, const struct lclone_image_file *file, const char *path,
		     const struct lclone_sb *sb)
{
	(void)ctx;
	(void)file;
	(void)path;
	if (!sb)
		run("mv other/delta delta");
}

static void exchanged(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; cp base 0.raw");
	run("for i in 1 2; do qemu-img create -q -f qcow2 -b 0.raw -F raw $i.qcow2; qemu-io -f qcow2 $i.qcow2 -c \"write -P $i 1M 1M\"; done");
	run("qemu-img create -q -f qcow2 -b 1.qcow2 -F qcow2 top.qcow2; qemu-img create -q -f qcow2 -b 2.qcow2 -F qcow2 other.qcow2");
	from.chain = true;
	from.file = lasting("other.qcow2");
	add_target("delta");
	add_target("d2");
	imported();
	run("mv delta other; rm d2; truncate -s 64M delta d2");
	from.file = lasting("top.qcow2");
	imported();
	run("rm d2; truncate -s 64M d2");
	to.layers.path[to.layers.count++] = lasting("delta");
	to.to.count = 0;
	add_target("d2");
	to.told = exchange;
	refused(-ESTALE, "is another layer than it was");
}

static void vmdk(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; qemu-img convert -f raw -O vmdk base base.vmdk");
	run("qemu-img create -q -f vmdk -b base.vmdk -F vmdk -o zeroed_grain=on top.vmdk");
	run(IO " -c 'write -P 1 1M 100k' -c 'write -z 3M 64k' -c 'write -P 4 5000k 4k'", "vmdk", "top.vmdk");
	from.file = lasting("top.vmdk");
	add_target("delta");
	imported();
	judge("vmdk", "top.vmdk");
	/* its parent was written meanwhile: the CID is another */
	run("rm delta; truncate -s 64M delta");
	run("sed -i 's/^CID=[0-7]/CID=f/;t;s/^CID=./CID=1/' base.vmdk");
	refused(-ESTALE, "CID");
}

/* VHDs: of a generator, as qemu reads differencing ones wrong */

static void write_vhd(const char *name, const struct vhd_image *vhd)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, vhd->data, vhd->size), vhd->size);
	close(fd);
}

static void write_disk(const char *name, const struct vhd_image *vhd)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, vhd->disk, vhd->wish.sectors << 9), vhd->wish.sectors << 9);
	close(fd);
}

static void vhd_chain(u32 type, u64 sectors, u32 block_size)
{
	static const char *const names[] = { "0.vhd", "1.vhd", "2.vhd", "3.vhd" };
	struct vhd_image vhd[4];
	int i;

	begin(NULL);
	vhd_make(&vhd[0], &(struct vhd_wish){ .type = type, .sectors = sectors, .changes = 30,
		 .block_size = 4096, .seed = 1 });
	write_vhd(names[0], &vhd[0]);
	write_disk("base", &vhd[0]);
	for (i = 1; i < 4; i++) {
		vhd_make(&vhd[i], &(struct vhd_wish){ .type = 4, .sectors = sectors,
			 .block_size = block_size, .changes = 20, .seed = 1 + i,
			 .parent = &vhd[i - 1], .parent_name = names[i - 1] });
		write_vhd(names[i], &vhd[i]);
	}
	write_disk("model", &vhd[3]);
	from = (struct lclone_import_from){ .file = lasting("3.vhd"), .chain = true };
	add_target("delta");
	add_target("d2");
	add_target("d3");
	imported();
	run("cmp model flat");
	for (i = 0; i < 4; i++)
		vhd_free(&vhd[i]);
}

static void vhd(void **state)
{
	(void)state;
	vhd_chain(2, 4001, 65536);
	vhd_chain(3, 10000, 2097152);
	vhd_chain(3, 7777, 512);
	/* the parent is another, by its uuid; or was changed since, by its time */
	vhd_chain(3, 4000, 4096);
	run("cp 1.vhd 0.vhd");
	refused(-ENOENT, "is not in its folder");
	vhd_chain(3, 4000, 4096);
	run("rm delta d2 d3; truncate -s 64M delta d2 d3");
	{
		struct vhd_image other;

		vhd_make(&other, &(struct vhd_wish){ .type = 3, .sectors = 4000, .changes = 30,
			 .block_size = 4096, .seed = 1 });
		vhd_put32(vhd_footer(&other) + 24, 5);
		vhd_seal(&other);
		write_vhd("0.vhd", &other);
		vhd_free(&other);
	}
	refused(-ESTALE, "its time is another");
	from.backing.path[from.backing.count++] = lasting("0.vhd");
	imported();
	/* it is itself its parent */
	vhd_chain(3, 4000, 4096);
	run("cp 2.vhd 3.vhd; cp 2.vhd 1.vhd");
	refused(-ENOENT, "is not in its folder");
}

/* Files elsewhere are not read unless the user has named them. */
static void other_folders(void **state)
{
	(void)state;
	run("head -c 8M /dev/urandom >base; cp base other/base.raw; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b other/base.raw -F raw top.qcow2");
	add_target("delta");
	refused(-EPERM, "not in its folder");
	run("qemu-img rebase -u -f qcow2 -b \"$PWD/other/base.raw\" -F raw top.qcow2");
	refused(-EPERM, "not in its folder");
	run("qemu-img rebase -u -f qcow2 -b other/../base.raw -F raw top.qcow2");
	imported();
	run("rm delta; truncate -s 64M delta; ln -sf other/base.raw link; qemu-img rebase -u -f qcow2 -b link -F raw top.qcow2");
	refused(-EPERM, "not in its folder");
	run("qemu-img rebase -u -f qcow2 -b nbd://localhost/x -F raw top.qcow2");
	refused(-EPERM, "nbd://localhost/x");
	run("qemu-img rebase -u -f qcow2 -b 'json:{\"driver\":\"null-co\"}' -F raw top.qcow2");
	refused(-EPERM, "json:");
	run("qemu-img rebase -u -f qcow2 -b gone.raw -F raw top.qcow2");
	refused(-ENOENT, "which is not there");
	/* ... as it is, or moved */
	run("qemu-img rebase -u -f qcow2 -b /nowhere/base.raw -F raw top.qcow2");
	from.backing.path[from.backing.count++] = lasting("other/base.raw");
	imported();
	run("qemu-img rebase -u -f qcow2 -b base.qcow2 -F raw top.qcow2");
	refused(-ENOENT, "base.qcow2");
	run("ln -sf base.raw top2; qemu-img rebase -u -f qcow2 -b base.raw -F raw top.qcow2");
	from.backing.path[from.backing.count++] = lasting("top2");
	refused(-ESTALE, "does not lie on");
}

/* A file that is where the image says is not exchanged for another one of its name. */
static void same_names(void **state)
{
	(void)state;
	run("mkdir a b; head -c 4M /dev/urandom >base; qemu-img convert -f raw -O qcow2 base a/disk.qcow2");
	run("qemu-img create -q -f qcow2 -b ../a/disk.qcow2 -F qcow2 b/disk.qcow2; qemu-img create -q -f qcow2 -b disk.qcow2 -F qcow2 b/top.qcow2");
	run(IO " -c 'write -P 7 1M 1M'; " IO " -c 'write -P 8 3M 4k'", "qcow2", "b/disk.qcow2", "qcow2", "b/top.qcow2");
	from.file = lasting("b/top.qcow2");
	from.backing.path[from.backing.count++] = lasting("a/disk.qcow2");
	add_target("delta");
	refused(-ERANGE, "is an overlay, too");
	from.chain = true;
	add_target("d2");
	imported();
	judge("qcow2", "b/top.qcow2");
	/* both are named, in any order */
	run("rm delta d2; truncate -s 64M delta d2");
	from.backing.path[from.backing.count++] = lasting("b/disk.qcow2");
	imported();
	judge("qcow2", "b/top.qcow2");
	/* moved: which of both it is cannot be told */
	run("mkdir c; mv b/top.qcow2 c/top.qcow2; rm delta d2; truncate -s 64M delta d2");
	from.file = lasting("c/top.qcow2");
	refused(-ESTALE, "two of that name");
}

/* Of a link, qemu looks for what it lies on beside the link, and not beside the file. */
static void links(void **state)
{
	(void)state;
	run("mkdir a b; head -c 4M /dev/urandom >base; cp base a/base.raw; head -c 4M /dev/urandom >b/base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw a/top.qcow2; ln -s ../a/top.qcow2 b/link.qcow2; ln -s a/top.qcow2 link.qcow2");
	run(IO " -c 'write -P 7 1M 1M'", "qcow2", "a/top.qcow2");
	from.file = lasting("b/link.qcow2");
	add_target("delta");
	refused(-EPERM, "is another file beside that");
	from.backing.path[from.backing.count++] = lasting("a/base.raw");
	imported();
	judge("qcow2", "a/top.qcow2");
	run("rm delta; truncate -s 64M delta");
	from.backing.count = 0;
	from.file = lasting("link.qcow2");
	imported();
	judge("qcow2", "a/top.qcow2");
}

/* A base that is trusted is that of the lowest file: an overlay between is not left out. */
static void trusted(void **state)
{
	(void)state;
	make_chain();
	from = (struct lclone_import_from){ .file = lasting("2.qcow2"), .trust_base = true };
	add_target("delta");
	refused(-ERANGE, "is an overlay, too");
	run("mv 1.qcow2 other; qemu-img rebase -u -f qcow2 -b other/1.qcow2 -F qcow2 2.qcow2");
	refused(-EPERM, "not in its folder");
	run("rm other/1.qcow2");
	assert_int_equal(lclone_import_to(&to), 0);
	run("rm delta; truncate -s 64M delta; qemu-img create -q -f qcow2 -b nbd://nowhere/x -F raw top.qcow2 8M || qemu-img create -q -u -f qcow2 -b nbd://nowhere/x -F raw top.qcow2 8M");
	from.file = lasting("top.qcow2");
	assert_int_equal(lclone_import_to(&to), 0);
	/* the same of VHDs */
	vhd_chain(3, 4000, 4096);
	from.chain = false;
	from.trust_base = true;
	to.to.count = 1;
	refused(-ERANGE, "is an overlay, too");
}

static void loops(void **state)
{
	(void)state;
	run("head -c 1M /dev/urandom >base; qemu-img create -q -f qcow2 a.qcow2 1M; qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 top.qcow2");
	run("qemu-img rebase -u -f qcow2 -b top.qcow2 -F qcow2 a.qcow2");
	from.chain = true;
	add_target("delta");
	add_target("d2");
	refused(-ELOOP, "lies on itself");
	run("qemu-img rebase -u -f qcow2 -b top.qcow2 -F qcow2 top.qcow2");
	refused(-ELOOP, "lies on itself");
}

static void not_read(void **state)
{
	(void)state;
	run("head -c 1M /dev/urandom >base; cp base base.raw");
	add_target("delta");
	run("qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s -b base.raw -F raw top.qcow2");
	refused(-EPROTONOSUPPORT, "encrypted");
	run("rm top.qcow2; qemu-img create -q -f qcow2 -o data_file=data top.qcow2 1M");
	refused(-EPROTONOSUPPORT, "another file");
	run("rm top.qcow2; qemu-img create -q -f qcow2 top.qcow2 1M");
	refused(-ERANGE, "lies on no other image");
	run("head -c 1M /dev/urandom >top.qcow2");
	refused(-EPROTONOSUPPORT, "called .qcow2");
	run("printf 'QFI\\373\\0\\0\\0\\11' >top.qcow2; truncate -s 1M top.qcow2");
	refused(-EPROTONOSUPPORT, "version 9");
	/* cut off: qemu would read zeros */
	run("rm top.qcow2; qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2; qemu-io -f qcow2 top.qcow2 -c 'write -P 1 0 1M'; truncate -s 800000 top.qcow2");
	refused(-EUCLEAN, "not whole");
	/* qemu does not say what it has against it: a flag of its metadata */
	run("qemu-img create -q -f vhdx x.vhdx 16M; printf '\\2' | dd of=x.vhdx bs=1 seek=$((0x310004)) conv=notrunc");
	from.file = lasting("x.vhdx");
	refused(-EPROTONOSUPPORT, "is a differencing VHDX");
	/* a text that names files elsewhere, as its content */
	run("printf '# Disk DescriptorFile\\nCID=1\\nparentCID=2\\nparentFileNameHint=\"base.raw\"\\nRW 2048 FLAT \"/etc/passwd\" 0\\n' >top.vmdk");
	from.file = lasting("top.vmdk");
	refused(-EPROTONOSUPPORT, "/etc/passwd");
	run("printf '# Disk DescriptorFile\\nCID=1\\nparentCID=2\\nparentFileNameHint=\"base.raw\"\\nRW 2048 FLAT \"nbd:localhost:1\" 0\\n' >top.vmdk");
	refused(-EPROTONOSUPPORT, "nbd:localhost:1");
	run("ln -sf /etc/passwd passwd; printf '# Disk DescriptorFile\\nCID=1\\nparentCID=2\\nparentFileNameHint=\"base.raw\"\\n RW 2048 FLAT \"passwd\" 0\\n' >top.vmdk");
	refused(-EPROTONOSUPPORT, "passwd");
}

/* One that a virtual machine has, as qemu-io is: what it writes next is not known. */
static void in_use(void **state)
{
	(void)state;
	run("head -c 1M /dev/urandom >base; cp base base.raw; qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	add_target("delta");
	run("mkfifo fifo; qemu-io -f qcow2 top.qcow2 <fifo >said & exec 3>fifo; printf 'write 0 4k\\n' >&3; "
	    "until grep -q wrote said; do sleep 0.1; done; (sleep 3) >/dev/null 2>&1 & :");
	refused(-EBUSY, "is in use");
}

static void vhd_in_use(void **state)
{
	(void)state;
	vhd_chain(3, 4000, 4096);
	run("rm delta d2 d3; truncate -s 64M delta d2 d3");
	run("mkfifo fifo; qemu-io -f vpc 3.vhd <fifo >said & exec 3>fifo; printf 'write 0 4k\\n' >&3; "
	    "until grep -q wrote said; do sleep 0.1; done; (sleep 3) >/dev/null 2>&1 & :");
	refused(-EBUSY, "is in use");
}

/* Somebody writes to the file while it is read, or between that it is measured and read. */
static int write_meanwhile(void *ctx, const char *phase, u64 done, u64 total)
{
	if (!strcmp(phase, "importing") && done == total)
		run("touch -d @%d %s", 1000, (const char *)ctx);
	return 0;
}

static void changed(void **state)
{
	struct lclone_watch watch = { .progress = write_meanwhile, .ctx = "top.qcow2" };

	(void)state;
	run("head -c 1M /dev/urandom >base; cp base base.raw; qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	add_target("delta");
	to.watch = &watch;
	refused(-EBUSY, "was changed while it was read");
	to.watch = NULL;
	imported();
	vhd_chain(3, 4000, 4096);
	run("rm delta d2 d3; truncate -s 64M delta d2 d3");
	watch.ctx = "2.vhd";
	to.watch = &watch;
	refused(-EBUSY, "was changed while it was read");
}

/* What is imported would be overwritten while it is read: that is refused, also with --force. */
static void onto_itself(void **state)
{
	(void)state;
	run("truncate -s 32M base; head -c 8M /dev/urandom | dd of=base seek=1 bs=1M conv=notrunc; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	run(IO " -c 'write -P 1 0 1M'; truncate -s 64M top.qcow2; cp top.qcow2 base.raw other", "qcow2", "top.qcow2");
	add_target("base.raw");
	refused(-EBUSY, "is what would be imported");
	to.force = true;
	refused(-EBUSY, "is what would be imported");
	to.to.count = 0;
	add_target("top.qcow2");
	refused(-EBUSY, "is what would be imported");
	from.trust_base = true;
	refused(-EBUSY, "is what would be imported");
	to.to.count = 0;
	add_target("base.raw");
	refused(-EBUSY, "is what would be imported");
	run("cmp top.qcow2 other/top.qcow2; cmp base.raw other/base.raw");
	/* the raw part of a vmdk */
	run("qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat base base.vmdk; cp base-flat.vmdk other");
	run("qemu-img create -q -f vmdk -b base.vmdk -F vmdk top.vmdk");
	from = (struct lclone_import_from){ .file = lasting("top.vmdk") };
	to.to.count = 0;
	add_target("base-flat.vmdk");
	refused(-EBUSY, "is what would be imported");
	run("cmp base-flat.vmdk other/base-flat.vmdk");
}

/* qemu-nbd ends in the middle: what is half made is refused, and gone over. */
static int slow(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)total;
	if (!strcmp(phase, "importing") && !done)
		run("until [ -e killed ]; do sleep 0.1; done");
	return 0;
}

static void reader_dies(void **state)
{
	const struct lclone_watch watch = { .progress = slow };
	char path[1024], *old = strdup(getenv("PATH"));

	(void)state;
	run("head -c 1M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 40M; qemu-io -f qcow2 top.qcow2 -c 'write -P 1 0 40M'");
	run("printf '#!/bin/sh\\n(sleep 1; kill -9 $$; : >%s/killed) </dev/null >/dev/null 2>&1 &\\nexec /usr/bin/qemu-nbd \"$@\"\\n' >other/qemu-nbd; chmod +x other/qemu-nbd",
	    path_of("."));
	add_target("delta");
	from.trust_base = true;		/* there is one qemu-nbd then */
	to.watch = &watch;
	snprintf(path, sizeof(path), "%s:%s", path_of("other"), old);
	setenv("PATH", path, 1);
	refused(-EPIPE, "qemu-nbd has ended");
	setenv("PATH", old, 1);
	free(old);
	to.watch = NULL;
	imported();
	judge("qcow2", "top.qcow2");
}

/* qemu-nbd hangs: who watches is asked meanwhile, and can stop it. */
static int stop_hung(void *ctx, const char *phase, u64 done, u64 total)
{
	struct stat st;

	slow(ctx, phase, done, total);
	return !stat(path_of("hangs"), &st) && time(NULL) - st.st_mtime >= 3 &&
	       stat(path_of("goes"), &st);
}

static void reader_hangs(void **state)
{
	const struct lclone_watch watch = { .progress = stop_hung };
	char path[1024], *old = strdup(getenv("PATH"));

	(void)state;
	run("head -c 1M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2 80M; qemu-io -f qcow2 top.qcow2 -c 'write -P 1 0 80M'; truncate -s 128M delta");
	run("cd %s; printf '#!/bin/sh\n(sleep 1; kill -STOP $$; : >hangs; : >killed; sleep 8; : >goes; kill -CONT $$) </dev/null >/dev/null 2>&1 &\nexec /usr/bin/qemu-nbd \"$@\"\n' >other/qemu-nbd; chmod +x other/qemu-nbd",
	    path_of("."));
	add_target("delta");
	from.trust_base = true;
	to.watch = &watch;
	snprintf(path, sizeof(path), "%s:%s", path_of("other"), old);
	setenv("PATH", path, 1);
	assert_int_equal(chdir(path_of(".")), 0);
	refused(-EINTR, "interrupted");
	assert_int_equal(chdir("/"), 0);
	setenv("PATH", old, 1);
	free(old);
	to.watch = NULL;
}

/* The device is too small, or the user has had enough: what is half made is refused, and gone over. */
static int stop(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)total;
	return !strcmp(phase, "importing") && done >= *(u64 *)ctx;
}

static void stopped(void **state)
{
	u64 at = 6 << 20;
	struct lclone_watch watch = { .progress = stop, .ctx = &at };
	struct lclone_file file;
	struct lclone_delta delta;

	(void)state;
	run("head -c 16M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw top.qcow2");
	run(IO " -c 'write -P 1 0 4M' -c 'write -P 2 5M 10M'", "qcow2", "top.qcow2");
	add_target("delta");
	to.watch = &watch;
	refused(-EINTR, "interrupted");
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDONLY), 0);
	assert_int_equal(lclone_delta_open_sb(&delta, &file.dev), 0);
	assert_true(lclone_half_written(&delta.sb));
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	to.label = "another";
	assert_int_not_equal(lclone_import_to(&to), 0);
	to.label = NULL;
	to.watch = NULL;
	imported();
	judge("qcow2", "top.qcow2");
	run("rm delta; truncate -s 8M delta");
	refused(-ENOSPC, "too small");
}

static int remove_all(void **state)
{
	run("cd /; rm -rf %s/*", path_of("."));
	return remove_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(qcow2, begin),
		cmocka_unit_test_setup(qcow2_kinds, begin),
		cmocka_unit_test_setup(inner_snapshots, begin),
		cmocka_unit_test_setup(sizes, begin),
		cmocka_unit_test_setup(odd_sizes, begin),
		cmocka_unit_test_setup(sizes_fit, begin),
		cmocka_unit_test_setup(another_base, begin),
		cmocka_unit_test_setup(chain, begin),
		cmocka_unit_test_setup(made_before, begin),
		cmocka_unit_test_setup(sibling, begin),
		cmocka_unit_test_setup(exchanged, begin),
		cmocka_unit_test_setup(vmdk, begin),
		cmocka_unit_test_setup(vhd, begin),
		cmocka_unit_test_setup(other_folders, begin),
		cmocka_unit_test_setup(same_names, begin),
		cmocka_unit_test_setup(links, begin),
		cmocka_unit_test_setup(trusted, begin),
		cmocka_unit_test_setup(loops, begin),
		cmocka_unit_test_setup(not_read, begin),
		cmocka_unit_test_setup(in_use, begin),
		cmocka_unit_test_setup(vhd_in_use, begin),
		cmocka_unit_test_setup(changed, begin),
		cmocka_unit_test_setup(onto_itself, begin),
		cmocka_unit_test_setup(reader_dies, begin),
		cmocka_unit_test_setup(reader_hangs, begin),
		cmocka_unit_test_setup(stopped, begin),
	};

	return cmocka_run_group_tests_name("import", tests, make_dir, remove_all);
}
