// SPDX-License-Identifier: GPL-2.0
/* The table of ways in which a program can read and write. */
#include <libaio.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e2e.h"

static ssize_t result(ssize_t ret)
{
	return ret < 0 ? -errno : ret;
}

static ssize_t rw_pread(int fd, enum io_dir dir, const struct iovec *iov,
			unsigned int nr, off_t pos)
{
	if (nr != 1)
		return -EINVAL;
	return result(dir == IO_WRITE ?
		      pwrite(fd, iov->iov_base, iov->iov_len, pos) :
		      pread(fd, iov->iov_base, iov->iov_len, pos));
}

static ssize_t rw_preadv(int fd, enum io_dir dir, const struct iovec *iov,
			 unsigned int nr, off_t pos)
{
	return result(dir == IO_WRITE ? pwritev(fd, iov, nr, pos) :
		      preadv(fd, iov, nr, pos));
}

static ssize_t rw_aio(int fd, enum io_dir dir, const struct iovec *iov,
		      unsigned int nr, off_t pos)
{
	io_context_t ctx = NULL;
	struct io_event event;
	struct iocb iocb, *iocbs[] = { &iocb };
	ssize_t ret;

	ret = io_setup(1, &ctx);
	if (ret < 0)
		fail("io_setup: %s", errno_name(ret));
	if (dir == IO_WRITE)
		io_prep_pwritev(&iocb, fd, iov, nr, pos);
	else
		io_prep_preadv(&iocb, fd, iov, nr, pos);
	ret = io_submit(ctx, 1, iocbs);
	if (ret == 1) {
		do {
			ret = io_getevents(ctx, 1, 1, &event, NULL);
		} while (ret == -EINTR);
		if (ret != 1)
			fail("io_getevents: %s", errno_name(ret));
		ret = (long)event.res;
	}
	io_destroy(ctx);
	return ret;
}

/* Submit what is prepared; add up results until a part is short or fails. */
static ssize_t uring_run(struct io_uring *ring, const struct iovec *iov,
			 unsigned int nr)
{
	int *results = calloc(nr, sizeof(*results));
	struct io_uring_cqe *cqe;
	ssize_t sum = 0;
	int ret;

	ret = io_uring_submit(ring);
	if (ret != (int)nr || !results)
		fail("io_uring_submit: %d of %u", ret, nr);
	for (unsigned int i = 0; i < nr; i++) {
		ret = io_uring_wait_cqe(ring, &cqe);
		if (ret)
			fail("io_uring_wait_cqe: %s", errno_name(ret));
		results[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (results[i] < 0)
			sum = sum ? sum : results[i];
		else
			sum += results[i];
		/* with a vector, all of it is in the first result */
		if (results[i] < (ssize_t)iov[i].iov_len)
			break;
	}
	free(results);
	return sum;
}

static void uring_init(struct io_uring *ring, unsigned int nr)
{
	int ret = io_uring_queue_init(nr, ring, 0);

	if (ret)
		fail("io_uring_queue_init: %s", errno_name(ret));
}

static ssize_t uring_once(int fd, enum io_dir dir, const struct iovec *iov,
			  unsigned int nr, off_t pos, unsigned int flags)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	ssize_t ret;

	uring_init(&ring, 1);
	sqe = io_uring_get_sqe(&ring);
	if (dir == IO_WRITE)
		io_uring_prep_writev(sqe, fd, iov, nr, pos);
	else
		io_uring_prep_readv(sqe, fd, iov, nr, pos);
	io_uring_sqe_set_flags(sqe, flags);
	sqe->user_data = 0;
	ret = uring_run(&ring, iov, 1);
	io_uring_queue_exit(&ring);
	return ret;
}

/*
 * io_uring tries not to wait, and if it learns too late that a disk's queue was
 * full, it is EAGAIN. Then a thread of the kernel's is asked to do it, who may.
 */
static ssize_t rw_uring(int fd, enum io_dir dir, const struct iovec *iov,
			unsigned int nr, off_t pos)
{
	ssize_t ret = uring_once(fd, dir, iov, nr, pos, 0);

	if (ret == -EAGAIN) {
		note("uring: EAGAIN at first");
		ret = uring_once(fd, dir, iov, nr, pos, IOSQE_ASYNC);
	}
	return ret;
}

/* One request for each segment, in a row, as sequential files need it. */
static ssize_t rw_uring_fixed(int fd, enum io_dir dir, const struct iovec *iov,
			      unsigned int nr, off_t pos)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	ssize_t ret;

	uring_init(&ring, nr);
	ret = io_uring_register_buffers(&ring, iov, nr);
	if (ret < 0)
		goto out;
	pins_from_here();	/* of the I/O, not of the registration */
	for (unsigned int i = 0; i < nr; i++) {
		sqe = io_uring_get_sqe(&ring);
		if (dir == IO_WRITE)
			io_uring_prep_write_fixed(sqe, fd, iov[i].iov_base,
						  iov[i].iov_len, pos, i);
		else
			io_uring_prep_read_fixed(sqe, fd, iov[i].iov_base,
						 iov[i].iov_len, pos, i);
		sqe->user_data = i;
		if (i + 1 < nr)
			io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
		pos += iov[i].iov_len;
	}
	ret = uring_run(&ring, iov, nr);
	pins_until_here();
out:
	io_uring_queue_exit(&ring);
	return ret;
}

const struct io_api io_apis[] = {
	{ .name = "pread", .rw = rw_pread, .waits = true },
	{ .name = "preadv", .rw = rw_preadv, .waits = true, .vectors = true },
	{ .name = "aio", .rw = rw_aio, .vectors = true },
	{ .name = "uring", .rw = rw_uring, .vectors = true },
	{ .name = "uring_fixed", .rw = rw_uring_fixed, .vectors = true,
	  .registers = true },
};
const unsigned int nr_io_apis = ARRAY_SIZE(io_apis);

const struct io_api *io_api(const char *name)
{
	for (unsigned int i = 0; i < nr_io_apis; i++)
		if (!strcmp(io_apis[i].name, name))
			return &io_apis[i];
	fail("no way to read and write is called %s", name);
}

ssize_t io(const struct io_api *api, int fd, enum io_dir dir, void *buf,
	   size_t len, off_t pos)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return api->rw(fd, dir, &iov, 1, pos);
}

void io_all(const struct io_api *api, int fd, enum io_dir dir, void *buf,
	    size_t len, off_t pos)
{
	ssize_t ret = io(api, fd, dir, buf, len, pos);

	if (ret < 0)
		fail("%s: %s of %zu bytes at %lld: %s", api->name,
		     dir == IO_WRITE ? "write" : "read", len, (long long)pos,
		     errno_name(ret));
	if ((size_t)ret != len)
		fail("%s: %s of %zu bytes at %lld: %zd bytes", api->name,
		     dir == IO_WRITE ? "write" : "read", len, (long long)pos,
		     ret);
}
