#!/usr/bin/env bats
# The short road (uml/graph.sh) beside a clean kbuild: after each kind of change
# the objects, the archives, what kbuild will read of them, and the kernel itself
# are the same, byte for byte. A tree and a small kernel of its own; ccache makes the clean
# builds bearable, and there is one of the same sources.

setup_file() {
	top=$(cd "$BATS_TEST_DIRNAME/.." && pwd -P)
	tree=${BUILD:-$top/build}/linux-${BASE:-6.1}
	unset T V J ARCH BASE MAKEFLAGS DISTCC_HOSTS
	export CCACHE_DIR=${BUILD:-$top/build}/ccache
	export top tree BUILD=${BUILD:-$top/build}/graph
	export TREE=$BUILD/linux OUT=$BUILD/out KUNITCONFIG=$BUILD/kunitconfig KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP='Thu Jan 1 00:00:00 UTC 1970'
	# "another compiler" makes the same objects: it need not make them
	CCACHE_COMPILERCHECK=string:$(gcc -v 2>&1 | sha1sum)
	export CCACHE_COMPILERCHECK
	rm -rf "$BUILD"
	mkdir -p "$BUILD"
	git -C "$tree" worktree prune
	git -C "$tree" -c core.hooksPath=/dev/null worktree add -qf --detach "$TREE" HEAD
	setup
	{
		printf '%s\n' CONFIG_KUNIT=y CONFIG_KUNIT_EXAMPLE_TEST=y CONFIG_EXPERT=y CONFIG_DEBUG_KERNEL=y CONFIG_DEBUG_INFO_DWARF5=y \
			'# CONFIG_'{BLOCK,KALLSYMS,VIRTIO_UML,UML_PCI_OVER_VIRTIO,HID,USB_SUPPORT,VT,INPUT,HWMON,HW_RANDOM,SUSPEND,IO_URING,COMPACTION,DEVMEM,FTRACE,MCONSOLE,SERIO,SHMEM,SYSFS}' is not set'
		grep 'is not set' "$top/uml/configs/lean.config"
	} >"$KUNITCONFIG"
	long
	sums >"$(clean_sums sums)"
}

teardown() {
	# shellcheck disable=SC2086	# two of them
	[ -z "${distccd-}" ] || kill $distccd 2>/dev/null || :
}

teardown_file() {
	git -C "$tree" worktree remove --force "$TREE"
}

setup() {
	git -C "$TREE" reset -q --hard
	git -C "$TREE" clean -qfd
	ln -sfn "$top/kunit" "$TREE/lib/pin_tests"
}

build() { run "$top/uml/kunit" build; echo "$output"; [ "$status" = 0 ]; }
short() { build && ! grep -q '^building the' <<<"$output"; }	# ninja alone
long() { build && grep -q '^building the' <<<"$output"; }		# kbuild

edit() { # FILE LINE: at its end, as an editor does: a new file in its place
	{ cat "$TREE/$1" && echo "$2"; } >"$TREE/$1.new" && mv "$TREE/$1.new" "$TREE/$1"
}

sums() {
	(cd "$OUT" && find . -type f \( -name '*.o' -o -name '*.a' -o -name '.*.o.cmd' -o -name vmlinux -o -name linux -o -name System.map -o -name vmlinux.symvers -o -name 'modules.builtin*' \) \
		! -path './scripts/*' ! -path './.graph/*' -print0 | sort -z | xargs -0 sha1sum)
}

# What another machine compiles is preprocessed here: it has other columns in its
# debug info where macros were.
sums_of_code() {
	local object
	(cd "$OUT" && find . -name '*.o' -size +0 ! -path './scripts/*' ! -path './.graph/*' | sort |
		while read -r object; do objcopy -g "$object" "$BUILD/code" && echo "$(sha1sum <"$BUILD/code") $object"; done)
}

clean_sums() { # HOW: the file for those of the clean build of these sources, in this configuration
	git -C "$TREE" add -Af
	echo "$BUILD/$1.$({ git -C "$TREE" write-tree && cat "$KUNITCONFIG"; } | sha1sum | cut -c -40)"
}

as_clean() { # [sums_of_code]
	local sums=${1:-sums} clean
	clean=$(clean_sums "$sums")
	$sums >"$BUILD/sums"
	if [ ! -e "$clean" ]; then
		mv "$OUT" "$OUT.kept"
		long && $sums >"$clean.new"
		rm -rf "$OUT"
		mv "$OUT.kept" "$OUT"
		mv "$clean.new" "$clean"
	fi
	# kbuild leaves what is no longer needed
	awk 'NR == FNR { clean[$NF]; next } $NF in clean' "$clean" "$BUILD/sums" >"$BUILD/sums.both"
	diff "$BUILD/sums.both" "$clean" | head -20
	cmp "$BUILD/sums.both" "$clean"
	[ "$(wc -l <"$clean")" -gt 300 ]
}

