// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterators over user memory: what depends on the mapping, on page faults and
 * on fork().
 */
#include <linux/highmem.h>
#include <linux/mman.h>
#include <linux/page-flags.h>

#include "pin_test.h"

/* Memory of a process in which the first @nr pages are there. */
static unsigned long populated(struct kunit *test, unsigned int nr)
{
	unsigned long addr = user_mmap_anon(test, POOL_PAGES, PROT_READ | PROT_WRITE);

	for (unsigned int i = 0; i < nr; i++)
		user_write(test, addr + i * PAGE_SIZE, "x", 1);
	return addr;
}

/* The pages up to @page are to be had, and nothing after that. */
static void stops_at(struct iter_test *it, unsigned int page)
{
	it->usable = page;
	it->unusable = -EFAULT;
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(it->test, it->nr_held, page);
	release(it);
}

static void hole_at_first_page(struct kunit *test)
{
	unsigned long addr = user_mmap_populated(test, POOL_PAGES);

	user_munmap(test, addr, PAGE_SIZE);
	stops_at(iter_test_at(test, "unaligned", addr), 0);
}

static void hole_at_later_page(struct kunit *test)
{
	unsigned long addr = user_mmap_populated(test, POOL_PAGES);

	user_munmap(test, addr + 2 * PAGE_SIZE, PAGE_SIZE);
	stops_at(iter_test_at(test, "unaligned", addr), 2);
}

static void nofault_at_first_page(struct kunit *test)
{
	struct iter_test *it = iter_test_at(test, "unaligned", populated(test, 0));

	it->iter.nofault = true;
	stops_at(it, 0);
}

static void nofault_at_later_page(struct kunit *test)
{
	struct iter_test *it = iter_test_at(test, "unaligned", populated(test, 2));

	it->iter.nofault = true;
	stops_at(it, 2);
}

static void pages_faulted_in(struct kunit *test)
{
	struct iter_test *it = iter_test_at(test, "unaligned", populated(test, 2));

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, 4U);
	for (unsigned int k = 2; k < it->nr_held; k++)
		/* what was never written is the zero page to a reader */
		KUNIT_EXPECT_EQ(test, is_zero_page(it->held[k].page),
				it->direction == WRITE);
	release(it);
}

static void read_only_mapping(struct kunit *test)
{
	struct iter_test *it;

	it = iter_test_at(test, "unaligned",
			  user_mmap_anon(test, POOL_PAGES, PROT_READ));
	if (it->direction == READ) {
		stops_at(it, 0);
		return;
	}
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->done, it->total);
	for (unsigned int k = 0; k < it->nr_held; k++)
		KUNIT_EXPECT_TRUE(test, is_zero_page(it->held[k].page));
	release(it);
}

/* Page tables and pages that the fault needs, not just the array. */
static void allocation_failure_in_fault(struct kunit *test)
{
	struct iter_test *it;
	unsigned int nth = 0;

	alloc_failure_enable(test);
	do {
		it = iter_test_at(test, "unaligned", populated(test, 1));
		it->fail_nth = ++nth;
		acquire(it, SIZE_MAX, NO_LIMIT);
		acquire_all(it, SIZE_MAX, NO_LIMIT);
		KUNIT_EXPECT_EQ(test, it->done, it->total);
		release(it);
	} while (it->failed);
	if (it->api->allocates || it->direction == READ)
		KUNIT_EXPECT_GT_MSG(test, nth, 1U, "no allocation has failed");
}

static bool unshares_pages(struct iter_test *it)
{
	return it->direction == READ || it->api->hold == PIN;
}

/*
 * After fork() the pages of parent and child are the same. To write to one, or
 * to pin it, the parent must get a page of its own first. A reference that is
 * for reading does not need that.
 */
static void pages_shared_with_child(struct kunit *test)
{
	unsigned long addr = user_mmap_populated(test, POOL_PAGES);
	struct page *shared[POOL_PAGES];
	struct iter_test *it;
	bool unshares;

	for (unsigned int i = 0; i < POOL_PAGES; i++)
		shared[i] = user_page(test, addr + i * PAGE_SIZE);
	user_fork(test);
	it = iter_test_at(test, "unaligned", addr);
	unshares = unshares_pages(it);
	for (unsigned int k = 0; unshares && k < 4; k++) {
		page_watch_owner_put(&it->watch, shared[k]);
		it->pool[k] = NULL;
	}
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, 4U);
	for (unsigned int k = 0; k < it->nr_held; k++) {
		KUNIT_EXPECT_EQ(test, it->held[k].page != shared[k], unshares);
		KUNIT_EXPECT_EQ(test, !!PageAnonExclusive(it->held[k].page), unshares);
	}
	release(it);
}

/* To unshare a page is a fault, too. */
static void nofault_of_shared_page(struct kunit *test)
{
	unsigned long addr = user_mmap_populated(test, POOL_PAGES);
	struct iter_test *it;

	user_fork(test);
	it = iter_test_at(test, "unaligned", addr);
	it->iter.nofault = true;
	stops_at(it, unshares_pages(it) ? 0 : 4);
}

#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN

/*
 * What pins are for. While data is read into the first half of a page, the
 * process forks and writes to the second half. The data must get to the parent.
 */
static void data_arrives_after_fork(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "segments");
	char *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	user_fork(test);
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		user_write(test, it->uaddr + (i + 1) * PAGE_SIZE - 1, "", 1);
	for (unsigned int k = 0; k < it->nr_held; k++) {
		struct held *h = &it->held[k];

		memset(buf, 'a' + k, h->len);
		memcpy_to_page(h->page, h->offset, buf, h->len);
		iter_memory_read(it, h->pos, buf, h->len);
		KUNIT_EXPECT_NULL_MSG(test, memchr_inv(buf, 'a' + k, h->len),
				      "data lost in part %u", k);
	}
	release(it);
}

#endif

static struct kunit_case iov_iter_user_cases[] = {
	KUNIT_CASE_PARAM(hole_at_first_page, user_gen_params),
	KUNIT_CASE_PARAM(hole_at_later_page, user_gen_params),
	KUNIT_CASE_PARAM(nofault_at_first_page, user_gen_params),
	KUNIT_CASE_PARAM(nofault_at_later_page, user_gen_params),
	KUNIT_CASE_PARAM(pages_faulted_in, user_gen_params),
	KUNIT_CASE_PARAM(read_only_mapping, user_gen_params),
	KUNIT_CASE_PARAM(allocation_failure_in_fault, user_gen_params),
	KUNIT_CASE_PARAM(pages_shared_with_child, user_gen_params),
	KUNIT_CASE_PARAM(nofault_of_shared_page, user_gen_params),
#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN
	KUNIT_CASE_PARAM(data_arrives_after_fork, pinning_user_dest_gen_params),
#endif
	{}
};

static struct kunit_suite iov_iter_user_suite = {
	.name = "iov_iter_user",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_user_cases,
};

kunit_test_suite(iov_iter_user_suite);
