#!/usr/bin/env bats
# uml/kunit on a make-believe kernel: a shell script that says what a kernel
# would. kunit.py is the tree's own.

setup() {
	top=$(cd "$BATS_TEST_DIRNAME/.." && pwd -P)
	export BUILD=$BATS_TEST_TMPDIR/build TREE=$BATS_TEST_TMPDIR/linux TIMEOUT=5
	unset T V J ARCH OUT KUNITCONFIG BASE
	mkdir -p "$TREE/tools/testing" "$TREE/lib/pin_tests"
	cp -r "$top/build/linux-${BASE:-6.1}/tools/testing/kunit" "$TREE/tools/testing/"
	echo CONFIG_KUNIT=y >"$TREE/lib/pin_tests/.kunitconfig"
	printf 'all:\n\tcp kernel $(O)/linux && chmod +x $(O)/linux\nolddefconfig:\n' >"$TREE/Makefile"
	out=$BUILD/um-6.1
}

# kernel LINES...: after the boot messages it says LINES and halts
kernel() {
	{
		echo '#!/bin/sh'
		echo 'cat <<END'
		printf '%s\n' 'Linux version 6.1' 'TAP version 14' "$@" END
	} >"$TREE/kernel"
}

suite() { # RESULT...: of the cases of one suite
	local r n=0 bad=ok
	printf '1..1\n    # Subtest: suite\n    1..%d\n' $#
	for r; do
		n=$((n + 1))
		case $r in
		ok) echo "    ok $n - case_$n" ;;
		skip) echo "    ok $n - case_$n # SKIP needs CONFIG_X" ;;
		*) echo "    not ok $n - case_$n"; bad='not ok' ;;
		esac
	done
	echo "$bad 1 - suite"
}

fails() { # COMMAND...: non-zero, with one line for the user that begins with our name
	run "$@"
	echo "$output"
	[ "$status" != 0 ] && [ "$(grep -c '^uml/kunit: ' <<<"$output")" = 1 ]
}

says() { grep -qF -- "$1" <<<"$output" || { echo "missing: $1"; return 1; }; }

@test "all pass" {
	kernel "$(suite ok ok ok)"
	run "$top/uml/kunit" run
	echo "$output"
	[ "$status" = 0 ]
	says "3 passed, 0 failed, 0 skipped"
	[ "$(cat "$BUILD/tally/kunit-um")" = "3 0 0" ]
	[ -s "$out/test.log" ]
}

@test "one fails" {
	kernel "$(suite ok bad ok)"
	fails "$top/uml/kunit" run
	says "1 of 3 tests failed; log: $out/test.log"
	says "[FAILED] case_2"
	[ "$(cat "$BUILD/tally/kunit-um")" = "2 1 0" ]
}

@test "one is skipped" {
	kernel "$(suite ok skip ok)"
	run "$top/uml/kunit" run
	echo "$output"
	[ "$status" = 0 ]
	says "2 passed, 0 failed, 1 skipped"
}

@test "the kernel panics" {
	kernel "$(suite ok ok ok | head -4)" 'Kernel panic - not syncing: Fatal exception'
	fails "$top/uml/kunit" run
	says "the kernel panicked; log: $out/test.log"
	says "Kernel panic - not syncing: Fatal exception"
}

@test "addresses get their names" {
	kernel "$(suite ok ok ok | head -4)" 'Kernel panic - not syncing: at 0x0000000060174a35'
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\nprintf "0x0000000060174a35\\ninlined\\n%s/a.h:1\\nouter\\nb.c:2 (discriminator 1)\\n"\n' "$TREE" >"$BATS_TEST_TMPDIR/bin/addr2line"
	chmod +x "$BATS_TEST_TMPDIR/bin/addr2line"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH fails "$top/uml/kunit" run
	says "syncing: at outer (a.h:1 b.c:2)"
	grep -F "at outer (a.h:1 b.c:2)" "$out/test.log"
}

@test "the kernel hangs, and nothing of it is left" {
	kernel "$(suite ok ok ok | head -4)"
	echo "echo \$\$ >$BATS_TEST_TMPDIR/pid; exec sleep 1000" >>"$TREE/kernel"
	TIMEOUT=1 fails "$top/uml/kunit" run
	says "the kernel hung, and was stopped after 1 s; log: $out/test.log"
	[ ! -e "/proc/$(cat "$BATS_TEST_TMPDIR/pid")" ]
}

@test "two at a time" {
	kernel "$(suite ok ok ok)"
	echo 'sleep 2' >>"$TREE/kernel"
	"$top/uml/kunit" run >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	until [ -e "$out/.lock" ]; do sleep 0.05; done
	run "$top/uml/kunit" run
	echo "$output"
	[ "$status" = 0 ]
	says "waiting for another run in"
	says "3 passed, 0 failed, 0 skipped"
	wait $!
	grep "3 passed, 0 failed, 0 skipped" "$BATS_TEST_TMPDIR/first"
}

@test "all pass, but the kernel warns" {
	kernel 'WARNING: CPU: 0 PID: 7 at mm/gup.c:1 f+0x1/0x2' "$(suite ok ok)"
	fails "$top/uml/kunit" run
	says "all tests passed, but the kernel complained; log: $out/test.log"
	says "WARNING: CPU: 0 PID: 7 at mm/gup.c:1"
}

@test "the kernel warns after the last test" {
	kernel "$(suite ok ok)"
	printf 'sleep 1\necho "WARNING: CPU: 0 PID: 7 at mm/gup.c:1 f+0x1/0x2"\n' >>"$TREE/kernel"
	fails "$top/uml/kunit" run
	says "all tests passed, but the kernel complained; log: $out/test.log"
}

