// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterators over a pipe: they find room in it, or make pages for it.
 */
#include "pin_test.h"

/* An iterator over a pipe to which somebody else has written @before bytes. */
static struct iter_test *pipe_with(struct kunit *test, size_t before)
{
	struct iter_test *it = iter_test(test, "all pages");
	struct iov_iter other;

	iov_iter_pipe(&other, READ, it->pipe, before);
	KUNIT_ASSERT_EQ(test, iov_iter_zero(before, &other), before);
	it->pipe_first = it->pipe->head;
	iov_iter_pipe(&it->iter, READ, it->pipe, it->total);
	return it;
}

static void partly_filled(struct kunit *test)
{
	struct iter_test *it = pipe_with(test, 10 * PAGE_SIZE);

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, POOL_PAGES - 10);
	release(it);
}

/* More is asked for than a pipe can hold, all at once or bit by bit. */
static void full(struct kunit *test)
{
	for (size_t maxsize = POOL_SIZE; maxsize > PAGE_SIZE / 5; maxsize /= 4) {
		struct iter_test *it = iter_test(test, "all pages");

		it->total = POOL_SIZE + 100;
		it->segs[0].len = it->total;
		iov_iter_reexpand(&it->iter, it->total);
		while (it->done < POOL_SIZE)
			acquire(it, maxsize, NO_LIMIT);
		KUNIT_ASSERT_TRUE(test, pipe_full(it->pipe->head, it->pipe->tail,
						  it->pipe->max_usage));
		KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, NO_LIMIT), -EFAULT);
		KUNIT_EXPECT_EQ(test, acquire(it, 1, 1), -EFAULT);
		release(it);
	}
}

/* The last page has room, but it is not this iterator's. */
static void last_page_of_another(struct kunit *test)
{
	struct iter_test *it = pipe_with(test, 100);

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, it->nr_held, POOL_PAGES - 1);
	KUNIT_EXPECT_EQ(test, pipe_slot(it, it->pipe->tail)->len, 100);
	release(it);
}

/* The last page has room, and only that is left of the pipe. */
static void full_but_for_last_page(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "unaligned");

	it->pipe->max_usage = 1;
	KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, NO_LIMIT), PAGE_SIZE - 100);
	KUNIT_EXPECT_EQ(test, acquire(it, SIZE_MAX, NO_LIMIT), -EFAULT);
	release(it);
}

/* What the iterator has been given is what a reader gets. */
static void buffers_as_long_as_data(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "unaligned");
	size_t len = 0;

	acquire_all(it, PAGE_SIZE / 6, NO_LIMIT);
	for (unsigned int slot = it->pipe->tail; slot != it->pipe->head; slot++) {
		struct pipe_buffer *buf = pipe_slot(it, slot);

		KUNIT_EXPECT_EQ(test, buf->offset, 0U);
		len += buf->len;
	}
	KUNIT_EXPECT_EQ(test, len, 100 + it->total);
	release(it);
}

/* The reader is done before the I/O is. */
static void read_while_held(struct kunit *test)
{
	struct iter_test *it = iter_test(test, "all pages");

	acquire_all(it, SIZE_MAX, NO_LIMIT);
	while (!pipe_empty(it->pipe->head, it->pipe->tail)) {
		struct pipe_buffer *buf = pipe_slot(it, it->pipe->tail++);

		page_watch_owner_put(&it->watch, buf->page);
		pipe_buf_release(it->pipe, buf);
	}
	page_watch_expect(&it->watch, "read");
	release(it);
}

static struct kunit_case iov_iter_pipe_cases[] = {
	KUNIT_CASE_PARAM(partly_filled, pipe_gen_params),
	KUNIT_CASE_PARAM(full, pipe_gen_params),
	KUNIT_CASE_PARAM(last_page_of_another, pipe_gen_params),
	KUNIT_CASE_PARAM(full_but_for_last_page, pipe_gen_params),
	KUNIT_CASE_PARAM(buffers_as_long_as_data, pipe_gen_params),
	KUNIT_CASE_PARAM(read_while_held, pipe_gen_params),
	{}
};

static struct kunit_suite iov_iter_pipe_suite = {
	.name = "iov_iter_pipe",
	.init = pin_test_init,
	.exit = pin_test_exit,
	.test_cases = iov_iter_pipe_cases,
};

kunit_test_suite(iov_iter_pipe_suite);
