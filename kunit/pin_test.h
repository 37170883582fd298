/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of page pins have in common.
 *
 * page_watch.c		what is held of a page, and what should be
 * user_memory.c	a user address space in a test, and fork()
 * alloc_failure.c	memory allocations that fail on demand
 * iter_kinds.c		the table of iterator kinds
 * iter_acquire.c	one call, checked
 */
#ifndef _LIB_PIN_TEST_H
#define _LIB_PIN_TEST_H

#include <kunit/test.h>
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/uio.h>
#include <linux/xarray.h>

#define POOL_PAGES	16U
#define POOL_ORDER	ilog2(POOL_PAGES)
#define POOL_SIZE	(POOL_PAGES * PAGE_SIZE)

/* One more pin of a small folio that has this many references may overflow. */
#define REFS_TOO_MANY_TO_PIN	(INT_MAX / 2 + 1)

/* page_watch.c */

/* How a page is held; the verb that acquired it decides which one releases. */
enum hold { REFERENCE, PIN };

struct watched {
	struct folio *folio;
	int refs, pincount;		/* before the test touched it */
	int holds[2];			/* what there should be on top */
};

struct page_watch {
	struct kunit *test;
	bool transient;			/* a call may take pins and drop them again */
	unsigned int nr;
	struct watched folios[2 * POOL_PAGES + 2];
	unsigned long acquired, released;	/* vmstat, as it should be */
};

/* test->priv */
struct pin_test {
	unsigned long acquired, released;	/* vmstat when the test began */
	struct mm_struct *mm;
};

int pin_test_init(struct kunit *test);
void pin_test_exit(struct kunit *test);

unsigned long node_stat(enum node_stat_item item);
void page_watch_init(struct page_watch *w, struct kunit *test);
void page_watch_add(struct page_watch *w, struct page *page);
void page_watch_add_new(struct page_watch *w, struct page *page, int refs);
void page_watch_acquired(struct page_watch *w, struct page *page, enum hold hold);
void page_watch_released(struct page_watch *w, struct page *page, enum hold hold);
bool page_watch_expect(struct page_watch *w, const char *when);
void page_watch_repair(struct page_watch *w);
void page_watch_forget_pins(struct page_watch *w);

void page_watch_owner_get(struct page_watch *w, struct page *page);
void page_watch_owner_put(struct page_watch *w, struct page *page);
struct page *kunit_pool(struct kunit *test, bool compound);

/* user_memory.c */

struct fork_child;

unsigned long user_mmap_anon(struct kunit *test, unsigned int nr, int prot);
unsigned long user_mmap_populated(struct kunit *test, unsigned int nr);
unsigned long user_mmap_pages(struct kunit *test, struct page *page, unsigned int nr);
void user_write(struct kunit *test, unsigned long addr, const void *buf, size_t len);
void user_read(struct kunit *test, unsigned long addr, void *buf, size_t len);
void user_munmap(struct kunit *test, unsigned long addr, size_t len);
void user_pages(struct kunit *test, unsigned long addr, struct page **pages,
		unsigned int nr);
struct page *user_page(struct kunit *test, unsigned long addr);
struct fork_child *user_fork(struct kunit *test);
void user_fork_exit(struct fork_child *child);

/* alloc_failure.c */

void alloc_failure_enable(struct kunit *test);
void alloc_failure_arm(unsigned int nth);
bool alloc_failure_disarm(void);

/* iter_kinds.c, iter_acquire.c */

struct segment {
	size_t pos, len;
};

#define MAX_SEGMENTS	8

/* A layout of an iterator over the pool; the position of a byte is in there. */
struct shape {
	const char *name;
	bool compound;			/* the pool is one folio */
	unsigned int nr_segs;
	struct segment segs[MAX_SEGMENTS];
};

extern const struct shape shapes[];
extern const unsigned int nr_shapes;

struct iter_test;

struct iter_kind {
	const char *name;
	bool source, dest;		/* the directions that it knows */
	bool user;			/* memory of a process, by address */
	bool range;			/* has no segments */
	bool refused;			/* has no pages to give */
	void (*build)(struct iter_test *it);
	/* the memory behind the iterator, not by way of the iterator */
	void (*read)(struct iter_test *it, size_t pos, void *buf, size_t len);
	void (*write)(struct iter_test *it, size_t pos, const void *buf, size_t len);
};

/* A function under test. */
struct pages_api {
	const char *name;
	enum hold hold;
	bool allocates;			/* the array; has no limit of pages then */
	ssize_t (*acquire)(struct iov_iter *i, struct page ***pages,
			   size_t maxsize, unsigned int maxpages, size_t *start);
};

