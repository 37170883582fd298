// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct I/O from the iterator to the disk and back: by the block device, by
 * iomap, and by __blockdev_direct_IO(), without a filesystem. The test is the
 * filesystem: its file lies on the disk in the way that the test says.
 */
#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>

#include "test_disk.h"

#define BLOCK		SECTOR_SIZE
#define FS_BLOCK	PAGE_SIZE	/* of a file of shmem */

/* What the filesystem says of the file. */
struct layout {
	loff_t hole;			/* from here on there are no blocks */
	loff_t bad;			/* from here on they cannot be looked up */
	bool fresh;			/* blocks are new, and hold old data */
	bool scattered;			/* no two blocks are side by side */
	bool boundary;			/* behind each there is something else to read */
};

static const struct layout plain = { .hole = LLONG_MAX, .bad = LLONG_MAX };

struct dio_test;

struct engine {
	const char *name;
	bool filesystem;
	ssize_t (*rw)(struct dio_test *dt, struct kiocb *iocb, struct iov_iter *iter);
};

struct dio_test {
	struct kunit *test;
	const struct engine *engine;
	struct test_disk *td;
	struct file *file;
	struct layout layout;
	struct kiocb iocb;
	long result;
	struct completion done;
};

/* A byte of the file is there on the disk; blocks of FS_BLOCK keep together. */
static loff_t on_disk(struct dio_test *dt, loff_t pos)
{
	if (!dt->layout.scattered)
		return pos;
	/* 0, 1, 2, ... at 0, 5, 10, ... of 64 blocks */
	return (pos / FS_BLOCK * 5) % 64 * FS_BLOCK + pos % FS_BLOCK;
}

static struct dio_test *dio_of(struct inode *inode)
{
	return inode->i_private;
}

/* iomap */

static int map_extent(struct inode *inode, loff_t pos, loff_t len, unsigned int flags,
		      struct iomap *iomap, struct iomap *srcmap)
{
	struct dio_test *dt = dio_of(inode);
	const struct layout *lay = &dt->layout;

	if (pos >= lay->bad)
		return -EIO;
	iomap->bdev = dt->td->bdev;
	iomap->offset = pos;
	iomap->length = min(len, min(lay->bad, lay->hole > pos ? lay->hole : lay->bad) - pos);
	if (lay->scattered)
		iomap->length = min_t(loff_t, iomap->length, FS_BLOCK - pos % FS_BLOCK);
	if (pos >= lay->hole) {
		iomap->type = IOMAP_HOLE;
		iomap->addr = IOMAP_NULL_ADDR;
		return 0;
	}
	iomap->type = IOMAP_MAPPED;
	iomap->flags = lay->fresh ? IOMAP_F_NEW : 0;
	iomap->addr = on_disk(dt, pos);
	return 0;
}

static const struct iomap_ops test_iomap_ops = {
	.iomap_begin = map_extent,
};

static ssize_t rw_iomap(struct dio_test *dt, struct kiocb *iocb, struct iov_iter *iter)
{
	return iomap_dio_rw(iocb, iter, &test_iomap_ops, NULL, 0, NULL, 0);
}

/* fs/direct-io.c */

static int get_block(struct inode *inode, sector_t block, struct buffer_head *bh,
		     int create)
{
	struct dio_test *dt = dio_of(inode);
	const struct layout *lay = &dt->layout;
	loff_t pos = block << inode->i_blkbits;
	loff_t end = min(pos + (loff_t)bh->b_size, lay->bad);

	if (pos >= lay->bad)
		return -EIO;
	if (pos >= lay->hole)
		return 0;
	end = min(end, lay->hole);
	if (lay->scattered)
		end = min_t(loff_t, end, pos + FS_BLOCK);
	set_buffer_mapped(bh);
	bh->b_bdev = dt->td->bdev;
	bh->b_blocknr = on_disk(dt, pos) >> inode->i_blkbits;
	bh->b_size = round_up(end - pos, FS_BLOCK);
	if (lay->fresh && create)
		set_buffer_new(bh);
	if (lay->boundary)
		set_buffer_boundary(bh);
	return 0;
}

