#!/usr/bin/env bats
# "make gdb" and gdbinit, on the KUnit kernel that "make kunit" has built.

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	unset T V J ARCH OUT KUNITCONFIG TREE
	kernel=build/um-${BASE:-6.1}/linux
}

says() { grep -qF -- "$1" <<<"$output" || { echo "$output"; echo "missing: $1"; return 1; }; }

@test "make gdb T=suite.case stops at the first line of that test" {
	T=iov_iter_pipe.full GDB='gdb -batch -ex bt' run uml/kunit gdb </dev/null
	says "Temporary breakpoint 2, full (test="
	says "lib/pin_tests/iov_iter_pipe_test.c"
}

@test "make gdb T=suite stops at the suite's first test" {
	T=pin_user_page GDB='gdb -batch -ex bt' run uml/kunit gdb </dev/null
	says "Temporary breakpoint 2, single_page (test="
}

# gdb ARGUMENT...: on the suite for user memory, which needs all the signals
gdb_on_suite() {
	run gdb -q -batch -x gdbinit "$@" --args "$kernel" mem=1G console=tty kunit_shutdown=halt \
		kunit.enable=1 kunit.filter_glob=iov_iter_user </dev/null
}

@test "gdbinit: a run to the end stops for no signal" {
	gdb_on_suite -ex run -ex 'print $_exitcode'
	says "ok 1 iov_iter_user"
	says '$1 = 0'
	! grep -E 'received signal|Program terminated' <<<"$output" || return 1
}

@test "gdbinit: a breakpoint shows the frames down to the test" {
	gdb_on_suite -ex 'tbreak pin_user_pages_fast' -ex run -ex bt
	says "in __iov_iter_get_pages_alloc"
	says "in iov_iter_pin_pages2"
	says "in acquire (it="
}

@test "gdbinit: Ctrl-C stops the kernel, which goes on after it" {
	gdb_on_suite -ex 'tbreak kunit_run_tests' -ex run \
		-ex 'python import os; os.kill(gdb.selected_inferior().pid, 2)' \
		-ex continue -ex continue -ex 'print $_exitcode'
	says "received signal SIGINT"
	says "ok 1 iov_iter_user"
	says '$1 = 0'
}
