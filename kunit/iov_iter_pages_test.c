// SPDX-License-Identifier: GPL-2.0-only
/*
 * What holds for every kind of iterator, and for each function that acquires
 * its pages.
 */
#include <linux/highmem.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>

#include "pin_test.h"

static void every_shape(struct kunit *test)
{
	for (unsigned int s = 0; s < nr_shapes; s++) {
		struct iter_test *it = iter_test(test, shapes[s].name);

		acquire_all(it, SIZE_MAX, NO_LIMIT);
		release(it);
	}
}

static void at_most_maxsize(struct kunit *test)
{
	static const size_t sizes[] = {
		PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE, PAGE_SIZE / 5,
	};

	for (unsigned int k = 0; k < ARRAY_SIZE(sizes); k++) {
		struct iter_test *it = iter_test(test, "unaligned");

		acquire_all(it, sizes[k], NO_LIMIT);
		release(it);
	}
}

static void at_most_maxpages(struct kunit *test)
{
	for (unsigned int maxpages = 1; maxpages <= 3; maxpages++) {
		struct iter_test *it = iter_test(test, "unaligned");

		acquire_all(it, SIZE_MAX, maxpages);
		release(it);
	}
}

static void nothing_asked_for(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "unaligned");

	KUNIT_EXPECT_EQ(test, acquire(it, 0, NO_LIMIT), 0);
	if (!it->api->allocates)
		KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, 0), 0);
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	/* nothing left, or nothing to be had */
	iov_iter_truncate(&it->iter, 0);
	it->total = it->done;
	KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, NO_LIMIT), 0);
	release(it);
}

static void truncated(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "segments");

	it->total = PAGE_SIZE + 300;
	iov_iter_truncate(&it->iter, it->total);
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	release(it);
}

/* Like a device: data in, or out, by way of the pages alone. */
static void data_through_pages(struct kunit *test)
{
	static const char *const names[] = { "unaligned", "segments", "tail pages" };
	char *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (unsigned int s = 0; s < ARRAY_SIZE(names); s++) {
		struct iter_test *it = iter_test(test, names[s]);

		acquire_all(it, SIZE_MAX, NO_LIMIT);
		KUNIT_ASSERT_EQ(test, it->done, it->total);
		for (unsigned int k = 0; k < it->nr_held; k++) {
			struct held *h = &it->held[k];

			memset(buf, 'a' + k, h->len);
			if (it->direction == READ)
				memcpy_to_page(h->page, h->offset, buf, h->len);
			else
				iter_memory_write(it, h->pos, buf, h->len);
		}
		for (unsigned int k = 0; k < it->nr_held; k++) {
			struct held *h = &it->held[k];

			if (it->direction == READ)
				iter_memory_read(it, h->pos, buf, h->len);
			else
				memcpy_from_page(buf, h->page, h->offset, h->len);
			KUNIT_EXPECT_NULL_MSG(test, memchr_inv(buf, 'a' + k, h->len),
					      "%s: part %u", names[s], k);
		}
		release(it);
	}
}

/* A page may be in the iterator again, and be held once for each time. */
static void pages_held_again_after_revert(struct kunit *test)
{
	static const char *const names[] = { "unaligned", "segments", "tail pages" };

	for (unsigned int s = 0; s < ARRAY_SIZE(names); s++) {
		struct iter_test *it = iter_test(test, names[s]);

		acquire_all(it, SIZE_MAX, NO_LIMIT);
		rewind(it, it->total);
		acquire_all(it, 3 * PAGE_SIZE / 4, NO_LIMIT);
		release(it);
	}
}

/* Back into the middle of a page, to the start of one, and over several. */
static void part_of_it_reverted(struct kunit *test)
{
	static const char *const names[] = { "unaligned", "segments", "tail pages" };
	static const size_t back[] = {
		1, PAGE_SIZE / 2, PAGE_SIZE, 2 * PAGE_SIZE + 150,
	};

	for (unsigned int s = 0; s < ARRAY_SIZE(names); s++) {
		struct iter_test *it = iter_test(test, names[s]);

		for (unsigned int k = 0; k < ARRAY_SIZE(back); k++) {
			acquire_all(it, SIZE_MAX, NO_LIMIT);
			rewind(it, back[k]);
		}
		acquire_all(it, SIZE_MAX, NO_LIMIT);
		release(it);
	}
}

/* In steps small enough to meet each page several times, in both ways. */
static void references_and_pins_of_one_page(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "segments");
	const struct pages_api *apis[] = { it->api, &get_pages2 };
	ssize_t ret;

	for (unsigned int step = 0; ; step++) {
		it->api = apis[step % 2];
		ret = acquire(it, PAGE_SIZE / 6, NO_LIMIT);
		if (ret <= 0)
			break;
	}
	release(it);
}

