// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a bio gets its pages from an iterator, and how it lets go of them.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/iopoll.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>

#include "test_disk.h"

#define BLOCK	SECTOR_SIZE

/* A bio of an iterator's pages, and the iterator as it has to be then. */
struct bio_test {
	struct iter_test *it;
	struct test_disk *td;
	struct bio *bio;
	size_t pos;			/* in the data, of the bio's first byte */
};

static enum req_op op_of(struct iter_test *it)
{
	return it->direction == READ ? REQ_OP_READ : REQ_OP_WRITE;
}

/* The bio borrows the pages of a bvec, and pins those of every other kind. */
static bool borrowed(struct iter_test *it)
{
	return iov_iter_is_bvec(&it->iter);
}

static void expect_held(struct bio_test *bt, const char *when)
{
	struct iter_test *it = bt->it;

	if (it->pipe)
		page_watch_add_bio(&it->watch, bt->bio);
	if (!borrowed(it))
		page_watch_bio(&it->watch, bt->bio, true);
	if (!page_watch_expect(&it->watch, when))
		page_watch_repair(&it->watch);
}

static void expect_released(struct bio_test *bt)
{
	struct iter_test *it = bt->it;

	if (!borrowed(it))
		page_watch_bio(&it->watch, bt->bio, false);
	if (!page_watch_expect(&it->watch, "released"))
		page_watch_repair(&it->watch);
}

static struct bio_test *bio_test_alloc(struct iter_test *it, struct test_disk *td,
				       blk_opf_t op, unsigned int nr_vecs)
{
	struct bio_test *bt = kunit_kzalloc(it->test, sizeof(*bt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(it->test, bt);
	bt->it = it;
	bt->td = td;
	bt->pos = it->done;
	/* more may be pinned than goes into the bio */
	it->watch.transient = true;
	bt->bio = bio_alloc(td->bdev, borrowed(it) ? 0 : nr_vecs, op, GFP_KERNEL);
	return bt;
}

static void add_pages(struct bio_test *bt, int wanted)
{
	struct iter_test *it = bt->it;
	size_t before = bt->bio->bi_iter.bi_size;

	KUNIT_EXPECT_EQ(it->test, bio_iov_iter_get_pages(bt->bio, &it->iter), wanted);
	it->done += bt->bio->bi_iter.bi_size - before;
	KUNIT_EXPECT_EQ(it->test, iov_iter_count(&it->iter), it->total - it->done);
}

/* Add what goes into a bio of @nr_vecs vectors, and expect @wanted. */
static struct bio_test *bio_test(struct iter_test *it, struct test_disk *td,
				 blk_opf_t op, unsigned int nr_vecs, int wanted)
{
	struct bio_test *bt = bio_test_alloc(it, td, op, nr_vecs);

	add_pages(bt, wanted);
	expect_held(bt, "added");
	return bt;
}

/* Add bytes up to @first, then those up to @second. */
static struct bio_test *bio_test_twice(struct iter_test *it, struct test_disk *td,
				       blk_opf_t op, size_t first, size_t second)
{
	struct bio_test *bt = bio_test_alloc(it, td, op, POOL_PAGES);

	it->total = first;
	iov_iter_truncate(&it->iter, first);
	add_pages(bt, 0);
	it->total = second;
	iov_iter_reexpand(&it->iter, second - first);
	add_pages(bt, 0);
	expect_held(bt, "added in two parts");
	return bt;
}

static void bio_test_release(struct bio_test *bt)
{
	bio_release_pages(bt->bio, op_of(bt->it) == REQ_OP_READ && bt->it->kind->user);
	expect_released(bt);
	bio_put(bt->bio);
}

/* The memory of the iterator and the pages of the bio are the same bytes. */
static void expect_data(struct bio_test *bt)
{
	struct iter_test *it = bt->it;
	size_t size = bt->bio->bi_iter.bi_size;
	char *data = bt->td->data;

	for (size_t k = 0; k < size; k++)
		data[k] = bt->pos + k + (bt->pos + k) / 251;
	if (it->direction == WRITE)
		iter_memory_write(it, bt->pos, data, size);
	else
		test_disk_transfer(bt->td, bt->bio);
	memset(data, 0, size);
	if (it->direction == WRITE)
		test_disk_transfer(bt->td, bt->bio);
	else
		iter_memory_read(it, bt->pos, data, size);
	for (size_t k = 0; k < size; k++) {
		char wanted = bt->pos + k + (bt->pos + k) / 251, is = data[k];

		if (is == wanted)
			continue;
		KUNIT_FAIL(it->test, "%s: byte %zu of %zu is %d, wanted %d",
			   it->shape->name, k, size, is, wanted);
		return;
	}
}

/* For a device that takes any byte for a block, so that nothing is trimmed. */
static void any_length(struct test_disk *td)
{
	td->disk->queue->limits.logical_block_size = 1;
}

static void added_and_released(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	any_length(td);
	for (unsigned int s = 0; s < nr_shapes; s++) {
		struct iter_test *it = iter_test(test, shapes[s].name);
		struct bio_test *bt = bio_test(it, td, op_of(it), POOL_PAGES, 0);

		KUNIT_EXPECT_EQ(test, it->done, it->total);
		expect_data(bt);
		bio_test_release(bt);
	}
}

static void more_than_fits(struct kunit *test)
{
	struct test_disk *td = test_disk(test);
	struct bio_test *bts[POOL_PAGES];
	unsigned int nr = 0;
	struct iter_test *it;

	any_length(td);
	it = iter_test(test, "segments");
	for (; it->done < it->total; nr++) {
		KUNIT_ASSERT_LT(test, nr, POOL_PAGES);
		bts[nr] = bio_test(it, td, op_of(it), 2, 0);
		expect_data(bts[nr]);
	}
	if (!it->kind->range && !borrowed(it))
		KUNIT_EXPECT_GT(test, nr, 1U);
	while (nr)
		bio_test_release(bts[--nr]);
}

/* The second part is merged into the vector that ends with the first. */
static void page_in_two_parts(struct kunit *test)
{
	static const size_t first[] = { BLOCK, PAGE_SIZE + BLOCK };
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < ARRAY_SIZE(first); k++) {
		struct iter_test *it = iter_test(test, "all pages");
		struct bio_test *bt = bio_test_twice(it, td, op_of(it), first[k],
						     3 * PAGE_SIZE);

		KUNIT_EXPECT_EQ(test, it->done, it->total);
		expect_data(bt);
		bio_test_release(bt);
	}
}

/* What is left of a block goes back, and with it the page that has only that. */
static void trimmed_to_block(struct kunit *test)
{
	static const struct {
		const char *shape;
		size_t len;
	} rows[] = {
		{ "unaligned", 24 * BLOCK },
		{ "a block and some bytes", BLOCK },
		{ "inside a page", 0 },
		{ "across a page boundary", 0 },
	};
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < ARRAY_SIZE(rows); k++) {
		struct iter_test *it = iter_test(test, rows[k].shape);
		struct bio_test *bt = bio_test(it, td, op_of(it), POOL_PAGES,
					       rows[k].len ? 0 : -EFAULT);

		KUNIT_EXPECT_EQ(test, bt->bio->bi_iter.bi_size, rows[k].len);
		if (rows[k].len)
			expect_data(bt);
		bio_test_release(bt);
	}
}

