#!/usr/bin/env bats
# uml/e2e/run on make-believe tests, shell scripts, and a make-believe uml/run.

setup() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd -P)
	lab=$BATS_TEST_TMPDIR/lab
	export BUILD=$BATS_TEST_TMPDIR/build J=2
	unset T V KERNEL E2E_PINS E2E_BUGS TIMEOUT BASE
	mkdir -p "$lab/uml/e2e" "$lab/linux-patches"
	cp "$top/linux-patches/common.sh" "$lab/linux-patches/"
	cp "$top/uml/e2e/run" "$lab/uml/e2e/"
	# shellcheck disable=SC2016	# it is make that expands it
	printf 'all:\n\tset -e; for t in $(dir $(lastword $(MAKEFILE_LIST)))*.sh; do install $$t $(O)/$$(basename $$t .sh); done\n' \
		>"$lab/uml/e2e/Makefile"
	cat >"$lab/uml/run" <<-'END'
		#!/bin/sh
		echo "$*" >>"$BUILD/calls"
		while [ "$1" != -- ]; do shift; done
		shift
		exec "$@"
	END
	chmod +x "$lab/uml/run"
}

# program NAME STATUS LINE...: it says LINES
program() {
	local name=$1 status=$2
	shift 2
	printf '// e2e: --disk 5M --append "a b"\nint main(void)\n' >"$lab/uml/e2e/$name.c"
	{
		printf '#!/bin/sh\ncat <<"END"\n'
		printf '%s\n' 'KTAP version 1' "$@" END
		echo "exit $status"
	} >"$lab/uml/e2e/$name.sh"
}

e2e() { # STATUS ARG...
	local want=$1
	shift
	run "$lab/uml/e2e/run" "$@"
	echo "$output"
	[ "$status" = "$want" ]
}

says() { grep -qF -- "$1" <<<"$output" || { echo "missing: $1"; return 1; }; }
silent() { ! grep -qF -- "$1" <<<"$output" || { echo "unwanted: $1"; return 1; }; }

@test "all pass" {
	program one 0 1..2 'ok 1 - a' 'ok 2 - b'
	program two 0 1..1 'ok 1 - c'
	e2e 0
	says "3 passed, 0 failed, 0 skipped in"
	silent "ok 1 - a"
	[ "$(cat "$BUILD/tally/e2e")" = "3 0 0" ]
	grep -q 'ok 2 - b' "$BUILD/logs/e2e-one.log"
}

@test "a failure is shown with what was said of it, and of no other case" {
	program one 1 1..3 '# of a' 'ok 1 - a' '# of b' 'not ok 2 - b' '# of c' 'ok 3 - c'
	program two 0 1..1 'ok 1 - d'
	e2e 1
	says "one               2 passed, 1 failed, 0 skipped"
	says "# of b"
	says "not ok 2 - b"
	silent "# of a"
	silent "# of c"
	[ "$(cat "$BUILD/tally/e2e")" = "3 1 0" ]
}

@test "skips, and what an unpatched kernel is known for, with their reasons" {
	program one 0 1..4 'ok 1 - a' 'ok 2 - b # SKIP no disk' 'ok 3 - c # SKIP no disk' \
		'not ok 4 - d # TODO it is old'
	e2e 0
	says "1 passed, 0 failed, 3 skipped"
	says "SKIP no disk (2)"
	says "TODO it is old (1)"
}

@test "all are skipped" {
	program one 77 1..1 'ok 1 - a # SKIP no disk'
	e2e 0
	says "0 passed, 0 failed, 1 skipped"
}

@test "the kernel complains although all pass" {
	program one 125 1..1 'ok 1 - a' 'WARNING: at x.c:1' 'uml/run: the kernel complained; log: x'
	e2e 1
	says "1 passed, 1 failed, 0 skipped"
	says "WARNING: at x.c:1"
	says "uml/run: the kernel complained"
}

@test "cases that never came have failed" {
	program one 124 1..5 'ok 1 - a' 'uml/run: still not done'
	e2e 1
	says "1 passed, 4 failed, 0 skipped"
	says "uml/run: still not done"
}

@test "it does not get to a plan" {
	program one 1 '# e2e.c:1: no case is called nope'
	e2e 1
	says "0 passed, 1 failed"
	says "no case is called nope"
}

@test "one of them, and some of its cases" {
	program one 0 1..1 'ok 1 - a'
	program two 1 1..1 'not ok 1 - b'
	TIMEOUT=7 KERNEL=k e2e 0 'one:x?y*'
	says "1 passed, 0 failed"
	grep -qF -- "--kernel k --timeout 7" "$BUILD/calls"
	grep -qF -- "--disk 5M --append a b -- $BUILD/e2e/one x?y*" "$BUILD/calls"
}

@test "some of them in one word, as make hands them on" {
	program one 0 1..1 'ok 1 - a'
	program two 0 1..1 'ok 1 - b'
	program three 1 1..1 'not ok 1 - c'
	e2e 0 'one two'
	says "2 passed, 0 failed"
}

@test "no such test" {
	program one 0 1..1 'ok 1 - a'
	program two 0 1..1 'ok 1 - b'
	e2e 1 three
	says "there is no test 'three'; there are one two"
}

@test "one is named twice" {
	program one 0 1..1 'ok 1 - a'
	e2e 1 one:a one:b
	says "one is named twice"
}

@test "a test does not compile" {
	program one 0 1..1 'ok 1 - a'
	# shellcheck disable=SC2016	# it is make that expands it
	printf 'all:\n\t@echo "one.c:3:1: error: expected ;" >&2; false\n' >"$lab/uml/e2e/Makefile"
	e2e 1
	says "one.c:3:1: error: expected ;"
	says "the end-to-end tests do not compile"
}

@test "V=1 shows all that they say" {
	program one 0 1..1 '# well' 'ok 1 - a'
	V=1 e2e 0
	says "# well"
	says "ok 1 - a"
}
