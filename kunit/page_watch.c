// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is held of a page, and what should be.
 *
 * A test names the pages that it is going to use and says what it expects to
 * be acquired and released; the counts of all of them, and those in vmstat,
 * have to agree exactly, each time.
 */
#include <linux/mmzone.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>
#include <linux/vmstat.h>

#include "pin_test.h"

static unsigned long sum_node_stat(enum node_stat_item item)
{
	long sum = atomic_long_read(&vm_node_stat[item]);

	if (IS_ENABLED(CONFIG_SMP)) {
		struct pglist_data *pgdat;
		int cpu;

		for_each_online_pgdat(pgdat)
			for_each_online_cpu(cpu)
				sum += per_cpu_ptr(pgdat->per_cpu_nodestats,
						   cpu)->vm_node_stat_diff[item];
	}
	return sum;
}

/* One of the counters of /proc/vmstat, up to date. */
unsigned long node_stat(enum node_stat_item item)
{
	unsigned long sum, again = sum_node_stat(item);

	/* A CPU may fold its part into the whole while they are added up. */
	do {
		sum = again;
		again = sum_node_stat(item);
	} while (sum != again);
	return sum;
}

/* suite->init: every suite of pins begins and ends its tests with these two. */
int pin_test_init(struct kunit *test)
{
	struct pin_test *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);

	if (!pt)
		return -ENOMEM;
	pt->acquired = node_stat(NR_FOLL_PIN_ACQUIRED);
	pt->released = node_stat(NR_FOLL_PIN_RELEASED);
	test->priv = pt;
	return 0;
}

/* suite->exit: whatever the test was about, it must not leave a page pinned. */
void pin_test_exit(struct kunit *test)
{
	struct pin_test *pt = test->priv;

	if (!pt)
		return;
	KUNIT_EXPECT_EQ_MSG(test, node_stat(NR_FOLL_PIN_ACQUIRED) - pt->acquired,
			    node_stat(NR_FOLL_PIN_RELEASED) - pt->released,
			    "pins that the test acquired and did not release");
}

void page_watch_init(struct page_watch *w, struct kunit *test)
{
	w->test = test;
	w->nr = 0;
	w->acquired = node_stat(NR_FOLL_PIN_ACQUIRED);
	w->released = node_stat(NR_FOLL_PIN_RELEASED);
}

static struct watched *find_watched(struct page_watch *w, struct page *page)
{
	for (unsigned int i = 0; i < w->nr; i++)
		if (w->folios[i].folio == page_folio(page))
			return &w->folios[i];
	return NULL;
}

/* Watch a page that the caller knows to have @refs references and no pin. */
void page_watch_add_new(struct page_watch *w, struct page *page, int refs)
{
	if (find_watched(w, page))
		return;
	KUNIT_ASSERT_LT(w->test, w->nr, (unsigned int)ARRAY_SIZE(w->folios));
	w->folios[w->nr++] = (struct watched) {
		.folio = page_folio(page), .refs = refs,
	};
}

/* Watch a page, from the counts it has now. */
void page_watch_add(struct page_watch *w, struct page *page)
{
	struct watched *f;

	page_watch_add_new(w, page, page_count(page));
	f = find_watched(w, page);
	if (folio_test_large(f->folio))
		f->pincount = atomic_read(folio_pincount_ptr(f->folio));
}

static void owner_changes(struct page_watch *w, struct page *page, int by)
{
	struct watched *f = find_watched(w, page);

	KUNIT_ASSERT_NOT_NULL(w->test, f);
	f->refs += by;
}

/* Somebody other than the test takes a reference to the page. */
void page_watch_owner_get(struct page_watch *w, struct page *page)
{
	owner_changes(w, page, 1);
}

/* Somebody other than the test drops a reference to the page. */
void page_watch_owner_put(struct page_watch *w, struct page *page)
{
	owner_changes(w, page, -1);
}

static void expect_hold(struct page_watch *w, struct page *page, enum hold hold,
			int by)
{
	struct watched *f = find_watched(w, page);

	/* The zero page takes no pins, and nobody counts them. */
	if (hold == PIN && is_zero_page(page))
		return;
	if (hold == PIN && by > 0)
		w->acquired++;
	if (hold == PIN && by < 0)
		w->released++;
	KUNIT_EXPECT_NOT_NULL_MSG(w->test, f, "a page that should not be here");
	if (!f)
		return;
	f->holds[hold] += by;
	/* Now it is freed, and its counts are somebody else's. */
	if (!f->refs && !f->holds[REFERENCE] && !f->holds[PIN])
		*f = w->folios[--w->nr];
}