/* As much as the device takes at once; the rest goes back. */
static void zone_append(struct kunit *test)
{
	static const unsigned int sectors[] = { 1, 8, 9, 20, POOL_SIZE / BLOCK };
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < ARRAY_SIZE(sectors); k++) {
		struct iter_test *it = iter_test(test, "all pages");
		size_t most = sectors[k] * BLOCK;
		struct bio_test *bt;

		/* of whole pages, unless the memory is taken as it is */
		if (!borrowed(it))
			most = round_down(most, PAGE_SIZE);
		td->disk->queue->limits.max_zone_append_sectors = sectors[k];
		bt = bio_test(it, td, REQ_OP_ZONE_APPEND | REQ_SYNC, POOL_PAGES,
			      most ? 0 : -EINVAL);
		KUNIT_EXPECT_EQ(test, bt->bio->bi_iter.bi_size, most);
		expect_data(bt);
		bio_test_release(bt);
	}
}

/* The same page again, under the rules of a device that cannot be split for. */
static void zone_append_of_page_in_two_parts(struct kunit *test)
{
	struct test_disk *td = test_disk(test);
	struct iter_test *it = iter_test(test, "all pages");
	struct bio_test *bt;

	td->disk->queue->limits.max_zone_append_sectors = POOL_SIZE / BLOCK;
	bt = bio_test_twice(it, td, REQ_OP_ZONE_APPEND, BLOCK, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, it->done, it->total);
	expect_data(bt);
	bio_test_release(bt);
}