#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN

/*
 * A page that has so many references that one more pin might overflow its
 * count. The pages before it are to be had.
 */
static void too_many_pins(struct iter_test *it, unsigned int page)
{
	struct page *head = compound_head(it->pool[page]);

	page_ref_add(head, REFS_TOO_MANY_TO_PIN);
	iter_watch_pool(it);
	it->usable = page;
	it->unusable = -ENOMEM;
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	release(it);
	page_ref_sub(head, REFS_TOO_MANY_TO_PIN);

	/* With fewer of them it works again. */
	iter_watch_pool(it);
	it->usable = POOL_PAGES;
	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(it->test, it->done, it->total);
	release(it);
}

static void too_many_pins_of_first_page(struct kunit *test)
{
	too_many_pins(iter_test(test, "unaligned"), 0);
}

static void too_many_pins_of_later_page(struct kunit *test)
{
	too_many_pins(iter_test(test, "unaligned"), 2);
}

static void too_many_pins_of_folio(struct kunit *test)
{
	too_many_pins(iter_test(test, "a folio"), 0);
}

/*
 * An array that is large enough to be counted by the page, allocated for pages
 * of which the first is not to be had.
 */
static void array_freed_on_failure(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "all pages");
	const long array = 4;	/* pages that it takes */
	size_t len = array * PAGE_SIZE / sizeof(struct page *) * PAGE_SIZE;
	long before;

	it->total = len;
	it->segs[0].len = len;
	if (it->kind->user)
		it->iov[0].iov_len = len;
	else
		it->bvec[0].bv_len = len;
	iov_iter_reexpand(&it->iter, len);
	page_ref_add(it->pool[0], REFS_TOO_MANY_TO_PIN);
	iter_watch_pool(it);
	it->usable = 0;
	it->unusable = -ENOMEM;
	before = node_stat(NR_SLAB_UNRECLAIMABLE_B);
	for (unsigned int k = 0; k < 20; k++)
		acquire(it, SIZE_MAX, NO_LIMIT);
	/* It counts pages, not bytes; others may use some of them meanwhile. */
	KUNIT_EXPECT_LT(test, (long)node_stat(NR_SLAB_UNRECLAIMABLE_B) - before,
			10 * array);
	page_ref_sub(it->pool[0], REFS_TOO_MANY_TO_PIN);
}

#endif

/*
 * Let the first allocation on the way fail, then the second, and so on until
 * there is no more. Each time the pages that were had are good, those that were
 * not are not held, and the rest is to be had later.
 */
static void allocation_failure(struct kunit *test)
{
	struct iter_test *it;
	unsigned int nth = 0;

	alloc_failure_enable(test);
	do {
		it = iter_test(test, "unaligned");
		it->fail_nth = ++nth;
		acquire(it, SIZE_MAX, NO_LIMIT);
		acquire_all(it, SIZE_MAX, NO_LIMIT);
		KUNIT_EXPECT_EQ(test, it->done, it->total);
		release(it);
	} while (it->failed);
	KUNIT_EXPECT_GT_MSG(test, nth, 1U, "no allocation has failed");
}

static struct kunit_case iov_iter_pages_cases[] = {
	KUNIT_CASE_PARAM(every_shape, any_gen_params),
	KUNIT_CASE_PARAM(at_most_maxsize, any_gen_params),
	KUNIT_CASE_PARAM(at_most_maxpages, any_gen_params),
	KUNIT_CASE_PARAM(nothing_asked_for, any_gen_params),
	KUNIT_CASE_PARAM(truncated, any_gen_params),
	KUNIT_CASE_PARAM(data_through_pages, giving_gen_params),
	KUNIT_CASE_PARAM(pages_held_again_after_revert, giving_gen_params),
	KUNIT_CASE_PARAM(part_of_it_reverted, giving_gen_params),
	KUNIT_CASE_PARAM(references_and_pins_of_one_page, giving_gen_params),
#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN
	KUNIT_CASE_PARAM(too_many_pins_of_first_page, pinning_gen_params),
	KUNIT_CASE_PARAM(too_many_pins_of_later_page, pinning_pool_gen_params),
	KUNIT_CASE_PARAM(too_many_pins_of_folio, pinning_pool_gen_params),
	KUNIT_CASE_PARAM(array_freed_on_failure, pin_alloc_pool_gen_params),
#endif
	KUNIT_CASE_PARAM(allocation_failure, allocating_gen_params),
	{}
};

static struct kunit_suite iov_iter_pages_suite = {
	.name = "iov_iter_pages",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_pages_cases,
};

kunit_test_suite(iov_iter_pages_suite);