new() { # FILE: a line that no cache has seen
	edit "$1" "extern const char graph_test_${EPOCHREALTIME/./_}[];"
}

built() { # FILE WORDS: they are in it
	grep -qF -- "$2" "$OUT/$1"
}

lacks() { # FILE WORDS
	run built "$@"
	[ "$status" = 1 ]
}

@test "nothing changed" {
	short
	as_clean
}

# Where a test makes several changes, those for ninja come last, as kbuild would make
# up for what ninja leaves out; and no two have to do with the same objects.
@test "a header, and a source that begins to include it; a source" {
	echo '#define GRAPH_TEST "of a header"' >"$TREE/lib/graph_test.h"
	edit lib/errname.c '#include "graph_test.h"'
	edit lib/errname.c 'const char graph_test_errname[] = GRAPH_TEST;'
	build
	sed -i 's/of a header/another text/' "$TREE/lib/graph_test.h"
	short
	built vmlinux 'another text'
	edit lib/iov_iter.c 'const char graph_test[] = "edited once";'
	short
	built lib/iov_iter.o 'edited once'
	built vmlinux 'edited once'
	as_clean
}

@test "a source of what is not an archive's" {
	edit arch/x86/um/vdso/um_vdso.c 'const char graph_test[] = "of the vdso";'
	long
	built vmlinux 'of the vdso'
	git -C "$TREE" checkout -q arch
	long
}

@test "an included header that is gone" {
	git -C "$TREE" rm -q include/linux/namei.h
	run "$top/uml/kunit" build
	echo "$output"
	[ "$status" != 0 ]
	grep -q 'namei.h' <<<"$output"
	git -C "$TREE" checkout -q HEAD include/linux/namei.h
	build
	as_clean
}

@test "an older file in the place of another; what Kconfig asks about a header; a header of many" {
	edit lib/errname.c 'const char graph_test[] = "the older one";'
	touch -d '1 hour ago' "$TREE/lib/errname.c"
	long
	built vmlinux 'the older one'
	edit lib/Kconfig $'config GRAPH_TEST\n\tdef_bool $(success,grep -qw graph_test $(srctree)/include/linux/fsnotify.h)'
	long
	edit include/linux/fsnotify.h '/* graph test */'
	short
	edit include/linux/fsnotify.h '/* graph_test */'
	long
	grep -q '^CONFIG_GRAPH_TEST=y' "$OUT/.config"
	edit include/linux/uio.h '/* edited */'
	short
	as_clean
}

@test "a header that takes the place of another" {
	{
		sed '$d' "$TREE/include/linux/uio.h"	# less its last line, an #endif
		printf '%s\n' 'static const char graph_test[] __used = "in its place";' '#endif'
	} >"$TREE/arch/um/include/linux/uio.h"
	long
	built lib/iov_iter.o 'in its place'
	as_clean
	rm "$TREE/arch/um/include/linux/uio.h"
	long
	lacks lib/iov_iter.o 'in its place'
}

@test "the configuration that there is" {
	"$TREE/scripts/config" --file "$OUT/.config" --enable CMDLINE_KUNIT_TEST
	long
	grep -q '^CONFIG_CMDLINE_KUNIT_TEST=y' "$OUT/.config"
	"$TREE/scripts/config" --file "$OUT/.config" --disable CMDLINE_KUNIT_TEST
	long
	as_clean
}

@test "the configuration that is asked for; Kconfig; Makefiles; scripts; a generated header" {
	echo CONFIG_LIST_KUNIT_TEST=y >>"$KUNITCONFIG"
	long
	[ -e "$OUT/lib/list-test.o" ]
	edit lib/Kconfig $'config GRAPH_TEST\n\tdef_bool y'
	long
	grep -q '^CONFIG_GRAPH_TEST=y' "$OUT/.config"
	# a file that is new
	echo 'const char graph_test[] = "a new file";' >"$TREE/lib/graph_test.c"
	edit lib/Makefile 'obj-y += graph_test.o'
	long
	built vmlinux 'a new file'
	# one that is gone
	git -C "$TREE" rm -q lib/bust_spinlocks.c
	sed -i 's/bust_spinlocks.o//' "$TREE/lib/Makefile"
	edit lib/errname.c 'void bust_spinlocks(int yes) { }'
	long
	sed -i 's/_stext = \.;/& graph_test_text = .;/' "$TREE/arch/um/kernel/dyn.lds.S"
	edit lib/iov_iter.c 'extern char graph_test_text[]; char *graph_test_at = graph_test_text;'
	long
	edit scripts/Makefile.lib 'CFLAGS_string.o += -DGRAPH_TEST'
	long
	grep -q GRAPH_TEST "$OUT/lib/.string.o.cmd"
	edit arch/um/include/shared/common-offsets.h 'DEFINE(GRAPH_TEST, 42);'
	long
	grep -q GRAPH_TEST "$OUT/include/generated/asm-offsets.h"
	as_clean
	echo '#define GRAPH_TEST_BY_HAND' >>"$OUT/include/generated/asm-offsets.h"
	long
	as_clean
	sed -i '$d' "$KUNITCONFIG"
}