/* There are pages before the one that cannot be had: these are in the bio. */
static void unusable_page(struct kunit *test)
{
	static const unsigned int bad[] = { 0, 1, 5 };
	struct test_disk *td = test_disk(test);

	for (unsigned int k = 0; k < ARRAY_SIZE(bad); k++) {
		struct iter_test *it = iter_test(test, "all pages");
		struct page *page = it->pool[bad[k]];
		struct bio_test *bt;

		page_ref_add(page, REFS_TOO_MANY_TO_PIN);
		iter_watch_pool(it);
		bt = bio_test(it, td, op_of(it), POOL_PAGES, bad[k] ? 0 : -ENOMEM);
		KUNIT_EXPECT_EQ(test, it->done, bad[k] * PAGE_SIZE);
		bio_test_release(bt);
		bt = bio_test(it, td, op_of(it), POOL_PAGES, -ENOMEM);
		bio_test_release(bt);
		page_ref_sub(page, REFS_TOO_MANY_TO_PIN);
	}
}

static void no_pages_to_give(struct kunit *test)
{
	struct test_disk *td = test_disk(test);
	struct iter_test *it = iter_test(test, "all pages");

	bio_test_release(bio_test(it, td, op_of(it), POOL_PAGES, -EFAULT));
}

static void read_ended(struct bio *bio)
{
	unsigned int *in_interrupt = bio->bi_private;

	*in_interrupt = !!in_hardirq();
	bio_check_pages_dirty(bio);
}

/*
 * A read completes in an interrupt, where no page can be locked. Some of the
 * pages were written back meanwhile, and are clean.
 */
static void dirtied_from_interrupt(struct kunit *test)
{
	struct test_disk *td = test_disk(test);

	for (unsigned int clean = 0; clean <= 2; clean++) {
		struct iter_test *it = iter_test(test, "all pages");
		struct bio_test *bt = bio_test(it, td, REQ_OP_READ, POOL_PAGES, 0);
		unsigned int in_interrupt = 0;
		int refs;

		bio_set_pages_dirty(bt->bio);
		for (unsigned int k = 0; k < POOL_PAGES; k++)
			KUNIT_EXPECT_TRUE_MSG(test, PageDirty(it->pool[k]), "page %u", k);
		for (unsigned int k = 0; k < clean; k++)
			ClearPageDirty(it->pool[7 * k]);
		bio_get(bt->bio);
		bt->bio->bi_end_io = read_ended;
		bt->bio->bi_private = &in_interrupt;
		td->hold = true;
		submit_bio(bt->bio);
		page_watch_expect(&it->watch, "in flight");
		test_disk_complete(td);
		KUNIT_EXPECT_EQ(test, in_interrupt, 1U);
		/* a worker puts the bio if there is something to dirty */
		read_poll_timeout(atomic_read, refs, refs <= 1, 100, 10 * USEC_PER_SEC,
				  false, &bt->bio->__bi_cnt);
		KUNIT_ASSERT_EQ(test, refs, 1);
		for (unsigned int k = 0; k < POOL_PAGES; k++)
			KUNIT_EXPECT_TRUE_MSG(test, PageDirty(it->pool[k]), "page %u", k);
		expect_released(bt);
		bio_put(bt->bio);
	}
}

static struct kunit_case bio_pages_cases[] = {
	KUNIT_CASE_PARAM(added_and_released, in_bio_gen_params),
	KUNIT_CASE_PARAM(more_than_fits, in_bio_gen_params),
	KUNIT_CASE_PARAM(trimmed_to_block, held_by_bio_gen_params),
	KUNIT_CASE_PARAM(page_in_two_parts, held_by_bio_gen_params),
	KUNIT_CASE_PARAM(zone_append, appended_gen_params),
	KUNIT_CASE_PARAM(zone_append_of_page_in_two_parts, appended_by_bio_gen_params),
	KUNIT_CASE_PARAM(no_pages_to_give, refused_gen_params),
	KUNIT_CASE_PARAM(dirtied_from_interrupt, read_into_pool_gen_params),
#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PIN
	KUNIT_CASE_PARAM(unusable_page, pool_held_by_bio_gen_params),
#endif
	{}
};

static struct kunit_suite bio_pages_suite = {
	.name = "bio_pages",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = bio_pages_cases,
};

kunit_test_suite(bio_pages_suite);