static ssize_t rw_get_block(struct dio_test *dt, struct kiocb *iocb, struct iov_iter *iter)
{
	return __blockdev_direct_IO(iocb, file_inode(dt->file), dt->td->bdev, iter,
				    get_block, NULL, NULL, 0);
}

/* block/fops.c */

static ssize_t rw_bdev(struct dio_test *dt, struct kiocb *iocb, struct iov_iter *iter)
{
	if (iov_iter_rw(iter) == READ)
		return call_read_iter(dt->file, iocb, iter);
	return call_write_iter(dt->file, iocb, iter);
}

static const struct engine engines[] = {
	{ .name = "bdev", .rw = rw_bdev },
	{ .name = "iomap", .filesystem = true, .rw = rw_iomap },
	{ .name = "get_block", .filesystem = true, .rw = rw_get_block },
};

static void dio_ended(struct kiocb *iocb, long ret)
{
	struct dio_test *dt = container_of(iocb, struct dio_test, iocb);

	dt->result = ret;
	complete(&dt->done);
}

static struct dio_test *dio_test(struct kunit *test, const struct engine *engine,
				 struct test_disk *td, const struct layout *layout)
{
	struct dio_test *dt = kunit_kzalloc(test, sizeof(*dt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dt);
	dt->test = test;
	dt->engine = engine;
	dt->td = td;
	dt->layout = *layout;
	init_completion(&dt->done);
	if (engine->filesystem) {
		dt->file = shmem_file_setup("pin_test", TEST_DISK_SIZE, 0);
		kunit_file(test, dt->file);
		file_inode(dt->file)->i_private = dt;
	} else {
		dt->file = test_disk_open(test, td);
	}
	return dt;
}

/* Whether the bios of @it's pages have them from the owner of the bvec. */
static bool borrowed(struct dio_test *dt, struct iter_test *it)
{
	return iov_iter_is_bvec(&it->iter) && dt->engine->rw != rw_get_block;
}

#define CYCLE		251
static char cycle[CYCLE + BLOCK];

/* What the block at @pos of the file has in it: no two are the same. */
static const char *pattern(loff_t pos)
{
	return cycle + pos / BLOCK % CYCLE;
}

/* Put the data where it comes from, and something else where it goes. */
static void prepare_data(struct dio_test *dt, struct iter_test *it, loff_t pos)
{
	memset(dt->td->data, 0xee, TEST_DISK_SIZE);
	for (size_t k = 0; k < it->total; k += BLOCK) {
		if (it->direction == READ)
			memcpy(dt->td->data + on_disk(dt, pos + k), pattern(pos + k), BLOCK);
		else
			iter_memory_write(it, k, pattern(pos + k), BLOCK);
	}
}

static void expect_block(struct dio_test *dt, struct iter_test *it, const char *is,
			 const char *wanted, loff_t pos)
{
	KUNIT_ASSERT_EQ_MSG(dt->test, memcmp(is, wanted, BLOCK), 0,
			    "%s: %s: at %lld of the file: 0x%02x ..., wanted 0x%02x ...",
			    dt->engine->name, it->shape->name, pos, is[0], wanted[0]);
}

static const char zeroes[BLOCK];

static void expect_data(struct dio_test *dt, struct iter_test *it, loff_t pos, size_t len)
{
	for (size_t k = 0; k < len; k += BLOCK) {
		const char *wanted = pos + k < dt->layout.hole ? pattern(pos + k) : zeroes;
		char is[BLOCK];

		if (it->direction == READ)
			iter_memory_read(it, k, is, BLOCK);
		else
			memcpy(is, dt->td->data + on_disk(dt, pos + k), BLOCK);
		expect_block(dt, it, is, wanted, pos + k);
	}
}

static void expect_zeroes(struct dio_test *dt, struct iter_test *it, loff_t pos, loff_t end)
{
	for (; pos < end; pos += BLOCK)
		expect_block(dt, it, dt->td->data + on_disk(dt, pos), zeroes, pos);
}

/* Around what was written to a new block there must be nothing but zeroes. */
static void expect_zeroed(struct dio_test *dt, struct iter_test *it, loff_t pos, size_t len)
{
	expect_zeroes(dt, it, round_down(pos, FS_BLOCK), pos);
	expect_zeroes(dt, it, pos + len, round_up(pos + len, FS_BLOCK));
}

static void expect_held(struct dio_test *dt, struct iter_test *it, bool held)
{
	struct bio *bio;

	bio_list_for_each(bio, &dt->td->held) {
		if (it->pipe && held)
			page_watch_add_bio(&it->watch, bio);
		if (BIOS_PIN && !borrowed(dt, it))
			page_watch_bio(&it->watch, bio, held);
	}
}

static void expect_counts(struct dio_test *dt, struct iter_test *it, const char *when)
{
	if (!BIOS_PIN)
		page_watch_forget_pins(&it->watch);
	if (page_watch_expect(&it->watch, when))
		return;
	page_watch_repair(&it->watch);
	KUNIT_ASSERT_TRUE_MSG(dt->test, false, "%s: %s", dt->engine->name, it->shape->name);
}

static void expect_in_flight(struct dio_test *dt, struct iter_test *it)
{
	expect_held(dt, it, true);
	/* on the way there, the zero page is held in some of the ways, and not in others */
	if (BIOS_PIN)
		expect_counts(dt, it, "in flight");
}

static ssize_t start_io(struct dio_test *dt, struct iter_test *it, loff_t pos, int flags)
{
	prepare_data(dt, it, pos);
	it->watch.transient = true;
	for (unsigned int k = 0; it->direction == READ && k < POOL_PAGES; k++)
		if (it->pool[k])
			ClearPageDirty(it->pool[k]);
	dt->td->nr_ended = 0;
	init_sync_kiocb(&dt->iocb, dt->file);
	dt->iocb.ki_pos = pos;
	dt->iocb.ki_flags |= IOCB_DIRECT | flags;
	if (dt->td->hold)
		dt->iocb.ki_complete = dio_ended;
	return dt->engine->rw(dt, &dt->iocb, &it->iter);
}

/* Read or write all that is in @it, at @pos of the file. */
static void sync_io(struct dio_test *dt, struct iter_test *it, loff_t pos, ssize_t wanted)
{
	ssize_t ret;

	dt->td->hold = false;
	ret = start_io(dt, it, pos, 0);
	KUNIT_EXPECT_EQ_MSG(dt->test, ret, wanted, "%s: %s", dt->engine->name, it->shape->name);
	/* if not all was read or written, then the test knows how much */
	if (ret > 0)
		expect_data(dt, it, pos, ret);
	/* what a pipe has by now is its own affair */
	expect_counts(dt, it, "done");
}

static void start_async_io(struct dio_test *dt, struct iter_test *it, loff_t pos)
{
	ssize_t ret;

	dt->td->hold = true;
	ret = start_io(dt, it, pos, 0);
	KUNIT_ASSERT_EQ_MSG(dt->test, ret, -EIOCBQUEUED, "%s: %s", dt->engine->name,
			    it->shape->name);
	expect_in_flight(dt, it);
}

static void finish_async_io(struct dio_test *dt, struct iter_test *it, loff_t pos,
			    ssize_t wanted)
{
	expect_held(dt, it, false);
	test_disk_complete(dt->td);
	KUNIT_ASSERT_NE_MSG(dt->test, wait_for_completion_timeout(&dt->done, 10 * HZ), 0UL,
			    "%s: %s", dt->engine->name, it->shape->name);
	KUNIT_EXPECT_EQ_MSG(dt->test, dt->result, wanted, "%s: %s", dt->engine->name,
			    it->shape->name);
	if (dt->result > 0)
		expect_data(dt, it, pos, dt->result);
	expect_counts(dt, it, "done");
}

/* The data was put there by a device, behind the back of the page tables. */
static void expect_dirty(struct dio_test *dt, struct iter_test *it)
{
	if (it->direction != READ || !it->kind->user)
		return;
	for (unsigned int s = 0; s < it->nr_segs; s++) {
		unsigned int page = it->segs[s].pos / PAGE_SIZE;
		unsigned int last = (it->segs[s].pos + it->segs[s].len - 1) / PAGE_SIZE;

		for (; page <= last; page++)
			KUNIT_EXPECT_TRUE_MSG(dt->test, PageDirty(compound_head(it->pool[page])),
					      "%s: %s: page %u is clean", dt->engine->name,
					      it->shape->name, page);
	}
}

static const char *const aligned_shapes[] = {
	"one page", "all pages", "blocks", "a folio",
};

static const struct layout scattered = {
	.hole = LLONG_MAX, .bad = LLONG_MAX, .scattered = true,
};

static const struct layout boundaries = {
	.hole = LLONG_MAX, .bad = LLONG_MAX, .scattered = true, .boundary = true,
};

/* Each engine with each layout, in one go and with the I/O in flight. */
static void read_or_written(struct kunit *test)
{
	static const struct layout *const layouts[] = { &plain, &scattered, &boundaries };
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < ARRAY_SIZE(engines) * ARRAY_SIZE(layouts); k++) {
		const struct engine *engine = &engines[k / ARRAY_SIZE(layouts)];
		const struct layout *layout = layouts[k % ARRAY_SIZE(layouts)];

		if ((layout->scattered && !engine->filesystem) ||
		    (layout->boundary && engine->rw != rw_get_block))
			continue;
		for (unsigned int s = 0; s < ARRAY_SIZE(aligned_shapes); s++) {
			struct dio_test *dt = dio_test(test, engine, td, layout);
			struct iter_test *it = iter_test(test, aligned_shapes[s]);

			sync_io(dt, it, 4 * FS_BLOCK, it->total);
			expect_dirty(dt, it);
			it = iter_test(test, aligned_shapes[s]);
			start_async_io(dt, it, 0);
			finish_async_io(dt, it, 0, it->total);
			expect_dirty(dt, it);
		}
	}
}