void page_watch_acquired(struct page_watch *w, struct page *page, enum hold hold)
{
	expect_hold(w, page, hold, 1);
}

void page_watch_released(struct page_watch *w, struct page *page, enum hold hold)
{
	expect_hold(w, page, hold, -1);
}

static int wanted_refs(const struct watched *f)
{
	int bias = folio_test_large(f->folio) ? 1 : GUP_PIN_COUNTING_BIAS;

	return f->refs + f->holds[REFERENCE] + f->holds[PIN] * bias;
}

/*
 * Expect each page to be held as was said, and no other way.
 * The first page that is not is reported.
 */
bool page_watch_expect(struct page_watch *w, const char *when)
{
	long acquired, released;

	for (unsigned int i = 0; i < w->nr; i++) {
		struct watched *f = &w->folios[i];
		int refs = folio_ref_count(f->folio), pincount = 0, want = 0;

		if (folio_test_large(f->folio)) {
			pincount = atomic_read(folio_pincount_ptr(f->folio));
			want = f->pincount + f->holds[PIN];
		}
		if (refs == wanted_refs(f) && pincount == want)
			continue;
		KUNIT_FAIL(w->test,
			   "%s: folio %u of %u: reference count %d, wanted %d; pincount %d, wanted %d (%d references and %d pins on top of %d references)",
			   when, i, w->nr, refs, wanted_refs(f), pincount, want,
			   f->holds[REFERENCE], f->holds[PIN], f->refs);
		return false;
	}
	acquired = node_stat(NR_FOLL_PIN_ACQUIRED) - w->acquired;
	released = node_stat(NR_FOLL_PIN_RELEASED) - w->released;
	if (acquired == 0 && released == 0)
		return true;
	if (w->transient && acquired == released && acquired > 0) {
		w->acquired += acquired;
		w->released += released;
		return true;
	}
	KUNIT_FAIL(w->test,
		   "%s: vmstat: %ld pins more acquired than wanted, and %ld more released",
		   when, acquired, released);
	return false;
}

/* Pins that came and went are as good as none. */
void page_watch_forget_pins(struct page_watch *w)
{
	w->acquired = node_stat(NR_FOLL_PIN_ACQUIRED);
	w->released = node_stat(NR_FOLL_PIN_RELEASED);
}

/*
 * The test has failed: give the pages the counts that they had at first, so
 * that the failure does not grow into a crash when they are freed.
 */
void page_watch_repair(struct page_watch *w)
{
	struct pin_test *pt = w->test->priv;

	for (unsigned int i = 0; i < w->nr; i++) {
		struct watched *f = &w->folios[i];

		folio_ref_add(f->folio, f->refs - folio_ref_count(f->folio));
		if (folio_test_large(f->folio))
			atomic_set(folio_pincount_ptr(f->folio), f->pincount);
		f->holds[REFERENCE] = 0;
		f->holds[PIN] = 0;
	}
	page_watch_forget_pins(w);
	if (pt) {
		pt->acquired = w->acquired;
		pt->released = w->released;
	}
}

struct pool {
	struct page *page;
	bool compound;
};

static int pool_init(struct kunit_resource *res, void *context)
{
	struct pool *pool = context;
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | (pool->compound ? __GFP_COMP : 0);

	pool->page = alloc_pages(gfp, POOL_ORDER);
	if (!pool->page)
		return -ENOMEM;
	if (!pool->compound)
		split_page(pool->page, POOL_ORDER);
	res->data = pool;
	return 0;
}

static void pool_free(struct kunit_resource *res)
{
	struct pool *pool = res->data;
	unsigned int nr = pool->compound ? 1 : POOL_PAGES;

	for (unsigned int i = 0; i < nr; i++)
		put_page(pool->page + i);
}

/*
 * POOL_PAGES pages of memory, next to each other, zeroed: one folio, or as many
 * folios as pages. They are put when the test is over.
 */
struct page *kunit_pool(struct kunit *test, bool compound)
{
	struct pool *pool = kunit_kzalloc(test, sizeof(*pool), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pool);
	pool->compound = compound;
	KUNIT_ASSERT_NOT_NULL_MSG(test, kunit_alloc_resource(test, pool_init, pool_free,
							     GFP_KERNEL, pool),
				  "no memory for %u pages", POOL_PAGES);
	return pool->page;
}
