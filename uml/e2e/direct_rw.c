// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * Every way to read and write, on every target: what is written directly is on
 * the disk, and what is on the disk is read directly, whatever the memory's
 * layout. The other half of each case goes through the page cache, which takes
 * no pins.
 */
#include <string.h>
#include <unistd.h>

#include "e2e.h"

#define SEED 1
#define POISON 0x5a

/*
 * Segments of memory, all of one length. If @shifted, the first does not begin
 * where a page does. They have gaps between them if they are shorter than a
 * page, unless they are @joined: then a bio takes them for one, and has to hold
 * their pages once.
 */
struct shape {
	const char *name;
	unsigned int segments;
	size_t pages;		/* of a segment; 0: one block of the target */
	bool shifted;
	bool joined;
	bool scattered;
};

static const struct shape shapes[] = {
	{ "one_block", .segments = 1 },
	{ "one_page", .segments = 1, .pages = 1 },
	{ "unaligned", .segments = 1, .pages = 5, .shifted = true },
	/* a bio has room for 256 */
	{ "many_pages", .segments = 1, .pages = 300, .scattered = true },
	{ "joined", .segments = 300, .shifted = true, .joined = true },
	{ "many_segments", .segments = 300, .shifted = true, .scattered = true },
};

struct layout {
	char *memory;
	size_t size;		/* of it */
	size_t length;		/* of all segments */
	struct iovec iov[300];
};

static void lay_out(struct layout *l, const struct e2e_case *c)
{
	const struct shape *s = c->arg;
	size_t block = c->target->block;
	size_t length = s->pages ? s->pages * PAGE : block;
	size_t stride = length < PAGE && !s->joined ? 2 * length : length;
	char *at;

	l->size = s->segments * stride + PAGE;
	l->length = s->segments * length;
	l->memory = s->scattered ? map_scattered(l->size) : map(l->size);
	memset(l->memory, POISON, l->size);
	for (unsigned int i = 0; i < s->segments; i++) {
		at = l->memory + i * stride;
		if (s->shifted)
			at += block % PAGE;
		l->iov[i] = (struct iovec){ at, length };
	}
}

/* Returns how much was moved: all of it, unless it is an append in one bio. */
static size_t move(const struct e2e_case *c, enum io_dir dir,
		   const struct layout *l)
{
	const bool one_bio = c->target->sequential && dir == IO_WRITE &&
		c->api->waits;
	const struct shape *s = c->arg;
	int fd = open_direct(c->target, 0);
	ssize_t ret;

	pins_from_here();
	ret = c->api->rw(fd, dir, l->iov, s->segments, 0);
	pins_until_here();
	if (ret < 0)
		fail("%zu bytes: %s", l->length, errno_name(ret));
	close(fd);
	if ((size_t)ret != l->length && !(one_bio && ret > 0))
		fail("%zu bytes: only %zd", l->length, ret);
	/* each page once, at the very least */
	pins_at_least(s->pages ? ret / PAGE : ret / l->iov[0].iov_len);
	return ret;
}

static void write_it(const struct e2e_case *c)
{
	const struct shape *s = c->arg;
	static struct layout l;
	off_t pos = 0;

	lay_out(&l, c);
	for (unsigned int i = 0; i < s->segments; i++) {
		fill(l.iov[i].iov_base, l.iov[i].iov_len, SEED, pos);
		pos += l.iov[i].iov_len;
	}
	fresh_room(c->target, l.length);
	check_file(c->target, SEED, 0, move(c, IO_WRITE, &l));
}

static void read_it(const struct e2e_case *c)
{
	const struct shape *s = c->arg;
	static struct layout l;
	off_t pos = 0;

	lay_out(&l, c);
	fresh_pattern(c->target, SEED, l.length);
	move(c, IO_READ, &l);
	for (unsigned int i = 0; i < s->segments; i++) {
		check_pattern("memory", l.iov[i].iov_base, l.iov[i].iov_len,
			      SEED, pos);
		memset(l.iov[i].iov_base, POISON, l.iov[i].iov_len);
		pos += l.iov[i].iov_len;
	}
	check_bytes("memory around it", l.memory, l.size, POISON);
}

static void add(const struct target *t, const struct io_api *api,
		const struct shape *s)
{
	struct e2e_case c = {
		.target = t, .api = api, .arg = s,
		.no_pins = api->registers ? target_borrows(t) : NULL,
	};

	if (s->segments > 1 && !api->vectors)
		return;
	/* these are about parts of a page */
	if ((s->joined || (s->shifted && s->segments == 1)) && t->block == PAGE)
		return;
	c.run = write_it;
	if (t->sequential && api->waits)
		c.bug = ZONEFS_APPEND;
	e2e_add(&c, "%s/%s/write/%s", t->name, api->name, s->name);
	c.run = read_it;
	c.bug = NULL;
	e2e_add(&c, "%s/%s/read/%s", t->name, api->name, s->name);
}

int main(int argc, char **argv)
{
	for (unsigned int t = 0; t < nr_targets; t++)
		for (unsigned int a = 0; a < nr_io_apis; a++)
			for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++)
				add(&targets[t], &io_apis[a], &shapes[s]);
	return e2e_main(argc, argv);
}