static void no_pages_to_give(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++)
		sync_io(dio_test(test, &engines[e], td, &plain),
			iter_test(test, "all pages"), 0, -EFAULT);
}

/* One of several bios comes back with an error. */
static void device_error(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		for (td->fail_nth = 1; td->fail_nth <= (engines[e].filesystem ? 3 : 1);
		     td->fail_nth++) {
			struct dio_test *dt = dio_test(test, &engines[e], td,
						       engines[e].filesystem ? &scattered : &plain);
			struct iter_test *it = iter_test(test, "all pages");

			sync_io(dt, it, 0, -EIO);
			it = iter_test(test, "all pages");
			start_async_io(dt, it, 0);
			finish_async_io(dt, it, 0, -EIO);
		}
	}
}

/* The filesystem cannot say where the rest of the data is. */
static void error_of_filesystem(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct layout lay = plain;

		if (!engines[e].filesystem)
			continue;
		for (lay.bad = 0; lay.bad <= 2 * FS_BLOCK; lay.bad += FS_BLOCK) {
			struct dio_test *dt = dio_test(test, &engines[e], td, &lay);

			sync_io(dt, iter_test(test, "all pages"), 0, -EIO);
		}
	}
}

/* A hole reads as zeroes. iomap is not asked to write to one. */
static void hole_in_file(struct kunit *test)
{
	static const struct layout lay = { .hole = 3 * FS_BLOCK, .bad = LLONG_MAX };
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct iter_test *it = iter_test(test, "blocks");
		bool reads = it->direction == READ;

		if (!engines[e].filesystem || (!reads && engines[e].rw == rw_iomap))
			continue;
		sync_io(dio_test(test, &engines[e], td, &lay), it, 0,
			reads ? it->total : lay.hole);
	}
}

