// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of a function under test. All that it returns and does is compared
 * to what is worked out here, from the layout of the memory alone.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "pin_test.h"

struct answer {
	ssize_t ret;
	size_t start;
	unsigned int nr;
	struct page *pages[POOL_PAGES];
};

/* The place in the pool of a byte of the data, and how much follows it there. */
static size_t place(struct iter_test *it, size_t pos, size_t *len)
{
	struct segment *seg = it->segs;

	while (pos >= seg->len)
		pos -= seg++->len;
	*len = seg->len - pos;
	return seg->pos + pos;
}

static struct answer expected(struct iter_test *it, size_t maxsize,
			      unsigned int maxpages)
{
	struct answer a = { 0 };
	unsigned int usable;
	size_t pos, len;

	maxsize = min(maxsize, it->total - it->done);
	if (!maxsize || !maxpages)
		return a;
	if (it->kind->refused) {
		a.ret = -EFAULT;
		return a;
	}
	pos = place(it, it->done, &len);
	a.start = offset_in_page(pos);
	if (it->pipe) {
		unsigned int room = it->pipe->max_usage -
				    (it->pipe->head - it->pipe->tail);

		if (a.start)
			room++;
		if (!room) {
			a.ret = -EFAULT;
			return a;
		}
		maxpages = min(maxpages, room);
		usable = it->usable ? NO_LIMIT : 0;
	} else {
		unsigned int first = pos / PAGE_SIZE;

		usable = first < it->usable ? it->usable - first : 0;
	}
	maxpages = min(maxpages, usable);
	if (!maxpages)
		a.ret = it->unusable;
	for (len = min(len, maxsize); len && a.nr < maxpages; a.nr++) {
		size_t chunk = min(len, PAGE_SIZE - offset_in_page(pos));

		a.pages[a.nr] = it->pool[pos / PAGE_SIZE];
		a.ret += chunk;
		pos += chunk;
		len -= chunk;
	}
	return a;
}

/* An allocation may have failed: anything less than @a will do, if it is sound. */
static void expect_less(struct iter_test *it, struct answer *a, ssize_t ret)
{
	size_t len = a->ret;

	if (ret >= a->ret)
		return;
	if (ret <= 0) {
		KUNIT_EXPECT_TRUE_MSG(it->test, ret == -ENOMEM ||
				      (it->pipe && ret == -EFAULT), "ret %zd", ret);
		*a = (struct answer) { .ret = ret };
		return;
	}
	while (len > ret)
		len = --a->nr * PAGE_SIZE - a->start;
	a->ret = len;
}

/* Nothing that follows would mean anything. */
static void give_up(struct iter_test *it, const char *why)
{
	page_watch_repair(&it->watch);
	it->nr_held = 0;
	KUNIT_ASSERT_TRUE_MSG(it->test, false, "%s: %s at byte %zu of %zu",
			      it->shape->name, why, it->done, it->total);
}

/*
 * Pages that came into being with the call: those of a pipe are in its ring,
 * those of user memory in the page table, and nobody else has them.
 */
static void find_new_pages(struct iter_test *it, struct answer *a)
{
	unsigned int slot, first;
	size_t len;

	if (!a->nr)
		return;
	slot = it->pipe ? it->pipe->head - a->nr : 0;
	first = place(it, it->done, &len) / PAGE_SIZE;
	for (unsigned int k = 0; k < a->nr; k++) {
		if (it->pipe)
			a->pages[k] = pipe_slot(it, slot + k)->page;
		else if (it->kind->user && !a->pages[k])
			a->pages[k] = user_page(it->test, it->uaddr +
						(first + k) * PAGE_SIZE);
		if (!a->pages[k])
			give_up(it, "no page mapped");
		page_watch_add_new(&it->watch, a->pages[k], 1);
	}
}

/*
 * Call the function under test once, for at most @maxsize bytes and @maxpages
 * pages. Check the return value, the pages and their order, the offset in the
 * first, what of the outputs must not be written, how far the iterator has
 * moved, and the counts of all pages. The test holds the pages then.
 */
