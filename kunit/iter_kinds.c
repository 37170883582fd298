// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of iterator kinds: how to build one over a given memory, and how to
 * look at that memory without it. The functions under test, and which of them
 * goes with which kind.
 */
#include <linux/highmem.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "pin_test.h"

/* Shapes: where the bytes are in the pool. Those of one shape do not overlap. */

#define P PAGE_SIZE

const struct shape shapes[] = {
	{ "one page", .nr_segs = 1, .segs = { { 0, P } } },
	{ "all pages", .nr_segs = 1, .segs = { { 0, POOL_SIZE } } },
	{ "unaligned", .nr_segs = 1, .segs = { { 100, 3 * P + 200 } } },
	{ "inside a page", .nr_segs = 1, .segs = { { 2 * P + 300, 50 } } },
	{ "across a page boundary", .nr_segs = 1, .segs = { { P - 1, 2 } } },
	{ "up to a page boundary", .nr_segs = 1, .segs = { { 5 * P - 8, 8 } } },
	{ "segments", .nr_segs = 6, .segs = {
		{ 5 * P + 10, 100 }, { 0, 2 * P }, { 8 * P, 1 },
		{ 3 * P + 8, P + 50 }, { 5 * P + 300, 2 * P }, { 8 * P + 1, P } } },
	{ "empty segments", .nr_segs = 8, .segs = {
		{ 100, 0 }, { P, 0 }, { 2 * P + 4, 60 }, { 0, 0 },
		{ 7 * P, P }, { 5, 0 }, { 9 * P, 300 }, { P, 0 } } },
	{ "blocks", .nr_segs = 5, .segs = {
		{ 5 * P + 512, 1024 }, { 0, 2 * P }, { 8 * P, 512 },
		{ 8 * P + 512, 512 }, { 3 * P + 1024, P } } },
	{ "first half of a page", .nr_segs = 1, .segs = { { 0, P / 2 } } },
	{ "a block and some bytes", .nr_segs = 1, .segs = { { P - 512, 612 } } },
	{ "a folio", .compound = true, .nr_segs = 1, .segs = { { 0, POOL_SIZE } } },
	{ "tail pages", .compound = true, .nr_segs = 1, .segs = { { 3 * P + 7, 4 * P } } },
	{ "segments of a folio", .compound = true, .nr_segs = 3, .segs = {
		{ 9 * P, P }, { 2 * P, P + 1 }, { 0, P } } },
};

#undef P

const unsigned int nr_shapes = ARRAY_SIZE(shapes);

/* Kinds */

static void user_pool(struct iter_test *it)
{
	bool given = it->uaddr;

	if (it->shape->compound)
		it->uaddr = user_mmap_pages(it->test, kunit_pool(it->test, true),
					    POOL_PAGES);
	else if (!given)
		it->uaddr = user_mmap_populated(it->test, POOL_PAGES);
	user_pages(it->test, it->uaddr, it->pool, POOL_PAGES);
	for (unsigned int i = 0; !given && i < POOL_PAGES; i++)
		KUNIT_ASSERT_NOT_NULL(it->test, it->pool[i]);
}

static void user_mem_read(struct iter_test *it, size_t pos, void *buf, size_t len)
{
	user_read(it->test, it->uaddr + pos, buf, len);
}

static void user_mem_write(struct iter_test *it, size_t pos, const void *buf, size_t len)
{
	user_write(it->test, it->uaddr + pos, buf, len);
}

static void build_ubuf(struct iter_test *it)
{
	user_pool(it);
	iov_iter_ubuf(&it->iter, it->direction,
		      (void __user *)(it->uaddr + it->segs[0].pos), it->total);
}

static void build_iovec(struct iter_test *it)
{
	user_pool(it);
	for (unsigned int s = 0; s < it->nr_segs; s++) {
		it->iov[s].iov_base = (void __user *)(it->uaddr + it->segs[s].pos);
		it->iov[s].iov_len = it->segs[s].len;
	}
	iov_iter_init(&it->iter, it->direction, it->iov, it->nr_segs, it->total);
}

static void kernel_pool(struct iter_test *it)
{
	struct page *page = kunit_pool(it->test, it->shape->compound);

	for (unsigned int i = 0; i < POOL_PAGES; i++)
		it->pool[i] = page + i;
}

static void kernel_mem_read(struct iter_test *it, size_t pos, void *buf, size_t len)
{
	memcpy_from_page(buf, it->pool[pos / PAGE_SIZE], offset_in_page(pos), len);
}

static void kernel_mem_write(struct iter_test *it, size_t pos, const void *buf, size_t len)
{
	memcpy_to_page(it->pool[pos / PAGE_SIZE], offset_in_page(pos), buf, len);
}

