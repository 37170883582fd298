// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects that a debugger can be tried on: of each sort one, known in every detail.
 *
 * Each case calls a function, in which the debugger stops, when its objects are
 * complete. uml/gdb.bats compares what gdb says of them with what is set up here.
 */
#include <linux/blkdev.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "test_disk.h"

#define STOP(name, type)						\
static noinline void stop_at_##name(type known)				\
{									\
	/* all of it has to be in memory; no two of these may become one */ \
	asm volatile("# " #name : : "r" (known) : "memory");		\
}

struct known_pages {
	struct page *unpinned, *referenced, *pinned, *pinned_thrice, *pin_put;
	struct page *head, *tail, *pinned_head, *pinned_tail;
	struct page *anon, *anon_pinned, *of_file, *of_file_pinned;
	struct page *slab, *free, *table, *zero;
	unsigned long uaddr, unmapped;
};

STOP(iterator, struct iter_test *)
STOP(pages, struct known_pages *)
STOP(bio, struct bio *)
STOP(page, struct page *)

/* An iterator of each kind, 50 bytes of which are done. */
static void iterator(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "segments");

	if (it->pipe) {
		it->api = &get_pages2;
		acquire(it, PAGE_SIZE, 1);
		stop_at_iterator(it);
		release(it);
		return;
	}
	iov_iter_advance(&it->iter, 50);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&it->iter), it->total - 50);
	stop_at_iterator(it);
}

static struct page *pinned(struct kunit *test, struct page *page, unsigned int times)
{
	while (times--)
		KUNIT_ASSERT_EQ(test, pin_user_page(page), 0);
	return page;
}

static void unpin(struct page *page, unsigned int times)
{
	while (times--)
		unpin_user_page(page);
}

static void pages(struct kunit *test)
{
	struct page *pool = kunit_pool(test, false), *folio = kunit_pool(test, true);
	struct page *pinned_folio = kunit_pool(test, true), *user[POOL_PAGES];
	struct test_disk *td = test_disk(test);
	void *object = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct known_pages known = {
		.unpinned = pool,
		.referenced = pool + 1,
		.pinned = pinned(test, pool + 2, 1),
		.pinned_thrice = pinned(test, pool + 3, 3),
		.pin_put = pinned(test, pool + 4, 1),
		.head = folio,
		.tail = folio + 5,
		.pinned_head = pinned_folio,
		.pinned_tail = pinned(test, pinned_folio + 5, 2),
		.slab = virt_to_page(object),
		.free = alloc_page(GFP_KERNEL),
		.zero = ZERO_PAGE(0),
	};
	struct page *of_file;

	KUNIT_ASSERT_NOT_NULL(test, object);
	KUNIT_ASSERT_NOT_NULL(test, known.free);
	get_page(known.referenced);
	/* as code does that has the wrong verb: once for the pin, once for the owner */
	put_page(known.pin_put);
	put_page(known.pin_put);

	known.uaddr = user_mmap_populated(test, POOL_PAGES);
	user_pages(test, known.uaddr, user, POOL_PAGES);
	known.unmapped = known.uaddr + 9 * PAGE_SIZE;
	user_munmap(test, known.unmapped, PAGE_SIZE);
	known.anon = user[0];
	known.anon_pinned = pinned(test, user[1], 1);
	known.table = pmd_page(*pmd_off(current->mm, known.uaddr));

	of_file = read_mapping_page(td->bdev->bd_inode->i_mapping, 3, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(of_file));
	known.of_file = read_mapping_page(td->bdev->bd_inode->i_mapping, 4, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(known.of_file));
	known.of_file_pinned = pinned(test, of_file, 1);

	KUNIT_EXPECT_EQ(test, page_count(known.pin_put), GUP_PIN_COUNTING_BIAS - 1);
	__free_page(known.free);
	stop_at_pages(&known);

	page_ref_add(known.pin_put, 2);
	unpin(known.pin_put, 1);
	put_page(known.referenced);
	unpin(known.pinned, 1);
	unpin(known.pinned_thrice, 3);
	unpin(known.pinned_tail, 2);
	unpin(known.anon_pinned, 1);
	unpin(known.of_file_pinned, 1);
	put_page(known.of_file);
	put_page(known.of_file_pinned);
}

/* A bio over user memory, which pins it, with 512 bytes done. */
static void bio(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "blocks");
	struct test_disk *td = test_disk(test);
	struct bio *bio = bio_alloc(td->bdev, 16, REQ_OP_WRITE | REQ_SYNC, GFP_KERNEL);

	KUNIT_ASSERT_EQ(test, bio_iov_iter_get_pages(bio, &it->iter), 0);
	bio->bi_iter.bi_sector = 24;
	bio_advance(bio, 512);
	stop_at_bio(bio);
	bio_release_pages(bio, false);
	bio_put(bio);
}

/* A page that is held and let go of, for who watches. */
static void held_for_a_while(struct kunit *test)
{
	struct page *page = kunit_pool(test, false);

	stop_at_page(page);
	pinned(test, page, 1);
	get_page(page);
	KUNIT_EXPECT_EQ(test, page_count(page), 2 + GUP_PIN_COUNTING_BIAS);
	put_page(page);
	unpin(page, 1);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
}

/* All that a trace of pins can find wrong, put right again before the end. */
static void held_wrongly(struct kunit *test)
{
	struct page *pool = kunit_pool(test, false), *folio = kunit_pool(test, true);

	pinned(test, pool, 1);				/* never released */
	pinned(test, pool + 1, 1);			/* released by the wrong verb */
	get_page(pool + 2);
	page_ref_add(pool + 2, GUP_PIN_COUNTING_BIAS);	/* released, never acquired */
	pinned(test, pool + 3, 1);			/* as it should be */
	pinned(test, folio + 3, 2);			/* one of two released */
	put_page(pool + 1);
	put_page(pool + 1);
	unpin(pool + 2, 1);
	unpin(pool + 3, 1);
	unpin(folio + 3, 1);
	stop_at_page(pool);
	unpin(pool, 1);
	page_ref_add(pool + 1, 2);
	unpin(pool + 1, 1);
	put_page(pool + 2);
	unpin(folio + 3, 1);
	/* what was released without having been acquired is not in vmstat */
	mod_node_page_state(page_pgdat(pool), NR_FOLL_PIN_ACQUIRED, 1);
	KUNIT_EXPECT_EQ(test, page_count(pool + 2), 1);
}

static struct kunit_case debugger_cases[] = {
	KUNIT_CASE_PARAM(iterator, of_each_kind_gen_params),
	KUNIT_CASE(pages),
	KUNIT_CASE_PARAM(bio, ubuf_source_gen_params),
	KUNIT_CASE(held_for_a_while),
	KUNIT_CASE(held_wrongly),
	{}
};

static struct kunit_suite debugger_suite = {
	.name = "debugger",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = debugger_cases,
};

kunit_test_suite(debugger_suite);