/* The file ends in the middle of the memory, and has no blocks behind its end. */
static void end_of_file(struct kunit *test)
{
	static const struct layout lay = { .hole = 3 * FS_BLOCK, .bad = LLONG_MAX };
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct dio_test *dt = dio_test(test, &engines[e], td, &lay);

		if (!engines[e].filesystem)
			continue;
		i_size_write(file_inode(dt->file), lay.hole - BLOCK);
		sync_io(dt, iter_test(test, "all pages"), 0, lay.hole - BLOCK);
		sync_io(dt, iter_test(test, "all pages"), lay.hole, 0);
	}
}

/* The rest of the first and of the last block is written from the zero page. */
static void parts_of_new_blocks(struct kunit *test)
{
	static const struct layout lay = {
		.hole = LLONG_MAX, .bad = LLONG_MAX, .fresh = true,
	};
	static const loff_t starts[] = { BLOCK, 3 * FS_BLOCK - BLOCK };
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < 2 * ARRAY_SIZE(engines); k++) {
		const struct engine *engine = &engines[k / 2];
		loff_t pos = starts[k % 2];
		struct dio_test *dt;
		struct iter_test *it;

		if (!engine->filesystem)
			continue;
		dt = dio_test(test, engine, td, &lay);
		it = iter_test(test, "blocks");
		sync_io(dt, it, pos, it->total);
		expect_zeroed(dt, it, pos, it->total);
		it = iter_test(test, "blocks");
		start_async_io(dt, it, pos);
		finish_async_io(dt, it, pos, it->total);
		expect_zeroed(dt, it, pos, it->total);
	}
}