@test "another compiler" {
	mkdir -p "$BUILD/bin"
	cat >"$BUILD/bin/gcc" <<-END
		#!/bin/sh
		[ "\$1" != --version ] || { /usr/bin/gcc --version | sed '1s/\$/ of another make/'; exit; }
		exec /usr/bin/gcc "\$@"
	END
	chmod +x "$BUILD/bin/gcc"
	PATH=$BUILD/bin:$PATH long
	built vmlinux 'of another make'
	long
	lacks vmlinux 'of another make'
	as_clean
}

@test "a commit that is checked out" {
	git -C "$TREE" checkout -q HEAD~12
	build
	as_clean
	git -C "$TREE" checkout -q -
	build
	as_clean
}

@test "a compile error, mended" {
	build
	edit lib/iov_iter.c 'int graph_test(void) { return nothing; }'
	run "$top/uml/kunit" build
	[ "$status" != 0 ]
	grep -q "'nothing' undeclared\|‘nothing’ undeclared" <<<"$output"
	git -C "$TREE" checkout -q lib/iov_iter.c
	short
	as_clean
}

@test "other machines compile, and one goes down" {
	local port
	distccd=
	for port in 3641 3642; do
		distccd --daemon --no-detach --log-stderr --listen 127.0.0.1 --port $port --allow 127.0.0.1 --jobs 2 2>"$BUILD/distccd.$port" 3>&- &
		distccd+=" $!"
	done
	export DISTCC_HOSTS='127.0.0.1:3641/2 127.0.0.1:3642/2'
	new include/linux/namei.h
	short
	grep -q COMPILE_OK "$BUILD/distccd.3641"
	grep -q COMPILE_OK "$BUILD/distccd.3642"
	kill "${distccd##* }"
	new include/linux/namei.h
	short
	unset DISTCC_HOSTS
	as_clean sums_of_code
}

@test "a source that is saved while it is compiled" {
	new lib/iov_iter.c
	"$top/uml/kunit" build &
	until [ -e "$OUT/lib/.iov_iter.o.cmd.new" ]; do sleep 0.01; done
	sleep 0.5	# by now gcc has read it
	edit lib/iov_iter.c 'const char graph_test[] = "saved meanwhile";'
	wait $!
	lacks lib/iov_iter.o 'saved meanwhile'
	short
	built lib/iov_iter.o 'saved meanwhile'
	as_clean
}

@test "a source that is saved between ccache and the compiler" {
	edit lib/Kconfig $'config GRAPH_TEST\n\tdef_bool y'
	new lib/iov_iter.c
	cp "$TREE/lib/iov_iter.c" "$BUILD/before.c"
	{ cat "$BUILD/before.c" && echo 'const char graph_test[] = "saved meanwhile";'; } >"$BUILD/saved.c"
	mkdir -p "$BUILD/saves"
	cat >"$BUILD/saves/distcc" <<-END	# it is called there
		#!/bin/sh
		case "\$*" in *lib/iov_iter.c*) [ ! -e "$BUILD/saved.c" ] || mv "$BUILD/saved.c" "$TREE/lib/iov_iter.c" ;; esac
		exec "\$@"
	END
	chmod +x "$BUILD/saves/distcc"
	PATH=$BUILD/saves:$PATH DISTCC_HOSTS=localhost J=2 long
	[ ! -e "$BUILD/saved.c" ]
	long
	built lib/iov_iter.o 'saved meanwhile'
	as_clean
	mv "$BUILD/before.c" "$TREE/lib/iov_iter.c"
	touch "$TREE/lib/Kconfig"
	long
	lacks lib/iov_iter.o 'saved meanwhile'
}

@test "killed in the middle of it" {
	new include/linux/uio.h
	for signal in KILL INT TERM; do
		setsid "$top/uml/kunit" build &
		sleep 3
		kill -s $signal -- -$! || :
		wait $! || :
	done
	build
	as_clean
	edit lib/iov_iter.c 'const char graph_test[] = "edited once";'
	short
	git -C "$TREE" checkout -q lib/iov_iter.c
	short
	# a link that did not get to its end
	: >"$OUT/.graph/running"
	head -c 1000 "$OUT/vmlinux" >"$OUT/vmlinux.new" && mv "$OUT/vmlinux.new" "$OUT/vmlinux"
	long
	as_clean
}
