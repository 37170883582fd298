// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterators over an xarray of pages: holes, and entries for several indices.
 */
#include <linux/pagemap.h>

#include "pin_test.h"

static void stops_at(struct kunit *test, unsigned int page)
{
	struct iter_test *it = iter_test(test, "unaligned");

	xa_erase(&it->xa, XARRAY_INDEX + page);
	it->usable = page;
	it->unusable = 0;
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, page);
	release(it);
}

static void hole_at_first_page(struct kunit *test)
{
	stops_at(test, 0);
}

static void hole_at_later_page(struct kunit *test)
{
	stops_at(test, 2);
}

/* One entry for the pages of a folio, beginning in its middle. */
static void entry_of_several_indices(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "tail pages");

	KUNIT_ASSERT_PTR_EQ(test, xa_load(&it->xa, XARRAY_INDEX + 5),
			    (void *)it->pool[0]);
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, 5U);
	for (unsigned int k = 0; k < it->nr_held; k++)
		KUNIT_EXPECT_PTR_EQ(test, it->held[k].page, it->pool[3 + k]);
	release(it);
}

/* A folio behind single pages, in one call. */
static void folio_after_pages(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "all pages");
	struct page *folio = kunit_pool(test, true);
	void *err;

	err = xa_store_range(&it->xa, XARRAY_INDEX, XARRAY_INDEX + POOL_PAGES - 1,
			     folio, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, xa_err(err), 0);
	for (unsigned int i = 0; i < 3; i++) {
		err = xa_store(&it->xa, XARRAY_INDEX - 3 + i, it->pool[i], GFP_KERNEL);
		KUNIT_ASSERT_EQ(test, xa_err(err), 0);
	}
	for (unsigned int i = 3; i < POOL_PAGES; i++)
		it->pool[i] = folio + i - 3;
	iov_iter_xarray(&it->iter, it->direction, &it->xa,
			(XARRAY_INDEX - 3) * PAGE_SIZE, it->total);
	iter_watch_pool(it);
	KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, NO_LIMIT), it->total);
	release(it);
}

static struct kunit_case iov_iter_xarray_cases[] = {
	KUNIT_CASE_PARAM(hole_at_first_page, xarray_gen_params),
	KUNIT_CASE_PARAM(hole_at_later_page, xarray_gen_params),
	KUNIT_CASE_PARAM(entry_of_several_indices, xarray_gen_params),
	KUNIT_CASE_PARAM(folio_after_pages, xarray_gen_params),
	{}
};

static struct kunit_suite iov_iter_xarray_suite = {
	.name = "iov_iter_xarray",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_xarray_cases,
};

kunit_test_suite(iov_iter_xarray_suite);
