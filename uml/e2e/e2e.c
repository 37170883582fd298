// SPDX-License-Identifier: GPL-2.0
/* The cases, each in a process of its own, and KTAP. */
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "e2e.h"

#define CASE_SECONDS 60		/* longer than any case takes */

enum { PASSED, FAILED, KNOWN, SKIPPED = 77 };

static struct listed {
	struct e2e_case c;
	char name[96];
} *list;
static unsigned int nr_listed;

/* Why the case is skipped, in memory shared with the process that runs it. */
static char (*skipped)[128];

void e2e_add(const struct e2e_case *c, const char *name, ...)
{
	struct listed *l;
	va_list ap;

	list = realloc(list, (nr_listed + 1) * sizeof(*list));
	if (!list)
		abort();
	l = &list[nr_listed++];
	l->c = *c;
	va_start(ap, name);
	vsnprintf(l->name, sizeof(l->name), name, ap);
	va_end(ap);
}

void note(const char *what, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	putchar('\n');
}

void fail_at(const char *file, int line, const char *why, ...)
{
	va_list ap;

	printf("# %s:%d: ", basename(file), line);
	va_start(ap, why);
	vprintf(why, ap);
	va_end(ap);
	putchar('\n');
	exit(FAILED);
}

void skip(const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	vsnprintf(*skipped, sizeof(*skipped), why, ap);
	va_end(ap);
	exit(SKIPPED);
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(abs(err));

	return name ? name : "an unknown error";
}

bool wait_until(bool (*done)(void *arg), void *arg, unsigned int seconds)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	while (!done(arg)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec ||
		    (now.tv_sec == end.tv_sec && now.tv_nsec > end.tv_nsec))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

void echo(const char *text, const char *path)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		fail("%s: %s", path, errno_name(errno));
	if (write(fd, text, strlen(text)) < 0)
		fail("%s to %s: %s", text, path, errno_name(errno));
	close(fd);
}

void command(const char *format, ...)
{
	char text[512], shell[600], line[256];
	FILE *out = tmpfile();
	va_list ap;

	if (!out)
		fail("tmpfile: %s", errno_name(errno));
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(shell, sizeof(shell), "%s </dev/null >&%d 2>&1", text,
		 fileno(out));
	if (system(shell)) {
		rewind(out);
		while (fgets(line, sizeof(line), out))
			printf("# | %s%s", line,
			       strchr(line, '\n') ? "" : "\n");
		fail("failed: %s", text);
	}
	fclose(out);
}

static void do_run(const void *arg)
{
	const struct e2e_case *c = arg;

	if (c->harms && !pins_wanted() && !getenv("E2E_BUGS"))
		skip("%s", c->harms);
	c->run(c);
}

static void do_up(const void *arg)
{
	target_up(arg);
}

static void do_down(const void *arg)
{
	target_down(arg);
}

/* Do it in a process of its own, and return how it ended. */
static int in_a_process(void (*fn)(const void *), const void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		note("fork: %s", errno_name(errno));
		return FAILED;
	}
	if (!pid) {
		setpgid(0, 0);
		alarm(CASE_SECONDS);
		fn(arg);
		exit(PASSED);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	/* its children, if there are any, are ours now */
	kill(-pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == PASSED ? PASSED :
			WEXITSTATUS(status) == SKIPPED ? SKIPPED : FAILED;
	if (WTERMSIG(status) == SIGALRM)
		note("not over after %d s", CASE_SECONDS);
	else
		note("died of signal %d (%s)", WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	return FAILED;
}

static int run_case(const struct e2e_case *c)
{
	int result;

	pins_begin();
	result = in_a_process(do_run, c);
	if (!pins_are_right(c, result == PASSED))
		return FAILED;
	if (result == FAILED && c->bug && !pins_wanted())
		return KNOWN;
	return result;
}

/* Leave those that the user has asked for. */
static void choose(const char *glob)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_listed; i++)
		if (!fnmatch(glob, list[i].name, 0))
			list[n++] = list[i];
	if (!n)
		fail("no case is called %s", glob);
	nr_listed = n;
}

static bool take_down(const struct target *t, int up)
{
	if (!t || up != PASSED || in_a_process(do_down, t) == PASSED)
		return true;
	note("%s cannot be taken down", t->name);
	return false;
}

int e2e_main(int argc, char **argv)
{
	unsigned int passed = 0, failed = 0;
	const struct target *wanted = NULL;
	int up = PASSED;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	skipped = shared_memory(sizeof(*skipped));
	pins_init();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		fail("PR_SET_CHILD_SUBREAPER: %s", errno_name(errno));
	if (argc > 1)
		choose(argv[1]);

	printf("KTAP version 1\n1..%u\n", nr_listed);
	for (unsigned int i = 0; i < nr_listed; i++) {
		const struct e2e_case *c = &list[i].c;
		int result;

		if (c->target != wanted) {
			failed += !take_down(wanted, up);
			wanted = c->target;
			up = wanted ? in_a_process(do_up, wanted) : PASSED;
			if (up != PASSED)
				note("there is no %s to test", wanted->name);
		}
		result = up == PASSED ? run_case(c) : FAILED;

		printf("%s %u - %s", result == FAILED || result == KNOWN ?
		       "not ok" : "ok", i + 1, list[i].name);
		if (result == SKIPPED)
			printf(" # SKIP %s", *skipped);
		if (result == KNOWN)
			printf(" # TODO %s", c->bug);
		putchar('\n');
		passed += result == PASSED;
		failed += result == FAILED;
	}
	failed += !take_down(wanted, up);
	note("pins acquired: %lu", pins_acquired());
	return failed ? FAILED : passed ? PASSED : SKIPPED;
}
