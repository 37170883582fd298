// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk_rq_map_user_iov() and its way back: user memory in a request.
 */
#include <linux/blk-mq.h>
#include <linux/mman.h>

#include "pin_test.h"

#define PAGES 4

struct test_disk {
	struct blk_mq_tag_set set;
	struct gendisk *disk;
};

static blk_status_t no_request(struct blk_mq_hw_ctx *hctx,
			       const struct blk_mq_queue_data *bd)
{
	return BLK_STS_IOERR;
}

static const struct blk_mq_ops test_disk_ops = {
	.queue_rq = no_request,
};

static int test_disk_init(struct kunit_resource *res, void *context)
{
	struct test_disk *td = context;
	int err;

	td->set.ops = &test_disk_ops;
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

static void test_disk_free(struct kunit_resource *res)
{
	struct test_disk *td = res->data;

	put_disk(td->disk);
	blk_mq_free_tag_set(&td->set);
}

static struct request_queue *test_queue(struct kunit *test)
{
	struct test_disk *td = kunit_kzalloc(test, sizeof(*td), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, td);
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, test_disk_init,
							 test_disk_free,
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

/*
 * Map segments of the memory at @addr into a request and unmap them, once as
 * the destination of the data and once as the source. The pages must be held by
 * nobody then.
 */
static void map_and_unmap(struct kunit *test, unsigned long addr,
			  const struct segment *segs, unsigned int nr, int wanted)
{
	struct request_queue *q = test_queue(test);
	struct page_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	struct iovec iov[3];
	size_t len = 0;

	KUNIT_ASSERT_NOT_NULL(test, w);
	page_watch_init(w, test);
	for (unsigned int i = 0; i < PAGES; i++) {
		struct page *page = user_page(test, addr + i * PAGE_SIZE);

		if (page)
			page_watch_add(w, page);
	}
	for (unsigned int s = 0; s < nr; s++) {
		iov[s].iov_base = (void __user *)(addr + segs[s].pos);
		iov[s].iov_len = segs[s].len;
		len += segs[s].len;
	}
	for (int write = 0; write <= 1; write++) {
		struct iov_iter iter;
		struct request *rq;
		int ret;

		rq = blk_mq_alloc_request(q, write ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR(rq));
		iov_iter_init(&iter, write ? WRITE : READ, iov, nr, len);
		ret = blk_rq_map_user_iov(q, rq, NULL, &iter, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, ret, wanted);
		if (!ret) {
			KUNIT_EXPECT_EQ(test, blk_rq_bytes(rq), len);
			ret = blk_rq_unmap_user(rq->bio);
			KUNIT_EXPECT_EQ(test, ret, 0);
		}
		blk_mq_free_request(rq);
		/* A pin and its release are as good as none at all. */
		w->acquired = node_stat(NR_FOLL_PIN_ACQUIRED);
		w->released = node_stat(NR_FOLL_PIN_RELEASED);
		if (!page_watch_expect(w, write ? "written" : "read"))
			page_watch_repair(w);
	}
}

static void pages_in_one_segment(struct kunit *test)
{
	static const struct segment segs[] = { { 0, 3 * PAGE_SIZE } };

	map_and_unmap(test, memory(test), segs, ARRAY_SIZE(segs), 0);
}

/* The second segment is merged into the vector of the first. */
static void page_in_adjacent_segments(struct kunit *test)
{
	static const struct segment segs[] = { { 512, 512 }, { 1024, 1024 } };

	map_and_unmap(test, memory(test), segs, ARRAY_SIZE(segs), 0);
}

static void page_in_separate_segments(struct kunit *test)
{
	static const struct segment segs[] = { { 2048, 512 }, { 512, 512 } };

	map_and_unmap(test, memory(test), segs, ARRAY_SIZE(segs), 0);
}

/* Too little aligned for a device: the data is copied. */
static void unaligned(struct kunit *test)
{
	static const struct segment segs[] = { { 100, PAGE_SIZE } };

	map_and_unmap(test, memory(test), segs, ARRAY_SIZE(segs), 0);
}

static void hole_in_later_segment(struct kunit *test)
{
	static const struct segment segs[] = { { 0, 2 * PAGE_SIZE }, { 3 * PAGE_SIZE, 512 } };
	unsigned long addr = memory(test);

	user_munmap(test, addr + 3 * PAGE_SIZE, PAGE_SIZE);
	map_and_unmap(test, addr, segs, ARRAY_SIZE(segs), -EFAULT);
}

static struct kunit_case block_map_cases[] = {
	KUNIT_CASE(pages_in_one_segment),
	KUNIT_CASE(page_in_adjacent_segments),
	KUNIT_CASE(page_in_separate_segments),
	KUNIT_CASE(unaligned),
	KUNIT_CASE(hole_in_later_segment),
	{}
};

static struct kunit_suite block_map_suite = {
	.name = "block_map",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = block_map_cases,
};

kunit_test_suite(block_map_suite);
