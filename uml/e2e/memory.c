// SPDX-License-Identifier: GPL-2.0
/* Memory to read into and to write from, and what is expected to be in it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "e2e.h"

void *shared_memory(size_t len)
{
	return must(mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

void *map(size_t len)
{
	size_t size = (len + PAGE - 1) & -PAGE;
	char *p = must(mmap(NULL, size + 2 * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	p += PAGE;
	must(mprotect(p, size, PROT_READ | PROT_WRITE));
	return p;
}

/* How many pages are followed by the one that is next in physical memory. */
static unsigned int neighbours(void *p, size_t pages)
{
	const uint64_t pfn_bits = (1ULL << 55) - 1;
	const size_t size = pages * sizeof(uint64_t);
	uint64_t *entry = malloc(size);
	unsigned int n = 0;
	int fd = must(open("/proc/self/pagemap", O_RDONLY));

	if (!entry || pread(fd, entry, size, (uintptr_t)p / PAGE *
			    sizeof(uint64_t)) != (ssize_t)size)
		fail("/proc/self/pagemap cannot be read");
	close(fd);
	for (size_t i = 0; i < pages; i++) {
		entry[i] &= pfn_bits;
		if (!entry[i])
			fail("/proc/self/pagemap does not tell where a page is");
		n += i && entry[i] == entry[i - 1] + 1;
	}
	free(entry);
	return n;
}

/*
 * The page allocator likes to hand out neighbours one after the other, so the
 * pages are not asked for one after the other.
 */
void *map_scattered(size_t len)
{
	size_t pages = (len + PAGE - 1) / PAGE;
	char *p = map(len);

	for (size_t i = 0; i < pages; i += 2)
		p[i * PAGE] = 0;
	for (size_t i = 1; i < pages; i += 2)
		p[i * PAGE] = 0;
	if (neighbours(p, pages) > pages / 16)
		fail("%u of %zu pages have their neighbour next to them",
		     neighbours(p, pages), pages);
	return p;
}

/* Each 8 bytes tell whose they are and where they belong. */
static uint64_t word(unsigned int seed, off_t offset)
{
	return (uint64_t)seed << 48 | offset;
}

void fill(void *buf, size_t len, unsigned int seed, off_t offset)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t w = word(seed, offset + i);

		memcpy((char *)buf + i, &w, 8);
	}
}

void check_pattern(const char *what, const void *buf, size_t len,
		   unsigned int seed, off_t offset)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t w;

		memcpy(&w, (const char *)buf + i, 8);
		if (w == word(seed, offset + i))
			continue;
		fail("%s: byte %zu of %zu: found %#llx, wanted %#llx (pattern << 48 | offset)",
		     what, i, len, (unsigned long long)w,
		     (unsigned long long)word(seed, offset + i));
	}
}

void check_bytes(const char *what, const void *buf, size_t len, int byte)
{
	const unsigned char *p = buf;

	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			fail("%s: byte %zu of %zu: found %#x, wanted %#x",
			     what, i, len, p[i], byte);
}
