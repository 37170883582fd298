// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a pin costs beside a reference, in each kind of iterator: the time for
 * a page from iov_iter_get_pages2() to put_page(), and from
 * iov_iter_pin_pages2() to unpin_user_pages().
 *
 * No test: it fails for nothing that is slow, and is not built with the suites.
 * Both are measured by turns, so that whatever else the machine does meets both.
 */
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "pin_test.h"

#define PAGES		256U
#define ORDER		8
#define ROUNDS		41U			/* an odd number has a median */
#define PAGES_A_ROUND	(64 * PAGES)

struct memory {
	struct kunit *test;
	unsigned int order;
	struct page *pages[PAGES];
	struct page *held[PAGES];
	unsigned long uaddr;
	struct bio_vec bvec;
	struct iovec iov;
	struct xarray xa;
	struct pipe_inode_info *pipe;
};

static void start_ubuf(struct memory *m, struct iov_iter *i, size_t len)
{
	iov_iter_ubuf(i, WRITE, (void __user *)m->uaddr, len);
}

static void start_iovec(struct memory *m, struct iov_iter *i, size_t len)
{
	m->iov = (struct iovec) { (void __user *)m->uaddr, len };
	iov_iter_init(i, WRITE, &m->iov, 1, len);
}

static void start_bvec(struct memory *m, struct iov_iter *i, size_t len)
{
	m->bvec = (struct bio_vec) { .bv_page = m->pages[0], .bv_len = len };
	iov_iter_bvec(i, WRITE, &m->bvec, 1, len);
}

static void start_xarray(struct memory *m, struct iov_iter *i, size_t len)
{
	iov_iter_xarray(i, WRITE, &m->xa, 0, len);
}

static void start_pipe(struct memory *m, struct iov_iter *i, size_t len)
{
	iov_iter_pipe(i, READ, m->pipe, len);
}

static const struct {
	const char *name;
	void (*start)(struct memory *m, struct iov_iter *i, size_t len);
	bool no_folios;			/* the pages are not the test's to choose */
} bench_kinds[] = {
	{ "ubuf", start_ubuf },
	{ "iovec", start_iovec },
	{ "bvec", start_bvec },
	{ "pipe", start_pipe, .no_folios = true },
	{ "xarray", start_xarray },
};

static void free_memory(struct kunit_resource *res)
{
	struct memory *m = res->data;

	xa_destroy(&m->xa);
	free_pipe_info(m->pipe);
	for (unsigned int k = 0; k < PAGES; k += 1 << m->order)
		put_page(m->pages[k]);
}

static struct memory *memory(struct kunit *test, unsigned int order)
{
	struct memory *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct page *page;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->order = order;
	m->pipe = alloc_pipe_info();
	KUNIT_ASSERT_NOT_NULL(test, m->pipe);
	KUNIT_ASSERT_EQ(test, pipe_resize_ring(m->pipe, PAGES), 0);
	m->pipe->max_usage = PAGES;
	page = alloc_pages(GFP_KERNEL | (order ? __GFP_COMP : 0), ORDER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	if (!order)
		split_page(page, ORDER);
	xa_init(&m->xa);
	for (unsigned int k = 0; k < PAGES; k++)
		m->pages[k] = page + k;
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, NULL, free_memory,
							 GFP_KERNEL, m));
	if (order) {
		KUNIT_ASSERT_EQ(test, xa_err(xa_store_range(&m->xa, 0, PAGES - 1, page,
							    GFP_KERNEL)), 0);
		m->uaddr = user_mmap_pages(test, page, PAGES);
		return m;
	}
	for (unsigned int k = 0; k < PAGES; k++)
		KUNIT_ASSERT_EQ(test, xa_err(xa_store(&m->xa, k, page + k, GFP_KERNEL)), 0);
	m->uaddr = user_mmap_anon(test, PAGES, PROT_READ | PROT_WRITE);
	for (unsigned int k = 0; k < PAGES; k++)
		user_write(test, m->uaddr + k * PAGE_SIZE, "x", 1);
	return m;
}

/* ps a page, so that there is no need of fractions */
static u64 measure(struct memory *m, unsigned int kind, unsigned int batch, bool pin)
{
	u64 ns = 0;

	for (unsigned int done = 0; done < PAGES_A_ROUND;) {
		struct iov_iter i;
		u64 start;

		bench_kinds[kind].start(m, &i, PAGES * PAGE_SIZE);
		start = ktime_get_ns();
		while (iov_iter_count(&i)) {
			size_t offset, size = batch * PAGE_SIZE;
			ssize_t len = pin ?
				iov_iter_pin_pages2(&i, m->held, size, batch, &offset) :
				iov_iter_get_pages2(&i, m->held, size, batch, &offset);

			if (len <= 0) {
				KUNIT_FAIL(m->test, "%s: %zd", bench_kinds[kind].name, len);
				return 0;
			}
			len /= PAGE_SIZE;
			done += len;
			if (pin)
				unpin_user_pages(m->held, len);
			for (unsigned int p = 0; !pin && p < len; p++)
				put_page(m->held[p]);
		}
		ns += ktime_get_ns() - start;
		if (iov_iter_is_pipe(&i))
			iov_iter_revert(&i, PAGES * PAGE_SIZE);
	}
	return ns * 1000 / PAGES_A_ROUND;
}

static int compare(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

/* One line for each: kind, order, batch, ns a page by reference and by pin. */
static void cost_a_page(struct kunit *test)
{
	static const unsigned int batches[] = { 1, 16, 256 };
	static u64 ps[2][ROUNDS];

	for (unsigned int order = 0; order <= ORDER; order += ORDER) {
		struct memory *m = memory(test, order);

		for (unsigned int k = 0; k < ARRAY_SIZE(bench_kinds) * ARRAY_SIZE(batches); k++) {
			unsigned int kind = k / ARRAY_SIZE(batches);
			unsigned int batch = batches[k % ARRAY_SIZE(batches)];

			if (order && bench_kinds[kind].no_folios)
				continue;
			for (unsigned int r = 0; r < ROUNDS; r++)
				for (unsigned int pin = 0; pin <= 1; pin++)
					ps[pin][r] = measure(m, kind, batch, pin);
			for (unsigned int pin = 0; pin <= 1; pin++)
				sort(ps[pin], ROUNDS, sizeof(u64), compare, NULL);
			kunit_info(test, "cost: %s %u %u %llu.%03llu %llu.%03llu\n",
				   bench_kinds[kind].name, order, batch,
				   ps[0][ROUNDS / 2] / 1000, ps[0][ROUNDS / 2] % 1000,
				   ps[1][ROUNDS / 2] / 1000, ps[1][ROUNDS / 2] % 1000);
		}
	}
}

static struct kunit_case iov_iter_bench_cases[] = {
	KUNIT_CASE(cost_a_page),
	{}
};

static struct kunit_suite iov_iter_bench_suite = {
	.name = "iov_iter_bench",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_bench_cases,
};

kunit_test_suite(iov_iter_bench_suite);
