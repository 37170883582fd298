// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin_user_page(): a pin of a page that is known without a user's address.
 */
#include <linux/mman.h>
#include <linux/page_ref.h>

#include "pin_test.h"

/* Pin @page @times times, and undo it. */
static void pin_and_unpin(struct kunit *test, struct page *page, unsigned int times)
{
	struct page_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	page_watch_init(w, test);
	page_watch_add(w, page);
	for (unsigned int i = 0; i < times; i++) {
		KUNIT_ASSERT_EQ(test, pin_user_page(page), 0);
		page_watch_acquired(w, page, PIN);
		page_watch_expect(w, "pinned");
	}
	for (unsigned int i = 0; i < times; i++) {
		unpin_user_page(page);
		page_watch_released(w, page, PIN);
		page_watch_expect(w, "unpinned");
	}
}

static void single_page(struct kunit *test)
{
	pin_and_unpin(test, kunit_pool(test, false), 1);
}

static void single_page_several_times(struct kunit *test)
{
	pin_and_unpin(test, kunit_pool(test, false), 20);
}

static void head_page(struct kunit *test)
{
	pin_and_unpin(test, kunit_pool(test, true), 3);
}

static void tail_page(struct kunit *test)
{
	pin_and_unpin(test, kunit_pool(test, true) + POOL_PAGES - 1, 3);
}

static void zero_page(struct kunit *test)
{
	pin_and_unpin(test, ZERO_PAGE(0), 3);
}

static void maybe_dma_pinned(struct kunit *test)
{
	struct page *pages[] = {
		kunit_pool(test, false), kunit_pool(test, true) + 1,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		KUNIT_EXPECT_FALSE(test, page_maybe_dma_pinned(pages[i]));
		KUNIT_ASSERT_EQ(test, pin_user_page(pages[i]), 0);
		KUNIT_EXPECT_TRUE(test, page_maybe_dma_pinned(pages[i]));
		unpin_user_page(pages[i]);
		KUNIT_EXPECT_FALSE(test, page_maybe_dma_pinned(pages[i]));
	}
}

/* The last pin that is sure not to overflow, and the first that may. */
static void count_near_overflow(struct kunit *test)
{
	struct page *pages[] = {
		kunit_pool(test, false), kunit_pool(test, true) + 1,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		struct page *head = compound_head(pages[i]);
		int add = REFS_TOO_MANY_TO_PIN - page_count(head);
		struct page_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, w);
		page_ref_add(head, add - 1);
		pin_and_unpin(test, pages[i], 1);
		page_ref_add(head, 1);
		page_watch_init(w, test);
		page_watch_add(w, pages[i]);
		KUNIT_EXPECT_EQ(test, pin_user_page(pages[i]), -ENOMEM);
		page_watch_expect(w, "refused");
		page_ref_sub(head, add);
	}
}

/* pin_user_pages_fast() refuses what pin_user_page() does. */
static void address_of_page_near_overflow(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);
	struct page_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	struct page *page, *pinned;

	KUNIT_ASSERT_NOT_NULL(test, w);
	user_write(test, addr, "x", 1);
	page = user_page(test, addr);
	page_ref_add(page, REFS_TOO_MANY_TO_PIN);
	page_watch_init(w, test);
	page_watch_add(w, page);
	KUNIT_EXPECT_EQ(test, pin_user_pages_fast(addr, 1, FOLL_WRITE, &pinned),
			-ENOMEM);
	page_watch_expect(w, "refused");
	page_ref_sub(page, REFS_TOO_MANY_TO_PIN);
}

/* On top of a pin by address, as with a buffer that io_uring has registered. */
static void on_top_of_pin_by_address(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(addr, 1, FOLL_WRITE, &page), 1);
	pin_and_unpin(test, user_page(test, addr), 3);
	KUNIT_EXPECT_TRUE(test, page_maybe_dma_pinned(page));
	unpin_user_page(page);
}

static void shared_anonymous_page(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);
	struct page *page;

	user_write(test, addr, "x", 1);
	page = user_page(test, addr);
	user_fork(test);
	KUNIT_ASSERT_FALSE(test, PageAnonExclusive(page));
	pin_and_unpin(test, page, 2);
	KUNIT_EXPECT_FALSE(test, PageAnonExclusive(page));
}

/*
 * A process that has pinned something by address has its pinned pages copied on
 * fork(), of whichever sort the pins are.
 */
static void fork_with_pin_by_address(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 2, PROT_READ | PROT_WRITE);
	struct page *page, *other;

	user_write(test, addr, "x", 1);
	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(addr + PAGE_SIZE, 1, FOLL_WRITE,
						  &other), 1);
	unpin_user_page(other);
	page = user_page(test, addr);
	KUNIT_ASSERT_EQ(test, pin_user_page(page), 0);
	user_fork(test);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(page));
	unpin_user_page(page);
}

#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PIN

static void pinned_again(struct kunit *test)
{
	struct page *pages[] = {
		kunit_pool(test, false), kunit_pool(test, true) + 1, ZERO_PAGE(0),
	};
	struct page_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		page_watch_init(w, test);
		page_watch_add(w, pages[i]);
		for (unsigned int k = 0; k < 3; k++) {
			KUNIT_ASSERT_EQ(test, k ? pin_user_page_again(pages[i]) :
						  pin_user_page(pages[i]), 0);
			page_watch_acquired(w, pages[i], PIN);
			page_watch_expect(w, "pinned");
		}
		for (unsigned int k = 0; k < 3; k++) {
			unpin_user_page(pages[i]);
			page_watch_released(w, pages[i], PIN);
			page_watch_expect(w, "unpinned");
		}
	}
}

static void pinned_again_near_overflow(struct kunit *test)
{
	struct page *page = kunit_pool(test, false);
	int add = REFS_TOO_MANY_TO_PIN - GUP_PIN_COUNTING_BIAS - page_count(page);

	page_ref_add(page, add);
	KUNIT_ASSERT_EQ(test, pin_user_page(page), 0);
	KUNIT_EXPECT_EQ(test, pin_user_page_again(page), -ENOMEM);
	unpin_user_page(page);
	page_ref_sub(page, add);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
}

/* The pin by address is gone, but what it has made sure of is still so. */
static void pinned_again_outlives_pin_by_address(struct kunit *test)
{
	unsigned long addr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(addr, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, pin_user_page_again(page), 0);
	unpin_user_page(page);
	user_fork(test);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(page));
	user_write(test, addr, "x", 1);
	KUNIT_EXPECT_PTR_EQ(test, user_page(test, addr), page);
	unpin_user_page(page);
}

#endif

static struct kunit_case pin_user_page_cases[] = {
	KUNIT_CASE(single_page),
	KUNIT_CASE(single_page_several_times),
	KUNIT_CASE(head_page),
	KUNIT_CASE(tail_page),
	KUNIT_CASE(zero_page),
	KUNIT_CASE(maybe_dma_pinned),
	KUNIT_CASE(count_near_overflow),
	KUNIT_CASE(address_of_page_near_overflow),
	KUNIT_CASE(on_top_of_pin_by_address),
#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PIN
	KUNIT_CASE(pinned_again),
	KUNIT_CASE(pinned_again_near_overflow),
	KUNIT_CASE(pinned_again_outlives_pin_by_address),
#endif
	KUNIT_CASE(shared_anonymous_page),
	KUNIT_CASE(fork_with_pin_by_address),
	{}
};

static struct kunit_suite pin_user_page_suite = {
	.name = "pin_user_page",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = pin_user_page_cases,
};

kunit_test_suite(pin_user_page_suite);