/*
 * What is before the hole in the memory is read or written, for some of the
 * engines. The last one has promised the filesystem to write the blocks that it
 * was given, and writes zeroes.
 */
static void hole_in_memory(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		for (unsigned int hole = 0; hole <= 2; hole++) {
			struct iter_test *it = iter_test(test, "all pages");
			struct dio_test *dt = dio_test(test, &engines[e], td, &plain);
			bool promised = engines[e].rw == rw_get_block;
			bool partly = hole && (!engines[e].filesystem ||
					       (promised && it->direction == READ));

			it->total = hole * PAGE_SIZE;
			user_munmap(test, it->uaddr + it->total, PAGE_SIZE);
			it->pool[hole] = NULL;
			iter_watch_pool(it);
			sync_io(dt, it, 0, partly ? it->total : -EFAULT);
			if (promised && hole && it->direction == WRITE) {
				expect_data(dt, it, 0, it->total);
				expect_zeroes(dt, it, it->total, POOL_SIZE);
			}
		}
	}
}

/* The page can be pinned as often as @times, and then no more. */
static void pin_refused(struct kunit *test, const struct engine *engine,
			struct test_disk *td, unsigned int times, ssize_t wanted)
{
	struct dio_test *dt = dio_test(test, engine, td, &plain);
	struct iter_test *it = iter_test(test, "all pages");
	struct page *page = it->pool[2];
	int add = REFS_TOO_MANY_TO_PIN - page_count(page) -
		  times * GUP_PIN_COUNTING_BIAS;

	page_ref_add(page, add);
	iter_watch_pool(it);
	sync_io(dt, it, 0, wanted);
	page_ref_sub(page, add);
}

static void page_near_overflow(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		/* the block device goes on with buffered I/O */
		pin_refused(test, &engines[e], td, 0,
			    engines[e].filesystem ? -ENOMEM : POOL_SIZE);
		pin_refused(test, &engines[e], td, 1,
			    engines[e].rw == rw_get_block ? -ENOMEM : POOL_SIZE);
		pin_refused(test, &engines[e], td, 2, POOL_SIZE);
	}
}

/*
 * Data is on its way into the first half of a page when the process forks and
 * writes to the other half. It has to arrive there where the process looks.
 */
static void fork_during_read(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct dio_test *dt = dio_test(test, &engines[e], td, &plain);
		struct iter_test *it = iter_test(test, "first half of a page");
		struct fork_child *child;
		char c = 0;

		start_async_io(dt, it, 0);
		child = user_fork(test);
		user_write(test, it->uaddr + PAGE_SIZE - 1, "x", 1);
		/* so that no other page is shared any more */
		user_fork_exit(child);
		finish_async_io(dt, it, 0, it->total);
		user_read(test, it->uaddr + PAGE_SIZE - 1, &c, 1);
		KUNIT_EXPECT_EQ(test, c, 'x');
	}
}

/*
 * There are so many bios that fs/direct-io.c looks after those that are done
 * before it has made all, sees that one has failed, and makes no more.
 */