static void build_kvec(struct iter_test *it)
{
	kernel_pool(it);
	for (unsigned int s = 0; s < it->nr_segs; s++) {
		it->kvec[s].iov_base = page_address(it->pool[0]) + it->segs[s].pos;
		it->kvec[s].iov_len = it->segs[s].len;
	}
	iov_iter_kvec(&it->iter, it->direction, it->kvec, it->nr_segs, it->total);
}

static void build_bvec(struct iter_test *it)
{
	kernel_pool(it);
	for (unsigned int s = 0; s < it->nr_segs; s++) {
		/* by turns: the page of the data, an offset over several pages */
		size_t first = s % 2 ? 0 : it->segs[s].pos / PAGE_SIZE;

		it->bvec[s].bv_page = it->pool[first];
		it->bvec[s].bv_offset = it->segs[s].pos - first * PAGE_SIZE;
		it->bvec[s].bv_len = it->segs[s].len;
	}
	iov_iter_bvec(&it->iter, it->direction, it->bvec, it->nr_segs, it->total);
}

static void xarray_free(struct kunit_resource *res)
{
	struct xarray *xa = res->data;

	xa_destroy(xa);
}

static void build_xarray(struct iter_test *it)
{
	void *err = NULL;

	kernel_pool(it);
	xa_init(&it->xa);
	KUNIT_ASSERT_NOT_NULL(it->test,
			      kunit_alloc_resource(it->test, NULL, xarray_free,
						   GFP_KERNEL, &it->xa));
	if (it->shape->compound)
		err = xa_store_range(&it->xa, XARRAY_INDEX,
				     XARRAY_INDEX + POOL_PAGES - 1,
				     it->pool[0], GFP_KERNEL);
	for (unsigned int i = 0; !it->shape->compound && !err && i < POOL_PAGES; i++)
		err = xa_store(&it->xa, XARRAY_INDEX + i, it->pool[i], GFP_KERNEL);
	KUNIT_ASSERT_EQ(it->test, xa_err(err), 0);
	iov_iter_xarray(&it->iter, it->direction, &it->xa,
			XARRAY_INDEX * PAGE_SIZE + it->segs[0].pos, it->total);
}

static struct page *xarray_page(struct iter_test *it, size_t pos)
{
	pgoff_t index = XARRAY_INDEX + pos / PAGE_SIZE;

	return find_subpage(xa_load(&it->xa, index), index);
}

static void xarray_mem_read(struct iter_test *it, size_t pos, void *buf, size_t len)
{
	memcpy_from_page(buf, xarray_page(it, pos), offset_in_page(pos), len);
}

static void xarray_mem_write(struct iter_test *it, size_t pos, const void *buf, size_t len)
{
	memcpy_to_page(xarray_page(it, pos), offset_in_page(pos), buf, len);
}

static void pipe_free(struct kunit_resource *res)
{
	free_pipe_info(res->data);
}

/*
 * A pipe has no memory before there is data in it. If the data is to start
 * inside a page, then because of what the same iterator has put there before.
 */
static void build_pipe(struct iter_test *it)
{
	size_t before = offset_in_page(it->segs[0].pos);

	it->pipe = alloc_pipe_info();
	KUNIT_ASSERT_NOT_NULL(it->test, it->pipe);
	KUNIT_ASSERT_NOT_NULL(it->test,
			      kunit_alloc_resource(it->test, NULL, pipe_free,
						   GFP_KERNEL, it->pipe));
	/* not the first slot of the ring, so that it has to wrap around */
	it->pipe->head = 3;
	it->pipe->tail = 3;
	it->pipe_first = it->pipe->head;
	iov_iter_pipe(&it->iter, READ, it->pipe, before + it->total);
	KUNIT_ASSERT_EQ(it->test, iov_iter_zero(before, &it->iter), before);
	if (before)
		it->pool[0] = pipe_slot(it, it->pipe_first)->page;
}

static void pipe_mem_read(struct iter_test *it, size_t pos, void *buf, size_t len)
{
	unsigned int slot = it->pipe_first;

	/* from a place in the pool to one in the pipe */
	pos -= round_down(it->segs[0].pos, PAGE_SIZE);
	for (; len; slot++) {
		struct pipe_buffer *pb = pipe_slot(it, slot);
		size_t part;

		KUNIT_ASSERT_NE(it->test, slot, it->pipe->head);
		if (pos >= pb->len) {
			pos -= pb->len;
			continue;
		}
		part = min(len, pb->len - pos);
		memcpy_from_page(buf, pb->page, pb->offset + pos, part);
		buf += part;
		len -= part;
		pos = 0;
	}
}