extern const struct pages_api get_pages2;

struct iter_param {
	const struct iter_kind *kind;
	const struct pages_api *api;
	unsigned int direction;		/* READ: a destination, WRITE: a source */
};

/*
 * For KUNIT_CASE_PARAM(): all of kinds, directions and functions that go
 * together, or those of them that a test is about.
 */
const void *any_gen_params(const void *prev, char *desc);
const void *giving_gen_params(const void *prev, char *desc);
const void *allocating_gen_params(const void *prev, char *desc);
const void *pinning_gen_params(const void *prev, char *desc);
const void *pinning_pool_gen_params(const void *prev, char *desc);
const void *pin_alloc_pool_gen_params(const void *prev, char *desc);
const void *user_gen_params(const void *prev, char *desc);
const void *pinning_user_dest_gen_params(const void *prev, char *desc);
const void *page_list_gen_params(const void *prev, char *desc);
const void *pipe_gen_params(const void *prev, char *desc);
const void *xarray_gen_params(const void *prev, char *desc);

/* The same of kinds and directions alone. */
const void *of_each_kind_gen_params(const void *prev, char *desc);
const void *in_bio_gen_params(const void *prev, char *desc);
const void *read_in_bio_gen_params(const void *prev, char *desc);
const void *refused_gen_params(const void *prev, char *desc);
const void *held_by_bio_gen_params(const void *prev, char *desc);
const void *pool_held_by_bio_gen_params(const void *prev, char *desc);
const void *read_into_pool_gen_params(const void *prev, char *desc);
const void *by_address_gen_params(const void *prev, char *desc);
const void *by_iovec_gen_params(const void *prev, char *desc);
const void *read_by_address_gen_params(const void *prev, char *desc);
const void *ubuf_source_gen_params(const void *prev, char *desc);
const void *appended_gen_params(const void *prev, char *desc);
const void *appended_by_bio_gen_params(const void *prev, char *desc);

/* A page in the hands of the test, and the part of the data that is in it. */
struct held {
	struct page *page;
	enum hold hold;
	size_t pos;			/* in the data */
	unsigned int offset, len;	/* in the page */
	bool forgotten;			/* by the pipe that it was in */
};

#define MAX_HELD	128
#define NO_LIMIT	UINT_MAX

/* An iterator, and all that is known of it. */
struct iter_test {
	struct kunit *test;
	const struct iter_kind *kind;
	const struct pages_api *api;
	unsigned int direction;
	const struct shape *shape;
	struct page_watch watch;

	struct page *pool[POOL_PAGES];	/* the memory; NULL: not there yet */
	unsigned long uaddr;		/* of the pool, in user memory */
	unsigned int nr_segs;
	struct segment segs[MAX_SEGMENTS];
	union {
		struct iovec iov[MAX_SEGMENTS];
		struct kvec kvec[MAX_SEGMENTS];
		struct bio_vec bvec[MAX_SEGMENTS];
	};
	struct xarray xa;
	struct pipe_inode_info *pipe;
	unsigned int pipe_first;	/* slot of the first byte */

	struct iov_iter iter;
	size_t total, done;		/* bytes: in the iterator, and behind us */
	unsigned int usable;		/* pages of the pool that can be had ... */
	ssize_t unusable;		/* ... and the answer at the first other */
	unsigned int fail_nth;		/* allocation of the next call */
	bool failed;			/* a call has had as many */
	struct held held[MAX_HELD];
	unsigned int nr_held;
	struct page *pinned[MAX_HELD];	/* scratch */
};

static inline struct pipe_buffer *pipe_slot(struct iter_test *it, unsigned int slot)
{
	return &it->pipe->bufs[slot & (it->pipe->ring_size - 1)];
}

struct iter_test *iter_test(struct kunit *test, const char *shape);
struct iter_test *iter_test_at(struct kunit *test, const char *shape,
			       unsigned long uaddr);
struct iter_test *iter_test_of(struct kunit *test, struct page *page);
void iter_watch_pool(struct iter_test *it);
ssize_t acquire(struct iter_test *it, size_t maxsize, unsigned int maxpages);
void acquire_all(struct iter_test *it, size_t maxsize, unsigned int maxpages);
void rewind(struct iter_test *it, size_t by);
void release(struct iter_test *it);
void iter_memory_read(struct iter_test *it, size_t pos, void *buf, size_t len);
void iter_memory_write(struct iter_test *it, size_t pos, const void *buf, size_t len);

#define XARRAY_INDEX	(4 * POOL_PAGES)	/* of the first page of the pool */

#endif /* _LIB_PIN_TEST_H */