static void error_before_last_bio(struct kunit *test)
{
	struct test_disk *td = test_disk(test);
	struct dio_test *dt = dio_test(test, &engines[2], td, &scattered);
	struct iter_test *it = iter_test(test, "all pages");
	struct iovec iov[5 * POOL_PAGES];

	for (unsigned int s = 0; s < ARRAY_SIZE(iov); s++)
		iov[s] = (struct iovec) {
			(void __user *)(it->uaddr + s % POOL_PAGES * PAGE_SIZE), PAGE_SIZE,
		};
	iov_iter_init(&it->iter, it->direction, iov, ARRAY_SIZE(iov),
		      ARRAY_SIZE(iov) * PAGE_SIZE);
	td->fail_nth = 1;
	sync_io(dt, it, 0, -EIO);
	KUNIT_EXPECT_LT(test, td->nr_ended, (unsigned int)ARRAY_SIZE(iov));
}

/* As many vectors as need several bios, each of which may fail. */
static void several_bios(struct kunit *test)
{
	const unsigned int nr = 2 * BIO_MAX_VECS + 20;
	struct iovec *iov = kunit_kcalloc(test, nr, sizeof(*iov), GFP_KERNEL);
	struct dio_test *dt = dio_test(test, &engines[0], test_disk(test), &plain);

	KUNIT_ASSERT_NOT_NULL(test, iov);
	for (unsigned int k = 0; k < 8; k++) {
		struct iter_test *it = iter_test(test, "all pages");
		bool async = k & 1, nowait = k & 2;
		ssize_t wanted;

		/* from one page to the next, and then again the next block of each */
		for (unsigned int s = 0; s < nr; s++)
			iov[s] = (struct iovec) {
				(void __user *)(it->uaddr + s % POOL_PAGES * PAGE_SIZE +
						s / POOL_PAGES % 8 * BLOCK), BLOCK,
			};
		iov_iter_init(&it->iter, it->direction, iov, nr, nr * BLOCK);
		it->total = 0;
		dt->td->fail_nth = k & 4 ? 2 : 0;
		dt->td->hold = async && !nowait;
		wanted = nowait ? -EAGAIN : dt->td->fail_nth ? -EIO : (ssize_t)nr * BLOCK;
		if (!dt->td->hold) {
			KUNIT_EXPECT_EQ(test, start_io(dt, it, 0, nowait ? IOCB_NOWAIT : 0),
					wanted);
		} else {
			KUNIT_ASSERT_EQ(test, start_io(dt, it, 0, 0), -EIOCBQUEUED);
			KUNIT_EXPECT_EQ(test, bio_list_size(&dt->td->held), 3);
			expect_in_flight(dt, it);
			expect_held(dt, it, false);
			test_disk_complete(dt->td);
			KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&dt->done, 10 * HZ), 0UL);
			KUNIT_EXPECT_EQ(test, dt->result, wanted);
		}
		expect_counts(dt, it, "done");
	}
}

static struct kunit_case direct_io_cases[] = {
	KUNIT_CASE_PARAM(read_or_written, in_bio_gen_params),
	KUNIT_CASE_PARAM(no_pages_to_give, refused_gen_params),
	KUNIT_CASE_PARAM(device_error, in_bio_gen_params),
	KUNIT_CASE_PARAM(error_of_filesystem, in_bio_gen_params),
	KUNIT_CASE_PARAM(hole_in_file, in_bio_gen_params),
	KUNIT_CASE_PARAM(end_of_file, read_in_bio_gen_params),
	KUNIT_CASE_PARAM(error_before_last_bio, by_iovec_gen_params),
	KUNIT_CASE_PARAM(parts_of_new_blocks, appended_gen_params),
	KUNIT_CASE_PARAM(hole_in_memory, by_address_gen_params),
	KUNIT_CASE_PARAM(several_bios, by_iovec_gen_params),
#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PIN
	KUNIT_CASE_PARAM(page_near_overflow, pool_held_by_bio_gen_params),
	KUNIT_CASE_PARAM(fork_during_read, read_by_address_gen_params),
#endif
	{}
};

static int direct_io_suite_init(struct kunit_suite *suite)
{
	for (unsigned int k = 0; k < sizeof(cycle); k++)
		cycle[k] = k % CYCLE + 1;
	return 0;
}

static struct kunit_suite direct_io_suite = {
	.name = "direct_io",
	.suite_init = direct_io_suite_init,
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = direct_io_cases,
};

kunit_test_suite(direct_io_suite);