static void build_discard(struct iter_test *it)
{
	iov_iter_discard(&it->iter, READ, it->total);
}

static const struct iter_kind kinds[] = {
	{
		.name = "ubuf", .source = true, .dest = true,
		.user = true, .range = true,
		.build = build_ubuf,
		.read = user_mem_read, .write = user_mem_write,
	}, {
		.name = "iovec", .source = true, .dest = true,
		.user = true,
		.build = build_iovec,
		.read = user_mem_read, .write = user_mem_write,
	}, {
		.name = "kvec", .source = true, .dest = true,
		.refused = true,
		.build = build_kvec,
		.read = kernel_mem_read, .write = kernel_mem_write,
	}, {
		.name = "bvec", .source = true, .dest = true,
		.build = build_bvec,
		.read = kernel_mem_read, .write = kernel_mem_write,
	}, {
		.name = "pipe", .dest = true,
		.range = true,
		.build = build_pipe,
		.read = pipe_mem_read,
	}, {
		.name = "xarray", .source = true, .dest = true,
		.range = true,
		.build = build_xarray,
		.read = xarray_mem_read, .write = xarray_mem_write,
	}, {
		.name = "discard", .dest = true,
		.range = true, .refused = true,
		.build = build_discard,
	},
};

/* Functions */

static ssize_t acquire_get2(struct iov_iter *i, struct page ***pages,
			    size_t maxsize, unsigned int maxpages, size_t *start)
{
	return iov_iter_get_pages2(i, *pages, maxsize, maxpages, start);
}

static ssize_t acquire_get_alloc2(struct iov_iter *i, struct page ***pages,
				  size_t maxsize, unsigned int maxpages,
				  size_t *start)
{
	return iov_iter_get_pages_alloc2(i, pages, maxsize, start);
}

const struct pages_api get_pages2 = {
	.name = "get_pages2", .hold = REFERENCE, .acquire = acquire_get2,
};

static const struct pages_api get_pages_alloc2 = {
	.name = "get_pages_alloc2", .hold = REFERENCE, .allocates = true,
	.acquire = acquire_get_alloc2,
};

#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN

static ssize_t acquire_pin2(struct iov_iter *i, struct page ***pages,
			    size_t maxsize, unsigned int maxpages, size_t *start)
{
	return iov_iter_pin_pages2(i, *pages, maxsize, maxpages, start);
}

static ssize_t acquire_pin_alloc2(struct iov_iter *i, struct page ***pages,
				  size_t maxsize, unsigned int maxpages,
				  size_t *start)
{
	return iov_iter_pin_pages_alloc2(i, pages, maxsize, start);
}

static const struct pages_api pin_pages2 = {
	.name = "pin_pages2", .hold = PIN, .acquire = acquire_pin2,
};

static const struct pages_api pin_pages_alloc2 = {
	.name = "pin_pages_alloc2", .hold = PIN, .allocates = true,
	.acquire = acquire_pin_alloc2,
};

#endif

static const struct pages_api *const apis[] = {
	&get_pages2,
	&get_pages_alloc2,
#ifdef CONFIG_PIN_KUNIT_HAS_IOV_ITER_PIN
	&pin_pages2,
	&pin_pages_alloc2,
#endif
};

/* Parameters: each kind in each direction with each function. */

static struct iter_param params[ARRAY_SIZE(kinds) * 2 * ARRAY_SIZE(apis) + 1];

static void fill_params(void)
{
	struct iter_param *p = params;

	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (unsigned int a = 0; a < ARRAY_SIZE(apis); a++) {
			if (kinds[k].dest)
				*p++ = (struct iter_param) { &kinds[k], apis[a], READ };
			if (kinds[k].source)
				*p++ = (struct iter_param) { &kinds[k], apis[a], WRITE };
		}
	}
}

static const void *next_param(const struct iter_param *prev, char *desc,
			      bool (*wanted)(const struct iter_param *p),
			      bool with_api)
{
	const struct iter_param *p;

	if (!params[0].kind)
		fill_params();
	for (p = prev ? prev + 1 : params; p->kind; p++) {
		if (!wanted(p))
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s/%s%s%s", p->kind->name,
			 p->direction == READ ? "destination" : "source",
			 with_api ? "/" : "", with_api ? p->api->name : "");
		return p;
	}
	return NULL;
}

static bool needs_memory(const struct iter_param *p)
{
	return p->api->allocates || p->kind->build == build_pipe;
}

#define PARAMS_OF(name, condition, with_api)				\
static bool name##_wanted(const struct iter_param *p)			\
{									\
	return condition;						\
}									\
									\
