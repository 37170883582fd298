#!/usr/bin/env bats
# "make gdb", gdbinit, and the commands of uml/gdb that stop, on the kernels that
# "make kunit" and "make kernel" have built.

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	unset T V J ARCH OUT KUNITCONFIG TREE RUN
	kernel=$PWD/build/um-${BASE:-6.1}/linux
	guest=$PWD/build/run-${BASE:-6.1}/linux
}

says() { grep -qF -- "$1" <<<"$output" || { echo "$output"; echo "missing: $1"; return 1; }; }
says_not() { ! grep -qF -- "$1" <<<"$output" || { echo "$output"; echo "there is: $1"; return 1; }; }

# in_order TEXT...: the output has all of them, one after the other
in_order() {
	local rest=$output text
	for text; do
		[[ $rest == *"$text"* ]] || { echo "$output"; echo "missing, or too early: $text"; return 1; }
		rest=${rest#*"$text"}
	done
}

# Once in forty times user-mode Linux dies when it has halted, of a timer's interrupt.
run_to_halt() {
	local i
	for i in 1 2 3; do
		run "$@"
		[[ $output == *"System halted"*"signal SIGTERM"* ]] || return 0
	done
}

# make_gdb [COMMAND...]: "make gdb", and what is typed when it has stopped
make_gdb() {
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/typed"
	GDB="gdb -batch -x $BATS_TEST_TMPDIR/typed" run uml/kunit gdb </dev/null
}

# type_in KERNEL COMMAND...: gdb on a kernel that does not run yet
type_in() {
	local kernel=$1 command options=()
	shift
	for command; do options+=(-ex "$command"); done
	run_to_halt gdb -q -batch -x gdbinit "${options[@]}" "$kernel" </dev/null
}

@test "make gdb T=suite.case stops at the first line of that test" {
	T=iov_iter_pipe.full make_gdb bt
	in_order "Temporary breakpoint 1, full (test=" "/lib/pin_tests/iov_iter_pipe_test.c" \
		"iov_iter_pipe.full:pipe/destination/get_pages2" "kunit_try_run_case ("
}

@test "make gdb T=suite stops at the suite's first test" {
	T=pin_user_page make_gdb
	in_order "1..1" "Temporary breakpoint 1, single_page (test="
}

@test "make gdb T=suite.case:parameter stops for that parameter" {
	T='iov_iter_pages.every_shape:*/source/pin_*' make_gdb
	in_order "Temporary breakpoint 1, every_shape (" "iov_iter_pages.every_shape:ubuf/source/pin_pages2"
	T='iov_iter_pages.every_shape:4' make_gdb
	says "iov_iter_pages.every_shape:ubuf/source/get_pages_alloc2"
}

@test "make gdb RUN=no waits for 'run'" {
	T=iov_iter_pipe.full RUN=no make_gdb 'tbreak kunit_run_tests' run continue
	in_order "'run' starts the kernel" "breakpoint 2, kunit_run_tests (" "Breakpoint 1, full (test="
}

@test "make gdb T= of no test is a line, and a status" {
	T=nope make_gdb 'echo still here\n'
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	says "kunit-start: there is no test 'nope'; the suites are iov_iter_pages, "
	T='iov_iter_pipe.full:nope' make_gdb 'echo still here\n'
	[ "$status" = 1 ]
	says_not "still here"
	says "kunit-start: iov_iter_pipe.full has not run with parameter nope"
}

# failed_log LINE...: a kernel whose last run said that
failed_log() {
	mkdir -p "$BATS_TEST_TMPDIR/out"
	cp -n "$kernel" "$BATS_TEST_TMPDIR/out/linux"
	printf '%s\n' "KTAP version 1" "1..2" "    KTAP version 1" "    # Subtest: iov_iter_pipe" "    1..6" \
		"        KTAP version 1" "        # Subtest: partly_filled" "        ok 1 pipe/destination/get_pages2" \
		"$@" >"$BATS_TEST_TMPDIR/out/test.log"
	type_in "$BATS_TEST_TMPDIR/out/linux" kunit-start
}

@test "without T= it is the test that failed, with its parameter" {
	failed_log "        not ok 2 pipe/destination/get_pages_alloc2" "        not ok 3 pipe/destination/pin_pages2" \
		"    not ok 1 partly_filled" "    ok 2 full" "    not ok 3 last_page_of_another" "not ok 1 iov_iter_pipe"
	in_order "failed in the last run: iov_iter_pipe.partly_filled:pipe/destination/get_pages_alloc2; and iov_iter_pipe.partly_filled:pipe/destination/pin_pages2, iov_iter_pipe.last_page_of_another" \
		"breakpoint 1, partly_filled (" "iov_iter_pipe.partly_filled:pipe/destination/get_pages_alloc2"
}

@test "without T= it is the test in which the kernel died" {
	failed_log "Kernel panic - not syncing: for no reason"
	in_order "failed in the last run: iov_iter_pipe.partly_filled:2" \
		"breakpoint 1, partly_filled (" "iov_iter_pipe.partly_filled:pipe/destination/get_pages_alloc2"
	failed_log "    ok 1 partly_filled" "Kernel panic - not syncing: for no reason"
	in_order "failed in the last run: iov_iter_pipe.full" "breakpoint 1, full ("
}

@test "without T= and a failure it is the first test" {
	failed_log "    ok 1 partly_filled" "ok 1 iov_iter_pipe"
	says_not "failed in the last run"
	in_order "breakpoint 1, every_shape (" "iov_iter_pages.every_shape:ubuf/destination/get_pages2"
}

@test "kunit-list, kunit-break and completion need no running kernel" {
	type_in "$kernel" 'kunit-list pin_user_*' 'kunit-list *.full' 'complete kunit-break iov_iter_pip' \
		'complete kunit-break iov_iter_pipe.ful' 'complete kunit-start block_' 'kunit-break *.full' 'info breakpoints'
	in_order "pin_user_page" "  single_page" "iov_iter_pipe" "  full " "with parameters" "kunit-break iov_iter_pipe" \
		"kunit-break iov_iter_pipe.full" "kunit-start block_map" "Breakpoint 1 at" "in full at"
	grep -qx '  single_page' <<<"$output"
	says_not "  every_shape"
}

@test "the commands say in a line what they cannot do" {
	local wrong=('kunit-break: which test? SUITE or SUITE.CASE; kunit-list lists them'
		"kunit-break nope: there is no test 'nope'; the suites are iov_iter_pages, "
		"kunit-break iov_iter_pipe.nope: suite iov_iter_pipe has no test 'nope'; it has partly_filled, "
		"kunit-list nope*.full: there is no test 'nope*.full'; the suites are "
		'kunit-break iov_iter_pipe.full:: which parameter?'
		'kunit-break pin_user_page.single_page:1: pin_user_page.single_page has no parameters'
		'kunit-start pin_user_page.single_page:1: pin_user_page.single_page has no parameters'
		'kunit-next 5: takes no argument'
		'syscall-break: which system call?'
		'syscall-break nope: this kernel has no system call nope'
		'syscall-break 1000: this kernel has no system call 1000'
		'guest-start: only uml/run --gdb can do that')
	type_in "$kernel" "${wrong[@]%: *}"
	[ "${#lines[@]}" = "${#wrong[@]}" ]
	for line in "${wrong[@]}"; do says "${line%%[: ]*}: ${line##*: }"; done
	type_in /bin/true kunit-list
	says "kunit-list: this kernel has no KUnit suites"
}

@test "kunit-break stops in the suite that is meant, where others have such a function" {
	type_in "$kernel" 'kunit-start iov_iter_page_list.zero_page' 'info breakpoints' 'kunit-start pin_user_page.zero_page'
	in_order "zero_page (test=" "iov_iter_page_list.zero_page:" "zero_page (test=" "pin_user_page.zero_page"
}

@test "kunit-next stops at the end of a test, and at the start of the next" {
	type_in "$kernel" 'kunit-start direct_io.fork_during_read' kunit-next kunit-next 'print test' \
		'set var test->status = KUNIT_FAILURE' kunit-next 'print test.status' kunit-next 'echo alive\n' kunit-next
	in_order "fork_during_read (test=" "direct_io.fork_during_read:ubuf/destination" \
		"direct_io.fork_during_read:ubuf/destination passed" "kunit_run_tests (" \
		"direct_io.fork_during_read:iovec/destination" "fork_during_read (test=" '$1 = (struct kunit *)' \
		"direct_io.fork_during_read:iovec/destination failed" "kunit_run_tests (" '$2 = KUNIT_FAILURE' \
		"ok 1 ubuf/destination" "not ok 2 iovec/destination" "no more tests: the kernel halts when it goes on" alive \
		"exited normally" "no more tests: the kernel has halted"
}

@test "kunit-next: other breakpoints stop as always, before the exit hook's end, too" {
	type_in "$kernel" 'set args mem=1G console=tty kunit_shutdown=halt kunit.enable=1 kunit.filter_glob=pin_user_page.s*' \
		'break pin_test_exit' kunit-next kunit-next 'bt 3' kunit-next kunit-next
	in_order "pin_user_page.single_page" "single_page (test=" "Breakpoint 1, pin_test_exit (" "in kunit_run_case_cleanup" \
		"pin_user_page.single_page passed" "pin_user_page.single_page_several_times"
}

@test "kunit-next: a test that an assertion ends comes to its exit hook, and has failed" {
	type_in "$kernel" 'kunit-start pin_user_page.s*' 'tbreak pin_user_page' continue 'return (int)-12' \
		'break pin_test_exit' kunit-next 'bt 3' kunit-next kunit-next
	in_order "ASSERTION FAILED" "Breakpoint 3, pin_test_exit (" "kunit_catch_run_case (" \
		"pin_user_page.single_page failed" "pin_user_page.single_page_several_times"
}

@test "kunit-next, from where a test has not begun" {
	type_in "$kernel" 'tbreak kunit_init_test' \
		'set args mem=1G console=tty kunit_shutdown=halt kunit.enable=1 kunit.filter_glob=pin_user_page.s*' \
		run kunit-next kunit-next
	in_order "kunit_init_test (" "pin_user_page.single_page" "single_page (test=" "pin_user_page.single_page passed"
}

@test "a test in which gdb stands for long does not time out" {
	type_in "$kernel" 'kunit-start iov_iter_pages.at_most_maxpages' 'set var jiffies_64 = jiffies_64 + 60000' \
		'shell sleep 0.1' kunit-next
	says "iov_iter_pages.at_most_maxpages:ubuf/destination/get_pages2 passed"
}

# gdb ARGUMENT...: on the suite for user memory, which needs all the signals
gdb_on_suite() {
	run_to_halt gdb -q -batch -x gdbinit "$@" --args "$kernel" mem=1G console=tty kunit_shutdown=halt \
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

@test "the kernel's own commands are there: lx-version, lx-ps, lx-dmesg" {
	type_in "$kernel" lx-version 'kunit-start pin_user_page.single_page' lx-ps lx-dmesg
	in_order "Linux version 6." "single_page (test=" "kunit_try_catch" "0.000000] Linux version 6."
}

# in_guest COMMAND...: uml/run --gdb, and what is typed when it has stopped
in_guest() {
	GDB="gdb -batch -x $BATS_TEST_TMPDIR/typed" run uml/run --gdb "$@" </dev/null
}

typed() { printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/typed"; }

@test "uml/run --gdb: syscall-break stops in a system call of the command's or a child's" {
	typed 'bt 1' 'syscall-break write' continue 'print count' delete continue
	in_guest sh -c 'true; /bin/echo hello; exit 3'
	[ "$status" = 3 ]
	in_order "sh (pid " "handle_syscall (r=" "#0  handle_syscall" "__se_sys_write (" '$1 = 6' "hello" "exited normally"
}

@test "uml/run --gdb: the kernel's own commands are there, too" {
	typed lx-version lx-ps lx-dmesg
	in_guest sleep 0
	[ "$status" = 0 ]
	in_order "sleep (pid " "Linux version 6." "kthreadd" "sleep" "0.000000] Linux version 6."
}

@test "uml/run --gdb of what is no command says so" {
	typed 'echo still here\n'
	in_guest /etc/passwd
	[ "$status" = 126 ]
	says "uml/run: /etc/passwd: Permission denied"
	says "guest-start: the kernel has ended, and the command has not started; its log says why"
	says_not "still here"
}

@test "gdb attached to a kernel that runs shows its frames, and leaves it running" {
	local out=$BATS_TEST_TMPDIR/out
	mkfifo "$BATS_TEST_TMPDIR/go"
	TMPDIR=$BATS_TEST_TMPDIR uml/run sh -c 'echo up; read -r line; echo "still $line"' \
		<"$BATS_TEST_TMPDIR/go" >"$out" 2>&1 3>&- &
	exec {go}>"$BATS_TEST_TMPDIR/go"
	for _ in {1..300}; do ! grep -q '^up' "$out" || break; sleep 0.1; done
	run gdb -q -batch -x gdbinit -ex bt -ex lx-ps -ex detach "$guest" \
		-p "$(cat "$BATS_TEST_TMPDIR"/uml-run.*/uml/run/pid)" </dev/null
	in_order " start_kernel (" "kthreadd"
	echo up >&"$go"
	wait
	[ "$(cat "$out")" = "up
still up" ]
}

@test "make gdb E2E=name:case stops in the process that runs that case" {
	typed 'bt 1' continue
	GDB="gdb -batch -x $BATS_TEST_TMPDIR/typed" run uml/e2e/run gdb 'short_io:ext2/pread/read_across_end' </dev/null
	[ "$status" = 0 ]
	in_order "short_io (pid " "alarm()" "#0  handle_syscall" "ok 1 - ext2/pread/read_across_end"
}

@test "make gdb E2E= of no test is a line, and a status" {
	run uml/e2e/run gdb nope
	[ "$status" = 1 ]
	[[ $output == "uml/e2e/run: there is no test 'nope'; there are "* ]]
	run uml/e2e/run gdb short_io splice
	[ "$status" = 1 ]
	[[ $output == "uml/e2e/run: gdb takes one test; there are "* ]]
}
