// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 320M
/*
 * Direct writes of a part of a filesystem's block. Where the block is new the
 * kernel writes the rest of it: zeros, from the zero page, which takes no pins
 * and of which none may be released: iomap_dio_zero(), dio_zero_block(), and
 * dio_refill_pages() when memory is missing. A thousand times each, so that a
 * count that is off by one per write does not hide; every other one by libaio.
 *
 * The disk is full of something else before, which must not be seen again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e.h"

#define BLOCK 4096UL
#define SECTOR 512UL
#define WRITES 1000
#define SEED 1
#define DIRT 2

struct where {
	const char *name;
	bool sparse, unwritten;	/* else at the end of the file */
	size_t len;		/* of one write */
	size_t apart;		/* the writes' blocks, in bytes */
};

static const struct where wheres[] = {
	{ "hole", .sparse = true, .len = SECTOR, .apart = BLOCK },
	{ "hole_across", .sparse = true, .len = 2 * BLOCK + SECTOR,
	  .apart = 4 * BLOCK },
	{ "unwritten", .unwritten = true, .len = SECTOR, .apart = BLOCK },
	{ "unwritten_across", .unwritten = true, .len = 2 * BLOCK + SECTOR,
	  .apart = 4 * BLOCK },
	{ "extend", .len = SECTOR, .apart = BLOCK },
	{ "extend_across", .len = 2 * BLOCK + SECTOR, .apart = 4 * BLOCK },
};

/* Let no free block be zeros. */
static void soil(const struct target *t)
{
	struct target dirt = *t;
	char *buf = map(MIB);
	off_t pos = 0;
	ssize_t n;
	int fd;

	dirt.file = MNT "/dirt";
	fd = open_direct(&dirt, 0);
	fill(buf, MIB, DIRT, 0);
	for (size_t len = MIB; len >= BLOCK;) {
		n = pwrite(fd, buf, len, pos);
		if (n < 0 && errno != ENOSPC)
			fail("writing dirt: %s", errno_name(errno));
		if (n < (ssize_t)len)
			len /= 2;
		pos += n > 0 ? n : 0;
	}
	must(fsync(fd));
	close(fd);
	must(unlink(dirt.file));
	sync();
}

/* Where in its block a write begins: at each sector but the first. */
static off_t position(const struct where *w, unsigned int i)
{
	return i * w->apart + (1 + i % 7) * SECTOR;
}

static void part_of_block(const struct e2e_case *c)
{
	const struct where *w = c->arg;
	const struct target *t = c->target;
	const struct io_api *pwrite = io_api("pread"), *aio = io_api("aio");
	const size_t end = WRITES * w->apart;
	char *buf = map(w->len), *found;
	off_t pos, at = 0;
	struct stat st;
	int fd;

	soil(t);
	fresh_file(t);
	fd = open_direct(t, 0);
	if (w->sparse)
		must(ftruncate(fd, end));
	if (w->unwritten)
		must(fallocate(fd, 0, 0, end));

	pins_from_here();
	for (unsigned int i = 0; i < WRITES; i++) {
		pos = position(w, i);
		fill(buf, w->len, SEED, pos);
		io_all(i % 2 ? aio : pwrite, fd, IO_WRITE, buf, w->len, pos);
	}
	pins_until_here();
	pins_at_least(WRITES);

	must(fstat(fd, &st));
	pos = w->sparse || w->unwritten ? (off_t)end :
		(off_t)(position(w, WRITES - 1) + w->len);
	if (st.st_size != pos)
		fail("the file's size is %lld, wanted %lld",
		     (long long)st.st_size, (long long)pos);
	/* what is behind the end must be zeros, too, once it can be read */
	must(ftruncate(fd, end));
	close(fd);

	found = get_back(t, 0, end);
	for (unsigned int i = 0; i < WRITES; i++) {
		pos = position(w, i);
		check_bytes("before a write", found + at, pos - at, 0);
		check_pattern("a write", found + pos, w->len, SEED, pos);
		at = pos + w->len;
	}
	check_bytes("behind the last write", found + at, end - at, 0);
}

/*
 * The second of two pages is missing. When that is noticed, fs/direct-io.c has
 * looked up the blocks for both, and fills the second with zeros.
 */
static void memory_missing(const struct e2e_case *c)
{
	const struct io_api *pwrite = io_api("pread"), *aio = io_api("aio");
	const struct target *t = c->target;
	char *buf = map(PAGE);
	ssize_t ret;
	int fd;

	fresh_pattern(t, DIRT, 3 * PAGE);
	fd = open_direct(t, 0);
	fill(buf, PAGE, SEED, 0);
	pins_from_here();
	for (unsigned int i = 0; i < WRITES; i++) {
		ret = io(i % 2 ? aio : pwrite, fd, IO_WRITE, buf, 2 * PAGE, 0);
		if (ret != -EFAULT)
			fail("write %u: wanted EFAULT, got %zd", i, ret);
	}
	pins_until_here();
	pins_at_least(WRITES);
	close(fd);

	check_file(t, SEED, 0, PAGE);
	check_zeros(t, PAGE, PAGE);
	check_file(t, DIRT, 2 * PAGE, PAGE);
}

static void add(const struct target *t, const struct where *w)
{
	struct e2e_case c = { .run = part_of_block, .target = t, .arg = w };

	if (w->unwritten && !strcmp(t->name, "ext2"))
		return;		/* it has no such extents */
	if (w->sparse && t->own_dio)
		c.no_pins = "a write into a hole goes by way of the page cache";
	e2e_add(&c, "%s/%s", t->name, w->name);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "ext4", "xfs", "ext2", "vfat" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		const struct target *t = target(names[i]);

		/* vfat leaves all but overwriting to the page cache */
		for (unsigned int w = 0; w < ARRAY_SIZE(wheres) &&
		     strcmp(t->name, "vfat"); w++)
			add(t, &wheres[w]);
		if (!t->own_dio)
			continue;
		e2e_add(&(struct e2e_case){ .run = memory_missing, .target = t },
			"%s/memory_missing", t->name);
	}
	return e2e_main(argc, argv);
}