const void *name##_gen_params(const void *prev, char *desc)		\
{									\
	return next_param(prev, desc, name##_wanted, with_api);		\
}

#define PARAMS(name, condition)	PARAMS_OF(name, condition, true)

PARAMS(any, true)
PARAMS(giving, !p->kind->refused)
PARAMS(allocating, !p->kind->refused && needs_memory(p))
PARAMS(pinning, !p->kind->refused && p->api->hold == PIN)
PARAMS(pinning_pool, pinning_wanted(p) && p->kind->build != build_pipe)
PARAMS(pin_alloc_pool, pinning_pool_wanted(p) && p->api->allocates)
PARAMS(user, p->kind->user)
PARAMS(pinning_user_dest, pinning_wanted(p) && p->kind->user && p->direction == READ)
PARAMS(page_list, p->kind->build == build_bvec || p->kind->build == build_xarray)
PARAMS(pipe, p->kind->build == build_pipe)
PARAMS(xarray, p->kind->build == build_xarray)

/* Each kind in each direction, when it is not about one of the functions. */
#define KINDS(name, condition)						\
	PARAMS_OF(name, p->api == apis[0] && (condition), false)

KINDS(of_each_kind, true)
KINDS(in_bio, !p->kind->refused)
KINDS(read_in_bio, in_bio_wanted(p) && p->direction == READ)
KINDS(refused, p->kind->refused)
KINDS(held_by_bio, in_bio_wanted(p) && p->kind->build != build_bvec)
KINDS(pool_held_by_bio, held_by_bio_wanted(p) && p->kind->build != build_pipe)
KINDS(read_into_pool, pool_held_by_bio_wanted(p) && p->direction == READ)
KINDS(by_address, p->kind->user)
KINDS(by_iovec, p->kind->build == build_iovec)
KINDS(read_by_address, p->kind->user && p->direction == READ)
KINDS(ubuf_source, p->kind->build == build_ubuf && p->direction == WRITE)
KINDS(appended, in_bio_wanted(p) && p->direction == WRITE)
KINDS(appended_by_bio, held_by_bio_wanted(p) && p->direction == WRITE)

/* Building */

/* Take the counts that the pages have now as those that they return to. */
void iter_watch_pool(struct iter_test *it)
{
	page_watch_init(&it->watch, it->test);
	/* GUP-fast pins first, and lets go if it then finds that it must not. */
	it->watch.transient = it->kind->user && IS_ENABLED(CONFIG_HAVE_FAST_GUP);
	page_watch_add(&it->watch, ZERO_PAGE(0));
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		if (it->pool[i])
			page_watch_add(&it->watch, it->pool[i]);
}

static struct iter_test *iter_test_alloc(struct kunit *test, const char *shape)
{
	const struct iter_param *p = test->param_value;
	struct iter_test *it = kunit_kzalloc(test, sizeof(*it), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, it);
	it->test = test;
	it->kind = p->kind;
	it->api = p->api;
	it->direction = p->direction;
	it->usable = POOL_PAGES;
	for (unsigned int s = 0; s < nr_shapes; s++)
		if (!strcmp(shapes[s].name, shape))
			it->shape = &shapes[s];
	KUNIT_ASSERT_NOT_NULL_MSG(test, it->shape, "no shape '%s'", shape);
	for (unsigned int s = 0; s < it->shape->nr_segs; s++) {
		it->segs[s] = it->shape->segs[s];
		it->total += it->segs[s].len;
	}
	it->nr_segs = it->shape->nr_segs;
	if (it->kind->range) {
		it->segs[0].len = it->total;
		it->nr_segs = 1;
	}
	return it;
}

/* An iterator of the kind that is the test's parameter, over memory in @shape. */
struct iter_test *iter_test(struct kunit *test, const char *shape)
{
	return iter_test_at(test, shape, 0);
}

/* The same over user memory that is mapped at @uaddr, as it is. */
struct iter_test *iter_test_at(struct kunit *test, const char *shape,
			       unsigned long uaddr)
{
	struct iter_test *it = iter_test_alloc(test, shape);

	it->uaddr = uaddr;
	it->kind->build(it);
	iter_watch_pool(it);
	return it;
}

/* An iterator over one page, of bvec or xarray. */
struct iter_test *iter_test_of(struct kunit *test, struct page *page)
{
	struct iter_test *it = iter_test(test, "one page");

	it->pool[0] = page;
	if (it->kind->build == build_bvec)
		it->bvec[0].bv_page = page;
	else
		xa_store(&it->xa, XARRAY_INDEX, page, GFP_KERNEL);
	iter_watch_pool(it);
	return it;
}
