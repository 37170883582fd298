// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterators over pages that are not looked up by a user's address, but in a
 * bvec or an xarray: pages of any sort may be in there.
 */
#include <linux/mman.h>
#include <linux/page-flags.h>

#include "pin_test.h"

static void zero_page(struct kunit *test)
{
	struct iter_test *it = iter_test_of(test, ZERO_PAGE(0));

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, 1U);
	release(it);
}

static struct page *anonymous_page(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);

	user_write(test, addr, "x", 1);
	return user_page(test, addr);
}

/* As with vmsplice(), fork() and splice(): nobody unshares the page. */
static void page_shared_before(struct kunit *test)
{
	struct page *page = anonymous_page(test);
	struct iter_test *it;

	user_fork(test);
	KUNIT_ASSERT_FALSE(test, PageAnonExclusive(page));
	it = iter_test_of(test, page);
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	release(it);
}

static void page_shared_meanwhile(struct kunit *test)
{
	struct page *page = anonymous_page(test);
	struct iter_test *it = iter_test_of(test, page);
	struct fork_child *child;

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	child = user_fork(test);
	KUNIT_EXPECT_FALSE(test, PageAnonExclusive(page));
	page_watch_owner_get(&it->watch, page);
	release(it);
	user_fork_exit(child);
	page_watch_owner_put(&it->watch, page);
	page_watch_expect(&it->watch, "the child has left");
}

static struct kunit_case iov_iter_page_list_cases[] = {
	KUNIT_CASE_PARAM(zero_page, page_list_gen_params),
	KUNIT_CASE_PARAM(page_shared_before, page_list_gen_params),
	KUNIT_CASE_PARAM(page_shared_meanwhile, page_list_gen_params),
	{}
};

static struct kunit_suite iov_iter_page_list_suite = {
	.name = "iov_iter_page_list",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_page_list_cases,
};

kunit_test_suite(iov_iter_page_list_suite);
