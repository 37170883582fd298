// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk_rq_map_user_iov() and its way back: user memory in a request.
 */
#include <linux/blk-mq.h>
#include <linux/mman.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>

#include "test_disk.h"

/* more than bio_map_user_iov() has room for on its stack */
#define PAGES	(UIO_FASTIOV + 4)
#define SEGMENTS	3

struct request_disk {
	struct blk_mq_tag_set set;
	struct gendisk *disk;
};

static blk_status_t no_request(struct blk_mq_hw_ctx *hctx,
			       const struct blk_mq_queue_data *bd)
{
	return BLK_STS_IOERR;
}

static const struct blk_mq_ops request_disk_ops = {
	.queue_rq = no_request,
};

static int request_disk_init(struct kunit_resource *res, void *context)
{
	struct request_disk *td = context;
	int err;

	td->set.ops = &request_disk_ops;
	td->set.nr_hw_queues = 1;
	td->set.queue_depth = 2;
	td->set.numa_node = NUMA_NO_NODE;
	err = blk_mq_alloc_tag_set(&td->set);
	if (err)
		return err;
	td->disk = blk_mq_alloc_disk(&td->set, NULL);
	if (IS_ERR(td->disk)) {
		blk_mq_free_tag_set(&td->set);
		return PTR_ERR(td->disk);
	}
	res->data = td;
	return 0;
}

static void request_disk_free(struct kunit_resource *res)
{
	struct request_disk *td = res->data;

	put_disk(td->disk);
	blk_mq_free_tag_set(&td->set);
}

static struct request_queue *test_queue(struct kunit *test)
{
	struct request_disk *td = kunit_kzalloc(test, sizeof(*td), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, td);
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, request_disk_init,
							 request_disk_free,
							 GFP_KERNEL, td));
	return td->disk->queue;
}

static unsigned long memory(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, PAGES, PROT_READ | PROT_WRITE);

	for (unsigned int i = 0; i < PAGES; i++)
		user_write(test, addr + i * PAGE_SIZE, "x", 1);
	return addr;
}

/* Memory, the parts of it that are mapped, and what is to come of it. */
struct map_test {
	struct kunit *test;
	struct request_queue *q;
	struct page_watch watch;
	unsigned long addr;
	struct iovec iov[SEGMENTS];
	unsigned int nr;
	size_t len;
	bool copied;			/* the pages are not held, but copied */
	unsigned int fail_nth;		/* allocation, of the next call */
	bool failed;
};

/* Of the memory, those before one that is empty. */
struct parts {
	struct segment segs[SEGMENTS];
};

static struct map_test *map_test(struct kunit *test, struct parts parts)
{
	struct map_test *mt = kunit_kzalloc(test, sizeof(*mt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mt);
	mt->test = test;
	mt->q = test_queue(test);
	mt->addr = memory(test);
	for (; mt->nr < SEGMENTS && parts.segs[mt->nr].len; mt->nr++) {
		mt->iov[mt->nr].iov_base = (void __user *)(mt->addr + parts.segs[mt->nr].pos);
		mt->iov[mt->nr].iov_len = parts.segs[mt->nr].len;
		mt->len += parts.segs[mt->nr].len;
	}
	return mt;
}

static void watch_memory(struct map_test *mt)
{
	page_watch_init(&mt->watch, mt->test);
	mt->watch.transient = true;
	for (unsigned int i = 0; i < PAGES; i++) {
		struct page *page = user_page(mt->test, mt->addr + i * PAGE_SIZE);

		if (page)
			page_watch_add(&mt->watch, page);
	}
}

static void expect_held(struct map_test *mt, struct bio *bio, bool held)
{
	for (; !mt->copied && bio; bio = bio->bi_next)
		page_watch_bio(&mt->watch, bio, held);
}

static void expect_counts(struct map_test *mt, const char *when)
{
	if (!page_watch_expect(&mt->watch, when))
		page_watch_repair(&mt->watch);
}

/* The bytes of the request are those of the memory. */
static void expect_data(struct map_test *mt, struct request *rq)
{
	struct req_iterator iter;
	struct bio_vec bv;
	unsigned int seg = 0;
	size_t pos = 0;

	rq_for_each_segment(bv, rq, iter) {
		for (unsigned int k = 0; k < bv.bv_len; k++) {
			char is, wanted;

			if (pos == mt->iov[seg].iov_len) {
				pos = 0;
				seg++;
			}
			user_read(mt->test, (unsigned long)mt->iov[seg].iov_base + pos++,
				  &wanted, 1);
			memcpy_from_page(&is, bv.bv_page, bv.bv_offset + k, 1);
			if (is == wanted)
				continue;
			KUNIT_FAIL(mt->test, "segment %u, byte %zu: %d, wanted %d",
				   seg, pos - 1, is, wanted);
			return;
		}
	}
}

static void map_and_unmap_once(struct map_test *mt, bool write, int wanted)
{
	struct kunit *test = mt->test;
	struct iov_iter iter;
	struct request *rq;
	int ret;

	rq = blk_mq_alloc_request(mt->q, write ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(rq));
	watch_memory(mt);
	iov_iter_init(&iter, write ? WRITE : READ, mt->iov, mt->nr, mt->len);
	alloc_failure_arm(mt->fail_nth);
	ret = blk_rq_map_user_iov(mt->q, rq, NULL, &iter, GFP_KERNEL);
	if (alloc_failure_disarm() && mt->fail_nth) {
		mt->failed = true;
		KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM, "ret %d", ret);
	} else {
		KUNIT_EXPECT_EQ(test, ret, wanted);
	}
	if (!ret) {
		struct bio *bio = rq->bio;

		KUNIT_EXPECT_EQ(test, blk_rq_bytes(rq), mt->len);
		expect_held(mt, bio, true);
		expect_counts(mt, "mapped");
		if (write || !mt->copied)
			expect_data(mt, rq);
		/* the bios are gone after it */
		expect_held(mt, bio, false);
		KUNIT_EXPECT_EQ(test, blk_rq_unmap_user(bio), 0);
	}
	blk_mq_free_request(rq);
	expect_counts(mt, write ? "written" : "read");
}

