// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills a place on a device with data from elsewhere, or with zeros.
 *
 * The bio and the pages are the job's own; if there is no memory for pages, the block of the
 * delta's superblock is used.  Nothing is taken from a pool that clones share: clones may lie
 * on each other, and one could wait for what the other has taken.  The I/O is charged to the
 * cgroup of the bio that waits for it.
 */
#include "fill.h"

static void fill_next(struct lclone_job *job);

static void fill_written(struct lclone_job *job);

static void fill_endio(struct bio *bio)
{
	struct lclone_job *job = container_of(bio, struct lclone_job, fill.bio);

	job->error = blk_status_to_errno(bio->bi_status);
	bio_uninit(bio);
	if (job->step == fill_written && job->fill.now == job->fill.sectors)
		fill_written(job);	/* nothing is left that could sleep */
	else
		lclone_job_ready(job);
}

static void fill_bio_init(struct lclone_job *job, struct block_device *bdev, sector_t sector,
			  blk_opf_t opf, u16 vecs)
{
	struct bio *bio = &job->fill.bio;

	bio_init(bio, bdev, job->fill.vec, vecs, opf);
	bio_clone_blkg_association(bio, job->bio);
	bio->bi_ioprio = job->bio->bi_ioprio;
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = fill_endio;
}

/* Lays the data of the job's bio over those of the write that is about to be sent. */
static void fill_over(struct lclone_job *job)
{
	struct lclone_fill *f = &job->fill;
	struct bvec_iter to = f->bio.bi_iter;
	u32 n = min(f->over_at, to.bi_size);

	f->over_at -= n;
	bio_advance_iter(&f->bio, &to, n);
	while (to.bi_size && f->over.bi_size) {
		struct bio_vec src = bio_iter_iovec(job->bio, f->over);
		struct bio_vec dst = bio_iter_iovec(&f->bio, to);

		n = min(src.bv_len, dst.bv_len);
		memcpy_page(dst.bv_page, dst.bv_offset, src.bv_page, src.bv_offset, n);
		bio_advance_iter(job->bio, &f->over, n);
		bio_advance_iter(&f->bio, &to, n);
	}
}

/* Reads or writes @sectors of the buffer, or writes as many zeros; calls @step at the end. */
static void fill_submit(struct lclone_job *job, struct block_device *bdev, sector_t sector,
			u32 sectors, blk_opf_t opf, void (*step)(struct lclone_job *job))
{
	struct lclone_fill *f = &job->fill;
	u32 bytes = sectors << SECTOR_SHIFT, i, n;

	fill_bio_init(job, bdev, sector, opf, FILL_PAGES);
	for (i = 0; bytes; i++, bytes -= n) {
		n = min_t(u32, bytes, PAGE_SIZE);
		__bio_add_page(&f->bio, f->nr_pages ? f->vec[i].bv_page : ZERO_PAGE(0), n, 0);
	}
	if (op_is_write(opf))
		fill_over(job);
	job->step = step;
	submit_bio_noacct(&f->bio);
}

static void fill_write(struct lclone_job *job)
{
	struct lclone_fill *f = &job->fill;
	u32 read = min(f->now, f->from.sectors), n;

	if (job->error) {
		fill_next(job);
		return;
	}
	f->from.sector += read;
	f->from.sectors -= read;
	for (; read < f->now; read += n) {
		u32 pos = read << SECTOR_SHIFT;

		n = min_t(u32, f->now - read, (PAGE_SIZE - offset_in_page(pos)) >> SECTOR_SHIFT);
		memset(page_address(f->vec[pos / PAGE_SIZE].bv_page) + offset_in_page(pos), 0,
		       n << SECTOR_SHIFT);
	}
	fill_submit(job, f->bdev, f->sector, f->now, REQ_OP_WRITE | f->opf, fill_written);
}

static void fill_written(struct lclone_job *job)
{
	if (!job->error) {
		job->fill.sector += job->fill.now;
		job->fill.sectors -= job->fill.now;
	}
	fill_next(job);
}

static void fill_free(struct lclone_fill *f)
{
	while (f->nr_pages)
		__free_page(f->vec[--f->nr_pages].bv_page);
}

/* Allocates as many pages as there are without waiting.  Returns false if there is none. */
static bool fill_alloc(struct lclone_fill *f)
{
	u32 want = min_t(u32, DIV_ROUND_UP(f->sectors << SECTOR_SHIFT, PAGE_SIZE), FILL_PAGES);

	while (f->nr_pages < want) {
		struct page *page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);

		if (!page)
			break;
		f->vec[f->nr_pages++].bv_page = page;
	}
	return f->nr_pages;
}

