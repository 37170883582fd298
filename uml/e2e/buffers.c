// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * All kinds of memory that a program can hand to direct I/O: whose pages are
 * the page cache's, the zero page, read-only, partly not there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "e2e.h"

#define LEN (8 * PAGE)
#define FAR_LEN (300 * PAGE)	/* more than a bio has room for */
#define HUGE_LEN (2 * MIB)
#define ON_DISK 1
#define IN_MEMORY 2

#define ZERO_PAGE "the zero page takes no pins"
#define NO_PAGE "there is no page that may be pinned"

/* What becomes of I/O with it. */
enum outcome {
	NOT_TRIED,
	WHOLE,
	REFUSED,	/* EFAULT */
	PART,		/* EFAULT, or up to where there is memory */
};

struct kind {
	const char *name;
	char *(*make)(const struct target *t);
	/* when it is filled, and after it was read into */
	void (*seal)(char *memory);
	void (*sync)(char *memory);
	size_t len, there;	/* LEN if they are 0 */
	enum outcome write, read;
	const char *no_write_pins, *no_read_pins;
	bool zeros;		/* cannot be filled: is zeros */
	bool needs_fs, is_fine, is_huge;
};

static char *anonymous(const struct target *t)
{
	(void)t;
	return map(LEN);
}

static char *tmpfs(const struct target *t)
{
	int fd = must(memfd_create("e2e", 0));

	(void)t;
	must(ftruncate(fd, LEN));
	return must(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static char *map_file(const char *path, off_t pos)
{
	int fd = must(open(path, O_RDWR | O_CREAT, 0600));

	return must(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 pos));
}

static char *other_file(const struct target *t)
{
	struct target other = *t;

	other.file = MNT "/other";
	fresh_pattern(&other, ON_DISK, LEN);
	return map_file(other.file, 0);
}

/* The I/O is at 0, the memory is what comes behind. */
static char *same_file(const struct target *t)
{
	return map_file(target_file(t), LEN);
}

static void write_back(char *memory)
{
	must(msync(memory, LEN, MS_SYNC));
	/* If reading did not make the pages dirty, they are lost now. */
	must(madvise(memory, LEN, MADV_DONTNEED));
	echo("1", "/proc/sys/vm/drop_caches");
}

static char *hugetlb(const struct target *t)
{
	char *p;

	(void)t;
	if (access("/proc/sys/vm/nr_hugepages", W_OK))
		skip("the kernel has no hugetlbfs");
	echo("4", "/proc/sys/vm/nr_hugepages");
	p = mmap(NULL, HUGE_LEN, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		skip("there is no huge page left: %s", errno_name(errno));
	return p + PAGE;
}

static char *thp(const struct target *t)
{
	char *p, line[256];
	unsigned long kib = 0;
	FILE *smaps;

	(void)t;
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK))
		skip("the kernel has no transparent huge pages");
	p = must(mmap(NULL, 2 * HUGE_LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	p = (char *)(((uintptr_t)p + HUGE_LEN - 1) & -HUGE_LEN);
	must(madvise(p, HUGE_LEN, MADV_HUGEPAGE));
	*p = 1;
	smaps = fopen("/proc/self/smaps_rollup", "r");
	while (smaps && fgets(line, sizeof(line), smaps))
		sscanf(line, "AnonHugePages: %lu", &kib);
	if (!kib)
		skip("no huge page was to be had");
	return p + PAGE;
}

static char *zero_page(const struct target *t)
{
	volatile char *p = must(mmap(NULL, LEN, PROT_READ, MAP_PRIVATE |
				     MAP_ANONYMOUS, -1, 0));

	(void)t;
	for (size_t i = 0; i < LEN; i += PAGE)
		(void)p[i];
	return (char *)p;
}

static void make_read_only(char *memory)
{
	must(mprotect(memory, LEN, PROT_READ));
}

static char *unaligned(const struct target *t)
{
	(void)t;
	return (char *)map(LEN + PAGE) + 512;
}

/* map() leaves unmapped what is before and behind. */
static char *head_unmapped(const struct target *t)
{
	(void)t;
	return (char *)map(LEN) - PAGE;
}

static char *tail_unmapped(const struct target *t)
{
	(void)t;
	return map(LEN / 2);
}

static char *far_tail_unmapped(const struct target *t)
{
	(void)t;
	return map_scattered(FAR_LEN);
}

static const struct kind kinds[] = {
	{ "anonymous", anonymous, .write = WHOLE, .read = WHOLE },
	{ "tmpfs", tmpfs, .write = WHOLE, .read = WHOLE },
	{ "other_file", other_file, .sync = write_back, .needs_fs = true,
	  .write = WHOLE, .read = WHOLE },
	{ "same_file", same_file, .sync = write_back,
	  .write = WHOLE, .read = WHOLE },
	{ "hugetlb", hugetlb, .is_huge = true, .write = WHOLE, .read = WHOLE },
	{ "thp", thp, .is_huge = true, .write = WHOLE, .read = WHOLE },
	{ "zero_page", zero_page, .write = WHOLE, .read = REFUSED,
	  .zeros = true, .no_write_pins = ZERO_PAGE, .no_read_pins = NO_PAGE },
	{ "untouched", anonymous, .write = WHOLE, .read = WHOLE, .zeros = true,
	  .no_write_pins = ZERO_PAGE },
	{ "read_only", anonymous, .seal = make_read_only, .write = WHOLE,
	  .read = REFUSED, .no_read_pins = NO_PAGE },
	{ "unaligned", unaligned, .is_fine = true,
	  .write = WHOLE, .read = WHOLE },
	{ "stack", NULL, .write = WHOLE, .read = WHOLE },
	{ "head_unmapped", head_unmapped, .zeros = true,
	  .write = REFUSED, .read = REFUSED,
	  .no_write_pins = NO_PAGE, .no_read_pins = NO_PAGE },
	{ "tail_unmapped", tail_unmapped, .there = LEN / 2,
	  .write = PART, .read = PART },
	{ "far_tail_unmapped", far_tail_unmapped, .write = PART, .read = PART,
	  .there = FAR_LEN, .len = FAR_LEN + LEN },
};

/* Returns how many bytes have been moved. */
static size_t expect(enum outcome outcome, ssize_t ret, size_t len,
		     const struct e2e_case *c)
{
	const struct kind *k = c->arg;
	size_t there = k->there ? k->there : len;

	if (outcome == WHOLE) {
		if (ret != (ssize_t)len)
			fail("wanted %zu bytes, got %zd%s%s", len, ret,
			     ret < 0 ? ": " : "", ret < 0 ? errno_name(ret) : "");
		return ret;
	}
	if (ret == -EFAULT)
		return 0;
	/* a disk has one error for all that goes wrong in a later bio */
	if (ret == -EIO && k->len > LEN && !c->target->fstype && !c->api->waits)
		return 0;
	if (outcome == REFUSED)
		fail("wanted EFAULT, got %zd", ret);
	if (ret <= 0 || (size_t)ret > there)
		fail("wanted EFAULT or 1 to %zu bytes, got %zd%s%s", there, ret,
		     ret < 0 ? ": " : "", ret < 0 ? errno_name(ret) : "");
	return ret;
}

static void run(const struct e2e_case *c, enum io_dir dir)
{
	const struct kind *k = c->arg;
	const struct target *t = c->target;
	enum outcome outcome = dir == IO_WRITE ? k->write : k->read;
	size_t len = k->len ? k->len : LEN;
	char stack[LEN + PAGE], *memory;
	ssize_t ret;
	size_t done;
	int fd;

	/* enough of it for the memory of same_file, and for a look behind */
	fresh_pattern(t, ON_DISK, len + LEN);
	memory = k->make ? k->make(t) :
		(char *)(((uintptr_t)stack + PAGE - 1) & -PAGE);
	if (!k->zeros && (dir == IO_WRITE || k->seal))
		fill(memory, k->there ? k->there : len, IN_MEMORY, 0);
	if (k->seal)
		k->seal(memory);

	fd = open_direct(t, 0);
	pins_from_here();
	ret = io(c->api, fd, dir, memory, len, 0);
	pins_until_here();
	close(fd);
	done = expect(outcome, ret, len, c);
	pins_at_least(done > PAGE ? done / PAGE : 1);

	if (dir == IO_READ) {
		if (k->sync)
			k->sync(memory);
		check_pattern("memory", memory, done, ON_DISK, 0);
		return;
	}
	if (!done && outcome == PART)
		return;		/* nothing is said of what is there then */
	if (k->zeros)
		check_zeros(t, 0, done);
	else
		check_file(t, IN_MEMORY, 0, done);
	if (k->make != same_file)
		check_file(t, ON_DISK, outcome == REFUSED ? 0 : len, LEN);
}

static void write_it(const struct e2e_case *c)
{
	run(c, IO_WRITE);
}

static void read_it(const struct e2e_case *c)
{
	run(c, IO_READ);
}

/* One page, many times in one vector: one pin each time. */
static void same_page(const struct e2e_case *c)
{
	enum { TIMES = 40 };
	const enum io_dir dir = *(const enum io_dir *)c->arg;
	struct iovec iov[TIMES];
	char *page = map(PAGE), *disk;
	ssize_t ret;
	int fd;

	fresh_room(c->target, TIMES * PAGE);
	fd = open_direct(c->target, 0);
	for (unsigned int i = 0; i < TIMES; i++)
		iov[i] = (struct iovec){ page, PAGE };
	if (dir == IO_READ) {
		/* which of them comes last cannot be told: all are the same */
		disk = map(TIMES * PAGE);
		for (unsigned int i = 0; i < TIMES; i++)
			fill(disk + i * PAGE, PAGE, ON_DISK, 0);
		must(pwrite(fd, disk, TIMES * PAGE, 0));
	} else {
		fill(page, PAGE, IN_MEMORY, 0);
	}

	pins_from_here();
	ret = c->api->rw(fd, dir, iov, TIMES, 0);
	pins_until_here();
	if (ret != TIMES * PAGE)
		fail("wanted %lu bytes, got %zd", TIMES * PAGE, ret);
	pins_at_least(TIMES);

	if (dir == IO_READ) {
		check_pattern("memory", page, PAGE, ON_DISK, 0);
		return;
	}
	disk = get_back(c->target, 0, TIMES * PAGE);
	for (unsigned int i = 0; i < TIMES; i++)
		check_pattern("disk", disk + i * PAGE, PAGE, IN_MEMORY, 0);
}

/* Many kernels have no huge pages: each target tries that once. */
static void add(const struct target *t, const char *api_name, bool is_first)
{
	static const enum io_dir reads = IO_READ, writes = IO_WRITE;
	struct e2e_case c = { .target = t, .api = io_api(api_name) };

	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		if ((k->needs_fs && !t->fstype) ||
		    (k->is_fine && t->block > 512) ||
		    (k->is_huge && !is_first))
			continue;
		c.arg = k;
		c.run = write_it;
		c.no_pins = k->no_write_pins;
		if (k->write)
			e2e_add(&c, "%s/%s/write/%s", t->name, api_name,
				k->name);
		c.run = read_it;
		c.no_pins = k->no_read_pins;
		if (k->read)
			e2e_add(&c, "%s/%s/read/%s", t->name, api_name,
				k->name);
	}
	c.run = same_page;
	c.no_pins = NULL;
	c.arg = &writes;
	e2e_add(&c, "%s/%s/write/same_page", t->name, api_name);
	if (!strcmp(t->name, "btrfs"))
		c.no_pins = "btrfs reads twice into one place by its page cache";
	c.arg = &reads;
	e2e_add(&c, "%s/%s/read/same_page", t->name, api_name);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat", "raw"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		add(target(names[i]), "preadv", true);
		add(target(names[i]), "aio", false);
		add(target(names[i]), "uring", false);
	}
	return e2e_main(argc, argv);
}