/*
 * Map the memory into a request and unmap it, as the destination of the data
 * and as the source. In between each page is held once for each vector that it
 * is in, and afterwards by nobody.
 */
static void map_and_unmap(struct map_test *mt, int wanted)
{
	map_and_unmap_once(mt, false, wanted);
	map_and_unmap_once(mt, true, wanted);
}

#define P PAGE_SIZE

static void pages_in_one_segment(struct kunit *test)
{
	map_and_unmap(map_test(test, (struct parts) { .segs = { { 0, 3 * P } } }), 0);
}

static void more_pages_than_on_stack(struct kunit *test)
{
	map_and_unmap(map_test(test, (struct parts) { .segs = { { 512, (PAGES - 1) * P } } }), 0);
}

/* The second segment is merged into the vector of the first. */
static void page_in_adjacent_segments(struct kunit *test)
{
	map_and_unmap(map_test(test, (struct parts) { .segs = {
		{ 512, 512 }, { 1024, 1024 },
	} }), 0);
}

static void page_in_separate_segments(struct kunit *test)
{
	map_and_unmap(map_test(test, (struct parts) { .segs = {
		{ 2048, 512 }, { 512, 512 },
	} }), 0);
}

/* Two go into a bio. The third needs another, which the request cannot take. */
static void more_pages_than_fit(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = {
		{ 4 * P, P }, { 2 * P, P }, { 0, P },
	} });

	blk_queue_max_segments(mt->q, 2);
	map_and_unmap(mt, -EINVAL);
}

static void more_bytes_than_fit(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = { { 0, PAGES * P } } });

	blk_queue_max_hw_sectors(mt->q, 2 * P / SECTOR_SIZE);
	map_and_unmap(mt, -EINVAL);
}

/* Too little aligned for a device: the data is copied. */
static void unaligned(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = { { 100, P } } });

	mt->copied = true;
	map_and_unmap(mt, 0);
}

static void hole_in_first_segment(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = { { 0, 2 * P } } });

	user_munmap(test, mt->addr, P);
	map_and_unmap(mt, -EFAULT);
}

static void hole_in_later_segment(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = {
		{ 0, 2 * P }, { 3 * P, 512 },
	} });

	user_munmap(test, mt->addr + 3 * P, P);
	map_and_unmap(mt, -EFAULT);
}

static void hole_in_copied_segment(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = { { 100, 2 * P } } });

	mt->copied = true;
	user_munmap(test, mt->addr + P, P);
	map_and_unmap_once(mt, true, -EFAULT);
}

/* Pages before it have been pinned for the same bio. */
static void page_near_overflow(struct kunit *test)
{
	struct map_test *mt = map_test(test, (struct parts) { .segs = {
		{ 0, 2 * P }, { 2 * P, P },
	} });
	struct page *page = user_page(test, mt->addr + 2 * P);

	page_ref_add(page, REFS_TOO_MANY_TO_PIN);
	map_and_unmap(mt, -ENOMEM);
	page_ref_sub(page, REFS_TOO_MANY_TO_PIN);
}

static void allocation_failure(struct kunit *test)
{
	struct map_test *rows[] = {
		map_test(test, (struct parts) { .segs = { { 0, (PAGES - 1) * P } } }),
		map_test(test, (struct parts) { .segs = { { 0, 6 * P }, { 7 * P, 5 * P } } }),
		map_test(test, (struct parts) { .segs = { { 100, 3 * P } } }),
	};

	alloc_failure_enable(test);
	for (unsigned int k = 0; k < ARRAY_SIZE(rows); k++) {
		unsigned int nth = 0;

		rows[k]->copied = offset_in_page(rows[k]->iov[0].iov_base);
		do {
			rows[k]->failed = false;
			rows[k]->fail_nth = ++nth;
			map_and_unmap_once(rows[k], true, 0);
		} while (rows[k]->failed && nth < 100);
		KUNIT_EXPECT_GT(test, nth, 1U);
		KUNIT_EXPECT_LT(test, nth, 100U);
	}
}

static struct kunit_case block_map_cases[] = {
	KUNIT_CASE(pages_in_one_segment),
	KUNIT_CASE(more_pages_than_on_stack),
	KUNIT_CASE(page_in_adjacent_segments),
	KUNIT_CASE(page_in_separate_segments),
	KUNIT_CASE(more_pages_than_fit),
	KUNIT_CASE(more_bytes_than_fit),
	KUNIT_CASE(unaligned),
	KUNIT_CASE(hole_in_first_segment),
	KUNIT_CASE(hole_in_later_segment),
	KUNIT_CASE(hole_in_copied_segment),
#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PIN
	KUNIT_CASE(page_near_overflow),
#endif
	KUNIT_CASE(allocation_failure),
	{}
};

static struct kunit_suite block_map_suite = {
	.name = "block_map",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = block_map_cases,
};

kunit_test_suite(block_map_suite);