ssize_t acquire(struct iter_test *it, size_t maxsize, unsigned int maxpages)
{
	struct page *array[POOL_PAGES + 1], **pages = array, *poison;
	struct kunit *test = it->test;
	size_t start = 0x5a5a5a5a;
	struct answer a;
	unsigned int nr;
	ssize_t ret;

	memset(array, 0x5a, sizeof(array));
	poison = array[0];
	maxpages = it->api->allocates ? NO_LIMIT : min(maxpages, POOL_PAGES);
	a = expected(it, maxsize, maxpages);
	alloc_failure_arm(it->fail_nth);
	ret = it->api->acquire(&it->iter, &pages, maxsize, maxpages, &start);
	if (alloc_failure_disarm() && it->fail_nth) {
		it->failed = true;
		expect_less(it, &a, ret);
	}
	it->fail_nth = 0;
	KUNIT_EXPECT_EQ(test, ret, a.ret);
	if (ret != a.ret)
		give_up(it, "wrong length");
	find_new_pages(it, &a);
	if (a.nr)
		KUNIT_EXPECT_EQ(test, start, a.start);
	for (nr = 0; nr < a.nr; nr++) {
		size_t offset = nr ? 0 : a.start;
		size_t len = min_t(size_t, ret, PAGE_SIZE - offset);

		KUNIT_EXPECT_PTR_EQ_MSG(test, pages[nr], a.pages[nr],
					"page %u of %u", nr, a.nr);
		if (pages[nr] != a.pages[nr])
			give_up(it, "wrong page");
		page_watch_acquired(&it->watch, pages[nr], it->api->hold);
		KUNIT_ASSERT_LT(test, it->nr_held, MAX_HELD);
		it->held[it->nr_held++] = (struct held) {
			.page = pages[nr], .hold = it->api->hold,
			.pos = it->done, .offset = offset, .len = len,
		};
		it->done += len;
		ret -= len;
	}
	if (!it->api->allocates)
		KUNIT_EXPECT_PTR_EQ_MSG(test, array[POOL_PAGES], poison,
					"written behind the array");
	for (; !it->api->allocates && nr < POOL_PAGES; nr++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, array[nr], poison,
					"entry %u of %u", nr, a.nr);
	if (it->api->allocates && !a.nr)
		KUNIT_EXPECT_PTR_EQ(test, pages, NULL);
	if (it->api->allocates && a.nr)
		kvfree(pages);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&it->iter), it->total - it->done);
	if (!page_watch_expect(&it->watch, "acquired"))
		give_up(it, "wrong counts");
	if (test->status == KUNIT_FAILURE)
		give_up(it, "wrong answer");
	return a.ret;
}

/* Go on until there is no more to be had. */
void acquire_all(struct iter_test *it, size_t maxsize, unsigned int maxpages)
{
	while (acquire(it, maxsize, maxpages) > 0)
		;
}

/* Go back by some bytes of the data. What is held remains so. */
void rewind(struct iter_test *it, size_t by)
{
	iov_iter_revert(&it->iter, by);
	it->done -= by;
	/* A pipe forgets the pages of which nothing is left in it. */
	for (unsigned int k = 0; it->pipe && k < it->nr_held; k++) {
		struct held *h = &it->held[k];

		if (h->pos < it->done || h->offset || h->forgotten)
			continue;
		h->forgotten = true;
		page_watch_owner_put(&it->watch, h->page);
	}
	if (!page_watch_expect(&it->watch, "reverted"))
		give_up(it, "wrong counts");
}

/*
 * Release all pages that the test holds, each by the verb that acquired it:
 * the pins first, the early ones of them in one go and the others one by one.
 */
void release(struct iter_test *it)
{
	unsigned int nr_pinned = 0;

	for (unsigned int k = 0; k < it->nr_held; k++) {
		page_watch_released(&it->watch, it->held[k].page, it->held[k].hold);
		if (it->held[k].hold == PIN)
			it->pinned[nr_pinned++] = it->held[k].page;
	}
	unpin_user_pages(it->pinned, nr_pinned / 2);
	for (unsigned int k = nr_pinned / 2; k < nr_pinned; k++)
		unpin_user_page(it->pinned[k]);
	for (unsigned int k = 0; k < it->nr_held; k++)
		if (it->held[k].hold == REFERENCE)
			put_page(it->held[k].page);
	it->nr_held = 0;
	if (!page_watch_expect(&it->watch, "released"))
		give_up(it, "wrong counts");
}

/* The place of the data at @pos, and how much of @len bytes is in the same page. */
static size_t place_in_page(struct iter_test *it, size_t pos, size_t len, size_t *part)
{
	pos = place(it, pos, part);
	*part = min3(len, *part, PAGE_SIZE - offset_in_page(pos));
	return pos;
}

/* The memory behind the data at @pos. */
void iter_memory_read(struct iter_test *it, size_t pos, void *buf, size_t len)
{
	for (size_t part; len; len -= part, pos += part, buf += part) {
		size_t at = place_in_page(it, pos, len, &part);

		it->kind->read(it, at, buf, part);
	}
}

void iter_memory_write(struct iter_test *it, size_t pos, const void *buf, size_t len)
{
	for (size_t part; len; len -= part, pos += part, buf += part) {
		size_t at = place_in_page(it, pos, len, &part);

		it->kind->write(it, at, buf, part);
	}
}