@test "the kernel stops before the first test" {
	kernel
	fails "$top/uml/kunit" run
	says "no test ran; log:"
}

@test "T matches nothing" {
	kernel '1..0'
	T=no_such_suite fails "$top/uml/kunit" run
	says "T=no_such_suite matches none"
}

@test "T gets to the kernel" {
	kernel "$(suite ok)"
	echo 'echo "command line: $*"' >>"$TREE/kernel"
	T='suite.*1' run "$top/uml/kunit" run
	grep -qF 'kunit.filter_glob=suite.*1' "$out/test.log"
}

@test "an option that does not stick is named" {
	kernel "$(suite ok)"
	echo CONFIG_NO_SUCH_OPTION=y >>"$TREE/lib/pin_tests/.kunitconfig"
	printf '\tsed -i /NO_SUCH/d $(O)/.config\n' >>"$TREE/Makefile"
	fails "$top/uml/kunit" run
	says "CONFIG_NO_SUCH_OPTION=y"
	says "$BUILD/logs/kunit-build-um.log"
}

@test "a compile error is shown" {
	printf 'all:\n\t@echo "lib/x.c:3:1: error: expected ;" >&2; false\nolddefconfig:\n' >"$TREE/Makefile"
	fails "$top/uml/kunit" run
	says "lib/x.c:3:1: error: expected ;"
	says "the kernel does not build"
	says "$BUILD/logs/kunit-build-um.log"
}

@test "a full disk is named" {
	printf 'all:\n\t@echo "x.o: final close failed: No space left on device" >&2; false\nolddefconfig:\n' >"$TREE/Makefile"
	fails "$top/uml/kunit" run
	says "no space left in $BUILD"
}

@test "no kernel tree" {
	rm -r "$TREE"
	fails "$top/uml/kunit" run
	says "there is no kernel tree in $TREE; run 'make tree'"
}

@test "a tree without the tests" {
	rm -r "$TREE/lib/pin_tests"
	fails "$top/uml/kunit" run
	says "has no lib/pin_tests"
}

@test "a program is missing" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	for p in bash env realpath date mkdir touch awk sed grep cat python3 gcc make bison bc perl; do
		ln -s "$(command -v $p)" "$BATS_TEST_TMPDIR/bin/$p"
	done
	PINLAB_NO_APT=1 PATH=$BATS_TEST_TMPDIR/bin fails "$top/uml/kunit" run
	says "flex"
}

@test "exec without a kernel" {
	fails "$top/uml/kunit" exec
	says "there is no kernel in $out"
}

@test "no such command" {
	fails "$top/uml/kunit" frobnicate
	says "use build, exec, run or gdb"
}

@test "V=1 prints the commands and each test" {
	kernel "$(suite ok ok)"
	V=1 run "$top/uml/kunit" run
	echo "$output"
	says "+ python3 tools/testing/kunit/kunit.py parse"
	says "[PASSED] case_1"
}

sees() { # WORDS: the running make watch says them within 20 s
	local n
	for ((n = 0; n < 200; n++)); do
		[[ $(<"$BATS_TEST_TMPDIR/seen") != *"$1"* ]] || { : >"$BATS_TEST_TMPDIR/seen"; return 0; }
		sleep 0.1
	done
	echo "never said: $1, but:"
	cat "$BATS_TEST_TMPDIR/seen"
	return 1
}

@test "watch: what fails, where, and what is otherwise than before" {
	kernel "$(suite ok ok)"
	: >"$BATS_TEST_TMPDIR/seen"
	"$top/uml/watch" >>"$BATS_TEST_TMPDIR/seen" 2>&1 3>&- &
	watch=$!
	sees '2 passed, 0 failed'
	kernel "$(suite ok ok | sed 's/^    ok 2/    # case_2: EXPECTATION FAILED at lib\/a_test.c:7\n    Expected 1 == 2\n    not ok 2/;s/^ok 1/not ok 1/')"
	: >"$TREE/lib/a.c"
	sees 'NEW   suite.case_2  lib/a_test.c:7
      Expected 1 == 2'
	kernel "$(suite bad bad)"
	: >"$TREE/lib/.a.c.swp"		# not to be looked at
	: >"$TREE/lib/a.h"
	sees 'NEW   suite.case_1  [FAILED]
still suite.case_2'
	printf 'all:\n\t@echo "a.c:1:2: error: nothing" >&2; false\nolddefconfig:\n' >"$TREE/Makefile"
	sees 'a.c:1:2: error: nothing'
	printf 'all:\n\tcp kernel $(O)/linux && chmod +x $(O)/linux\nolddefconfig:\n' >"$TREE/Makefile"
	sees '2 of 2 tests failed'
	kernel "$(suite ok ok)"
	rm "$TREE/lib/a.h"
	sees 'fixed suite.case_1'
	kill $watch
	! wait $watch
}

@test "watch: no kernel tree" {
	rm -r "$TREE"
	run "$top/uml/watch"
	[ "$status" != 0 ]
	[ ${#lines[@]} = 1 ]
	says "uml/watch: there is no kernel tree in $TREE; run 'make tree'"
}

@test "clangd: no kernel" {
	run "$top/uml/clangd"
	[ "$status" != 0 ]
	[ ${#lines[@]} = 1 ]
	says "uml/clangd: there is no kernel in $out; run 'make kunit'"
}
