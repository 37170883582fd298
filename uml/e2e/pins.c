// SPDX-License-Identifier: GPL-2.0
/* What the kernel's counters of pins have to say about a case. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e2e.h"

#define SETTLE_SECONDS 10	/* rings and files are torn down by work items */

/* What the process that runs a case tells the one that judges it. */
static struct watch {
	long held;
	unsigned long from, until, at_least;
	bool has_until;
} *watch;

struct pins {
	unsigned long acquired, released;
};

static unsigned long counter(const char *vmstat, const char *name)
{
	const char *at = strstr(vmstat, name);

	if (!at)
		fail("/proc/vmstat has no %s", name);
	return strtoul(at + strlen(name), NULL, 10);
}

static struct pins read_pins(void)
{
	static char text[32768];
	int fd;
	ssize_t len;

	/* Each CPU has a part of the sum. A kernel for one has no such file. */
	fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);
	if (fd >= 0) {
		must(write(fd, "1", 1));
		close(fd);
	}

	fd = must(open("/proc/vmstat", O_RDONLY));
	len = must(read(fd, text, sizeof(text) - 1));
	close(fd);
	text[len] = 0;
	return (struct pins) {
		.acquired = counter(text, "nr_foll_pin_acquired "),
		.released = counter(text, "nr_foll_pin_released "),
	};
}

unsigned long pins_acquired(void)
{
	return read_pins().acquired;
}

void pins_from_here(void)
{
	watch->from = pins_acquired();
}

void pins_until_here(void)
{
	watch->until = pins_acquired();
	watch->has_until = true;
}

void pins_at_least(unsigned long n)
{
	watch->at_least = n;
}

/* What is held now, and @limit: what may be. */
struct balance {
	long held, limit;
};

static long pins_held(void)
{
	const struct pins p = read_pins();

	return p.acquired - p.released;
}

static bool balanced(void *arg)
{
	struct balance *b = arg;

	b->held = pins_held();
	return b->held >= 0 && b->held <= b->limit;
}

/* Whether what the case has done to the pins is as it should be. */
bool pins_are_right(const struct e2e_case *c, bool passed)
{
	struct balance b = { .limit = watch->held };
	unsigned long acquired;

	if (!wait_until(balanced, &b, SETTLE_SECONDS)) {
		note("pins: %ld are held, before it were %ld", b.held, b.limit);
		return false;
	}
	if (!passed)
		return true;

	acquired = (watch->has_until ? watch->until : pins_acquired()) -
		watch->from;
	if (pins_wanted() && !c->no_pins && acquired < watch->at_least) {
		note("pins acquired: %lu, wanted %lu or more", acquired,
		     watch->at_least);
		return false;
	}
	if (!pins_wanted() && acquired) {
		note("pins acquired: %lu, wanted none (E2E_PINS=no)", acquired);
		return false;
	}
	return true;
}

bool pins_wanted(void)
{
	const char *e = getenv("E2E_PINS");

	if (!e || !strcmp(e, "yes"))
		return true;
	if (!strcmp(e, "no"))
		return false;
	fail("E2E_PINS=%s: neither yes nor no", e);
}

void pins_begin(void)
{
	/* what another case has leaked is not this one's fault */
	*watch = (struct watch) { .at_least = 1, .held = pins_held() };
	pins_from_here();
}

void pins_init(void)
{
	watch = shared_memory(sizeof(*watch));
	(void)pins_wanted();
}