/* Fills one block, with the buffer that the delta has for superblocks. */
static int fill_block(struct lclone_job *job)
{
	struct lclone_delta *d = job->delta;
	struct lclone_fill *f = &job->fill;
	u32 n = min(f->sectors, LCLONE_BLOCK_SECTORS), read = min(n, f->from.sectors);
	int err = 0;

	if (read)
		err = lclone_read_sectors(f->from.bdev, f->from.sector, d->super.bounce, read);
	if (err)
		return err;
	memset(d->super.bounce + (read << SECTOR_SHIFT), 0, (n - read) << SECTOR_SHIFT);
	fill_bio_init(job, f->bdev, f->sector, REQ_OP_WRITE | f->opf, 1);
	__bio_add_page(&f->bio, virt_to_page(d->super.bounce), n << SECTOR_SHIFT,
		       offset_in_page(d->super.bounce));
	fill_over(job);
	err = submit_bio_wait(&f->bio);
	bio_uninit(&f->bio);
	f->from.sector += read;
	f->from.sectors -= read;
	f->sector += n;
	f->sectors -= n;
	return err;
}

static void fill_blocks(struct lclone_job *job)
{
	/* This waits for devices: what has ended before must not. */
	lclone_end_pass(&job->delta->queue);
	mutex_lock(&job->delta->super.tree_lock);
	while (job->fill.sectors && !job->error)
		job->error = fill_block(job);
	mutex_unlock(&job->delta->super.tree_lock);
	job->fill.done(job);
}

static void fill_next(struct lclone_job *job)
{
	struct lclone_fill *f = &job->fill;

	if (job->error || !f->sectors) {
		fill_free(f);
		f->done(job);
		return;
	}
	if ((f->from.sectors || f->over.bi_size) && !f->nr_pages && !fill_alloc(f)) {
		fill_blocks(job);
		return;
	}
	f->now = min_t(u32, f->sectors, (f->nr_pages ?: FILL_PAGES) * (PAGE_SIZE >> SECTOR_SHIFT));
	if (f->from.sectors)
		fill_submit(job, f->from.bdev, f->from.sector, min(f->now, f->from.sectors),
			    REQ_OP_READ, fill_write);
	else if (f->nr_pages)
		fill_write(job);
	else	/* not REQ_OP_WRITE_ZEROES: some devices say that they have it, and fail it */
		fill_submit(job, f->bdev, f->sector, f->now, REQ_OP_WRITE | f->opf, fill_written);
}

void lclone_fill(struct lclone_job *job, struct block_device *bdev, sector_t sector, u32 sectors,
		 const struct lclone_source *from, void (*done)(struct lclone_job *job))
{
	struct lclone_fill *f = &job->fill;

	f->from.sectors = 0;
	if (from)
		f->from = *from;
	f->from.sectors = f->from.bdev ? min(f->from.sectors, sectors) : 0;
	f->bdev = bdev;
	f->sector = sector;
	f->sectors = sectors;
	f->done = done;
	fill_next(job);
}

/* The command for zeros has ended.  If it has failed, as on some devices, zeros are written. */
static void zeros_ended(struct lclone_job *job)
{
	if (!job->error)
		job->fill.sectors = 0;
	job->error = 0;
	fill_next(job);
}

void lclone_fill_zeros(struct lclone_job *job, struct block_device *bdev, blk_opf_t flags,
		       void (*done)(struct lclone_job *job))
{
	struct lclone_fill *f = &job->fill;
	struct bio *bio = job->bio;

	f->opf = flags & REQ_FUA;
	if (!bdev_write_zeroes_sectors(bdev)) {
		lclone_fill(job, bdev, bio->bi_iter.bi_sector, bio_sectors(bio), NULL, done);
		return;
	}
	f->bdev = bdev;
	f->sector = bio->bi_iter.bi_sector;
	f->sectors = bio_sectors(bio);
	f->done = done;
	fill_bio_init(job, f->bdev, f->sector, REQ_OP_WRITE_ZEROES | flags, 0);
	f->bio.bi_iter.bi_size = bio->bi_iter.bi_size;
	job->step = zeros_ended;
	submit_bio_noacct(&f->bio);
}
